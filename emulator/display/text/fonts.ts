/**
 * Fonts of consoles, found in what a guest has in its memory: none is part of this program. Two ways to lay one out are known:
 * 256 glyphs of 16 bytes, as video BIOSes and Linux have them, and the narrow glyphs of UEFI (specification 2.10, 34.3.2,
 * EFI_NARROW_GLYPH), each with its character.
 */

export interface Glyph {
  readonly character: string;
  /** A byte a row; the leftmost dot is the highest bit. */
  readonly rows: Uint8Array;
}

export interface Font {
  readonly height: number;
  /** The printable characters of ASCII beside the blank. */
  readonly glyphs: readonly Glyph[];
}

const [FIRST, LAST] = [0x21, 0x7e];
const BLANK = 0x20;
const ROWS = 16;
/** Character A as it has been since IBM's VGA; Linux has the same. */
const LETTER_A = Buffer.from('000010386cc6c6fec6c6c6c600000000', 'hex');
const NARROW = { LENGTH: 22, ROWS: 19, AT: 3 } as const;
/** The character of a narrow glyph, of no attribute, whose first row is blank. */
const NARROW_A = Buffer.from('41000000', 'hex');
/** So many of the glyphs have to be different ones. */
const LEAST_DIFFERENT = 85;

/** The longest piece of memory that a font takes: pieces that are searched have to overlap by so much. */
export const LONGEST_FONT = 256 * NARROW.LENGTH;

/** Places that are looked at in a piece of memory, and those of them that are taken for fonts: a guest may have its memory full of decoys. */
const [MOST_PLACES, MOST_CANDIDATES] = [100_000, 64];

/** Fonts in a piece of memory. */
export function findFonts(memory: Uint8Array): Font[] {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
  const isLetter = (at: number, step: number): boolean => {
    const place = at + step * NARROW.LENGTH;
    return place >= 0 && bytes[place] === 0x41 + step && bytes[place + 1] === 0;
  };
  const narrow = (at: number): boolean => isLetter(at, -1) && isLetter(at, 1) && isLetter(at, 2);
  return [
    ...places(bytes, LETTER_A, () => true).map((at) => font(bytes, at - 0x41 * ROWS, ROWS, ROWS)),
    ...places(bytes, NARROW_A, narrow).map((at) => font(bytes, at - 0x41 * NARROW.LENGTH + NARROW.AT, NARROW.LENGTH, NARROW.ROWS)),
  ].filter((found) => found !== undefined);
}

function places(bytes: Buffer, what: Buffer, accept: (at: number) => boolean): number[] {
  const found: number[] = [];
  let at = bytes.indexOf(what);
  for (let looked = 0; at >= 0 && looked < MOST_PLACES && found.length < MOST_CANDIDATES; looked++, at = bytes.indexOf(what, at + 1))
    if (accept(at)) found.push(at);
  return found;
}

/** `at` is where the glyph of character 0 is, or would be. */
function font(bytes: Buffer, at: number, stride: number, height: number): Font | undefined {
  const rows = (code: number): Uint8Array => Uint8Array.from(bytes.subarray(at + code * stride, at + code * stride + height));
  if (at + BLANK * stride < 0 || at + LAST * stride + height > bytes.length || rows(BLANK).some((row) => row !== 0)) return undefined;
  const glyphs = Array.from({ length: LAST - FIRST + 1 }, (_, i) => ({ character: String.fromCharCode(FIRST + i), rows: rows(FIRST + i) }));
  const different = new Set(glyphs.filter((glyph) => glyph.rows.some((row) => row !== 0)).map((glyph) => glyph.rows.join()));
  return different.size < LEAST_DIFFERENT ? undefined : { height, glyphs };
}
