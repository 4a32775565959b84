/** Changes to snapshots by somebody who knows their structure, from a seed. */
import type { Fields, Value } from '../../emulator/snapshot/cbor';
import type { Chunk } from '../../emulator/snapshot/container';

export type Random = (below: number) => number;

/** xorshift32. */
export function randomOf(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NUMBERS: readonly Value[] = [
  0, 1, -1, 2, 15, 16, 255, 256, 4095, 4096, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 50, 2 ** 53 - 1, -(2 ** 53) + 1, 0.5,
  1e300, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 64n),
]; // prettier-ignore
const TEXTS = ['', '__proto__', 'constructor', 'toString', '../../x', '/dev/zero', 'a\0b', '\ud800', 'x'.repeat(5000), 'ram', 'vcpu', '0'];
const nested = (depth: number): Value => (depth === 0 ? 0 : [nested(depth - 1)]);
const one = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;
const without = <T>(list: readonly T[], index: number): T[] => [...list.slice(0, index), ...list.slice(index + 1)];

/** Another value in the place of this one: of its own kind most often. */
export function mutateValue(value: Value, random: Random): Value {
  if (random(8) === 0) return one<Value>(random, [null, true, 0, -1, '', '__proto__', new Uint8Array(), new Uint8Array(32), [], [[]], new Map(), nested(40)]);
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number' || typeof value === 'bigint') {
    const near = [1, -1, 2, 8, 4096].map((step): Value => (typeof value === 'bigint' ? value + BigInt(step) : value + step));
    return one(random, [...near, ...NUMBERS, random(2 ** 32), -random(2 ** 32)]);
  }
  if (typeof value === 'string') return random(3) === 0 ? `${value}x` : one(random, TEXTS);
  if (value instanceof Uint8Array) return mutateBytes(value, random);
  if (Array.isArray(value)) return mutateList(value as readonly Value[], random);
  if (value instanceof Map) return mutateMap(value as Fields, random);
  return one(random, NUMBERS);
}

function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = Uint8Array.from(bytes);
  switch (random(5)) {
    case 0:
      return bytes.subarray(0, random(bytes.length + 1));
    case 1:
      return Buffer.concat([bytes, new Uint8Array(1 + random(64))]);
    case 2:
      return changed.fill(random(2) * 255);
    default:
      if (bytes.length > 0) changed[random(bytes.length)]! ^= 1 << random(8);
      return changed;
  }
}

function mutateList(list: readonly Value[], random: Random): Value {
  if (list.length === 0) return [one(random, NUMBERS)];
  const at = random(list.length);
  switch (random(4)) {
    case 0:
      return without(list, at);
    case 1:
      return [...list.slice(0, at), list[at]!, ...list.slice(at)];
    case 2:
      return Array.from({ length: 300 }, () => list[at]!);
    default: {
      const other = random(list.length);
      const swapped = [...list];
      [swapped[at], swapped[other]] = [swapped[other]!, swapped[at]!];
      return swapped;
    }
  }
}

function mutateMap(map: Fields, random: Random): Fields {
  const entries = [...map];
  const at = random(Math.max(1, entries.length));
  switch (entries.length === 0 ? 0 : random(3)) {
    case 0:
      return new Map([...entries, [one(random, TEXTS), one(random, NUMBERS)]]);
    case 1:
      return new Map(without(entries, at));
    default:
      return new Map(entries.map(([name, value], index) => [index === at ? one(random, TEXTS) : name, value]));
  }
}

/** Goes down to a random place, and changes what is there. */
export function mutateWithin(value: Value, random: Random): Value {
  if (random(12) === 0) return mutateValue(value, random);
  if (value instanceof Map && value.size > 0) {
    const entries = [...(value as Fields)];
    const at = random(entries.length);
    return new Map(entries.map(([name, item], index) => [name, index === at ? mutateWithin(item, random) : item]));
  }
  if (Array.isArray(value) && value.length > 0) {
    const list = value as readonly Value[];
    const at = random(list.length);
    return list.map((item, index) => (index === at ? mutateWithin(item, random) : item));
  }
  return mutateValue(value, random);
}

/** One chunk is changed, or which chunks there are. */
export function mutateChunks(chunks: readonly Chunk[], random: Random): readonly Chunk[] {
  const at = random(chunks.length);
  const change = (how: (chunk: Chunk) => Chunk): readonly Chunk[] => chunks.map((chunk, index) => (index === at ? how(chunk) : chunk));
  switch (random(40)) {
    case 0:
      return without(chunks, at);
    case 1:
      return [...chunks, { ...chunks[at]!, instance: one(random, TEXTS) }];
    case 2:
      return change((chunk) => ({ ...chunk, version: one(random, [1, 2, 3, 65535]) }));
    case 3:
      return change((chunk) => ({ ...chunk, mandatory: !chunk.mandatory }));
    case 4:
      return change((chunk) => ({ ...chunk, kind: one(random, [...TEXTS, one(random, chunks).kind]) }));
    case 5:
      return change((chunk) => ({ ...chunk, instance: one(random, TEXTS) }));
    case 6: {
      // The contents of another.
      const { fields } = one(random, chunks);
      return change((chunk) => ({ ...chunk, fields }));
    }
    default:
      return change((chunk) => {
        const fields = mutateWithin(chunk.fields, random);
        return { ...chunk, fields: fields instanceof Map ? (fields as Fields) : chunk.fields };
      });
  }
}
