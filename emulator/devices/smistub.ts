/**
 * What is left of system management interrupts on a machine without system management mode: firmware that looks finds
 * the interrupt of the command port taken already, and the status port keeps what is put there.
 */
import type { AccessSize, Bus, Mapping, PortHandler } from '../bus/device';
import { BytePorts } from './byteports';

/** APM status port, beside the command port 0xB2. */
const STATUS_PORT = 0xb3;
/** SMI_EN in the ICH's power management ports (I/O Controller Hub 9 datasheet, 13.8.3.7). */
const SMI_EN = 0x30;
const SMI_EN_LENGTH = 8;
const APMC_EN = 0x20;

/** The status port; its register is the owner's. */
export class ApmStatus extends BytePorts {
  constructor(private readonly register: { apms: number }) {
    super();
  }

  attach(bus: Bus, owner: string): void {
    bus.addPorts(STATUS_PORT, 1, this, owner);
  }

  protected readByte(port: number): number {
    return port === STATUS_PORT ? this.register.apms : 0xff;
  }

  protected writeByte(port: number, value: number): void {
    if (port === STATUS_PORT) this.register.apms = value;
  }
}

/** SMI_EN and SMI_STS, read-only, behind the power management blocks. */
export class SmiEnable implements PortHandler {
  private window: Mapping | undefined;
  private base = 0;

  attach(bus: Bus, owner: string): void {
    this.window = bus.addPorts(SMI_EN, SMI_EN_LENGTH, this, owner);
    this.place(null);
  }

  place(base: number | null): void {
    this.base = base ?? 0;
    this.window?.move(base === null ? null : base + SMI_EN);
  }

  portRead(port: number, size: AccessSize): number {
    const register = port - this.base - SMI_EN < 4 ? APMC_EN : 0;
    return ((register >>> (8 * (port & 3))) & (size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff)) >>> 0;
  }

  portWrite(): void {}
}
