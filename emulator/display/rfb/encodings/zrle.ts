import type { Compact, Translator } from '../pixelformat';
import { Writer } from '../writer';
import { ENCODING, packIndices, palette, part, ZlibStream, type Encoder, type Tile } from './encoder';

const SIZE = 64;
const PLAIN_RLE = 128;
/** Colours of a packed palette, and of one with run lengths. */
const MOST_PACKED = 16;
const MOST_RUN = 127;

/** RFC 6143 section 7.7.6: tiles of 64 by 64 with palettes or run lengths, through one zlib stream. */
export class ZrleEncoder implements Encoder {
  readonly encoding = ENCODING.ZRLE;
  readonly widest = 0xffff;
  private readonly stream = new ZlibStream();

  encode(tile: Tile, translator: Translator, to: Writer): void {
    const plain = new Writer(tile.values.length);
    for (let y = 0; y < tile.height; y += SIZE) {
      for (let x = 0; x < tile.width; x += SIZE) {
        encodeTile(part(tile, x, y, Math.min(SIZE, tile.width - x), Math.min(SIZE, tile.height - y)), translator, plain);
      }
    }
    const bytes = this.stream.next(plain.take());
    to.u32(bytes.length).bytes(bytes);
  }
}

interface Run {
  readonly value: number;
  readonly length: number;
}

function runsOf(values: Uint32Array): Run[] {
  const runs: Run[] = [];
  for (let from = 0, at = 1; from < values.length; from = at++) {
    while (at < values.length && values[at] === values[from]) at++;
    runs.push({ value: values[from]!, length: at - from });
  }
  return runs;
}

/** Bytes of a run's length less one: each of 255 but the last. */
const lengthBytes = (length: number): number => Math.floor((length - 1) / 255) + 1;

function putLength(to: Writer, length: number): void {
  let rest = length - 1;
  for (; rest >= 255; rest -= 255) to.u8(255);
  to.u8(rest);
}

/** Takes the shortest of the forms, before compression. */
function encodeTile(tile: Tile, translator: Translator, to: Writer): void {
  const compact: Compact = translator.cpixel;
  const size = translator.size(compact);
  const put = (value: number): void => translator.put(to, value, compact);
  const colours = palette(tile.values, MOST_RUN);
  if (colours?.size === 1) {
    to.u8(1);
    return put(tile.values[0]!);
  }
  const runs = runsOf(tile.values);
  const lengths = runs.reduce((sum, { length }) => sum + lengthBytes(length), 0);
  const raw = tile.values.length * size;
  const plain = runs.length * size + lengths;
  const indexed = colours ? colours.size * size + runs.reduce((sum, { length }) => sum + 1 + (length > 1 ? lengthBytes(length) : 0), 0) : Infinity;
  const bits = !colours || colours.size > MOST_PACKED ? 0 : colours.size === 2 ? 1 : colours.size <= 4 ? 2 : 4;
  const packed = colours && bits > 0 ? colours.size * size + Math.ceil((tile.width * bits) / 8) * tile.height : Infinity;
  const best = Math.min(raw, plain, indexed, packed);
  if (colours && best === packed) {
    to.u8(colours.size);
    for (const value of colours.keys()) put(value);
    to.bytes(packIndices(tile, colours, bits));
  } else if (colours && best === indexed) {
    to.u8(128 + colours.size);
    for (const value of colours.keys()) put(value);
    for (const { value, length } of runs) {
      const index = colours.get(value)!;
      to.u8(length > 1 ? 128 | index : index);
      if (length > 1) putLength(to, length);
    }
  } else if (best === plain) {
    to.u8(PLAIN_RLE);
    for (const { value, length } of runs) {
      put(value);
      putLength(to, length);
    }
  } else {
    to.u8(0).bytes(translator.pack(tile.values, compact));
  }
}
