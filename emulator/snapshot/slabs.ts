import { PAGE } from './checkpoint';

/** Pages of a slab: 128 KiB. */
const PAGES = 32;

/** Copies of pages, many to a buffer: the host's memory manager is slower with a buffer for each than the copying is. */
export class Slabs {
  private slab = new Uint8Array(0);
  private used = 0;
  /** Slabs that are kept, and how many of their pages. */
  private readonly held = new Map<ArrayBufferLike, number>();
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
    const sparse = (this.held.get(bytes.buffer) ?? 0) * PAGE * 2 < bytes.buffer.byteLength;
    return sparse && bytes.buffer !== this.slab.buffer ? this.copy(bytes) : bytes;
  }

  hold({ buffer }: Uint8Array): void {
    const count = this.held.get(buffer) ?? 0;
    if (count === 0) this.size += buffer.byteLength;
    this.held.set(buffer, count + 1);
  }

  free({ buffer }: Uint8Array): void {
    const count = (this.held.get(buffer) ?? 0) - 1;
    if (count > 0) return void this.held.set(buffer, count);
    if (this.held.delete(buffer)) this.size -= buffer.byteLength;
  }
}

/** Whether a page is all zeros; `first` is the place of its first word. */
export function isZero(words: Int32Array, first: number): boolean {
  for (let i = first; i < first + (PAGE >> 2); i++) if (words[i] !== 0) return false;
  return true;
}
