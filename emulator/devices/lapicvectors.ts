/** The 256-bit registers of the local APIC: eight words of 32 vectors. */

/** The highest vector that is set, -1 for none. */
export function highest(words: readonly number[]): number {
  for (let i = 7; i >= 0; i--) {
    const word = words[i]!;
    if (word !== 0) return i * 32 + 31 - Math.clz32(word);
  }
  return -1;
}

export const has = (words: readonly number[], vector: number): boolean => (words[vector >>> 5]! & (1 << (vector & 31))) !== 0;

export function add(words: number[], vector: number): void {
  words[vector >>> 5] = (words[vector >>> 5]! | (1 << (vector & 31))) >>> 0;
}

export function remove(words: number[], vector: number): void {
  words[vector >>> 5] = (words[vector >>> 5]! & ~(1 << (vector & 31))) >>> 0;
}
