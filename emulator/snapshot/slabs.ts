import { PAGE } from './format';

/** Contents of a page that are memory's own, as long as it does not change. */
export const LIVE = 'live';
/** Contents of a page at some moment; null: as at power-on, all zeros or what the disk's image has. */
export type Contents = Uint8Array | null | typeof LIVE;

/** Pages of a slab: 128 KiB. */
const PAGES = 32;

/** A buffer of which pages are kept. */
interface Slab {
  /** By whom: branches share what they have in common. */
  readonly holders: number[];
  pages: number;
}

/** Copies of pages, many to a buffer: the host's memory manager is slower with a buffer for each than the copying is. */
export class Slabs {
  private slab = new Uint8Array(0);
  private used = 0;
  /** Slabs that are kept. */
  private readonly held = new Map<ArrayBufferLike, Slab>();
  private size = 0;

  /** Of all slabs of which a page is kept. */
  get bytes(): number {
    return this.size;
  }

  /** A copy of a page. */
  copy(bytes: Uint8Array): Uint8Array {
    if (this.used === this.slab.length) {
      this.slab = new Uint8Array(PAGES * PAGE);
      this.used = 0;
    }
    const copy = this.slab.subarray(this.used, (this.used += PAGE));
    copy.set(bytes);
    return copy;
  }

  /** Moves a page out of a slab that is held for few others; whoever holds it has to take the copy in its place. */
  compacted(bytes: Uint8Array): Uint8Array {
    const sparse = (this.held.get(bytes.buffer)?.pages ?? 0) * PAGE * 2 < bytes.buffer.byteLength;
    return sparse && bytes.buffer !== this.slab.buffer ? this.copy(bytes) : bytes;
  }

  /** One more keeps this page. */
  hold({ buffer, byteOffset }: Uint8Array): void {
    let slab = this.held.get(buffer);
    if (!slab) {
      slab = { holders: [], pages: 0 };
      this.held.set(buffer, slab);
      this.size += buffer.byteLength;
    }
    const index = Math.floor(byteOffset / PAGE);
    const holders = slab.holders[index] ?? 0;
    slab.holders[index] = holders + 1;
    if (holders === 0) slab.pages++;
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
  }
}

const ZEROS = new Uint8Array(PAGE);

/** Whether a page is all zeros. */
export function isZero(page: Uint8Array): boolean {
  return page[0] === 0 && Buffer.compare(page, ZEROS) === 0;
}
