/**
 * Reads text that is drawn on a picture with fonts of 8 dots a character, wherever it stands and in whatever colors: of a
 * place it is looked at only which dots differ from their neighbours. A hash of that is rolled down the picture.
 */
import type { Font } from './fonts';

const WIDTH = 8;
const BASE = 0x01000193;
/** The bit that tells whether a row's first dot differs from that above. */
const DOWN = 0x80;
/** What stands for a cell that is neither a known character nor blank. */
const OTHER = '·';
const SIEVE = 0x10000;

export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** Bits of a row of eight dots: seven differences from left to right, and that of the first dot to the one above. */
const rowBits = (row: number, above: number): number => (((row ^ (row << 1)) >> 1) & 0x7f) | ((row ^ above) & DOWN);
const sieve = (hash: number): number => (hash ^ (hash >>> 16)) & (SIEVE - 1);

/** Glyphs of one height by their hashes. */
class Glyphs {
  readonly characters = new Map<number, string>();
  readonly likely = new Uint8Array(SIEVE);

  constructor(readonly height: number) {}

  add({ glyphs }: Font): void {
    for (const { character, rows } of glyphs) {
      let hash = 0;
      rows.forEach((row, y) => (hash = (Math.imul(hash, BASE) + rowBits(row, y > 0 ? rows[y - 1]! : row)) | 0));
      if (hash === 0 || this.characters.has(hash)) continue;
      this.characters.set(hash, character);
      this.likely[sieve(hash)] = 1;
    }
  }
}

/** Characters that stand in one row, a multiple of eight dots apart. */
interface Line {
  readonly y: number;
  readonly phase: number;
  readonly height: number;
  /** By column. */
  readonly characters: Map<number, string>;
}

export class TextReader {
  private readonly heights = new Map<number, Glyphs>();

  /** Tells the reader of a font. */
  learn(font: Font): void {
    let glyphs = this.heights.get(font.height);
    if (!glyphs) this.heights.set(font.height, (glyphs = new Glyphs(font.height)));
    glyphs.add(font);
  }

  /** The lines from top to bottom, blanks at their ends taken off. */
  read(picture: Pixels): readonly string[] {
    const bits = differences(picture);
    const found = [...this.heights.values()].flatMap((glyphs) => linesOf(picture, bits, glyphs));
    return apart(found)
      .sort((a, b) => a.y - b.y)
      .map((line) => textOf(picture, bits, line));
  }
}

/** For each dot the bits of the eight that begin there. */
function differences({ width, height, rgba }: Pixels): Uint8Array {
  const aligned = rgba.byteOffset % 4 === 0 ? rgba : rgba.slice();
  const dots = new Uint32Array(aligned.buffer, aligned.byteOffset, width * height);
  const bits = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    let row = 0;
    for (let x = width - 1; x >= 0; x--) {
      row >>= 1;
      const here = dots[at + x]!;
      if (x + 1 < width && here !== dots[at + x + 1]) row |= 0x40;
      bits[at + x] = row | (y > 0 && here !== dots[at + x - width] ? DOWN : 0);
    }
    at += width;
  }
  return bits;
}

function linesOf({ width, height }: Pixels, bits: Uint8Array, { height: rows, characters, likely }: Glyphs): Line[] {
  let [highest, oldest] = [1, 1];
  for (let i = 1; i < rows; i++) highest = Math.imul(highest, BASE);
  oldest = Math.imul(highest, BASE);
  const hashes = new Int32Array(width);
  const lines = new Map<number, Line>();
  const last = width - WIDTH;
  for (let y = 0; y < height; y++) {
    const [at, left] = [y * width, (y - rows) * width];
    const top = y - rows + 1;
    for (let x = 0; x <= last; x++) {
      let hash = Math.imul(hashes[x]!, BASE) + bits[at + x]!;
      if (top > 0) hash -= Math.imul(bits[left + x]!, oldest);
      hashes[x] = hash |= 0;
      if (top < 0 || hash === 0) continue;
      // What is above the first row does not belong to the glyph.
      if (bits[top * width + x]! & DOWN) hash = (hash - Math.imul(DOWN, highest)) | 0;
      if (!likely[sieve(hash)]) continue;
      const character = characters.get(hash);
      if (character === undefined) continue;
      const phase = x % WIDTH;
      const key = top * WIDTH + phase;
      let line = lines.get(key);
      if (!line) lines.set(key, (line = { y: top, phase, height: rows, characters: new Map() }));
      line.characters.set((x - phase) / WIDTH, character);
    }
  }
  return [...lines.values()];
}

/** Without those that lie across a line of more different characters: they are there by chance, as underscores on a rule. */
function apart(lines: readonly Line[]): Line[] {
  const kept: Line[] = [];
  const across = (a: Line, b: Line): boolean => a.y < b.y + b.height && b.y < a.y + a.height;
  const ranked = lines.map((line) => ({ line, different: new Set(line.characters.values()).size })).sort((a, b) => b.different - a.different);
  for (const { line } of ranked) if (!kept.some((other) => across(line, other))) kept.push(line);
  return kept;
}

function textOf({ width }: Pixels, bits: Uint8Array, { y, phase, height, characters }: Line): string {
  const blank = (column: number): boolean => {
    for (let row = 0, at = y * width + phase + column * WIDTH; row < height; row++, at += width) {
      if (bits[at]! & (row === 0 ? ~DOWN : 0xff)) return false;
    }
    return true;
  };
  const columns = Math.floor((width - phase) / WIDTH);
  return Array.from({ length: columns }, (_, column) => characters.get(column) ?? (blank(column) ? ' ' : OTHER))
    .join('')
    .trimEnd();
}
