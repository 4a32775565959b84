/**
 * MurmurHash3_x86_128 (Austin Appleby, public domain), for fingerprints of guest state. It runs at
 * memory speed in plain TypeScript; it is no defence against somebody who forges states.
 */
export type Hash128 = readonly [number, number, number, number];

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

const rotl = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

function finalMix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Hash of the bytes at a multiple of four of their buffer's start. */
export function murmur3(bytes: Uint8Array, seed = 0): Hash128 {
  const { length } = bytes;
  const blocks = length >>> 4;
  const aligned = bytes.byteOffset % 4 === 0;
  const source = aligned ? bytes : Uint8Array.from(bytes);
  const words = new Uint32Array(source.buffer, source.byteOffset, blocks * 4);
  let h1 = seed;
  let h2 = seed;
  let h3 = seed;
  let h4 = seed;
  for (let i = 0; i < blocks * 4; i += 4) {
    h1 ^= Math.imul(rotl(Math.imul(words[i]!, C1), 15), C2);
    h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotl(Math.imul(words[i + 1]!, C2), 16), C3);
    h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotl(Math.imul(words[i + 2]!, C3), 17), C4);
    h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotl(Math.imul(words[i + 3]!, C4), 18), C1);
    h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }

  const tail = [0, 0, 0, 0];
  for (let i = blocks * 16; i < length; i++) tail[(i & 15) >> 2]! |= source[i]! << (8 * (i & 3));
  h4 ^= Math.imul(rotl(Math.imul(tail[3]!, C4), 18), C1);
  h3 ^= Math.imul(rotl(Math.imul(tail[2]!, C3), 17), C4);
  h2 ^= Math.imul(rotl(Math.imul(tail[1]!, C2), 16), C3);
  h1 ^= Math.imul(rotl(Math.imul(tail[0]!, C1), 15), C2);

  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h3 = finalMix(h3);
  h4 = finalMix(h4);
  h1 = (h1 + h2 + h3 + h4) >>> 0;
  return [h1, (h2 + h1) >>> 0, (h3 + h1) >>> 0, (h4 + h1) >>> 0];
}

export const hexDigits = (hash: Hash128): string => hash.map((word) => word.toString(16).padStart(8, '0')).join('');
