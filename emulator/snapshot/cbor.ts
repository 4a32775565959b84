/** Deterministic CBOR (RFC 8949, 4.2.1), and reading of what somebody else may have written. */
import { decode, encode } from 'cborg';
import { bad, LIMITS } from './format';

export type Value = null | boolean | number | bigint | string | Uint8Array | readonly Value[] | ReadonlyMap<string, Value>;
export type Fields = ReadonlyMap<string, Value>;

/** Keys in order of their encoded bytes, shortest lengths. */
export const toCbor = (value: Value): Uint8Array => new Uint8Array(encode(value));

/** A map of what is there. */
export const fieldsOf = (object: Readonly<Record<string, Value | undefined>>): Fields =>
  new Map(Object.entries(object).filter((entry): entry is [string, Value] => entry[1] !== undefined));

export function fromCbor(bytes: Uint8Array, what: string): Value {
  checkDepth(bytes, what);
  try {
    return decode(bytes, {
      useMaps: true,
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      allowBigInt: true,
    }) as Value;
  } catch (error) {
    throw bad(`it is damaged: ${what} is no CBOR`, error);
  }
}

/** Walks over the heads of all items: the library would follow nesting as deep as the stack goes. */
function checkDepth(bytes: Uint8Array, what: string): void {
  const left: number[] = [1];
  let at = 0;
  while (left.length > 0) {
    const top = left.length - 1;
    if (left[top] === 0) {
      left.pop();
      continue;
    }
    left[top]!--;
    const head = bytes[at++];
    if (head === undefined) throw bad(`it is damaged: ${what} is cut`);
    const extra = head & 31;
    let count = extra;
    if (extra > 27) throw bad(`it is damaged: ${what} has an item of no fixed length`);
    if (extra >= 24) {
      count = 0;
      for (let i = 1 << (extra - 24); i > 0; i--) count = count * 256 + (bytes[at++] ?? 0);
    }
    const major = head >> 5;
    if (major === 6) throw bad(`it is damaged: ${what} has a tag`);
    if (major === 2 || major === 3) at += count;
    if (major === 4 || major === 5) {
      if (count > bytes.length) throw bad(`it is damaged: ${what} is cut`);
      if (left.length >= LIMITS.depth) throw bad(`it is damaged: ${what} is nested too deeply`);
      left.push(major === 5 ? count * 2 : count);
    }
    if (at > bytes.length) throw bad(`it is damaged: ${what} is cut`);
  }
}

// ── Reading what is expected ───────────────────────────────────────────────────────────────

const wrong = (what: string, expected: string): Error => bad(`it is damaged: ${what} is not ${expected}`);

export function asMap(value: Value | undefined, what: string): Fields {
  if (!(value instanceof Map)) throw wrong(what, 'a map');
  for (const key of value.keys()) if (typeof key !== 'string') throw wrong(what, 'a map with names');
  return value as Fields;
}
export function asList(value: Value | undefined, what: string): readonly Value[] {
  if (!Array.isArray(value)) throw wrong(what, 'a list');
  return value as readonly Value[];
}
export function asText(value: Value | undefined, what: string): string {
  if (typeof value !== 'string') throw wrong(what, 'a text');
  return value;
}
export function asBytes(value: Value | undefined, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrong(what, 'bytes');
  if (length !== undefined && value.length !== length) throw wrong(what, `${length} bytes`);
  return value;
}
export function asBool(value: Value | undefined, what: string): boolean {
  if (typeof value !== 'boolean') throw wrong(what, 'true or false');
  return value;
}
export function asNumber(value: Value | undefined, what: string): number {
  if (typeof value !== 'number') throw wrong(what, 'a number');
  return value;
}
/** A whole number from `first` to `last`. */
export function asInteger(value: Value | undefined, what: string, first = 0, last = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < first || value > last) throw wrong(what, `a whole number from ${first} to ${last}`);
  return value;
}
/** A number of so many bits: 64 and fewer as an integer, more as bytes, little-endian. */
export function asWide(value: Value | undefined, what: string, width: number): bigint {
  if (width > 64) return asBytes(value, what, width / 8).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const number = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof number !== 'bigint' || number < 0n || number >> BigInt(width) !== 0n) throw wrong(what, `a number of ${width} bits`);
  return number;
}
export function fromWide(value: bigint, width: number): Value {
  if (width > 64) return Uint8Array.from({ length: width / 8 }, (_, byte) => Number((value >> BigInt(byte * 8)) & 0xffn));
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Names beyond those that are known are an error: nothing that was saved is lost in silence. */
export function only(map: Fields, names: readonly string[] | ReadonlySet<string>, what: string): void {
  for (const name of map.keys())
    if (!('has' in names ? names.has(name) : names.includes(name))) throw bad(`${what} has '${name}', which this version does not know`);
}
