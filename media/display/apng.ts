/**
 * Writes an animated PNG (Portable Network Graphics Specification, third edition): each frame is the rectangle that has
 * changed, in RGB. The picture that programs without animation show is the last one, and no part of the animation.
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha; alpha is not looked at. */
  readonly data: Uint8ClampedArray | Uint8Array;
}
interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
interface Frame extends Rectangle {
  readonly time: number;
  /** zlib format. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const RGB = 0xffffff;
/** A delay is a fraction of two 16-bit numbers: milliseconds as far as they reach, then tenths of seconds. */
const MOST_MILLISECONDS = 0xffff;
const [MILLISECONDS, TENTHS] = [1000, 10];
/** fcTL: APNG_DISPOSE_OP_NONE, APNG_BLEND_OP_SOURCE. */
const KEEP = [0, 0] as const;

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function crc32(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = CRC[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** 16 and 32 bits, the high byte first. */
const u16 = (value: number): readonly number[] => [(value >> 8) & 0xff, value & 0xff];
const u32 = (value: number): readonly number[] => [...u16(value >>> 16), ...u16(value)];

function chunk(type: string, ...data: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  const name = Uint8Array.from(type, (character) => character.charCodeAt(0));
  const length = data.reduce((sum, part) => sum + part.length, 0);
  return [Uint8Array.from(u32(length)), name, ...data, Uint8Array.from(u32(crc32(name, ...data)))];
}

async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function delay(milliseconds: number): readonly number[] {
  const whole = Math.max(0, Math.round(milliseconds));
  return whole <= MOST_MILLISECONDS
    ? [...u16(whole), ...u16(MILLISECONDS)]
    : [...u16(Math.min(MOST_MILLISECONDS, Math.round(whole / (MILLISECONDS / TENTHS)))), ...u16(TENTHS)];
}

export class Animation {
  /** The picture of now; 0 where none has been yet. It grows to the largest picture that came. */
  private shown = new Uint32Array();
  private width = 0;
  private height = 0;
  private readonly frames: Frame[] = [];
  /** Of all frames. */
  bytes = 0;

  get length(): number {
    return this.frames.length;
  }

  /** A picture that appears at a time, in milliseconds. Says whether it differs from the one before. One call at a time. */
  async add(picture: Picture, time: number): Promise<boolean> {
    const changed = this.show(picture);
    if (!changed) return false;
    const data = await deflated(this.rows(changed));
    this.frames.push({ ...changed, time, data });
    this.bytes += data.length;
    return true;
  }

  /** Takes a picture over; gives the part that differs. */
  private show({ width, height, data }: Picture): Rectangle | undefined {
    const grown = width > this.width || height > this.height;
    if (grown) this.grow(Math.max(width, this.width), Math.max(height, this.height));
    const pixels = new Uint32Array(data.buffer, data.byteOffset, width * height);
    let [left, right, top, bottom] = [this.width, -1, this.height, -1];
    for (let y = 0, at = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, at++) {
        const pixel = x < width && y < height ? pixels[y * width + x]! & RGB : 0;
        if (pixel === this.shown[at]) continue;
        this.shown[at] = pixel;
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < top) top = y;
        bottom = y;
      }
    }
    // What has never been drawn would be transparent, not black.
    if (grown) return { x: 0, y: 0, width: this.width, height: this.height };
    return bottom < 0 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
  }

  private grow(width: number, height: number): void {
    const larger = new Uint32Array(width * height);
    for (let y = 0; y < this.height; y++) larger.set(this.shown.subarray(y * this.width, (y + 1) * this.width), y * width);
    [this.shown, this.width, this.height] = [larger, width, height];
  }

  /** Rows of RGB without filters: text and areas of one color deflate best as they are. */
  private rows({ x, y, width, height }: Rectangle): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(height * (1 + 3 * width));
    for (let row = 0, to = 0; row < height; row++) {
      to++;
      for (let at = (y + row) * this.width + x, end = at + width; at < end; at++) {
        const pixel = this.shown[at]!;
        bytes[to++] = pixel;
        bytes[to++] = pixel >> 8;
        bytes[to++] = pixel >> 16;
      }
    }
    return bytes;
  }

  /** The file, of which the last picture is shown until `time`. It is played again and again. */
  async finish(time: number): Promise<Uint8Array<ArrayBuffer>> {
    const { width, height, frames } = this;
    const whole = await deflated(this.rows({ x: 0, y: 0, width, height }));
    const parts = [
      SIGNATURE,
      ...chunk('IHDR', Uint8Array.of(...u32(width), ...u32(height), 8, 2, 0, 0, 0)),
      ...chunk('acTL', Uint8Array.of(...u32(frames.length), ...u32(0))),
      ...chunk('IDAT', whole),
    ];
    let sequence = 0;
    frames.forEach((frame, i) => {
      const place = [frame.width, frame.height, frame.x, frame.y].flatMap(u32);
      const shown = (frames[i + 1]?.time ?? time) - frame.time;
      parts.push(...chunk('fcTL', Uint8Array.of(...u32(sequence++), ...place, ...delay(shown), ...KEEP)));
      parts.push(...chunk('fdAT', Uint8Array.from(u32(sequence++)), frame.data));
    });
    parts.push(...chunk('IEND'));
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }
}
