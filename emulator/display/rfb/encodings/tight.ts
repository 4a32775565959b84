import type { Translator } from '../pixelformat';
import type { Writer } from '../writer';
import { ENCODING, packIndices, palette, ZlibStream, type Encoder, type Tile } from './encoder';

const FILL = 0x80;
const EXPLICIT_FILTER = 0x40;
const PALETTE_FILTER = 1;
/** Shorter data goes as it is. */
const COMPRESSED_FROM = 12;
/** Streams by what goes through them, as its inventor has them. */
const STREAM = { FULL: 0, MONO: 1, INDEXED: 2 } as const;

/** Registered as encoding 7: one colour, a palette, or pixels of three bytes, through zlib streams. */
export class TightEncoder implements Encoder {
  readonly encoding = ENCODING.TIGHT;
  readonly widest = 2048;
  private readonly streams = [new ZlibStream(), new ZlibStream(), new ZlibStream()] as const;

  encode(tile: Tile, translator: Translator, to: Writer): void {
    const compact = translator.tpixel;
    const colours = palette(tile.values, 256);
    if (colours?.size === 1) {
      to.u8(FILL);
      return translator.put(to, tile.values[0]!, compact);
    }
    // A palette of single bytes would gain nothing.
    if (!colours || (colours.size > 2 && translator.size(compact) === 1)) {
      to.u8(STREAM.FULL << 4);
      return this.data(STREAM.FULL, translator.pack(tile.values, compact), to);
    }
    const stream = colours.size === 2 ? STREAM.MONO : STREAM.INDEXED;
    to.u8((stream << 4) | EXPLICIT_FILTER)
      .u8(PALETTE_FILTER)
      .u8(colours.size - 1);
    for (const value of colours.keys()) translator.put(to, value, compact);
    this.data(stream, packIndices(tile, colours, colours.size === 2 ? 1 : 8), to);
  }

  private data(stream: 0 | 1 | 2, bytes: Uint8Array, to: Writer): void {
    if (bytes.length < COMPRESSED_FROM) return void to.bytes(bytes);
    const packed = this.streams[stream].next(bytes);
    putCompactLength(to, packed.length);
    to.bytes(packed);
  }
}

/** Seven bits, seven bits, eight bits, least significant first. */
function putCompactLength(to: Writer, length: number): void {
  if (length < 0x80) to.u8(length);
  else if (length < 0x4000) to.u8((length & 0x7f) | 0x80).u8(length >> 7);
  else
    to.u8((length & 0x7f) | 0x80)
      .u8(((length >> 7) & 0x7f) | 0x80)
      .u8(length >> 14);
}
