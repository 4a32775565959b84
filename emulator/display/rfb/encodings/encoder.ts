import { constants, deflateRawSync } from 'node:zlib';
import type { Translator } from '../pixelformat';
import type { Writer } from '../writer';

/** A part of the screen in a client's values, row by row. */
export interface Tile {
  readonly width: number;
  readonly height: number;
  readonly values: Uint32Array;
}

/** Writes what follows a rectangle's header. One object for each client: those that compress keep a stream. */
export interface Encoder {
  readonly encoding: number;
  /** Widest rectangle that there may be. */
  readonly widest: number;
  encode(tile: Tile, translator: Translator, to: Writer): void;
}

/** Encodings and pseudo-encodings by number (RFC 6143 section 8.4.2 and the registry of RFB extensions). */
export const ENCODING = {
  RAW: 0,
  COPY_RECT: 1,
  HEXTILE: 5,
  ZLIB: 6,
  TIGHT: 7,
  ZRLE: 16,
  DESKTOP_SIZE: -223,
  LAST_RECT: -224,
  CURSOR: -239,
  QEMU_EXTENDED_KEY: -258,
  EXTENDED_DESKTOP_SIZE: -308,
  FENCE: -312,
  CONTINUOUS_UPDATES: -313,
} as const;

/** Header of a zlib stream (RFC 1950): deflate with a window of 32 KiB. */
const ZLIB_HEADER = [0x78, 0x01];

/**
 * One zlib stream over many messages. Each piece is compressed by itself and ends on a byte without ending the
 * stream, so that nothing has to be kept between two of them.
 */
export class ZlibStream {
  private begun = false;

  next(bytes: Uint8Array): Uint8Array {
    const piece = deflateRawSync(bytes, { level: 1, finishFlush: constants.Z_SYNC_FLUSH });
    if (this.begun) return piece;
    this.begun = true;
    return Uint8Array.from([...ZLIB_HEADER, ...piece]);
  }
}

/** The colours of a tile in order of appearance; undefined where there are more than `most`. */
export function palette(values: Uint32Array, most: number): Map<number, number> | undefined {
  const colours = new Map<number, number>();
  let last = -1;
  for (const value of values) {
    if (value === last) continue;
    last = value;
    if (colours.has(value)) continue;
    if (colours.size === most) return undefined;
    colours.set(value, colours.size);
  }
  return colours;
}

/** Indices of `bits` bits, most significant first; every row begins a byte. */
export function packIndices({ width, height, values }: Tile, colours: ReadonlyMap<number, number>, bits: number): Uint8Array {
  const stride = Math.ceil((width * bits) / 8);
  const packed = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * bits;
      const at = y * stride + (bit >> 3);
      packed[at] = packed[at]! | (colours.get(values[y * width + x]!)! << (8 - bits - (bit & 7)));
    }
  }
  return packed;
}

export function part(tile: Tile, x: number, y: number, width: number, height: number): Tile {
  const values = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = (y + row) * tile.width + x;
    values.set(tile.values.subarray(from, from + width), row * width);
  }
  return { width, height, values };
}
