import { internalError } from '../errors';
import type { Position } from '../machine/api';
import { eachKept, keptPage, type KeptPages } from '../machine/pages';
import { AwaitedPages } from './awaitedpages';
import { Pages, positionOf, type Checkpoint, type Fork } from './checkpoint';
import { LivePages } from './livepages';
import { isCopy, Slabs, type Contents } from './slabs';
import { KEPT_ZERO } from '../x86/layout';

/** Most checkpoints that are kept only for stepping back nearby. */
const PASSING_LIMIT = 24;

/** What the store asks of memory (machine/pages.ts). */
export interface Memory {
  /** What a page has now. */
  contents(page: number): Uint8Array | null;
}

/**
 * The checkpoints in order of position, those of one position in that of the inputs they have had. A page's contents at a
 * checkpoint are those of the newest version at or before it; where there is none, the page was all zeros.
 */
export class CheckpointStore {
  private list: Checkpoint[] = [];
  readonly slabs = new Slabs();
  /** Where contents are memory's own: they are copied when the page is about to change. */
  private readonly live = new LivePages();

  constructor(
    private readonly budget: number,
    private readonly memory: Memory,
    /** Lets go of something of another branch; false: there is nothing more. */
    private readonly release: () => boolean = () => false,
    private readonly awaited = new AwaitedPages(),
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
  /** The last one at or before a position that has had no more than so many inputs; the first where there is none. */
  before(position: Position, journal = Infinity): Checkpoint {
    let found = this.first;
    for (const checkpoint of this.list) if (positionOf(checkpoint) <= position && checkpoint.state.journal <= journal) found = checkpoint;
    return found;
  }

  /** Adds one, and lets others go where the budget asks for it; never `current`. */
  add(checkpoint: Checkpoint, current: Checkpoint | undefined): void {
    const { position, journal } = checkpoint.state;
    const index = this.list.findIndex(({ state }) => state.position > position || (state.position === position && state.journal > journal));
    if (index < 0) this.list.push(checkpoint);
    else this.list.splice(index, 0, checkpoint);
    this.hold(checkpoint.pages);
    this.thin(new Set([checkpoint, ...(current ? [current] : [])]));
  }

  /**
   * A past that becomes known: it lies before the first one. `same`: pages of which the first one's contents are older than it is;
   * `written`: those that it has anew.
   */
  precede(past: readonly { readonly checkpoint: Checkpoint; readonly same: readonly number[] }[], written: readonly number[], current: Checkpoint): void {
    const { first } = this;
    for (const page of written) if (!first.pages.has(page)) first.pages.set(page, null);
    for (const { checkpoint, same } of past) {
      const { pages } = checkpoint;
      this.hold(pages);
      for (const page of same) {
        pages.set(page, first.pages.get(page) ?? null);
        first.pages.delete(page);
        if (this.live.of(page) === first.pages) this.live.put(page, pages);
      }
    }
    this.list.unshift(...past.map(({ checkpoint }) => checkpoint));
    this.thin(new Set([first, current]));
  }

  /** Takes out everything that lies beyond a fork. */
  cut(fork: Fork): void {
    for (const { pages } of this.beyond(fork)) this.free(pages);
    this.list = this.list.filter((checkpoint) => !this.beyond(fork).includes(checkpoint));
  }
  beyond({ position, journal }: Fork): readonly Checkpoint[] {
    return this.list.filter(({ state }) => state.position > position || state.journal > journal);
  }

  /** Pages of memory have changed: of what was memory's own there are copies. */
  settleKept(kept: KeptPages): void {
    const { live, slabs } = this;
    const { pages, contents } = this.owned(kept);
    const { owners, indexes } = live;
    const copies = slabs.copies(contents);
    const held: Uint8Array[] = [];
    let [owner, number]: [Pages | undefined, number] = [undefined, 0];
    // This loop is most of what a past costs while a guest runs: pages next to each other mostly have one owner.
    for (let i = 0, next = 0; i < pages.length; i++) {
      const each = pages[i]!;
      const copy = each & KEPT_ZERO ? null : copies[next++]!;
      const page = each & ~KEPT_ZERO;
      const of = owners[page]!;
      if (of !== number) owner = live.named((number = of));
      owners[page] = 0;
      if (!owner) continue;
      owner.settle(page, indexes[page]!, copy);
      if (copy) held.push(copy);
    }
    slabs.hold(held);
  }

  /** Those of them that are somebody's, nearly always all. */
  private owned(kept: KeptPages): KeptPages {
    const { owners } = this.live;
    const isOwned = (each: number): boolean => owners[each & ~KEPT_ZERO] !== 0;
    let all = true;
    for (let i = 0; all && i < kept.pages.length; i++) all = owners[kept.pages[i]! & ~KEPT_ZERO] !== 0;
    if (all) return kept;
    const contents = [...eachKept(kept)].flatMap(([page, own]) => (own && isOwned(page) ? own : []));
    return { pages: kept.pages.filter(isOwned), contents: Buffer.concat(contents) };
  }

  /** What is memory's own becomes a copy. */
  private settle(page: number): void {
    this.settleKept(keptPage(page, this.memory.contents(page)));
  }

  hold(pages: Pages): void {
    this.live.take(pages.live(), pages, (page) => this.settle(page));
    this.slabs.hold(pages.copies());
  }
  free(pages: Pages): void {
    this.live.drop(pages.live(), pages);
    for (const copy of pages.copies()) this.slabs.free(copy);
  }

  /** All pages at a checkpoint, whatever becomes of those before it. */
  whole(at: Checkpoint): Pages {
    const pages = new Pages();
    for (const checkpoint of this.list.slice(0, this.list.indexOf(at) + 1))
      for (const page of checkpoint.pages.keys()) {
        if (this.live.of(page) === checkpoint.pages) this.settle(page);
        pages.set(page, checkpoint.pages.get(page)!);
      }
    return pages;
  }

  /** Contents of a page at a checkpoint. Throws where they have not been read yet, and the file is damaged. */
  version(page: number, at: Checkpoint): Contents {
    for (let i = this.list.indexOf(at); i >= 0; i--) {
      const found = this.list[i]!.pages.get(page);
      if (found !== undefined) return isCopy(found) ? this.awaited.fetch(found) : found;
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

  /** The past begins later. False: it can not. */
  shorten(current: Checkpoint): boolean {
    const [first, second] = this.list;
    if (!first || !second || first === current || first.kept) return false;
    this.drop(first);
    return true;
  }

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
      if (this.live.of(page) === checkpoint.pages) this.live.put(page, successor.pages);
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
      if (!isCopy(bytes) || this.awaited.awaits(bytes)) continue;
      const copy = this.slabs.compacted(bytes);
      if (copy === bytes) continue;
      pages.set(page, copy);
      this.slabs.hold([copy]);
      this.slabs.free(bytes);
    }
  }
}
