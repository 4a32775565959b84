/** Bytes of a page: what is kept, compared and copied as one. As large as a page of memory. */
export const PAGE = 4096;
const ZEROS = new Uint8Array(PAGE);

/**
 * What has been written to a disk, page by page; it lies over the image, which stays as it is. Contents of a page never
 * change: a write puts others in their place. So checkpoints share them, and taking one costs nothing for each page.
 */
export class Overlay {
  private readonly pages = new Map<number, Uint8Array>();
  private written = new Set<number>();
  /** Counts what changes. */
  private changes = 0;

  constructor(
    /** Pages that it may hold. */
    private readonly most: number,
  ) {}

  /** Another number than before: something has changed. */
  get generation(): number {
    return this.changes;
  }

  get size(): number {
    return this.pages.size;
  }

  get(page: number): Uint8Array | undefined {
    return this.pages.get(page);
  }

  /** Numbers of its pages, in order. */
  list(): readonly number[] {
    return [...this.pages.keys()].sort((a, b) => a - b);
  }

  /** Whether so many more pages have room. */
  fits(more: number): boolean {
    return this.pages.size + more <= this.most;
  }

  /** The bytes become the overlay's own: nobody may change them any more. */
  write(page: number, contents: Uint8Array): void {
    this.pages.set(page, contents !== ZEROS && isZero(contents) ? ZEROS : contents);
    this.written.add(page);
    this.changes++;
  }

  zero(page: number): void {
    this.write(page, ZEROS);
  }

  /** The image's own contents show again. */
  clear(page: number): void {
    this.put(page, null);
    this.written.add(page);
  }

  /** Pages that have been written since this was last asked. */
  takeWritten(): ReadonlySet<number> {
    const { written } = this;
    if (written.size > 0) this.written = new Set();
    return written;
  }

  /** Puts a page as it was: `null`, the image's own contents show again. Nobody is told. */
  put(page: number, contents: Uint8Array | null): void {
    if (contents) this.pages.set(page, contents);
    else this.pages.delete(page);
    this.changes++;
  }
}

function isZero(bytes: Uint8Array): boolean {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (const word of words) if (word !== 0) return false;
  return true;
}
