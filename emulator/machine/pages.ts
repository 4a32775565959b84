import type { Engine } from '../engine/engine';

/** A set of page numbers. */
class PageSet {
  private bits = new Uint32Array(1024);

  add(page: number): void {
    const word = page >>> 5;
    if (word >= this.bits.length) {
      const wider = new Uint32Array(Math.max(this.bits.length * 2, word + 1));
      wider.set(this.bits);
      this.bits = wider;
    }
    this.bits[word]! |= 1 << (page & 31);
  }

  list(): Uint32Array {
    const pages: number[] = [];
    this.bits.forEach((word, index) => {
      for (let rest = word; rest !== 0; rest &= rest - 1) pages.push(index * 32 + 31 - Math.clz32(rest & -rest));
    });
    return Uint32Array.from(pages);
  }

  clear(): void {
    this.bits.fill(0);
  }
}

/** Pages that one reader has not looked at since they were written. */
export interface PageReader {
  /** The pages written since the last call. */
  take(): Uint32Array;
}

/**
 * The engine marks written pages once; here the marks are handed to everybody who asks: checkpoints,
 * the state hash, reset. Page numbers are the engine's: RAM first, then what lies beside it.
 */
export class WrittenPages {
  private readonly readers: PageSet[] = [];
  private readonly everything = new PageSet();

  constructor(private readonly engine: Engine) {}

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
    };
  }

  /** Every page that was ever written. */
  all(): Uint32Array {
    this.harvest();
    return this.everything.list();
  }

  /** Pages were changed behind the engine's back, as by a restore. */
  mark(pages: Iterable<number>): void {
    for (const page of pages) {
      this.everything.add(page);
      for (const reader of this.readers) reader.add(page);
    }
  }

  private harvest(): void {
    const pages = this.engine.dirtyPages();
    if (pages.length === 0) return;
    this.engine.clearDirty();
    this.mark(pages);
  }
}
