import { RfbError } from './errors';

/** A reader that waits for bytes: `const bytes = yield* take(4)`. */
export type Reading<T> = Generator<number, T, Uint8Array>;

/** The next bytes. Few: the caller has checked the number. */
export function* take(count: number): Reading<DataView> {
  const bytes = yield count;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Passes over bytes that nobody wants, without keeping them. */
export function* skip(count: number): Reading<void> {
  for (let rest = count; rest > 0; rest -= PIECE) yield Math.min(rest, PIECE);
}

const PIECE = 4096;

/** Feeds a reader with bytes as they come. It keeps at most what the reader waits for. */
export class Input {
  private wanted = 0;
  private held: Uint8Array;
  private count = 0;
  private over = false;

  constructor(private readonly reader: Reading<void>) {
    this.held = new Uint8Array(64);
    this.advance(reader.next());
  }

  private advance({ done, value }: IteratorResult<number, void>): void {
    this.over = done === true;
    this.wanted = value ?? 0;
    this.count = 0;
    if (this.wanted > this.held.length) this.held = new Uint8Array(this.wanted);
  }

  /** Throws what the reader throws. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (!this.over) {
      const piece = bytes.subarray(at, at + this.wanted - this.count);
      this.held.set(piece, this.count);
      this.count += piece.length;
      at += piece.length;
      if (this.count < this.wanted) return;
      this.advance(this.reader.next(this.held.slice(0, this.wanted)));
    }
    if (at < bytes.length) throw new RfbError('rfb-message', 'bytes after the end of the conversation');
  }
}
