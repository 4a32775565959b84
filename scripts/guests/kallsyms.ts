import { Unavailable } from './apt';

/**
 * Recovers System.map from a kernel without symbols: CONFIG_KALLSYMS keeps every symbol in the kernel's data.
 * The tables lie in this order (scripts/kallsyms.c, Linux 4.20 to 6.3), each aligned to 8 bytes:
 *
 *   offsets u32[n] · relative_base u64 · num_syms u32 · names · markers u32[⌈n/256⌉] ·
 *   seqs_of_names 3 bytes × n (since 6.2, and in later 6.1) · token_table · token_index u16[256]
 *
 * A name is a length (one byte, two if its top bit is set) and that many token numbers; a token is a string.
 */
export function systemMap(vmlinux: Buffer): string {
  const tokens = findTokens(vmlinux);
  const markers = findMarkers(vmlinux, tokens.start);
  const { names, count } = findNames(vmlinux, markers);

  const relativeBase = vmlinux.readBigUInt64LE(names - 16);
  const offsets = (names - 16 - 4 * count) & ~7;
  const lines: string[] = [];
  let at = names;
  for (let symbol = 0; symbol < count; symbol++) {
    const { first, next } = nameAt(vmlinux, at);
    let text = '';
    for (let i = first; i < next; i++) text += tokens.strings[vmlinux.readUInt8(i)];
    at = next;
    // KALLSYMS_ABSOLUTE_PERCPU: offsets that aren't negative are absolute.
    const offset = vmlinux.readInt32LE(offsets + 4 * symbol);
    const address = offset >= 0 ? BigInt(offset) : relativeBase - 1n - BigInt(offset);
    lines.push(`${address.toString(16).padStart(16, '0')} ${text[0]} ${text.slice(1)}\n`);
  }
  return lines.join('');
}

function nameAt(data: Buffer, at: number): { first: number; next: number } {
  let length = data.readUInt8(at++);
  if (length & 0x80) length = (length & 0x7f) | (data.readUInt8(at++) << 7);
  return { first: at, next: at + length };
}

/** The token table is known by the tokens of the digits, which stand for themselves. */
function findTokens(data: Buffer): { start: number; strings: string[] } {
  const digits = Buffer.from('0123456789'.split('').join('\0') + '\0');
  for (let hit = data.indexOf(digits); hit >= 0; hit = data.indexOf(digits, hit + 1)) {
    let start = hit;
    for (let before = 0x30; before > 0 && start > 0; before--) {
      start--;
      while (start > 0 && data[start - 1] !== 0) start--;
    }
    const strings: string[] = [];
    const positions: number[] = [];
    let at = start;
    for (let token = 0; token < 256; token++) {
      const end = data.indexOf(0, at);
      positions.push(at - start);
      strings.push(data.toString('latin1', at, end));
      at = end + 1;
    }
    const index = (at + 7) & ~7;
    if (positions.every((position, token) => data.readUInt16LE(index + 2 * token) === position)) {
      return { start, strings };
    }
  }
  throw new Unavailable('vmlinux: no kallsyms token table');
}

interface Markers {
  readonly start: number;
  readonly count: number;
}

/** Where rising offsets from zero end at the token table, or leave room for just the right number of sequence bytes. */
function findMarkers(data: Buffer, tokenTable: number): Markers {
  for (let start = (tokenTable - 8) & ~7; start > 0 && start > tokenTable - (16 << 20); start -= 8) {
    if (data.readUInt32LE(start) !== 0) continue;
    const firstGroup = data.readUInt32LE(start + 4);
    if (firstGroup < 2 * 256 || firstGroup > 512 * 256) continue;
    let count = 2;
    const marker = (index: number): number => data.readUInt32LE(start + 4 * index);
    while (start + 4 * count < tokenTable && marker(count) > marker(count - 1)) count++;
    // What follows may look like more markers.
    for (let markers = count; markers > 1; markers--) {
      const gap = tokenTable - ((start + 4 * markers + 7) & ~7);
      if (gap === 0 || (gap > 3 * 256 * (markers - 1) && gap < 3 * 256 * markers + 8)) return { start, count: markers };
    }
  }
  throw new Unavailable('vmlinux: no kallsyms markers');
}

/** The names end where the markers begin; their start is where the count before it fits the markers. */
function findNames(data: Buffer, markers: Markers): { names: number; count: number } {
  const lastMarker = data.readUInt32LE(markers.start + 4 * (markers.count - 1));
  const newest = (markers.start - lastMarker) & ~7;
  for (let names = newest; names > newest - 256 * 512 && names > 16; names -= 8) {
    const count = data.readUInt32LE(names - 8);
    if (Math.ceil(count / 256) !== markers.count || data.readUInt32LE(names - 4) !== 0) continue;
    let at = names;
    for (let symbol = 0; symbol < 256; symbol++) at = nameAt(data, at).next;
    if (at - names === data.readUInt32LE(markers.start + 4)) return { names, count };
  }
  throw new Unavailable('vmlinux: no kallsyms names');
}
