/** A font made up for tests: glyphs that are different from each other, but for A, by which fonts of 16 rows are found. */
const LETTER_A = Buffer.from('000010386cc6c6fec6c6c6c600000000', 'hex');

/** Rows of a printable character; nothing of a blank. */
export function glyphRows(code: number, height: number): Buffer {
  if (code === 0x41 && height === 16) return LETTER_A;
  const rows = Buffer.alloc(height);
  if (code > 0x20 && code < 0x7f) for (let y = 2; y < height - 3; y++) rows[y] = ((code * 37 + y * code * 5) ^ (code >> 2)) & 0xfe;
  return rows;
}

/** 256 glyphs of 16 bytes. */
export const rasterFont = (): Buffer => Buffer.concat(Array.from({ length: 256 }, (_, code) => glyphRows(code, 16)));

/** EFI_NARROW_GLYPH, from the blank on. */
export const narrowFont = (): Buffer =>
  Buffer.concat(Array.from({ length: 0x7f - 0x20 }, (_, i) => Buffer.concat([Buffer.from([0x20 + i, 0, 0]), glyphRows(0x20 + i, 19)])));

export class Canvas {
  readonly rgba: Uint8Array;
  private readonly dots: Uint32Array;

  constructor(
    readonly width: number,
    readonly height: number,
    background: number,
  ) {
    this.rgba = new Uint8Array(4 * width * height);
    this.dots = new Uint32Array(this.rgba.buffer).fill(background);
  }

  text(text: string, left: number, top: number, height: number, on: number, off: number): this {
    [...text].forEach((character, i) =>
      glyphRows(character.charCodeAt(0), height).forEach((row, y) => {
        for (let x = 0; x < 8; x++) this.dots[(top + y) * this.width + left + 8 * i + x] = row & (0x80 >> x) ? on : off;
      }),
    );
    return this;
  }

  fill(left: number, top: number, width: number, height: number, color: number): this {
    for (let y = top; y < top + height; y++) this.dots.fill(color, y * this.width + left, y * this.width + left + width);
    return this;
  }
}
