import type { Engine } from '../engine/engine';
import { PAGE } from '../snapshot/format';
import { isZero, LIVE, type Contents } from '../snapshot/slabs';
import type { Overlay } from '../storage/overlay';

/** Pages of disks are numbered beyond all that the engine can have: a space for each disk. */
const DISK_SPACE = 2 ** 32;
export const isMemoryPage = (page: number): boolean => page < DISK_SPACE;
export const diskOfPage = (page: number): { readonly disk: number; readonly page: number } => ({
  disk: Math.floor(page / DISK_SPACE) - 1,
  page: page % DISK_SPACE,
});
export const pageOfDisk = (disk: number, page: number): number => (disk + 1) * DISK_SPACE + page;

/** A set of page numbers. */
class PageSet {
  private bits = new Uint32Array(1024);
  private readonly disks = new Set<number>();

  add(page: number): void {
    if (!isMemoryPage(page)) return void this.disks.add(page);
    const word = page >>> 5;
    if (word >= this.bits.length) {
      const wider = new Uint32Array(Math.max(this.bits.length * 2, word + 1));
      wider.set(this.bits);
      this.bits = wider;
    }
    this.bits[word]! |= 1 << (page & 31);
  }

  list(): readonly number[] {
    const pages = this.within(0, this.bits.length * 32 - 1);
    for (const page of this.disks) pages.push(page);
    return pages;
  }

  /** Pages of memory from the first to the last, both included. */
  private within(first: number, last: number): number[] {
    const pages: number[] = [];
    for (let index = first >>> 5; index <= Math.min(last >>> 5, this.bits.length - 1); index++) {
      for (let rest = this.bits[index]!; rest !== 0; rest &= rest - 1) {
        const page = index * 32 + 31 - Math.clz32(rest & -rest);
        if (page >= first && page <= last) pages.push(page);
      }
    }
    return pages;
  }

  takeWithin(first: number, last: number): readonly number[] {
    const pages = this.within(first, last);
    for (const page of pages) this.bits[page >>> 5]! &= ~(1 << (page & 31));
    return pages;
  }

  clear(): void {
    this.bits.fill(0);
    this.disks.clear();
  }
}

/** Pages that one reader has not looked at since they were written. */
export interface PageReader {
  /** The pages written since the last call. */
  take(): readonly number[];
  /** The same of some pages of memory only, the last included; marks of others stay as they are. Where none is written this costs next to nothing. */
  takeWithin(first: number, last: number): readonly number[];
}

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
 * The engine marks written pages once; here the marks are handed to everybody who asks: checkpoints,
 * the state hash, reset, viewers of the screen. Page numbers are the engine's: RAM first, then what lies beside it; and then what disks' overlays hold.
 */
export class WrittenPages {
  private readonly readers: PageSet[] = [];
  private readonly everything = new PageSet();
  private readonly memory: Uint8Array;
  private bring: (page: number) => void = () => undefined;
  private readonly beforeWrite = new Set<(page: number) => void>();

  constructor(
    private readonly engine: Engine,
    private readonly overlays: readonly Overlay[] = [],
  ) {
    this.memory = new Uint8Array(engine.memory.buffer);
  }

  reader(): PageReader {
    this.harvest();
    const pages = new PageSet();
    for (const page of this.everything.list()) pages.add(page);
    this.readers.push(pages);
    return {
      take: () => {
        this.harvest();
        const list = pages.list();
        pages.clear();
        return list;
      },
      takeWithin: (first, last) => {
        this.harvestMemory(first, last);
        return pages.takeWithin(first, last);
      },
    };
  }

  /** `listener` is called before a page of memory changes for the first time since it was taken by anybody, if `tellOfWrite` has named it. */
  onFirstWrite(listener: (page: number) => void): void {
    if (this.beforeWrite.size === 0) this.engine.onFirstWrite((page) => this.changes(page));
    this.beforeWrite.add(listener);
  }
  /** The next first write to a page is told of, to all listeners. */
  tellOfWrite(page: number): void {
    this.engine.tellOfWrite(page);
  }
  private changes(page: number): void {
    for (const listener of this.beforeWrite) listener(page);
  }

  /** Takes memory as it is now, without copying it: that is done with pages that are about to change, as long as they were not taken. */
  freeze(): FrozenMemory {
    const pages = this.all().filter(isMemoryPage);
    const left = new Set(pages);
    const copies = new Map<number, Uint8Array | null>();
    const keep = (page: number): void => {
      if (left.delete(page)) copies.set(page, this.contents(page)?.slice() ?? null);
    };
    this.onFirstWrite(keep);
    for (const page of pages) this.tellOfWrite(page);
    return {
      pages,
      take: (page) => {
        if (left.delete(page)) return this.contents(page);
        const copy = copies.get(page) ?? null;
        copies.delete(page);
        return copy;
      },
      release: () => void this.beforeWrite.delete(keep),
    };
  }

  /** Every page that was ever written. */
  all(): readonly number[] {
    this.harvest();
    return this.everything.list();
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
    if (!isMemoryPage(page)) {
      const { disk, page: own } = diskOfPage(page);
      return void this.overlays[disk]?.put(own, kept);
    }
    this.fetch([page]);
    this.changes(page);
    if (kept) this.memory.set(kept, page * PAGE);
    else this.memory.fill(0, page * PAGE, (page + 1) * PAGE);
  }

  /** Pages were changed behind the engine's back, as by a restore. */
  mark(pages: Iterable<number>): void {
    for (const page of pages) {
      this.everything.add(page);
      for (const reader of this.readers) reader.add(page);
    }
  }

  private harvest(): void {
    this.overlays.forEach((overlay, disk) => {
      const written = overlay.takeWritten();
      if (written.size > 0) this.mark([...written].map((page) => pageOfDisk(disk, page)));
    });
    this.harvestMemory();
  }

  private harvestMemory(first?: number, last?: number): void {
    const pages = this.engine.dirtyPages(first, last);
    if (pages.length === 0) return;
    this.engine.clearDirty(first, last);
    this.mark(pages);
  }
}
