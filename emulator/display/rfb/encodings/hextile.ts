import type { Translator } from '../pixelformat';
import { Writer } from '../writer';
import { ENCODING, part, type Encoder, type Tile } from './encoder';

const SIZE = 16;
const RAW = 1;
const BACKGROUND = 2;
const FOREGROUND = 4;
const SUBRECTANGLES = 8;
const COLOURED = 16;

interface Run {
  readonly value: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** RFC 6143 section 7.7.4: tiles of 16 by 16, each a background with rectangles on it. */
export class HextileEncoder implements Encoder {
  readonly encoding = ENCODING.HEXTILE;
  readonly widest = 0xffff;

  encode(tile: Tile, translator: Translator, to: Writer): void {
    let background: number | undefined;
    for (let y = 0; y < tile.height; y += SIZE) {
      for (let x = 0; x < tile.width; x += SIZE) {
        const cell = part(tile, x, y, Math.min(SIZE, tile.width - x), Math.min(SIZE, tile.height - y));
        background = this.cell(cell, translator, to, background);
      }
    }
  }

  /** Returns the background that the next tile can go on with; after a raw tile there is none. */
  private cell(cell: Tile, translator: Translator, to: Writer, before: number | undefined): number | undefined {
    const background = commonest(cell.values);
    const runs = runsOn(cell, background);
    const colours = new Set(runs.map(({ value }) => value));
    const body = new Writer();
    let kind = 0;
    if (background !== before) {
      kind |= BACKGROUND;
      translator.put(body, background);
    }
    if (runs.length > 0) kind |= SUBRECTANGLES;
    if (colours.size === 1) {
      kind |= FOREGROUND;
      translator.put(body, runs[0]!.value);
    } else if (colours.size > 1) kind |= COLOURED;
    if (runs.length > 0) body.u8(runs.length);
    for (const { value, x, y, width, height } of runs) {
      if (colours.size > 1) translator.put(body, value);
      body.u8((x << 4) | y).u8(((width - 1) << 4) | (height - 1));
    }
    if (runs.length > 255 || body.length >= cell.values.length * translator.bytes) {
      to.u8(RAW).bytes(translator.pack(cell.values));
      return undefined;
    }
    to.u8(kind).bytes(body.take());
    return background;
  }
}

function commonest(values: Uint32Array): number {
  const counts = new Map<number, number>();
  let best = values[0]!;
  for (const value of values) {
    const count = (counts.get(value) ?? 0) + 1;
    counts.set(value, count);
    if (count > counts.get(best)!) best = value;
  }
  return best;
}

/** Rectangles of one colour that cover all that is not background: each as wide and then as high as it goes. */
function runsOn({ width, height, values }: Tile, background: number): Run[] {
  const done = new Uint8Array(width * height);
  const runs: Run[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x]!;
      if (value === background || done[y * width + x] === 1) continue;
      const same = (row: number, column: number): boolean => values[row * width + column] === value && done[row * width + column] === 0;
      let right = x + 1;
      while (right < width && same(y, right)) right++;
      let bottom = y + 1;
      const rowSame = (row: number): boolean => {
        for (let column = x; column < right; column++) if (!same(row, column)) return false;
        return true;
      };
      while (bottom < height && rowSame(bottom)) bottom++;
      for (let row = y; row < bottom; row++) done.fill(1, row * width + x, row * width + right);
      runs.push({ value, x, y, width: right - x, height: bottom - y });
    }
  }
  return runs;
}
