/** What a display device puts out, line by line, and what each line depends on: so that only those are drawn that look otherwise than before. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Row by row, four bytes a pixel: red, green, blue, 255. */
  readonly rgba: Uint8Array;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Scanout extends Size {
  /** Video memory; without it `first` and `end` are physical addresses. */
  readonly memory: Uint8Array | undefined;
  /** The bytes of video memory that the picture may be made from: the first, and that behind the last. */
  readonly first: number;
  readonly end: number;
  /** All else that every line depends on: mode, colors. */
  readonly key: string;
  /** Bytes of memory that every line depends on: fonts. */
  shared?(): string;
  /** What comes and goes with time on a line, as a number: cursor, characters that blink. */
  overlay?(y: number): number;
  /** Whether a line is made from bytes of which `touched` is true. */
  reads(y: number, touched: (first: number, end: number) => boolean): boolean;
  /** Pixels of a line, 0xAABBGGRR each. */
  draw(y: number, into: Uint32Array, at: number): void;
  /** The same of every `step`-th pixel only, where that is less work. */
  sample?(y: number, into: Uint32Array, at: number, step: number): void;
}

const BLACK = 0xff000000;

/** The monitor gets no picture. */
export const blankScanout = ({ width, height }: Size): Scanout => ({
  width,
  height,
  memory: undefined,
  first: 0,
  end: 0,
  key: 'blank',
  reads: () => false,
  draw: (_, into, at) => void into.fill(BLACK, at, at + width),
});

export function pictureOf(scanout: Scanout): Picture {
  const { width, height } = scanout;
  const pixels = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) scanout.draw(y, pixels, y * width);
  return { width, height, rgba: new Uint8Array(pixels.buffer) };
}

/** Pixels in rows, of 15, 16, 24 or 32 bits. */
export interface LinearMode extends Size {
  readonly depth: number;
  /** Bytes from a row to the next. */
  readonly stride: number;
  /** Where the first row is. */
  readonly start: number;
}

/** `row` gives bytes of video memory. */
export function linearScanout(mode: LinearMode, memory: Uint8Array | undefined, row: (first: number, length: number) => Uint8Array): Scanout {
  const { width, height, depth, stride, start } = mode;
  const length = width * ((depth + 1) >> 3);
  return {
    width,
    height,
    memory,
    first: start,
    end: start + (height - 1) * stride + length,
    key: `linear ${depth} ${stride} ${start}`,
    reads: (y, touched) => touched(start + y * stride, start + y * stride + length),
    draw: (y, into, at) => convert(row(start + y * stride, length), depth, into, at, width, 1),
    sample: (y, into, at, step) => convert(row(start + y * stride, length), depth, into, at, width, step),
  };
}

function convert(from: Uint8Array, depth: number, into: Uint32Array, at: number, width: number, step: number): void {
  if (depth === 32 && from.byteOffset % 4 === 0) {
    const words = new Uint32Array(from.buffer, from.byteOffset, width);
    for (let x = 0; x < width; x += step) {
      const word = words[x]!;
      into[at++] = BLACK | (word & 0xff00) | ((word >>> 16) & 0xff) | ((word & 0xff) << 16);
    }
  } else if (depth >= 24) {
    const bytes = depth >> 3;
    for (let i = 0; i < width * bytes; i += bytes * step) into[at++] = BLACK | from[i + 2]! | (from[i + 1]! << 8) | (from[i]! << 16);
  } else {
    // R5 G6 B5, or R5 G5 B5. The top bits fill the low ones so that white stays white.
    const [greenBits, redShift] = depth === 16 ? [6, 11] : [5, 10];
    for (let x = 0; x < width; x += step) {
      const pixel = from[2 * x]! | (from[2 * x + 1]! << 8);
      const red = (pixel >> redShift) & 0x1f;
      const green = (pixel >> 5) & ((1 << greenBits) - 1);
      const blue = pixel & 0x1f;
      into[at++] = BLACK | (red << 3) | (red >> 2) | (((green << (8 - greenBits)) | (green >> (2 * greenBits - 8))) << 8) | (((blue << 3) | (blue >> 2)) << 16);
    }
  }
}
