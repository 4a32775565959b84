import type { AccessSize, PortHandler } from '../bus/device';

/** An 8-bit chip on the ISA bus: wider accesses become byte accesses to consecutive ports, lowest first. */
export abstract class BytePorts implements PortHandler {
  protected abstract readByte(port: number): number;
  protected abstract writeByte(port: number, value: number): void;

  portRead(port: number, size: AccessSize): number {
    let value = this.readByte(port);
    for (let i = 1; i < size; i++) value |= this.readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }
}
