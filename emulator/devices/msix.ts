/** MSI-X: PCI Local Bus Specification 3.0, 6.8.2. A capability, a table of messages and a bit array of those that are held back, in a BAR. */
import type { AccessSize, MmioHandler } from '../bus/device';
import { bit, bytes, fields, group, list, u16, u32, type Bytes, type Group, type List, type StateOf, type U16 } from '../bus/fields';
import type { Capability } from './pcicapability';

const ENTRY = {
  address: u32('Message Address'),
  addressHigh: u32('Message Upper Address'),
  data: u32('Message Data'),
  control: u32('Vector Control', { MASK: bit(0, 'Masked') }, 1),
};
const ENTRY_LENGTH = 16;
const MASKED = 1;
const CONTROL = { ENABLE: 0x8000, FUNCTION_MASK: 0x4000 } as const;

/** State of a function with so many vectors. */
export const msixFields = (vectors: number): MsixTable =>
  fields({
    control: u16('Message Control', { FUNCTION_MASK: bit(14, 'All vectors are masked'), ENABLE: bit(15, 'MSI-X Enable') }),
    table: list(vectors, 'Messages', group('Message', ENTRY)),
    pending: bytes(pendingLength(vectors), 'Pending bits'),
  });
export type MsixTable = { readonly control: U16; readonly table: List<Group<typeof ENTRY>>; readonly pending: Bytes };
const pendingLength = (vectors: number): number => Math.ceil(vectors / 64) * 8;

export interface MsixOptions {
  /** 1 to 2048. */
  readonly vectors: number;
  /** BAR that holds both, and where in it; multiples of 8. */
  readonly bar: number;
  readonly tableOffset: number;
  readonly pendingOffset: number;
  /** The write that delivers a message. */
  readonly send: (address: number, data: number) => void;
}

export class MsixCapability implements Capability {
  readonly id = 0x11;
  readonly length = 12;

  constructor(
    private readonly options: MsixOptions,
    private readonly registers: () => StateOf<MsixTable>,
  ) {}

  get enabled(): boolean {
    return (this.registers().control & CONTROL.ENABLE) !== 0;
  }

  /** Sends a message, or notes it where it is masked. */
  signal(vector: number): void {
    const { control, table, pending } = this.registers();
    const entry = table[vector];
    if (!entry || !this.enabled) return;
    if (control & CONTROL.FUNCTION_MASK || entry.control & MASKED) pending[vector >> 3]! |= 1 << (vector & 7);
    else this.options.send(entry.addressHigh * 2 ** 32 + entry.address, entry.data);
  }

  // ── The capability ───────────────────────────────────────────────────────────────────────

  read(register: number): number {
    const { vectors, bar, tableOffset, pendingOffset } = this.options;
    switch (register) {
      case 0x0:
        return ((this.registers().control | (vectors - 1)) << 16) >>> 0;
      case 0x4:
        return tableOffset | bar;
      case 0x8:
        return pendingOffset | bar;
      default:
        return 0;
    }
  }

  write(register: number, value: number, mask: number): void {
    if (register !== 0) return;
    const state = this.registers();
    const writable = ((CONTROL.ENABLE | CONTROL.FUNCTION_MASK) << 16) & mask;
    state.control = (((state.control << 16) & ~writable) | (value & writable)) >>> 16;
    this.deliver();
  }

  // ── Table and pending bits ───────────────────────────────────────────────────────────────

  /** For the BAR: whether an offset lies in the table or the pending bits. */
  covers(offset: number): boolean {
    const { vectors, tableOffset, pendingOffset } = this.options;
    return (
      (offset >= tableOffset && offset < tableOffset + vectors * ENTRY_LENGTH) || (offset >= pendingOffset && offset < pendingOffset + pendingLength(vectors))
    );
  }

  /** A handler for a BAR that holds nothing else. */
  get window(): MmioHandler {
    return {
      mmioRead: (offset, size) => this.mmioRead(offset, size),
      mmioWrite: (offset, size, value) => this.mmioWrite(offset, size, value),
    };
  }

  /** Software reads doublewords and quadwords; others get the bytes that are there. */
  mmioRead(offset: number, size: AccessSize): number {
    const value = this.doubleword(offset & ~3) >>> (8 * (offset & 3));
    return (size === 4 ? value : value & (size === 2 ? 0xffff : 0xff)) >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const { vectors, tableOffset } = this.options;
    const entry = this.registers().table[Math.floor((offset - tableOffset) / ENTRY_LENGTH)];
    // Narrower writes are undefined (6.8.2), and the pending bits are read-only.
    if (!entry || offset < tableOffset || offset >= tableOffset + vectors * ENTRY_LENGTH || size !== 4 || offset & 3) return;
    const number = value >>> 0;
    switch ((offset - tableOffset) % ENTRY_LENGTH) {
      case 0:
        entry.address = (number & 0xfffffffc) >>> 0;
        break;
      case 4:
        entry.addressHigh = number;
        break;
      case 8:
        entry.data = number;
        break;
      default:
        entry.control = number & MASKED;
        this.deliver();
    }
  }

  private doubleword(offset: number): number {
    const { tableOffset, pendingOffset, vectors } = this.options;
    const { table, pending } = this.registers();
    const at = offset - pendingOffset;
    if (at >= 0 && at < pendingLength(vectors)) return (pending[at]! | (pending[at + 1]! << 8) | (pending[at + 2]! << 16) | (pending[at + 3]! << 24)) >>> 0;
    const entry = offset < tableOffset ? undefined : table[Math.floor((offset - tableOffset) / ENTRY_LENGTH)];
    if (!entry) return 0;
    return [entry.address, entry.addressHigh, entry.data, entry.control][((offset - tableOffset) % ENTRY_LENGTH) >> 2]!;
  }

  /** What was held back and may go now. */
  private deliver(): void {
    const { control, table, pending } = this.registers();
    if (!this.enabled || control & CONTROL.FUNCTION_MASK) return;
    table.forEach((entry, vector) => {
      if (entry.control & MASKED || !(pending[vector >> 3]! & (1 << (vector & 7)))) return;
      pending[vector >> 3]! &= ~(1 << (vector & 7));
      this.options.send(entry.addressHigh * 2 ** 32 + entry.address, entry.data);
    });
  }
}
