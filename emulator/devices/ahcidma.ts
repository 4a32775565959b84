/** How the AHCI adapter reaches memory: only RAM, and what the guest wrote there is read once. */
import type { PhysicalMemory } from '../bus/device';

/** The command can't go on; `bit` is the one of PxIS that says why (AHCI 1.3.1, 6.1). */
export class PortFault extends Error {
  constructor(
    readonly bit: number,
    what: string,
  ) {
    super(what);
    this.name = 'PortFault';
  }
}

const MOST = 2n ** 52n;
const ENTRY = 16;
/** Entries of a table that are read at once. */
const BATCH = 64;

export interface DmaCauses {
  readonly hostBus: number;
  readonly overflow: number;
}

export class AhciDma {
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly reachable: (address: number, length: number) => boolean,
    readonly causes: DmaCauses,
  ) {}

  read(address: bigint | number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.memory.read(this.checked(address, length), bytes);
    return bytes;
  }
  fill(address: number, into: Uint8Array): void {
    this.memory.read(address, into);
  }
  write(address: bigint | number, bytes: Uint8Array): void {
    this.memory.write(this.checked(address, bytes.length), bytes);
  }

  checked(address: bigint | number, length: number): number {
    const at = Number(address);
    if (BigInt(address) >= MOST || !this.reachable(at, length)) throw new PortFault(this.causes.hostBus, `no memory at 0x${at.toString(16)}`);
    return at;
  }
}

interface Segment {
  readonly at: number;
  readonly length: number;
  readonly interrupt: boolean;
}

/** Physical Region Descriptor Table of a command (4.2.3.3): its data, taken from first to last. */
export class Scatter {
  /** Bytes that went by. */
  moved = 0;
  /** A descriptor that asks for an interrupt has been used up. */
  processed = false;
  private readonly segments: Segment[] = [];
  private room = 0;
  private entry = 0;
  private segment = 0;
  private inside = 0;

  constructor(
    private readonly dma: AhciDma,
    private readonly table: bigint,
    private readonly entries: number,
  ) {}

  /** So much is to be moved: all of its place is looked at before anything is done. */
  expect(length: number): void {
    const { dma } = this;
    while (this.room < length && this.entry < this.entries) {
      const count = Math.min(BATCH, this.entries - this.entry);
      const view = new DataView(dma.read(this.table + BigInt(ENTRY * this.entry), ENTRY * count).buffer);
      for (let i = 0; i < count && this.room < length; i++) {
        const last = view.getUint32(ENTRY * i + 12, true);
        const size = (last & 0x3ffffe) + 2;
        const at = dma.checked(view.getBigUint64(ENTRY * i, true) & ~1n, Math.min(size, length - this.room));
        this.segments.push({ at, length: size, interrupt: last >= 0x80000000 });
        this.room += size;
      }
      this.entry += count;
    }
    if (this.room < length) throw new PortFault(dma.causes.overflow, `descriptors have ${this.room} bytes of ${length}`);
  }

  /** Of what was expected, the next bytes: from the guest, or to it. */
  fromGuest(into: Uint8Array): void {
    this.each(into, (at, piece) => this.dma.fill(at, piece));
  }
  toGuest(from: Uint8Array): void {
    this.each(from, (at, piece) => this.dma.write(at, piece));
  }

  private each(bytes: Uint8Array, move: (at: number, piece: Uint8Array) => void): void {
    for (let done = 0; done < bytes.length;) {
      const { at, length, interrupt } = this.segments[this.segment]!;
      const piece = bytes.subarray(done, done + length - this.inside);
      move(at + this.inside, piece);
      done += piece.length;
      this.inside += piece.length;
      this.moved += piece.length;
      if (this.inside < length) continue;
      this.processed ||= interrupt;
      this.segment++;
      this.inside = 0;
    }
  }
}
