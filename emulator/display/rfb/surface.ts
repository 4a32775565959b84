import { Region, TILE, type Rectangle } from './region';

/** A picture as the machine gives it: red, green, blue, 255 for each pixel, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** The picture that clients are shown; each pixel a number 0xAABBGGRR. */
export class Surface {
  private constructor(
    readonly width: number,
    readonly height: number,
    readonly pixels: Uint32Array,
  ) {}

  static blank(width: number, height: number): Surface {
    return new Surface(width, height, new Uint32Array(width * height).fill(0xff000000));
  }

  static of({ width, height, rgba }: Picture): Surface {
    const pixels = new Uint32Array(width * height);
    new Uint8Array(pixels.buffer).set(rgba.subarray(0, width * height * 4));
    return new Surface(width, height, pixels);
  }

  get whole(): Rectangle {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  sameSize(other: Surface): boolean {
    return this.width === other.width && this.height === other.height;
  }

  /** The tiles in which this picture differs from one of the same size. */
  changes(before: Surface): Region {
    const region = new Region(this.width, this.height);
    const [now, old] = [this.pixels, before.pixels];
    for (let y = 0; y < this.height; y++) {
      const row = y * this.width;
      for (let x = 0; x < this.width; x++) {
        if (now[row + x] === old[row + x]) continue;
        region.addTile(Math.floor(x / TILE), Math.floor(y / TILE));
        x |= TILE - 1; // the rest of the tile's row tells nothing new
      }
    }
    return region;
  }

  /** The pixels of a part, put into a client's values. */
  values({ x, y, width, height }: Rectangle, value: (pixel: number) => number): Uint32Array {
    const part = new Uint32Array(width * height);
    let last = 0;
    let translated = value(0);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * this.width + x;
      for (let column = 0; column < width; column++) {
        const pixel = this.pixels[from + column]!;
        if (pixel !== last) {
          last = pixel;
          translated = value(pixel);
        }
        part[row * width + column] = translated;
      }
    }
    return part;
  }
}
