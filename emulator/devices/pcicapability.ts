/** Capabilities of a PCI function: PCI Local Bus Specification 3.0, 6.7 and 6.8. */
import { bit, bits, fields, u16, u32, type StateOf } from '../bus/fields';

/** Registers by doubleword from the capability's start; id and next pointer are the function's affair. */
export interface Capability {
  readonly id: number;
  /** Bytes. */
  readonly length: number;
  read(register: number): number;
  write(register: number, value: number, mask: number): void;
}

export const msiFields = fields({
  control: u16('Message Control', {
    ENABLE: bit(0, 'MSI Enable'),
    MME: bits(6, 4, 'Multiple Message Enable, log 2'),
  }),
  address: u32('Message Address'),
  addressHigh: u32('Message Upper Address'),
  data: u16('Message Data'),
});

const CONTROL = { ENABLE: 0x01, MME: 0x70, ADDRESS_64: 0x80 } as const;

/** MSI with 64-bit address and without per-vector masks (6.8.1). */
export class MsiCapability implements Capability {
  readonly id = 0x05;
  readonly length = 14;

  /** `vectors` is a power of two up to 32; `send` is the write that delivers a message. */
  constructor(
    private readonly vectors: number,
    private readonly registers: () => StateOf<typeof msiFields>,
    private readonly send: (address: number, data: number) => void,
  ) {}

  get enabled(): boolean {
    return (this.registers().control & CONTROL.ENABLE) !== 0;
  }

  /** Sends a message; a function that got fewer vectors than it asked for shares them. */
  signal(vector: number): void {
    if (!this.enabled) return;
    const { control, address, addressHigh, data } = this.registers();
    const allocated = Math.min(1 << ((control & CONTROL.MME) >> 4), this.vectors);
    this.send(addressHigh * 2 ** 32 + address, (data & ~(allocated - 1)) | (vector & (allocated - 1)));
  }

  read(register: number): number {
    const msi = this.registers();
    switch (register) {
      case 0x0:
        return ((msi.control | CONTROL.ADDRESS_64 | (Math.log2(this.vectors) << 1)) << 16) >>> 0;
      case 0x4:
        return msi.address;
      case 0x8:
        return msi.addressHigh;
      case 0xc:
        return msi.data;
      default:
        return 0;
    }
  }

  write(register: number, value: number, mask: number): void {
    const msi = this.registers();
    const merge = (old: number, writable: number): number => ((old & ~(mask & writable)) | (value & mask & writable)) >>> 0;
    switch (register) {
      case 0x0:
        msi.control = merge(msi.control << 16, (CONTROL.ENABLE | CONTROL.MME) << 16) >>> 16;
        break;
      case 0x4:
        msi.address = merge(msi.address, 0xfffffffc);
        break;
      case 0x8:
        msi.addressHigh = merge(msi.addressHigh, 0xffffffff);
        break;
      case 0xc:
        msi.data = merge(msi.data, 0xffff);
        break;
      default:
        break;
    }
  }
}
