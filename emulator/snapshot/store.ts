import { internalError } from '../errors';
import type { Position } from '../machine/api';
import type { Fork } from './branch';
import { isLive, positionOf, type Checkpoint, type Pages } from './checkpoint';
import { Slabs } from './slabs';

/** Most checkpoints that are kept only for stepping back nearby. */
const PASSING_LIMIT = 24;

/**
 * The checkpoints in order of position. A page's contents at a checkpoint are those of the newest
 * version at or before it; where there is none, the page was all zeros.
 */
export class CheckpointStore {
  private list: Checkpoint[] = [];
  readonly slabs = new Slabs();
  /** Contents that are kept, and by how many checkpoints: branches share what they have in common. */
  private readonly holders = new Map<Uint8Array, number>();
  /** Where contents are memory's own, by page: they are copied when the page is about to change. */
  private readonly live = new Map<number, Pages>();

  constructor(
    private readonly budget: number,
    /** Lets go of something of another branch; false: there is nothing more. */
    private readonly release: () => boolean = () => false,
  ) {}

  get all(): readonly Checkpoint[] {
    return this.list;
  }
  get bytes(): number {
    return this.slabs.bytes;
  }
  get first(): Checkpoint {
    const [first] = this.list;
    if (!first) throw internalError('no-checkpoint', 'the history has no beginning');
    return first;
  }

  find(id: number): Checkpoint | undefined {
    return this.list.find((checkpoint) => checkpoint.id === id);
  }
  at(position: Position): Checkpoint | undefined {
    return this.list.find((checkpoint) => positionOf(checkpoint) === position);
  }
  /** The last one at or before a position; the first where there is none. */
  before(position: Position): Checkpoint {
    let found = this.first;
    for (const checkpoint of this.list) if (positionOf(checkpoint) <= position) found = checkpoint;
    return found;
  }

  /** Adds one, and lets others go where the budget asks for it; never `current`. */
  add(checkpoint: Checkpoint, current: Checkpoint | undefined): void {
    const index = this.list.findIndex((other) => positionOf(other) > positionOf(checkpoint));
    if (index < 0) this.list.push(checkpoint);
    else this.list.splice(index, 0, checkpoint);
    this.hold(checkpoint.pages);
    this.thin(new Set([checkpoint, ...(current ? [current] : [])]));
  }

  /** Takes out everything that lies beyond a fork. */
  cut(fork: Fork): void {
    for (const { pages } of this.beyond(fork)) this.free(pages);
    this.list = this.list.filter((checkpoint) => !this.beyond(fork).includes(checkpoint));
  }
  beyond({ position, journal }: Fork): readonly Checkpoint[] {
    return this.list.filter(({ state }) => state.position > position || state.journal > journal);
  }

  /** A page of memory is about to change: what is memory's own becomes a copy. */
  settle(page: number): void {
    const pages = this.live.get(page);
    const bytes = pages?.get(page);
    if (!pages || !bytes) return;
    const copy = this.slabs.copy(bytes);
    pages.set(page, copy);
    this.live.delete(page);
    this.keep(copy);
  }

  hold(pages: Pages): void {
    for (const [page, bytes] of pages) {
      if (!bytes) continue;
      if (isLive(bytes)) {
        if (this.live.get(page) !== pages) this.settle(page);
        this.live.set(page, pages);
      } else this.keep(bytes);
    }
  }
  private keep(bytes: Uint8Array): void {
    const count = this.holders.get(bytes) ?? 0;
    this.holders.set(bytes, count + 1);
    if (count === 0) this.slabs.hold(bytes);
  }
  free(pages: Pages): void {
    for (const [page, bytes] of pages) {
      if (!bytes) continue;
      if (isLive(bytes)) {
        if (this.live.get(page) === pages) this.live.delete(page);
        continue;
      }
      this.letGo(bytes);
    }
  }
  private letGo(bytes: Uint8Array): void {
    const rest = (this.holders.get(bytes) ?? 0) - 1;
    if (rest > 0) this.holders.set(bytes, rest);
    else if (this.holders.delete(bytes)) this.slabs.free(bytes);
  }

  /** All pages at a checkpoint, whatever becomes of those before it. */
  whole(at: Checkpoint): Pages {
    const pages: Pages = new Map();
    for (const checkpoint of this.list.slice(0, this.list.indexOf(at) + 1))
      for (const page of checkpoint.pages.keys()) {
        if (this.live.get(page) === checkpoint.pages) this.settle(page);
        pages.set(page, checkpoint.pages.get(page)!);
      }
    return pages;
  }

  /** Contents of a page at a checkpoint. */
  version(page: number, at: Checkpoint): Uint8Array | null {
    for (let i = this.list.indexOf(at); i >= 0; i--) {
      const found = this.list[i]!.pages.get(page);
      if (found !== undefined) return found;
    }
    return null;
  }

  /** Pages that may differ between two checkpoints. */
  between(a: Checkpoint, b: Checkpoint): Set<number> {
    const [i, j] = [this.list.indexOf(a), this.list.indexOf(b)].sort((x, y) => x - y) as [number, number];
    const pages = new Set<number>();
    for (const checkpoint of this.list.slice(i + 1, j + 1)) for (const page of checkpoint.pages.keys()) pages.add(page);
    return pages;
  }

  // ── The budget ───────────────────────────────────────────────────────────────────────────

  private thin(needed: ReadonlySet<Checkpoint>): void {
    const passing = this.list.filter((checkpoint) => checkpoint.passing && !needed.has(checkpoint));
    const oldest = [...passing].sort((a, b) => a.id - b.id);
    while (oldest.length > PASSING_LIMIT) this.drop(oldest.shift()!);
    while (this.bytes > this.budget) {
      const passed = oldest.shift();
      if (!passed && this.release()) continue;
      const victim = passed ?? this.leastUseful(needed);
      if (!victim) return;
      this.drop(victim);
    }
  }

  /** The one whose absence makes the smallest gap for its age; at last the oldest. */
  private leastUseful(needed: ReadonlySet<Checkpoint>): Checkpoint | undefined {
    const newest = positionOf(this.list.at(-1)!);
    let best: Checkpoint | undefined;
    let least = Infinity;
    for (let i = 1; i < this.list.length - 1; i++) {
      const checkpoint = this.list[i]!;
      if (checkpoint.kept || needed.has(checkpoint)) continue;
      const gap = positionOf(this.list[i + 1]!) - positionOf(this.list[i - 1]!);
      const score = gap / (newest - positionOf(checkpoint) + 1);
      if (score < least) [best, least] = [checkpoint, score];
    }
    // Halving the past once more saves little where gaps are as long as the age: then it begins later.
    const { first } = this;
    if (best && least < 1) return best;
    return this.list.length > 2 && !needed.has(first) && !first.kept ? first : best;
  }

  /** What only this one knew goes to its successor. */
  private drop(checkpoint: Checkpoint): void {
    const index = this.list.indexOf(checkpoint);
    const successor = this.list[index + 1];
    if (!successor) throw internalError('last-checkpoint', 'the newest checkpoint can not be dropped');
    const moved: number[] = [];
    for (const [page, bytes] of checkpoint.pages) {
      if (successor.pages.has(page)) continue;
      successor.pages.set(page, bytes);
      checkpoint.pages.delete(page);
      if (this.live.get(page) === checkpoint.pages) this.live.set(page, successor.pages);
      moved.push(page);
    }
    this.free(checkpoint.pages);
    this.list.splice(index, 1);
    this.compact(successor.pages, moved);
  }

  /** What was moved may be all that its slabs are held for. */
  private compact(pages: Pages, moved: Iterable<number>): void {
    for (const page of moved) {
      const bytes = pages.get(page);
      const copy = bytes && !isLive(bytes) ? this.slabs.compacted(bytes) : bytes;
      if (!copy || copy === bytes) continue;
      pages.set(page, copy);
      this.keep(copy);
      this.letGo(bytes!);
    }
  }
}
