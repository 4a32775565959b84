/** Reads the text of a picture of VGA's text mode by the glyphs of a video BIOS. */

const ROWS = 16;
/** Character A of the 8 by 16 font that video BIOSes have had since IBM's. */
const LETTER_A = [0x00, 0x00, 0x10, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6, 0x00, 0x00, 0x00, 0x00];

export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Printable characters by the bits of their glyphs. */
function glyphs(videoBios: Uint8Array): Map<string, string> {
  const font = Buffer.from(videoBios).indexOf(Buffer.from(LETTER_A)) - 0x41 * ROWS;
  if (font < 0) throw new Error('the video BIOS has no font');
  const found = new Map<string, string>();
  for (let code = 0x7e; code >= 0x20; code--)
    found.set([...videoBios.subarray(font + code * ROWS, font + (code + 1) * ROWS)].join(), String.fromCharCode(code));
  return found;
}

/** The lines of a picture of 9 by 16 dots a character, blanks at their ends taken off; `·` is what is no letter. */
export function screenText({ width, height, data }: Pixels, videoBios: Uint8Array): string[] {
  const known = glyphs(videoBios);
  const pixels = new Uint32Array(Uint8Array.from(data).buffer);
  const lines: string[] = [];
  for (let top = 0; top + ROWS <= height; top += ROWS) {
    let line = '';
    for (let left = 0; left + 9 <= width; left += 9) {
      // The ninth dot of letters is their background.
      const background = pixels[top * width + left + 8]!;
      const rows = Array.from({ length: ROWS }, (_, y) => {
        let bits = 0;
        for (let x = 0; x < 8; x++) bits = (bits << 1) | (pixels[(top + y) * width + left + x] === background ? 0 : 1);
        return bits;
      });
      line += known.get(rows.join()) ?? '·';
    }
    lines.push(line.trimEnd());
  }
  return lines;
}
