import type { Engine, KeptPages } from '../engine/engine';
import { internalError } from '../errors';
import { PAGE } from '../snapshot/format';
import { isZero, LIVE, LOADED, type Contents } from '../snapshot/slabs';
import type { Overlay } from '../storage/overlay';
import { KEPT_ZERO, RAM, READERS } from '../x86/layout';

/** Pages of disks are numbered beyond all that the engine can have: a space for each disk. */
const DISK_SPACE = 2 ** 32;
export const isMemoryPage = (page: number): boolean => page < DISK_SPACE;
export const diskOfPage = (page: number): { readonly disk: number; readonly page: number } => ({
  disk: Math.floor(page / DISK_SPACE) - 1,
  page: page % DISK_SPACE,
});
export const pageOfDisk = (disk: number, page: number): number => (disk + 1) * DISK_SPACE + page;

export type { KeptPages };
const NOTHING = new Uint8Array(0);
/** One page, as it is before it changes; null: all zeros. */
export const keptPage = (page: number, contents: Uint8Array | null): KeptPages => ({
  pages: Uint32Array.of(contents ? page : page | KEPT_ZERO),
  contents: contents ?? NOTHING,
});
/** Each of them, and what it was; null: all zeros. */
export function* eachKept({ pages, contents }: KeptPages): Iterable<readonly [page: number, contents: Uint8Array | null]> {
  let at = 0;
  for (const each of pages) yield [each & ~KEPT_ZERO, each & KEPT_ZERO ? null : contents.subarray(at, (at += PAGE))];
}

/** Page numbers: of memory, in order, and of disks. */
export interface PageNumbers {
  readonly memory: Uint32Array;
  readonly disks: Iterable<number>;
}

/** Pages that one reader has not looked at since they were written. */
export interface PageReader {
  /** The pages written since the last call. */
  take(): PageNumbers;
  /** The same of some pages of memory only, the last included; marks of others stay as they are. Where none is written this costs next to nothing. */
  takeWithin(first: number, last: number): Uint32Array;
}

/** Marks of pages of memory are the engine's; this is the reader that never takes any. */
const EVERYTHING = 0;

/** What is loaded into RAM before a machine runs. */
interface Loaded {
  readonly address: number;
  readonly bytes: Uint8Array;
}
/** Pages from the first to that behind the last. */
interface PageRange {
  readonly first: number;
  readonly end: number;
}
const wholePages = ({ address, bytes }: Loaded): PageRange => ({
  first: Math.ceil((RAM + address) / PAGE),
  end: Math.floor((RAM + address + bytes.length) / PAGE),
});
/** What of a range is left without the pages that a piece touches. */
const without = ({ first, end }: PageRange, { address, bytes }: Loaded): readonly PageRange[] =>
  [
    { first, end: Math.min(end, Math.floor((RAM + address) / PAGE)) },
    { first: Math.max(first, Math.ceil((RAM + address + bytes.length) / PAGE)), end },
  ].filter((range) => range.first < range.end);

/** Memory as it was at one moment, while the guest goes on. */
export interface FrozenMemory {
  /** The pages of memory that were ever written, in order. */
  readonly pages: readonly number[];
  /** What a page was, once: it is not kept any longer. To be used before the guest runs again. null: all zeros. */
  take(page: number): Uint8Array | null;
  /** Nobody asks any more. */
  release(): void;
}

/**
 * Which pages were written, for everybody who asks: checkpoints, the state hash, reset, viewers of the screen. Page numbers are
 * the engine's: RAM first, then what lies beside it; and then what disks' overlays hold.
 */
export class WrittenPages {
  /** Pages of disks, by reader. */
  private readonly disks: Set<number>[] = [new Set()];
  private readonly memory: Uint8Array;
  private pieces: readonly Loaded[] = [];
  private bring: (page: number) => void = () => undefined;
  private readonly listeners = new Set<(kept: KeptPages) => void>();

  constructor(
    private readonly engine: Engine,
    private readonly overlays: readonly Overlay[] = [],
  ) {
    this.memory = new Uint8Array(engine.memory.buffer);
  }

  /**
   * One that comes later hears of everything, too. `keep`: what the pages of memory are that it takes is kept when they change.
   * Throws where there are more than the engine has marks for.
   */
  reader({ keep = false } = {}): PageReader {
    const number = this.disks.length;
    if (number === READERS) throw internalError('page-readers', `there are ${READERS} readers of written pages already`);
    this.disks.push(new Set(this.disks[EVERYTHING]));
    return {
      take: () => {
        this.harvestDisks();
        const disks = this.disks[number]!;
        this.disks[number] = new Set();
        return { memory: this.engine.writtenPages(number, keep ? 'keep' : 'take'), disks };
      },
      takeWithin: (first, last) => this.engine.writtenPages(number, 'take', first, last),
    };
  }

  /** `listener` hears of pages of memory that have changed and are kept, each once, at the latest when somebody looks at what was written. */
  onKept(listener: (kept: KeptPages) => void): void {
    if (this.listeners.size === 0) this.engine.onKept((kept) => this.tell(kept));
    this.listeners.add(listener);
  }
  private tell(kept: KeptPages): void {
    for (const listener of this.listeners) listener(kept);
  }

  /** Takes memory as it is now, without copying it: that is done with pages that are about to change, as long as they were not taken. */
  freeze(): FrozenMemory {
    const pages = this.engine.writtenPages(EVERYTHING, 'list');
    const left = new Set(pages);
    const copies = new Map<number, Uint8Array | null>();
    const keep = (kept: KeptPages): void => {
      for (const [page, contents] of eachKept(kept)) if (left.delete(page)) copies.set(page, contents?.slice() ?? null);
    };
    this.onKept(keep);
    this.engine.keep(pages);
    return {
      pages: [...pages],
      take: (page) => {
        this.engine.tellKept();
        if (left.delete(page)) return this.contents(page);
        const copy = copies.get(page) ?? null;
        copies.delete(page);
        return copy;
      },
      release: () => void this.listeners.delete(keep),
    };
  }

  /** Every page that was ever written. */
  all(): readonly number[] {
    this.harvestDisks();
    return [...this.engine.writtenPages(EVERYTHING, 'list'), ...this.disks[EVERYTHING]!];
  }

  /** Puts what a machine starts with into RAM. Pages can be put back from there: it must not change. */
  load(pieces: readonly Loaded[]): void {
    for (const { address, bytes } of pieces) this.engine.physicalWrite(address, bytes);
    this.pieces = pieces;
  }
  /** The pages that are wholly of one piece, before the machine runs. For who keeps that, what they are is not kept when they change. */
  takeLoaded(): readonly number[] {
    const pages: number[] = [];
    for (const piece of this.pieces) {
      let ranges: readonly PageRange[] = [wholePages(piece)];
      for (const other of this.pieces) if (other !== piece) ranges = ranges.flatMap((range) => without(range, other));
      for (const { first, end } of ranges) {
        this.engine.letGo(first, end);
        for (let page = first; page < end; page++) pages.push(page);
      }
    }
    return pages;
  }
  /** What was loaded into one of these. */
  loadedContents(page: number): Uint8Array {
    for (const piece of this.pieces) {
      const { first, end } = wholePages(piece);
      const at = page * PAGE - RAM - piece.address;
      if (page >= first && page < end) return piece.bytes.subarray(at, at + PAGE);
    }
    throw internalError('not-loaded', `nothing was loaded into page ${page}`);
  }

  /** Pages of RAM whose contents come later: when they are looked at, by `bring`, or before that. */
  await(pages: Iterable<number>, bring: (page: number) => void): void {
    this.bring = bring;
    this.engine.awaitPages(pages, bring);
  }
  isAwaited(page: number): boolean {
    return isMemoryPage(page) && this.engine.isAwaited(page);
  }
  /** What an awaited page holds; nothing where it is there already. */
  arrive(page: number, contents: Uint8Array): void {
    if (this.isAwaited(page)) this.engine.arrive(page, contents);
  }

  /** As `contents`, for who keeps it. */
  kept(page: number): Contents {
    return isMemoryPage(page) ? LIVE : this.contents(page);
  }
  private own(page: number): Uint8Array {
    return this.memory.subarray(page * PAGE, (page + 1) * PAGE);
  }
  /** Brings what is awaited of these pages. */
  fetch(pages: Iterable<number>): void {
    for (const page of pages) if (this.isAwaited(page)) this.bring(page);
  }

  /** What a page is now; null: as at power-on, all zeros or what the disk's image has. A memory page goes on changing under what is given. */
  contents(page: number): Uint8Array | null {
    if (isMemoryPage(page)) {
      if (this.engine.isAwaited(page)) this.bring(page);
      const own = this.own(page);
      return isZero(own) ? null : own;
    }
    const { disk, page: own } = diskOfPage(page);
    return this.overlays[disk]?.get(own) ?? null;
  }

  /** Puts a page as it was; marks are the caller's. */
  put(page: number, kept: Contents): void {
    if (kept === LIVE) return;
    if (kept === LOADED) return this.put(page, this.loadedContents(page));
    if (!isMemoryPage(page)) {
      const { disk, page: own } = diskOfPage(page);
      return void this.overlays[disk]?.put(own, kept);
    }
    const own = this.contents(page);
    this.engine.tellKept();
    this.tell(keptPage(page, own));
    if (kept) this.memory.set(kept, page * PAGE);
    else this.memory.fill(0, page * PAGE, (page + 1) * PAGE);
  }

  /** Pages were changed behind the engine's back, as by a restore. */
  mark(pages: Iterable<number>): void {
    const memory: number[] = [];
    for (const page of pages) {
      if (isMemoryPage(page)) memory.push(page);
      else for (const disks of this.disks) disks.add(page);
    }
    this.engine.markWritten(memory);
  }

  private harvestDisks(): void {
    this.overlays.forEach((overlay, disk) => this.mark([...overlay.takeWritten()].map((page) => pageOfDisk(disk, page))));
  }
}
