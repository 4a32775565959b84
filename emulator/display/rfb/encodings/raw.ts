import type { Translator } from '../pixelformat';
import type { Writer } from '../writer';
import { ENCODING, ZlibStream, type Encoder, type Tile } from './encoder';

/** RFC 6143 section 7.7.1: pixels, row by row. */
export class RawEncoder implements Encoder {
  readonly encoding = ENCODING.RAW;
  readonly widest = 0xffff;

  encode({ values }: Tile, translator: Translator, to: Writer): void {
    to.bytes(translator.pack(values));
  }
}

/** Registered as encoding 6: the same, through one zlib stream. */
export class ZlibEncoder implements Encoder {
  readonly encoding = ENCODING.ZLIB;
  readonly widest = 0xffff;
  private readonly stream = new ZlibStream();

  encode({ values }: Tile, translator: Translator, to: Writer): void {
    const bytes = this.stream.next(translator.pack(values));
    to.u32(bytes.length).bytes(bytes);
  }
}
