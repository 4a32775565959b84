/** Which parts of a picture have changed: a bitmap of tiles, so that it never takes more room however much happens. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const TILE = 16;

export class Region {
  private readonly columns: number;
  private readonly rows: number;
  private readonly tiles: Uint8Array;
  private count = 0;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.tiles = new Uint8Array(this.columns * this.rows);
  }

  get empty(): boolean {
    return this.count === 0;
  }

  addTile(column: number, row: number): void {
    const at = row * this.columns + column;
    if (this.tiles[at] === 1) return;
    this.tiles[at] = 1;
    this.count++;
  }

  /** Every tile that the rectangle touches; what is outside of the picture is passed over. */
  add({ x, y, width, height }: Rectangle): void {
    const right = Math.min(x + width, this.width);
    const bottom = Math.min(y + height, this.height);
    for (let row = Math.floor(y / TILE); row * TILE < bottom; row++) {
      for (let column = Math.floor(x / TILE); column * TILE < right; column++) this.addTile(column, row);
    }
  }

  union(other: Region): void {
    for (let at = 0; at < this.tiles.length; at++) {
      if (other.tiles[at] === 1 && this.tiles[at] === 0) {
        this.tiles[at] = 1;
        this.count++;
      }
    }
  }

  /** Takes out what lies within the rectangle, as few rectangles: runs of tiles, with equal runs below each other put together. */
  take(within: Rectangle): Rectangle[] {
    if (within.width <= 0 || within.height <= 0) return [];
    const left = Math.floor(within.x / TILE);
    const right = Math.min(Math.ceil((within.x + within.width) / TILE), this.columns);
    const bottom = Math.min(Math.ceil((within.y + within.height) / TILE), this.rows);
    const found: { x: number; y: number; width: number; height: number }[] = [];
    let above = new Map<number, { x: number; y: number; width: number; height: number }>();
    for (let row = Math.floor(within.y / TILE); row < bottom; row++) {
      const here: typeof above = new Map();
      for (let column = left; column < right; column++) {
        if (this.tiles[row * this.columns + column] === 0) continue;
        const from = column;
        for (; column < right && this.tiles[row * this.columns + column] === 1; column++) this.drop(row * this.columns + column);
        const width = Math.min(column * TILE, this.width) - from * TILE;
        const height = Math.min(TILE, this.height - row * TILE);
        const upper = above.get(from);
        if (upper?.width === width) {
          upper.height += height;
          here.set(from, upper);
        } else {
          const rectangle = { x: from * TILE, y: row * TILE, width, height };
          found.push(rectangle);
          here.set(from, rectangle);
        }
      }
      above = here;
    }
    return found;
  }

  private drop(at: number): void {
    this.tiles[at] = 0;
    this.count--;
  }
}
