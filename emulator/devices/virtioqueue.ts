/**
 * Split virtqueues: Virtual I/O Device (VIRTIO) 1.2, 2.7. The driver may change what it likes at any time and may be wrong in
 * everything: each number is read once, checked, and then used.
 */
import type { PhysicalMemory } from '../bus/device';
import { bool, fields, group, u16, u64, type StateOf } from '../bus/fields';

export const queueFields = fields({
  size: u16('queue_size: descriptors'),
  vector: u16('queue_msix_vector', undefined, 0xffff),
  enable: bool('queue_enable'),
  desc: u64('queue_desc: address of the descriptor table'),
  driver: u64('queue_driver: address of the available ring'),
  device: u64('queue_device: address of the used ring'),
  nextAvailable: u16('Index in the available ring that comes next'),
  nextUsed: u16('Index in the used ring that comes next'),
});
export const queueGroup = group('Virtqueue', queueFields);
export type QueueState = StateOf<typeof queueFields>;

const DESCRIPTOR = 16;
const FLAG = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
/** In the available ring's flags. */
const NO_INTERRUPT = 1;
/** Descriptors of a chain, in an indirect table too. */
const MOST_DESCRIPTORS = 1024;

/** Why a driver is not understood: the device asks for a reset (2.1.1). */
export const FAULTS = [
  'none',
  'queue addresses',
  'available index',
  'descriptor index',
  'descriptor loop',
  'descriptor address',
  'descriptor order',
  'indirect table',
  'request',
] as const;
export type Fault = (typeof FAULTS)[number];

interface Segment {
  readonly address: number;
  readonly length: number;
}

/** Buffers that the driver gives the device at once: those that it reads, then those that it writes. */
export class Chain {
  readonly readable: number;
  readonly writable: number;

  constructor(
    readonly head: number,
    private readonly memory: PhysicalMemory,
    private readonly sources: readonly Segment[],
    private readonly targets: readonly Segment[],
  ) {
    const total = (list: readonly Segment[]): number => list.reduce((sum, { length }) => sum + length, 0);
    this.readable = total(sources);
    this.writable = total(targets);
  }

  /** Fills `into` from what the device may read; gives how many bytes there were. */
  read(offset: number, into: Uint8Array): number {
    return each(this.sources, offset, into, (address, piece) => this.memory.read(address, piece));
  }
  /** Puts as much of `from` as has room where the device may write; gives how many bytes that were. */
  write(offset: number, from: Uint8Array): number {
    return each(this.targets, offset, from, (address, piece) => this.memory.write(address, piece));
  }
}

function each(segments: readonly Segment[], offset: number, bytes: Uint8Array, move: (address: number, piece: Uint8Array) => void): number {
  let [skip, done] = [offset, 0];
  for (const { address, length } of segments) {
    if (done === bytes.length) break;
    if (skip >= length) skip -= length;
    else {
      const piece = bytes.subarray(done, Math.min(bytes.length, done + length - skip));
      move(address + skip, piece);
      done += piece.length;
      skip = 0;
    }
  }
  return done;
}

export interface QueueContext {
  readonly memory: PhysicalMemory;
  /** Whether all of it is memory that a device may use. */
  readonly reachable: (address: number, length: number) => boolean;
  readonly eventIndex: () => boolean;
  readonly indirect: () => boolean;
}

type Found = Chain | Fault | undefined;
export const isFault = (found: Found): found is Fault => typeof found === 'string';

export class Virtqueue {
  constructor(
    private readonly context: QueueContext,
    private readonly queue: () => QueueState,
  ) {}

  /** Rings lie in memory and are aligned (2.7). */
  valid(): boolean {
    const { size, desc, driver, device } = this.queue();
    const fits = (address: bigint, length: number, alignment: number): boolean =>
      address < 2n ** 52n && Number(address) % alignment === 0 && this.context.reachable(Number(address), length);
    return size > 0 && fits(desc, DESCRIPTOR * size, 16) && fits(driver, 6 + 2 * size, 2) && fits(device, 6 + 8 * size, 4);
  }

  /** Whether the driver has made something available. */
  pending(): boolean {
    const queue = this.queue();
    return queue.enable && this.valid() && this.word(Number(queue.driver) + 2) !== queue.nextAvailable;
  }

  /** Takes what comes next off the available ring: undefined where there is nothing. */
  next(): Found {
    const queue = this.queue();
    if (!queue.enable) return undefined;
    // It was valid when it was enabled; a debugger may have changed it.
    if (!this.valid()) return 'queue addresses';
    const available = Number(queue.driver);
    const waiting = (this.word(available + 2) - queue.nextAvailable) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > queue.size) return 'available index';
    const head = this.word(available + 4 + 2 * (queue.nextAvailable % queue.size));
    if (head >= queue.size) return 'descriptor index';
    const found = this.chain(queue, head);
    if (isFault(found)) return found;
    queue.nextAvailable = (queue.nextAvailable + 1) & 0xffff;
    // avail_event: told when the driver goes beyond what has been seen (2.7.10).
    if (this.context.eventIndex()) this.setWord(Number(queue.device) + 4 + 8 * queue.size, queue.nextAvailable);
    return found;
  }

  /** Gives buffers back, `written` bytes of them changed. The answer is whether the driver wants to hear of it. */
  used({ head }: Chain, written: number): boolean {
    const queue = this.queue();
    const [used, available] = [Number(queue.device), Number(queue.driver)];
    const index = queue.nextUsed;
    const entry = new DataView(new ArrayBuffer(8));
    entry.setUint32(0, head, true);
    entry.setUint32(4, written, true);
    this.context.memory.write(used + 4 + 8 * (index % queue.size), new Uint8Array(entry.buffer));
    queue.nextUsed = (index + 1) & 0xffff;
    this.setWord(used + 2, queue.nextUsed);
    if (this.context.eventIndex()) return this.word(available + 4 + 2 * queue.size) === index;
    return (this.word(available) & NO_INTERRUPT) === 0;
  }

  private chain(queue: QueueState, head: number): Chain | Fault {
    const { memory, reachable } = this.context;
    const sources: Segment[] = [];
    const targets: Segment[] = [];
    let [table, length, index] = [Number(queue.desc), queue.size, head];
    let inside = false;
    for (let count = 1; ; count++) {
      // Longer than the table is a loop.
      if (count > Math.min(length, MOST_DESCRIPTORS)) return 'descriptor loop';
      const bytes = new Uint8Array(DESCRIPTOR);
      memory.read(table + DESCRIPTOR * index, bytes);
      const view = new DataView(bytes.buffer);
      const [address, size, flags] = [view.getBigUint64(0, true), view.getUint32(8, true), view.getUint16(12, true)];
      if (address >= 2n ** 52n || !reachable(Number(address), size)) return 'descriptor address';
      if (flags & FLAG.INDIRECT) {
        // Only the first of a chain, or the last after others, may be; and none within a table (2.7.5.3).
        if (inside || flags & FLAG.NEXT || !this.context.indirect() || size === 0 || size % DESCRIPTOR !== 0) return 'indirect table';
        inside = true;
        [table, length, index] = [Number(address), size / DESCRIPTOR, 0];
        count = 0;
        continue;
      }
      if (flags & FLAG.WRITE) targets.push({ address: Number(address), length: size });
      else if (targets.length > 0) return 'descriptor order';
      else sources.push({ address: Number(address), length: size });
      if (!(flags & FLAG.NEXT)) return new Chain(head, memory, sources, targets);
      index = view.getUint16(14, true);
      if (index >= length) return 'descriptor index';
    }
  }

  private word(address: number): number {
    const bytes = new Uint8Array(2);
    this.context.memory.read(address, bytes);
    return bytes[0]! | (bytes[1]! << 8);
  }
  private setWord(address: number, value: number): void {
    this.context.memory.write(address, Uint8Array.of(value, value >>> 8));
  }
}
