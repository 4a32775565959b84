import { Region, TILE, type Rectangle } from './region';
import { findScroll, type Scroll } from './scroll';

/** A picture as the machine gives it: red, green, blue, 255 for each pixel, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** Some rows of a picture: `rgba` has the bands' pixels, one band behind the other. */
export interface Bands extends Picture {
  readonly bands: readonly { readonly y: number; readonly height: number }[];
}

export const wholeOf = ({ width, height, rgba }: Picture): Bands => ({ width, height, rgba, bands: [{ y: 0, height }] });

/** What is other than before. */
export interface Changes {
  readonly region: Region;
  /** A part that is only somewhere else now, and what is other than before but for that. */
  readonly scroll?: Scroll & { readonly rest: Region };
}

/** Rows that are new, by their numbers; of others there are none. */
export type Rows = (y: number) => Uint32Array | undefined;

/** The picture that clients are shown; each pixel a number 0xAABBGGRR. */
export class Surface {
  readonly pixels: Uint32Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height).fill(0xff000000);
  }

  get whole(): Rectangle {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  sameSize(other: { readonly width: number; readonly height: number }): boolean {
    return this.width === other.width && this.height === other.height;
  }

  row(y: number): Uint32Array {
    return this.pixels.subarray(y * this.width, (y + 1) * this.width);
  }

  /** Takes rows over, and tells what they have changed. */
  apply({ bands, rgba }: Bands): Changes {
    const { width, height } = this;
    const fresh = rgba.byteOffset % 4 === 0 ? new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length >> 2) : new Uint32Array(rgba.slice().buffer);
    const places = new Int32Array(height).fill(-1);
    let lines = 0;
    for (const band of bands) for (let y = band.y; y < band.y + band.height; y++) places[y] = lines++ * width;
    const rows: Rows = (y) => (places[y]! < 0 ? undefined : fresh.subarray(places[y], places[y]! + width));
    const changes = this.changes(rows);
    for (const band of bands) this.pixels.set(fresh.subarray(places[band.y], places[band.y]! + band.height * width), band.y * width);
    return changes;
  }

  private changes(rows: Rows): Changes {
    const region = new Region(this.width, this.height);
    for (let y = 0; y < this.height; y++) {
      const row = rows(y);
      if (row) compare(region, y, row, this.row(y));
    }
    const scroll = findScroll(region.bounds(), (y) => this.row(y), rows);
    if (!scroll) return { region };
    const { x, y: top, width, height } = scroll.to;
    const rest = new Region(this.width, this.height);
    for (let y = 0; y < this.height; y++) {
      const row = rows(y) ?? (y >= top && y < top + height ? this.row(y) : undefined);
      if (!row) continue;
      const expected = this.row(y).slice();
      if (y >= top && y < top + height) expected.set(this.row(y + scroll.down).subarray(x, x + width), x);
      compare(rest, y, row, expected);
    }
    return rest.tilesSet * 4 <= region.tilesSet * 3 ? { region, scroll: { ...scroll, rest } } : { region };
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

/** Adds the tiles in which two forms of a row differ. */
function compare(region: Region, y: number, now: Uint32Array, old: Uint32Array): void {
  for (let x = 0; x < now.length; x++) {
    if (now[x] === old[x]) continue;
    region.addTile(Math.floor(x / TILE), Math.floor(y / TILE));
    x |= TILE - 1; // the rest of the tile's row tells nothing new
  }
}
