import type { Size } from '../devices/scanout';
import type { Frame } from './api';

/** Pixels of a thumbnail's width; its height follows. */
const WIDTH = 160;
/** A picture is looked at no closer than this to make one of it: checkpoints are made while the guest waits. */
export const COARSE_WIDTH = WIDTH;

export function thumbnailSize({ width, height }: Size): Size {
  return { width: Math.min(WIDTH, width), height: Math.max(1, Math.round((height * Math.min(WIDTH, width)) / width)) };
}

/** A small picture of a frame: each pixel is the mean of those that it stands for. */
export function thumbnailOf({ width, height, rgba }: Frame): Frame {
  const small = thumbnailSize({ width, height });
  const out = new Uint8Array(small.width * small.height * 4);
  let to = 0;
  for (let y = 0; y < small.height; y++) {
    const [top, bottom] = stretch(y, small.height, height);
    for (let x = 0; x < small.width; x++, to += 4) {
      const [left, right] = stretch(x, small.width, width);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = top; row < bottom; row++)
        for (let at = (row * width + left) * 4; at < (row * width + right) * 4; at += 4) {
          red += rgba[at]!;
          green += rgba[at + 1]!;
          blue += rgba[at + 2]!;
        }
      const pixels = (bottom - top) * (right - left);
      out[to] = Math.round(red / pixels);
      out[to + 1] = Math.round(green / pixels);
      out[to + 2] = Math.round(blue / pixels);
      out[to + 3] = 255;
    }
  }
  return { ...small, rgba: out };
}

const stretch = (at: number, of: number, from: number): readonly [first: number, end: number] => {
  const first = Math.floor((at * from) / of);
  return [first, Math.max(first + 1, Math.floor(((at + 1) * from) / of))];
};
