/** Pixel formats of RFC 6143 section 7.4, and how a picture is put into one. */
import { RfbError } from './errors';
import { Writer } from './writer';

export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  /** False: pixels are indices into a colour map, here of three bits red, three green and two blue. */
  readonly trueColour: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

/** What the server offers in ServerInit. */
export const NATIVE: PixelFormat = {
  bitsPerPixel: 32, depth: 24, bigEndian: false, trueColour: true,
  redMax: 255, greenMax: 255, blueMax: 255, redShift: 16, greenShift: 8, blueShift: 0,
}; // prettier-ignore

/** The colour map that is sent to clients that want one. */
export const MAPPED: PixelFormat = {
  bitsPerPixel: 8, depth: 8, bigEndian: false, trueColour: false,
  redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3, blueShift: 6,
}; // prettier-ignore

/** The 16 bytes of SetPixelFormat; throws where no picture can be put into such a format. */
export function parsePixelFormat(bytes: Uint8Array): PixelFormat {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const bitsPerPixel = view.getUint8(0);
  const depth = view.getUint8(1);
  const trueColour = view.getUint8(3) !== 0;
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32)
    throw new RfbError('rfb-pixel-format', `${bitsPerPixel} bits per pixel: RFB has 8, 16 and 32`);
  if (!trueColour) {
    if (bitsPerPixel !== 8) throw new RfbError('rfb-pixel-format', `a colour map is for 8 bits per pixel, not ${bitsPerPixel}`);
    return MAPPED;
  }
  const format: PixelFormat = {
    bitsPerPixel, depth, bigEndian: view.getUint8(2) !== 0, trueColour,
    redMax: view.getUint16(4), greenMax: view.getUint16(6), blueMax: view.getUint16(8),
    redShift: view.getUint8(10), greenShift: view.getUint8(11), blueShift: view.getUint8(12),
  }; // prettier-ignore
  for (const [name, max, shift] of channels(format)) {
    // 2^n - 1, and inside of the pixel.
    const bits = 32 - Math.clz32(max);
    if (max === 0 || (max & (max + 1)) !== 0 || shift + bits > bitsPerPixel) {
      throw new RfbError('rfb-pixel-format', `${name} from 0 to ${max} at bit ${shift} does not fit into ${bitsPerPixel} bits`);
    }
  }
  return format;
}

const channels = (format: PixelFormat): readonly (readonly [name: string, max: number, shift: number])[] => [
  ['red', format.redMax, format.redShift],
  ['green', format.greenMax, format.greenShift],
  ['blue', format.blueMax, format.blueShift],
];

export function writePixelFormat(to: Writer, format: PixelFormat): void {
  to.u8(format.bitsPerPixel).u8(format.depth).u8(Number(format.bigEndian)).u8(Number(format.trueColour));
  to.u16(format.redMax).u16(format.greenMax).u16(format.blueMax);
  to.u8(format.redShift).u8(format.greenShift).u8(format.blueShift).zeros(3);
}

/** SetColourMapEntries (section 7.6.2) with all 256 colours of `MAPPED`. */
export function colourMap(): Uint8Array {
  const message = new Writer(6 + 256 * 6).u8(1).zeros(1).u16(0).u16(256);
  for (let index = 0; index < 256; index++) {
    for (const [, max, shift] of channels(MAPPED)) message.u16(Math.round((((index >> shift) & max) * 0xffff) / max));
  }
  return message.take();
}

/** How ZRLE and Tight shorten pixels of 32 bits: none, three low or high bytes, or red, green and blue. */
export type Compact = 'none' | 'low' | 'high' | 'rgb';

/** Turns pixels of the screen (0xAABBGGRR) into a client's values, and those into bytes. */
export class Translator {
  private readonly red: Uint32Array;
  private readonly green: Uint32Array;
  private readonly blue: Uint32Array;
  readonly bytes: number;

  constructor(readonly format: PixelFormat) {
    const [red, green, blue] = channels(format).map(([, max, shift]) => new Uint32Array(256).map((_, i) => Math.round((i * max) / 255) << shift));
    [this.red, this.green, this.blue] = [red!, green!, blue!];
    this.bytes = format.bitsPerPixel / 8;
  }

  value(pixel: number): number {
    return (this.red[pixel & 0xff]! | this.green[(pixel >> 8) & 0xff]! | this.blue[(pixel >> 16) & 0xff]!) >>> 0;
  }

  /** ZRLE's CPIXEL (section 7.7.5). */
  get cpixel(): Compact {
    const { bitsPerPixel, depth, trueColour } = this.format;
    if (bitsPerPixel !== 32 || depth > 24 || !trueColour) return 'none';
    const used = channels(this.format).reduce((mask, [, max, shift]) => mask | (max << shift), 0) >>> 0;
    return used <= 0xffffff ? 'low' : (used & 0xff) === 0 ? 'high' : 'none';
  }

  /** Tight's TPIXEL: red, green, blue, whatever the shifts are. */
  get tpixel(): Compact {
    const { bitsPerPixel, depth, redMax, greenMax, blueMax, trueColour } = this.format;
    return trueColour && bitsPerPixel === 32 && depth === 24 && redMax === 255 && greenMax === 255 && blueMax === 255 ? 'rgb' : 'none';
  }

  size(compact: Compact): number {
    return compact === 'none' ? this.bytes : 3;
  }

  put(to: Writer, value: number, compact: Compact = 'none'): void {
    const { bigEndian, redShift, greenShift, blueShift } = this.format;
    if (compact === 'rgb')
      return void to
        .u8(value >>> redShift)
        .u8(value >>> greenShift)
        .u8(value >>> blueShift);
    const part = compact === 'high' ? value >>> 8 : value;
    const count = this.size(compact);
    for (let i = 0; i < count; i++) to.u8(part >>> (8 * (bigEndian ? count - 1 - i : i)));
  }

  /** All values as bytes. */
  pack(values: Uint32Array, compact: Compact = 'none'): Uint8Array {
    const writer = new Writer(values.length * this.size(compact));
    for (let i = 0; i < values.length; i++) this.put(writer, values[i]!, compact);
    return writer.take();
  }
}
