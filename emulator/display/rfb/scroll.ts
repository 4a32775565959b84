/** Finds out that a part of the picture has only moved up or down, as consoles do: such a part is copied by the client itself (CopyRect). */
import type { Rectangle } from './region';

/** Rows of a smaller part are sent as quickly as they are looked for. */
const LEAST_ROWS = 32;
const LEAST_COLUMNS = 32;
/** Rows of which each says the same move. */
const LEAST_VOTES = 8;
/** Rows that go together. */
const LEAST_RUN = 16;

export interface Scroll {
  /** Where it is now. */
  readonly to: Rectangle;
  /** Row `y` of it has been row `y + down`. */
  readonly down: number;
}

/** `now` has the rows that are new. Whether what it finds is worth it is the caller's to look at: rows are told apart by 32 bits. */
export function findScroll(bounds: Rectangle | undefined, old: (y: number) => Uint32Array, now: (y: number) => Uint32Array | undefined): Scroll | undefined {
  if (!bounds || bounds.height < LEAST_ROWS || bounds.width < LEAST_COLUMNS) return undefined;
  const { x, y: top, width, height } = bounds;
  const [before, after] = [new Uint32Array(height), new Uint32Array(height)];
  const told = new Uint8Array(height);
  for (let i = 0; i < height; i++) {
    before[i] = hash(old(top + i), x, width);
    const row = now(top + i);
    after[i] = row ? hash(row, x, width) : before[i]!;
    told[i] = row && before[i] !== after[i] && !uniform(row, x, width) ? 1 : 0;
  }
  const down = elected(before, after, told);
  if (down === undefined) return undefined;
  let best = { from: 0, length: 0 };
  for (let i = Math.max(0, -down), length = 0; i < height && i + down < height; i++) {
    length = after[i] === before[i + down] ? length + 1 : 0;
    if (length > best.length) best = { from: i - length + 1, length };
  }
  return best.length < LEAST_RUN ? undefined : { to: { x, y: top + best.from, width, height: best.length }, down };
}

/** The move that most rows speak for, of those that were in one place only. */
function elected(before: Uint32Array, after: Uint32Array, told: Uint8Array): number | undefined {
  const places = new Map<number, number>();
  before.forEach((value, at) => places.set(value, places.has(value) ? NaN : at));
  const votes = new Map<number, number>();
  let winner: number | undefined;
  for (let i = 0; i < after.length; i++) {
    const place = told[i] ? places.get(after[i]!) : undefined;
    if (place === undefined || Number.isNaN(place)) continue;
    const count = (votes.get(place - i) ?? 0) + 1;
    votes.set(place - i, count);
    if (count >= LEAST_VOTES && (winner === undefined || count > votes.get(winner)!)) winner = place - i;
  }
  return winner;
}

function hash(row: Uint32Array, x: number, width: number): number {
  let value = 0x811c9dc5;
  for (let i = x; i < x + width; i++) {
    value = Math.imul(value ^ row[i]!, 0x01000193);
    value ^= value >>> 15;
  }
  return value >>> 0;
}

function uniform(row: Uint32Array, x: number, width: number): boolean {
  for (let i = x + 1; i < x + width; i++) if (row[i] !== row[x]) return false;
  return true;
}
