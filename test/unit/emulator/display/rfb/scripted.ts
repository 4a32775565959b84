/** An RFB client for tests, written from the RFC by itself: it decodes every encoding into pixels. */
import { constants, inflateSync } from 'node:zlib';
import type { Channel } from '../../../../../emulator/display/rfb/client';
import type { RfbError } from '../../../../../emulator/display/rfb/errors';
import type { PixelFormat } from '../../../../../emulator/display/rfb/pixelformat';

export class Pipe implements Channel {
  readonly sent: Uint8Array[] = [];
  backlog = 0;
  closed = false;
  error: RfbError | undefined;
  /** Nobody reads: what is sent stays in the backlog. */
  stuck = false;

  send(bytes: Uint8Array): void {
    this.sent.push(Uint8Array.from(bytes));
    if (this.stuck) this.backlog += bytes.length;
  }
  close(error?: RfbError): void {
    this.closed = true;
    this.error = error;
  }
  take(): Buffer {
    return Buffer.concat(this.sent.splice(0));
  }
}

/** A zlib stream that goes on from message to message. */
class Inflater {
  private packed = Buffer.alloc(0);
  private done = 0;
  next(bytes: Buffer): Buffer {
    this.packed = Buffer.concat([this.packed, bytes]);
    const all = inflateSync(this.packed, { finishFlush: constants.Z_SYNC_FLUSH });
    const fresh = all.subarray(this.done);
    this.done = all.length;
    return fresh;
  }
}

export class Cursor {
  at = 0;
  constructor(readonly bytes: Buffer) {}
  u8 = (): number => this.bytes[this.at++]!;
  u16 = (): number => (this.u8() << 8) | this.u8();
  u32 = (): number => this.u16() * 0x10000 + this.u16();
  s32 = (): number => this.u32() | 0;
  take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw new RangeError('the message ends early');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  get left(): number {
    return this.bytes.length - this.at;
  }
}

export interface Seen {
  readonly encoding: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The picture of a client; pixels are values of its format. */
export class Screen {
  values: Uint32Array;
  private readonly zlib = new Inflater();
  private readonly zrle = new Inflater();
  private readonly tight = [new Inflater(), new Inflater(), new Inflater(), new Inflater()];

  constructor(
    public width: number,
    public height: number,
    public format: PixelFormat,
  ) {
    this.values = new Uint32Array(width * height);
  }

  private get bytes(): number {
    return this.format.bitsPerPixel / 8;
  }

  private set(x: number, y: number, value: number): void {
    this.values[y * this.width + x] = value;
  }
  private fill(x: number, y: number, width: number, height: number, value: number): void {
    for (let row = y; row < y + height; row++) this.values.fill(value, row * this.width + x, row * this.width + x + width);
  }

  private pixel(from: Cursor, count = this.bytes, shift = 0): number {
    let value = 0;
    for (let i = 0; i < count; i++) value += from.u8() * 2 ** (8 * (this.format.bigEndian ? count - 1 - i : i));
    return (value << shift) >>> 0;
  }

  /** One FramebufferUpdate, from behind its type. */
  update(from: Cursor): Seen[] {
    from.u8();
    const seen: Seen[] = [];
    for (let count = from.u16(); count > 0; count--) {
      const rectangle = { x: from.u16(), y: from.u16(), width: from.u16(), height: from.u16() };
      const encoding = from.s32();
      seen.push({ encoding, ...rectangle });
      this.rectangle(encoding, rectangle, from);
    }
    return seen;
  }

  private rectangle(encoding: number, at: Omit<Seen, 'encoding'>, from: Cursor): void {
    const { x, y, width, height } = at;
    switch (encoding) {
      case 0:
        return this.raw(at, from);
      case 1:
        return this.copy(at, from.u16(), from.u16());
      case 5:
        return this.hextile(at, from);
      case 6:
        return this.raw(at, new Cursor(this.zlib.next(from.take(from.u32()))));
      case 7:
        return this.decodeTight(at, from);
      case 16:
        return this.decodeZrle(at, new Cursor(this.zrle.next(from.take(from.u32()))));
      case -239:
        from.take(width * height * this.bytes + Math.ceil(width / 8) * height);
        return;
      case -223:
        return this.resize(width, height);
      case -308:
        if (y === 0) this.resize(width, height);
        from.take(4 + 16 * from.bytes[from.at]!);
        return;
      case -258:
        return;
    }
    throw new Error(`encoding ${encoding} at ${x}, ${y}`);
  }

  private resize(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    this.values = new Uint32Array(width * height);
  }

  private copy({ x, y, width, height }: Omit<Seen, 'encoding'>, fromX: number, fromY: number): void {
    if (fromX + width > this.width || fromY + height > this.height) throw new RangeError('CopyRect from outside');
    const before = this.values.slice();
    for (let row = 0; row < height; row++) {
      const from = (fromY + row) * this.width + fromX;
      this.values.set(before.subarray(from, from + width), (y + row) * this.width + x);
    }
  }

  private raw({ x, y, width, height }: Omit<Seen, 'encoding'>, from: Cursor): void {
    for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) this.set(x + column, y + row, this.pixel(from));
  }

  private hextile({ x, y, width, height }: Omit<Seen, 'encoding'>, from: Cursor): void {
    let background = 0;
    let foreground = 0;
    for (let top = y; top < y + height; top += 16) {
      for (let left = x; left < x + width; left += 16) {
        const tile = { x: left, y: top, width: Math.min(16, x + width - left), height: Math.min(16, y + height - top) };
        const kind = from.u8();
        if (kind & 1) {
          this.raw(tile, from);
          continue;
        }
        if (kind & 2) background = this.pixel(from);
        if (kind & 4) foreground = this.pixel(from);
        this.fill(tile.x, tile.y, tile.width, tile.height, background);
        for (let count = kind & 8 ? from.u8() : 0; count > 0; count--) {
          const value = kind & 16 ? this.pixel(from) : foreground;
          const [place, size] = [from.u8(), from.u8()];
          this.fill(left + (place >> 4), top + (place & 15), (size >> 4) + 1, (size & 15) + 1, value);
        }
      }
    }
  }

  private cpixel(from: Cursor): number {
    const { bitsPerPixel, depth, redMax, redShift, greenMax, greenShift, blueMax, blueShift } = this.format;
    if (bitsPerPixel !== 32 || depth > 24) return this.pixel(from);
    const mask = ((redMax << redShift) | (greenMax << greenShift) | (blueMax << blueShift)) >>> 0;
    if (mask < 0x1000000) return this.pixel(from, 3);
    return (mask & 0xff) === 0 ? this.pixel(from, 3, 8) : this.pixel(from);
  }

  private decodeZrle({ x, y, width, height }: Omit<Seen, 'encoding'>, from: Cursor): void {
    for (let top = y; top < y + height; top += 64) {
      for (let left = x; left < x + width; left += 64) {
        const [wide, high] = [Math.min(64, x + width - left), Math.min(64, y + height - top)];
        const kind = from.u8();
        const size = kind & 127;
        const colours = Array.from({ length: size }, () => this.cpixel(from));
        const put = (at: number, value: number): void => this.set(left + (at % wide), top + Math.floor(at / wide), value);
        if (kind < 128 && size > 1) {
          const bits = size === 2 ? 1 : size <= 4 ? 2 : 4;
          for (let row = 0; row < high; row++) {
            const line = from.take(Math.ceil((wide * bits) / 8));
            for (let i = 0; i < wide; i++) put(row * wide + i, colours[(line[(i * bits) >> 3]! >> (8 - bits - ((i * bits) & 7))) & ((1 << bits) - 1)]!);
          }
          continue;
        }
        for (let at = 0; at < wide * high;) {
          let [value, length] = [colours[0]!, wide * high];
          if (kind === 0) [value, length] = [this.cpixel(from), 1];
          else if (kind >= 128) {
            const index = size > 0 ? from.u8() : 128;
            value = size > 0 ? colours[index & 127]! : this.cpixel(from);
            length = 1;
            if (index & 128) for (let more = 255; more === 255; length += more) more = from.u8();
          }
          for (; length > 0; length--) put(at++, value);
        }
        if (from.left < 0) throw new RangeError('ZRLE ends early');
      }
    }
  }

  private tpixel(from: Cursor): number {
    const { bitsPerPixel, depth, redMax, greenMax, blueMax, redShift, greenShift, blueShift } = this.format;
    if (bitsPerPixel !== 32 || depth !== 24 || redMax !== 255 || greenMax !== 255 || blueMax !== 255) return this.pixel(from);
    return ((from.u8() << redShift) | (from.u8() << greenShift) | (from.u8() << blueShift)) >>> 0;
  }

  private decodeTight({ x, y, width, height }: Omit<Seen, 'encoding'>, from: Cursor): void {
    const control = from.u8();
    if (control === 0x80) return this.fill(x, y, width, height, this.tpixel(from));
    if (control > 0x80 || (control & 15) !== 0) throw new Error(`Tight control ${control}`);
    const filter = control & 0x40 ? from.u8() : 0;
    const colours = filter === 1 ? Array.from({ length: from.u8() + 1 }, () => this.tpixel(from)) : [];
    const compact = this.tpixelBytes();
    const stride = colours.length === 0 ? width * compact : colours.length === 2 ? Math.ceil(width / 8) : width;
    const size = stride * height;
    let data: Buffer;
    if (size < 12) data = from.take(size);
    else {
      let length = from.u8();
      if (length & 0x80) length = (length & 0x7f) | (from.u8() << 7);
      if (length & 0x4000) length = (length & 0x3fff) | (from.u8() << 14);
      data = this.tight[(control >> 4) & 3]!.next(from.take(length));
    }
    const pixels = new Cursor(data);
    for (let row = 0; row < height; row++) {
      for (let i = 0; i < width; i++) {
        if (colours.length === 0) this.set(x + i, y + row, this.tpixel(pixels));
        else if (colours.length === 2) this.set(x + i, y + row, colours[(data[row * stride + (i >> 3)]! >> (7 - (i & 7))) & 1]!);
        else this.set(x + i, y + row, colours[data[row * stride + i]!]!);
      }
    }
  }
  private tpixelBytes(): number {
    const { bitsPerPixel, depth, redMax, greenMax, blueMax } = this.format;
    return bitsPerPixel === 32 && depth === 24 && redMax === 255 && greenMax === 255 && blueMax === 255 ? 3 : this.bytes;
  }
}
