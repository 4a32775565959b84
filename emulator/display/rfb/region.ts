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
  get tilesSet(): number {
    return this.count;
  }

  /** The least rectangle around everything; undefined where there is nothing. */
  bounds(): Rectangle | undefined {
    let [left, right, top, bottom] = [this.columns, -1, this.rows, -1];
    for (let at = 0; at < this.tiles.length; at++) {
      if (this.tiles[at] === 0) continue;
      const [row, column] = [Math.floor(at / this.columns), at % this.columns];
      [left, right, top, bottom] = [Math.min(left, column), Math.max(right, column), Math.min(top, row), row];
    }
    if (right < 0) return undefined;
    const [x, y] = [left * TILE, top * TILE];
    return { x, y, width: Math.min((right + 1) * TILE, this.width) - x, height: Math.min((bottom + 1) * TILE, this.height) - y };
  }

  /** The picture's rectangle `to` is now what lay `down` rows below: what had changed there has now changed in its new place. */
  move({ x, y, width, height }: Rectangle, down: number): void {
    const before = this.tiles.slice();
    const changed = (left: number, right: number, top: number, bottom: number): boolean => {
      for (let row = Math.floor(top / TILE); row * TILE < bottom; row++) {
        for (let column = Math.floor(left / TILE); column * TILE < right; column++) if (before[row * this.columns + column] === 1) return true;
      }
      return false;
    };
    const [right, bottom] = [x + width, y + height];
    for (let row = Math.floor(y / TILE); row * TILE < bottom; row++) {
      for (let column = Math.floor(x / TILE); column * TILE < right; column++) {
        const [tileX, tileY] = [column * TILE, row * TILE];
        const ends = [Math.min(tileX + TILE, this.width), Math.min(tileY + TILE, this.height)] as const;
        const inside = tileX >= x && tileY >= y && ends[0] <= right && ends[1] <= bottom;
        const at = row * this.columns + column;
        const [top, end] = [Math.max(tileY, y) + down, Math.min(ends[1], bottom) + down];
        const stale = changed(Math.max(tileX, x), Math.min(ends[0], right), top, end) || (!inside && before[at] === 1);
        if (stale) this.addTile(column, row);
        else if (this.tiles[at] === 1) this.drop(at);
      }
    }
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
