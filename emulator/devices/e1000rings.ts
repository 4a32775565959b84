/** Rings of descriptors in the guest's memory, and the counters of frames (manual, 3.2.6, 3.4 and 13.7). */
import type { PhysicalMemory } from '../bus/device';
import type { E1000State } from './e1000registers';

export const DESCRIPTOR = 16;

export interface RingContext {
  readonly memory: PhysicalMemory;
  readonly reachable: (address: number, length: number) => boolean;
  /** Causes of interrupts. */
  cause(bits: number): void;
}

export interface Descriptor {
  readonly at: number;
  readonly address: bigint;
  readonly lower: number;
  readonly upper: number;
}

/** Undefined where the ring does not lie in memory. */
export function descriptorAt({ memory, reachable }: RingContext, low: number, high: number, index: number): Descriptor | undefined {
  const at = high * 2 ** 32 + low + DESCRIPTOR * index;
  if (!reachable(at, DESCRIPTOR)) return undefined;
  const bytes = new Uint8Array(DESCRIPTOR);
  memory.read(at, bytes);
  const view = new DataView(bytes.buffer);
  return { at, address: view.getBigUint64(0, true), lower: view.getUint32(8, true), upper: view.getUint32(12, true) };
}

/** Where a buffer lies; undefined where not all of it is memory. */
export function placeOf({ reachable }: RingContext, address: bigint, length: number): number | undefined {
  return address < 2n ** 52n && reachable(Number(address), length) ? Number(address) : undefined;
}

/** Offsets of counters, as numbers of doublewords from 0x4000 on. */
export const COUNTER = {
  MPC: 0x10 / 4, PRC64: 0x5c / 4, GPRC: 0x74 / 4, BPRC: 0x78 / 4, MPRC: 0x7c / 4, GPTC: 0x80 / 4, GORC: 0x88 / 4, GOTC: 0x90 / 4, RNBC: 0xa0 / 4,
  TOR: 0xc0 / 4, TOT: 0xc8 / 4, TPR: 0xd0 / 4, TPT: 0xd4 / 4, PTC64: 0xd8 / 4, MPTC: 0xf0 / 4, BPTC: 0xf4 / 4, TSCTC: 0xf8 / 4,
} as const; // prettier-ignore

/** Counters stay at their highest value. */
export function count({ statistics }: E1000State, counter: number, by = 1): void {
  statistics[counter] = Math.min(statistics[counter]! + by, 0xffffffff);
}
/** Counters of bytes have 64 bits. */
export function countBytes({ statistics }: E1000State, low: number, by: number): void {
  const sum = statistics[low]! + by;
  statistics[low] = sum >>> 0;
  if (sum > 0xffffffff) statistics[low + 1] = (statistics[low + 1]! + 1) >>> 0;
}

const SIZES = [64, 127, 255, 511, 1023] as const;
/** The counter of frames that are as long, from the first of the six. */
export const bySize = (first: number, length: number): number => {
  const index = SIZES.findIndex((most) => length <= most);
  return first + (index < 0 ? SIZES.length : index);
};
