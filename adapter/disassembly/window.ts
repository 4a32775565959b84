/**
 * A window of instructions around an address, forwards and backwards, of exactly the wanted size.
 *
 * x86 can't be decoded backwards. Instructions before an address are found by decoding forwards from a
 * place below it from which decoding arrives exactly there: the beginning of the function that it lies in,
 * where symbols tell, else one that reads best among a few.
 */
import { TOP, type Bits } from '../inspect/view';
import { LONGEST, decode, type Decoded } from './decode';

export interface Code {
  readonly bits: Bits;
  /** Reads up to the first byte that can't be read. */
  read(address: bigint, length: number): Promise<Uint8Array>;
  /** Begins of functions or source lines at or below an address, where they are known. */
  anchor(address: bigint): bigint | undefined;
}

/** A line of the window: an instruction, a byte that can't be read, or nothing (outside of the address space). */
export type Entry = Decoded & { readonly unreadable?: true; readonly outside?: true };

const NO_BYTES = new Uint8Array(0);
const nothing = { bytes: NO_BYTES, text: undefined, target: undefined, flow: 'other' } as const;
const unreadable = (address: bigint): Entry => ({ ...nothing, address, unreadable: true });
const outside = (address: bigint): Entry => ({ ...nothing, address, outside: true });

const FARTHEST_ANCHOR = 0x1_0000n;

/** `count` entries from `address` on. */
export async function forwards(code: Code, address: bigint, count: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let at = address;
  while (found.length < count && at < TOP) {
    const missing = count - found.length;
    const bytes = await code.read(at, Math.min(missing, 4096) * LONGEST);
    if (bytes.length === 0) {
      found.push(unreadable(at));
      at += 1n;
      continue;
    }
    const padded = new Uint8Array(bytes.length + LONGEST);
    padded.set(bytes);
    let left = missing;
    const whole = decode(padded, at, code.bits, () => --left === 0);
    for (const instruction of whole) {
      const end = Number(instruction.address - at) + instruction.bytes.length;
      if (end <= bytes.length) found.push(instruction);
      else break;
    }
    const last = found.at(-1);
    const next = last && last.address >= at ? last.address + BigInt(last.bytes.length) : at;
    // The instruction reaches into memory that can't be read: its bytes are shown one by one.
    if (next === at) {
      found.push({ ...nothing, address: at, bytes: bytes.slice(0, 1) });
      at += 1n;
    } else at = next;
  }
  while (found.length < count) found.push(outside(TOP - 1n));
  return found.slice(0, count);
}

/** The instructions from `start` that end exactly at `target`, or nothing. */
function upTo(bytes: Uint8Array, start: bigint, target: bigint, bits: Bits): Decoded[] | undefined {
  const length = Number(target - start);
  const padded = new Uint8Array(length + LONGEST);
  padded.set(bytes.subarray(0, length));
  const all = decode(padded, start, bits, (instruction) => instruction.address + BigInt(instruction.bytes.length) >= target);
  const last = all.at(-1);
  return last && last.address + BigInt(last.bytes.length) === target ? all : undefined;
}

/** How badly a guess reads: bytes that are no code, and runs of zeros, which decode as `add [rax], al`. */
const faults = (instructions: readonly Decoded[]): number =>
  instructions.filter(({ text, bytes }) => text === undefined || (bytes.length === 2 && bytes[0] === 0 && bytes[1] === 0)).length;

/** Some instructions that end at `target`, oldest first; at least one. */
async function some(code: Code, target: bigint, wanted: number): Promise<Entry[]> {
  const anchor = code.anchor(target - 1n);
  if (anchor !== undefined && anchor < target && target - anchor <= FARTHEST_ANCHOR) {
    const bytes = await code.read(anchor, Number(target - anchor));
    const found = bytes.length === Number(target - anchor) ? upTo(bytes, anchor, target, code.bits) : undefined;
    if (found) return found;
  }
  // Far enough back that decoding has fallen into step long before the target; but not over the anchor.
  const reach = BigInt(Math.min(wanted * 6 + 4 * LONGEST, 8192));
  let low = target > reach ? target - reach : 0n;
  if (anchor !== undefined && anchor < target && anchor > low) low = anchor;
  let bytes = await code.read(low, Number(target - low));
  if (bytes.length < Number(target - low)) {
    // Memory begins somewhere in between: at a page, if at all.
    low = (target - 1n) & ~0xfffn;
    bytes = await code.read(low, Number(target - low));
    if (bytes.length < Number(target - low)) return [unreadable(target - 1n)];
  }
  let best: Decoded[] | undefined;
  for (let skip = 0; skip < Math.min(LONGEST, bytes.length); skip++) {
    const found = upTo(bytes.subarray(skip), low + BigInt(skip), target, code.bits);
    if (found && (!best || faults(found) < faults(best))) best = found;
    if (best && faults(best) === 0) break;
  }
  return best ?? [{ ...nothing, address: target - 1n, bytes: bytes.slice(-1) }];
}

/** `count` entries that end where `address` begins, oldest first. */
export async function backwards(code: Code, address: bigint, count: number): Promise<Entry[]> {
  let found: Entry[] = [];
  let at = address < TOP ? address : TOP;
  while (found.length < count && at > 0n) {
    found = [...(await some(code, at, count - found.length)), ...found];
    at = found[0]!.address;
  }
  while (found.length < count) found.unshift(outside(0n));
  return found.slice(-count);
}

/** `count` entries, the first of which is `offset` instructions from `address`. */
export async function around(code: Code, address: bigint, offset: number, count: number): Promise<Entry[]> {
  if (count <= 0) return [];
  if (address < 0n) {
    const before = Math.min(count, Math.max(0, -offset));
    return [...Array.from({ length: before }, () => outside(0n)), ...(await forwards(code, 0n, count - before))];
  }
  if (offset >= 0) return (await forwards(code, address, offset + count)).slice(offset);
  const before = await backwards(code, address, -offset);
  if (count <= before.length) return before.slice(0, count);
  return [...before, ...(await forwards(code, address, count - before.length))];
}
