import { userError } from '../errors';
import type { CheckpointInfo, Position } from '../machine/api';
import type { History, HistoryContext, Hit, PageReader } from '../machine/history';
import { isMemoryPage } from '../machine/pages';
import { capture, restore } from '../machine/state';
import { Backwards } from './backwards';
import { Branches } from './branch';
import { bytesOf, bytesOfPage, describe, Pages, positionOf, type Checkpoint } from './checkpoint';
import { AwaitedPages } from './awaitedpages';
import { NO_PAST, type LaterPast, type Past } from './historychunk';
import { Replay } from './replay';
import { LIVE, LOADED } from './slabs';
import { CheckpointStore } from './store';

/** Milliseconds of the host's processor after which the next checkpoint comes early, so that a guest that runs slowly is replayed soon. */
const LATE_MS = 100;
/** It may come as much later as pages are many: their copies are what a checkpoint costs, and a page that is written all the time is copied less often. */
const PAGES_OF_MS = 16;
const LATEST_MS = 400;
/** Stretches between two looks at the host's time; one takes some milliseconds. */
const LOOK = 8;
/** Instructions of a stretch that counts: those of an idle guest are shorter. */
const BUSY = 15_000;
/** Virtual time of a guest that does little, after which a checkpoint comes all the same: who looks at the history looks along time. */
const IDLE_NS = 500e6;
/** Bytes from the network that are kept, so that a snapshot has room for them: the past begins where they do. */
const MOST_RECEIVED = 48 << 20;
/** A place that is no further behind a checkpoint is come back to at once. */
const NEAR = 200_000;

/** How a checkpoint is made. */
interface Take {
  readonly name?: string;
  readonly kept?: boolean;
  readonly passing?: boolean;
  /** It is of a past that knows how its screen looked. */
  readonly told?: boolean;
  /** The machine has not run yet. */
  readonly fresh?: boolean;
}

/** The machine's past: checkpoints with changed pages only, and the journal between them. */
export class Timeline implements History {
  private readonly store: CheckpointStore;
  private readonly others = new Branches();
  private readonly reader: PageReader;
  private readonly awaited: AwaitedPages;
  private readonly replay: Replay;
  private readonly backwards: Backwards;
  /** The first checkpoint that was made here. */
  private readonly began: Checkpoint;
  /** Memory is what this checkpoint says, but for the pages of `changed` and of `reader`. */
  private base!: Checkpoint;
  private changed = new Set<number>();
  private last: Position;
  private nextId = 1;
  /** Stretches of new ground since the last checkpoint, and the host's time at that. */
  private stretches = 0;
  private spentBefore = 0;
  /** Milliseconds after which the next checkpoint comes early. */
  private patience = LATE_MS;

  constructor(
    private readonly context: HistoryContext,
    budget: number,
    private readonly every: number,
    private later?: LaterPast,
  ) {
    const { machine } = context;
    this.awaited = later?.awaited ?? new AwaitedPages();
    this.store = new CheckpointStore(budget, machine.pages, () => this.others.release(this.store), this.awaited);
    this.replay = new Replay(context, this.store, every, { goTo: (checkpoint) => this.goTo(checkpoint), leave: () => void this.take({ passing: true }) });
    this.backwards = new Backwards(context, this.store, this.replay, () => this.oldest);
    this.reader = machine.pages.reader({ keep: true });
    machine.pages.onKept((kept) => this.store.settleKept(kept));
    this.last = machine.position;
    this.began = this.take({ ...later?.last, told: later !== undefined, fresh: machine.position === 0 });
  }

  /** The past of a snapshot, which lies before the first checkpoint. */
  private adopt(): void {
    const { later, began } = this;
    this.later = undefined;
    // With a small budget the beginning may have gone already.
    if (!later || this.store.first !== began) return;
    const { pages } = this.context.machine;
    const { earlier, written, told } = later.open();
    const past = earlier.map(({ checkpoint, same }) => ({ checkpoint: { ...checkpoint, id: this.nextId++, passing: false }, same }));
    this.note();
    for (const { checkpoint, same } of past) {
      pages.mark(checkpoint.pages.keys());
      pages.mark(same);
    }
    pages.mark(written);
    // They are not new.
    this.reader.take();
    this.store.precede(past, written, this.base);
    this.context.brought(told, [...past.map(({ checkpoint }) => checkpoint), began]);
    this.context.changed();
  }

  /** Looks at the past that a snapshot has brought, and reads it, until `ended`. Throws where the file is damaged. */
  async rest(ended: () => boolean): Promise<void> {
    if (ended()) return;
    this.adopt();
    await this.awaited.rest(ended);
  }

  recorded(bytes: number): Past {
    this.adopt();
    const { position } = this;
    this.note();
    if (this.changed.size > 0 || positionOf(this.base) !== position || this.base.state.journal !== this.context.machine.journal.cursor) this.take({});
    const list = this.store.all.slice(0, this.store.all.indexOf(this.base) + 1).map((each) => ({ ...each, pages: each.pages.copy() }));
    for (const { pages } of list)
      for (const [page, contents] of pages) if (contents === LOADED) pages.set(page, this.context.machine.pages.loadedContents(page));
    // The newest version of a page is what memory has now.
    const newest = new Set<number>();
    for (const { pages } of [...list].reverse())
      for (const page of pages.keys()) {
        if (newest.has(page) || !isMemoryPage(page)) continue;
        newest.add(page);
        pages.set(page, this.isZero(page) ? null : LIVE);
      }
    const room = bytes - Math.min(this.context.pictureBytes(), bytes / 16);
    const rest = list.map(bytesOf);
    for (let i = rest.length - 2; i >= 0; i--) rest[i]! += rest[i + 1]!;
    // The first one that is kept takes the pages of those before it along.
    const first = new Pages();
    let held = 0;
    for (const [index, { pages }] of list.entries()) {
      for (const [page, contents] of pages) {
        held += bytesOfPage(contents) - bytesOfPage(first.get(page));
        first.set(page, contents);
      }
      const used = held + (rest[index + 1] ?? 0);
      if (used > room) continue;
      const checkpoints = list.slice(index).map((each, number) => (number === 0 ? { ...each, pages: first } : each));
      const told = this.context.told(checkpoints, positionOf(checkpoints[0]!), position, bytes - used);
      return { checkpoints, awaited: this.awaited, told, release: this.store.slabs.borrow() };
    }
    return NO_PAST;
  }

  /** Whether a page of memory is, as far as it is there. */
  private isZero(page: number): boolean {
    const { pages } = this.context.machine;
    return !pages.isAwaited(page) && pages.contents(page) === null;
  }

  get oldest(): Position {
    const { first } = this.store;
    return this.later && first === this.began ? this.later.oldest : positionOf(first);
  }
  get newest(): Position {
    return Math.max(this.last, this.position);
  }
  get bytes(): number {
    return this.store.bytes;
  }
  get due(): Position {
    return (Math.floor(this.position / this.every) + 1) * this.every;
  }
  private get position(): Position {
    return this.context.machine.position;
  }

  visit(): void {
    const stretch = this.position - Math.max(this.last, positionOf(this.base));
    if (stretch >= BUSY) this.stretches++;
    this.last = Math.max(this.last, this.position);
    const onGrid = this.position % this.every === 0;
    const idled = this.position > this.newest - 1 && this.context.machine.clock.now() - this.base.time >= IDLE_NS;
    if (!onGrid && !idled && (stretch < BUSY || !this.late())) return;
    if (this.store.at(this.position)) return;
    this.take({});
    this.context.changed();
  }

  /** The host's time takes a while to ask for. */
  private late(): boolean {
    if (this.stretches % LOOK !== 0) return false;
    const spent = this.context.spent() - this.spentBefore;
    if (spent < this.patience) return false;
    // Where one of the grid comes soon, as fast as the guest has run, two would copy what one does.
    return spent >= LATEST_MS || (this.due - this.position) * 2 > this.position - positionOf(this.base);
  }

  branched(): void {
    const { journal } = this.context.machine;
    const before = journal.cursor - 1;
    this.fetch();
    const left = this.others.leave(this.store, { position: this.position, journal: before }, [...journal.save().slice(0, before), ...journal.lost]);
    this.context.left(left, this.position);
    this.context.triggers.forget(this.position);
    this.last = this.position;
    this.context.changed();
  }

  /** What a branch keeps is copied: all of memory has to be there. */
  private fetch(): void {
    const { pages } = this.context.machine;
    pages.fetch(pages.all());
  }

  // ── Checkpoints ──────────────────────────────────────────────────────────────────────────

  private take({ name, kept = false, passing = false, told = false, fresh = false }: Take): Checkpoint {
    const { machine } = this.context;
    const { memory, disks } = this.reader.take();
    // Before the machine has run it is what was loaded into it, mostly.
    const loaded = new Set(fresh ? machine.pages.takeLoaded() : []);
    const contents = [...loaded].map((page) => [page, LOADED] as const);
    const pages = new Pages(fresh ? memory.filter((page) => !loaded.has(page)) : memory, contents);
    for (const page of [...this.changed, ...disks]) pages.set(page, machine.pages.kept(page));
    const checkpoint: Checkpoint = {
      id: this.nextId++,
      state: capture(machine),
      time: machine.clock.now(),
      ...(name !== undefined && { name }),
      kept,
      passing,
      pages,
    };
    this.store.add(checkpoint, this.base);
    this.base = checkpoint;
    this.changed = new Set();
    this.stretches = 0;
    this.spentBefore = this.context.spent();
    this.patience = Math.min(LATEST_MS, LATE_MS + memory.length / PAGES_OF_MS);
    this.forget();
    if (!passing && !told) this.context.made(checkpoint.id, kept);
    return checkpoint;
  }

  /** What came from the network is kept as long as the past that needs it: one that is still in its file, too. */
  private forget(): void {
    const { journal } = this.context.machine;
    if (this.later) return;
    do journal.forget(this.store.first.state.journal);
    while (journal.received > MOST_RECEIVED && this.store.shorten(this.base));
  }

  private note(): void {
    const { memory, disks } = this.reader.take();
    for (const page of [...memory, ...disks]) this.changed.add(page);
  }

  checkpoint(name?: string): CheckpointInfo {
    const made = this.take({ kept: true, ...(name !== undefined && { name }) });
    this.context.changed();
    return describe(made);
  }
  list(): readonly CheckpointInfo[] {
    this.adopt();
    const own = this.store.all.filter(({ passing }) => !passing).map((each) => describe(each));
    const others = this.others.checkpoints.map(({ checkpoint, number }) => describe(checkpoint, number));
    return [...own, ...others].sort((a, b) => a.position - b.position);
  }
  branches(): ReturnType<History['branches']> {
    return this.others.list();
  }

  /** Puts a checkpoint's state into the machine. */
  private goTo(checkpoint: Checkpoint): void {
    const { machine } = this.context;
    this.note();
    const pages = this.store.between(this.base, checkpoint);
    for (const page of this.changed) pages.add(page);
    // All of it is there before anything is changed: a file that is damaged leaves the machine as it stands.
    machine.pages.fetch(pages);
    const versions = [...pages].map((page) => [page, this.store.version(page, checkpoint)] as const);
    for (const [page, contents] of versions) machine.pages.put(page, contents);
    restore(machine, checkpoint.state, pages);
    machine.pages.mark(pages);
    this.reader.take();
    this.base = checkpoint;
    this.changed = new Set();
  }

  async restore(id: number): Promise<void> {
    this.adopt();
    const found = this.store.find(id);
    if (found) {
      this.last = this.newest;
      this.goTo(found);
    } else this.changeTo(id);
    await this.context.yield();
  }

  /** Goes to a checkpoint of another branch, which becomes the current one. */
  private changeTo(id: number): void {
    const found = this.others.take(id);
    if (!found) throw userError('no-checkpoint', `there is no checkpoint ${id}`);
    const { machine } = this.context;
    const { number, checkpoint, events, fork } = found;
    this.context.triggers.forget(fork.position);
    this.fetch();
    this.context.left(this.others.leave(this.store, fork, machine.journal.save()), fork.position);
    this.context.came(number);
    this.store.add(checkpoint, this.store.all.at(-1));
    // It now has two holders: itself, and the list of other branches that it has left.
    this.store.free(checkpoint.pages);
    machine.journal.load(events, checkpoint.state.journal);
    // Nothing is known of how memory differs: everything that was ever written is put back.
    this.changed = new Set(machine.pages.all());
    this.base = checkpoint;
    this.goTo(checkpoint);
    this.last = this.position;
    this.context.changed();
  }

  // ── Travelling ───────────────────────────────────────────────────────────────────────────

  async travel(position: Position): Promise<void> {
    if (!Number.isInteger(position) || position < this.oldest || position > this.newest)
      throw userError('no-position', `position ${position} is outside of the history, ${this.oldest} to ${this.newest}`);
    await this.orBack(() => this.replay.to(position));
  }

  /** A motion that may take long. If it is interrupted the machine is left where it stood before. */
  private async orBack<T>(move: () => Promise<T>): Promise<T> {
    this.adopt();
    this.last = this.newest;
    const here = this.position;
    const { cursor } = this.context.machine.journal;
    if (here - positionOf(this.store.before(here)) > NEAR) this.take({ passing: true });
    const result = await move();
    if (this.context.interrupted()) {
      this.context.triggers.setMode('off');
      this.goTo(this.store.before(here, cursor));
      await this.replay.run(here, { whole: true });
      if (this.context.machine.journal.cursor < cursor) this.context.loop.advance(here);
    }
    return result;
  }

  // ── Backwards ────────────────────────────────────────────────────────────────────────────

  stepBack(vcpu: number): Promise<boolean> {
    return this.orBack(() => this.backwards.step(vcpu));
  }

  reverseContinue(): Promise<Hit | undefined> {
    return this.orBack(() => this.backwards.search());
  }
}
