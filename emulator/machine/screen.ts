import type { Frame } from './api';
import type { Board } from './wiring';

/** Width and height of what is shown. */
export function screenSize(board: Board): { readonly width: number; readonly height: number } | undefined {
  return board.fbuf?.mode() ?? board.vga?.mode() ?? board.ramfb?.mode() ?? board.vga?.picture();
}

/** The picture of the display device, as it is now; undefined where there is none. */
export function readFrame(board: Board): Frame | undefined {
  const picture = board.picture();
  if (!picture) return board.vga?.picture();
  const { width, height, depth, stride } = picture.mode;
  const { bytes } = picture;
  const rgba = new Uint8Array(width * height * 4);
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let at = y * stride;
    for (let x = 0; x < width; x++, at += (depth + 1) >> 3, to += 4) {
      if (depth === 15) {
        // R5 G5 B5; the top bits fill the low ones so that white stays white.
        const pixel = from.getUint16(at, true);
        for (let i = 0; i < 3; i++) {
          const colour = (pixel >> (10 - 5 * i)) & 0x1f;
          rgba[to + i] = (colour << 3) | (colour >> 2);
        }
      } else if (depth === 16) {
        // R5 G6 B5.
        const pixel = from.getUint16(at, true);
        const red = pixel >> 11;
        const green = (pixel >> 5) & 0x3f;
        const blue = pixel & 0x1f;
        rgba[to] = (red << 3) | (red >> 2);
        rgba[to + 1] = (green << 2) | (green >> 4);
        rgba[to + 2] = (blue << 3) | (blue >> 2);
      } else {
        rgba[to] = bytes[at + 2]!;
        rgba[to + 1] = bytes[at + 1]!;
        rgba[to + 2] = bytes[at]!;
      }
      rgba[to + 3] = 255;
    }
  }
  return { width, height, rgba };
}
