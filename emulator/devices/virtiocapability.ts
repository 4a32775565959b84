/** Where the parts of a device are: vendor-specific capabilities of VIRTIO 1.2, 4.1.4. */
import type { AccessSize, MmioHandler } from '../bus/device';
import { fields, u32, u8, type StateOf } from '../bus/fields';
import type { Capability } from './pcicapability';

export const STRUCTURE = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
const VENDOR_SPECIFIC = 0x09;

export interface StructurePlace {
  readonly type: (typeof STRUCTURE)[keyof typeof STRUCTURE];
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
  /** Distance of queues in the notification structure. */
  readonly multiplier?: number;
}

export class StructureCapability implements Capability {
  readonly id = VENDOR_SPECIFIC;
  readonly length: number;

  constructor(private readonly place: StructurePlace) {
    this.length = place.multiplier === undefined ? 16 : 20;
  }

  read(register: number): number {
    const { type, bar, offset, length, multiplier = 0 } = this.place;
    return [((this.length << 16) | (type << 24)) >>> 0, bar, offset, length, multiplier][register >> 2] ?? 0;
  }
  write(): void {
    // Nothing of it can be changed.
  }
}

export const accessFields = fields({
  bar: u8('BAR'),
  offset: u32('Offset'),
  length: u32('Length: 1, 2 or 4'),
});

/** A window for software that can't reach the BARs (4.1.4.9). */
export class AccessCapability implements Capability {
  readonly id = VENDOR_SPECIFIC;
  readonly length = 20;

  constructor(
    private readonly registers: () => StateOf<typeof accessFields>,
    private readonly bar: number,
    private readonly size: number,
    private readonly handler: MmioHandler,
  ) {}

  read(register: number): number {
    const { bar, offset, length } = this.registers();
    const access = this.access();
    return [((this.length << 16) | (STRUCTURE.PCI << 24)) >>> 0, bar, offset, length, access ? this.handler.mmioRead(offset, access) : 0][register >> 2] ?? 0;
  }

  write(register: number, value: number, mask: number): void {
    const state = this.registers();
    const merge = (old: number): number => ((old & ~mask) | (value & mask)) >>> 0;
    switch (register) {
      case 0x4:
        state.bar = merge(state.bar) & 0xff;
        break;
      case 0x8:
        state.offset = merge(state.offset);
        break;
      case 0xc:
        state.length = merge(state.length);
        break;
      case 0x10: {
        const access = this.access();
        if (access) this.handler.mmioWrite(state.offset, access, (value & mask) >>> 0);
        break;
      }
      default: // id and type are what they are
        break;
    }
  }

  private access(): AccessSize | undefined {
    const { bar, offset, length } = this.registers();
    const fits = bar === this.bar && (length === 1 || length === 2 || length === 4) && offset % length === 0 && offset + length <= this.size;
    return fits ? length : undefined;
  }
}
