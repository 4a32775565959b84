import { PAGE } from './format';

/** Contents of a page that are memory's own, as long as it does not change. */
export const LIVE = 'live';
/** Contents that a page of memory was loaded with before the machine ran: they are there as long as it is. */
export const LOADED = 'loaded';
/** Contents of a page at some moment; null: as at power-on, all zeros or what the disk's image has. */
export type Contents = Uint8Array | null | typeof LIVE | typeof LOADED;

export const isCopy = (contents: Contents | undefined): contents is Uint8Array => typeof contents === 'object' && contents !== null;

/** Pages of a slab: 256 KiB, as many as are told of at once (KEPT_ENTRIES in x86/layout.ts). */
const PAGES = 64;

/** A buffer of which pages are kept. */
interface Slab {
  /** By whom: branches share what they have in common. */
  readonly holders: Uint32Array;
  pages: number;
}

/**
 * Copies of pages, many to a buffer: the host's memory manager is slower with a buffer for each than the copying is. Slabs are used
 * again when none of their pages is kept any more: memory that is new costs as much as the copying. They are shared buffers, which
 * V8 does not look through all of its heap for.
 */
export class Slabs {
  private slab: Uint8Array = new Uint8Array(0);
  private used = 0;
  /** Of which a page is kept. */
  private readonly held = new Map<ArrayBufferLike, Slab>();
  private size = 0;
  /** All that were made here, and those of them that can be used again. */
  private readonly made = new WeakSet<ArrayBufferLike>();
  private readonly spare: Uint8Array[] = [];
  private borrowers = 0;

  /** Of all slabs of which a page is kept. */
  get bytes(): number {
    return this.size;
  }

  /** Copies of pages, which lie one after the other. Whoever keeps them holds them before anything is freed. */
  copies(bytes: Uint8Array): readonly Uint8Array[] {
    const copies: Uint8Array[] = [];
    for (let from = 0; from < bytes.length;) {
      if (this.used === this.slab.length) this.next();
      const to = Math.min(from + this.slab.length - this.used, bytes.length);
      this.slab.set(bytes.subarray(from, to), this.used);
      for (; from < to; from += PAGE) copies.push(this.slab.subarray(this.used, (this.used += PAGE)));
    }
    return copies;
  }

  /** Moves a page out of a slab that is held for few others; whoever holds it has to take the copy in its place. */
  compacted(bytes: Uint8Array): Uint8Array {
    const sparse = (this.held.get(bytes.buffer)?.pages ?? 0) * PAGE * 2 < bytes.buffer.byteLength;
    return sparse && bytes.buffer !== this.slab.buffer ? this.copies(bytes)[0]! : bytes;
  }

  /** One more keeps these pages. */
  hold(pages: readonly Uint8Array[]): void {
    let slab: Slab | undefined;
    let last: ArrayBufferLike | undefined;
    for (const { buffer, byteOffset } of pages) {
      if (buffer !== last || !slab) slab = this.slabOf((last = buffer));
      const index = Math.floor(byteOffset / PAGE);
      const holders = slab.holders[index]!;
      slab.holders[index] = holders + 1;
      if (holders === 0) slab.pages++;
    }
  }
  private slabOf(buffer: ArrayBufferLike): Slab {
    let slab = this.held.get(buffer);
    if (!slab) {
      slab = { holders: new Uint32Array(Math.ceil(buffer.byteLength / PAGE)), pages: 0 };
      this.held.set(buffer, slab);
      this.size += buffer.byteLength;
    }
    return slab;
  }

  /** One of them keeps it no longer. */
  free({ buffer, byteOffset }: Uint8Array): void {
    const slab = this.held.get(buffer);
    if (!slab) return;
    const index = Math.floor(byteOffset / PAGE);
    slab.holders[index]! -= 1;
    if (slab.holders[index]! > 0 || --slab.pages > 0) return;
    this.held.delete(buffer);
    this.size -= buffer.byteLength;
    if (buffer !== this.slab.buffer && this.made.has(buffer)) this.recycle(buffer);
  }

  /** Somebody looks at pages that he does not hold: until what comes back is called, what is freed is not used again. */
  borrow(): () => void {
    this.borrowers++;
    return () => void this.borrowers--;
  }

  private next(): void {
    this.slab = this.spare.pop() ?? this.make();
    this.used = 0;
  }

  private make(): Uint8Array {
    const buffer = new SharedArrayBuffer(PAGES * PAGE);
    this.made.add(buffer);
    return new Uint8Array(buffer);
  }

  private recycle(buffer: ArrayBufferLike): void {
    if (this.borrowers === 0) this.spare.push(new Uint8Array(buffer));
    else this.made.delete(buffer);
  }
}

const ZEROS = new Uint8Array(PAGE);

/** Whether a page is all zeros. */
export function isZero(page: Uint8Array): boolean {
  return page[0] === 0 && Buffer.compare(page, ZEROS) === 0;
}
