import { ENCODING, type Encoder } from './encoder';
import { HextileEncoder } from './hextile';
import { RawEncoder, ZlibEncoder } from './raw';
import { TightEncoder } from './tight';
import { ZrleEncoder } from './zrle';

/** A new encoder, where there is one for the number. */
export function makeEncoder(encoding: number): Encoder | undefined {
  switch (encoding) {
    case ENCODING.RAW:
      return new RawEncoder();
    case ENCODING.HEXTILE:
      return new HextileEncoder();
    case ENCODING.ZLIB:
      return new ZlibEncoder();
    case ENCODING.TIGHT:
      return new TightEncoder();
    case ENCODING.ZRLE:
      return new ZrleEncoder();
  }
  return undefined;
}
