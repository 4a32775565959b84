/** Data of NVMe commands: Physical Region Pages (NVM Express 1.4, 4.3). Lists may hold anything: each is read once and checked. */
import type { PhysicalMemory } from '../bus/device';

export const PAGE = 4096;
const MOST = 2n ** 52n;
/** Entries of a page of a list. */
const ENTRIES = PAGE / 8;

/** What the guest gave is no memory, or is not aligned: the command fails with this status. */
export class PrpError extends Error {
  constructor(
    readonly status: number,
    what: string,
  ) {
    super(what);
    this.name = 'PrpError';
  }
}
export const PRP_STATUS = { TRANSFER: 0x04, OFFSET: 0x13 } as const;

interface Segment {
  readonly at: number;
  readonly length: number;
}

export class NvmeDma {
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly reachable: (address: number, length: number) => boolean,
  ) {}

  valid(address: bigint, length: number): boolean {
    return address < MOST && this.reachable(Number(address), length);
  }

  read(address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.memory.read(this.checked(address, length), bytes);
    return bytes;
  }
  write(address: bigint, bytes: Uint8Array): void {
    this.memory.write(this.checked(address, bytes.length), bytes);
  }

  /** Where so many bytes are: all of it is looked at before anything is done. */
  segments(first: bigint, second: bigint, length: number): readonly Segment[] {
    const list: Segment[] = [];
    let left = length;
    const add = (address: bigint, size: number): void => {
      list.push({ at: this.checked(address, size), length: size });
      left -= size;
    };
    const offset = Number(first % BigInt(PAGE));
    if (offset % 4) throw new PrpError(PRP_STATUS.OFFSET, 'PRP1');
    add(first, Math.min(left, PAGE - offset));
    if (left === 0) return list;
    if (left <= PAGE) {
      if (second % BigInt(PAGE) !== 0n) throw new PrpError(PRP_STATUS.OFFSET, 'PRP2');
      add(second, left);
      return list;
    }
    let [at, alignment] = [second, 8n];
    while (left > 0) {
      // The last entry of a page of a list is the next page, where there is more.
      // Pages behind the first are whole: each has entries, and there is an end.
      if (at % alignment !== 0n) throw new PrpError(PRP_STATUS.OFFSET, 'PRP list');
      const room = ENTRIES - Number(at % BigInt(PAGE)) / 8;
      const needed = Math.ceil(left / PAGE);
      const count = Math.min(room, needed);
      const view = new DataView(this.read(at, 8 * count).buffer);
      const data = needed > room ? count - 1 : count;
      for (let i = 0; i < data; i++) {
        const entry = view.getBigUint64(8 * i, true);
        if (entry % BigInt(PAGE) !== 0n) throw new PrpError(PRP_STATUS.OFFSET, 'PRP entry');
        add(entry, Math.min(left, PAGE));
      }
      if (data < count) [at, alignment] = [view.getBigUint64(8 * data, true), BigInt(PAGE)];
    }
    return list;
  }

  fromGuest(segments: readonly Segment[], offset: number, into: Uint8Array): void {
    each(segments, offset, into, (at, piece) => this.memory.read(at, piece));
  }
  toGuest(segments: readonly Segment[], offset: number, from: Uint8Array): void {
    each(segments, offset, from, (at, piece) => this.memory.write(at, piece));
  }

  private checked(address: bigint, length: number): number {
    if (!this.valid(address, length)) throw new PrpError(PRP_STATUS.TRANSFER, `no memory at 0x${address.toString(16)}`);
    return Number(address);
  }
}

function each(segments: readonly Segment[], offset: number, bytes: Uint8Array, move: (at: number, piece: Uint8Array) => void): void {
  let [skip, done] = [offset, 0];
  for (const { at, length } of segments) {
    if (done === bytes.length) return;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const piece = bytes.subarray(done, done + length - skip);
    move(at + skip, piece);
    done += piece.length;
    skip = 0;
  }
}
