import { pictureOf } from '../devices/scanout';
import type { Frame } from './api';
import type { Board } from './wiring';

/** Width and height of what is shown. */
export function screenSize(board: Board): { readonly width: number; readonly height: number } | undefined {
  return board.scanout();
}

/** The characters of VGA's text modes; undefined where dots are shown. */
export function readText(board: Board): string | undefined {
  return board.vga?.text();
}

/** The picture of the display device, as it is now; undefined where there is none. */
export function readFrame(board: Board): Frame | undefined {
  const scanout = board.scanout();
  return scanout && pictureOf(scanout);
}

/** The same with only every n-th pixel of every n-th line, where it is much larger than `width`. */
export function readCoarseFrame(board: Board, width: number): Frame | undefined {
  const scanout = board.scanout();
  if (!scanout) return undefined;
  const step = Math.max(1, Math.floor(scanout.width / width));
  const size = { width: Math.ceil(scanout.width / step), height: Math.ceil(scanout.height / step) };
  const line = new Uint32Array(scanout.width);
  const pixels = new Uint32Array(size.width * size.height);
  for (let y = 0; y < size.height; y++) {
    if (scanout.sample) {
      scanout.sample(y * step, pixels, y * size.width, step);
      continue;
    }
    scanout.draw(y * step, line, 0);
    for (let x = 0; x < size.width; x++) pixels[y * size.width + x] = line[x * step]!;
  }
  return { ...size, rgba: new Uint8Array(pixels.buffer) };
}
