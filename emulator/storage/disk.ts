/** A disk: an image, and over it what the guest has written. */
import type { BlockDevice, BlockResult, DiskIdentity } from '../bus/block';
import { fingerprint as fingerprintOf } from './fingerprint';
import { readPadded, type Image } from './image';
import { Overlay, PAGE } from './overlay';

/** Written pages of a disk that the host's memory is to hold: 4 GB. */
const MOST_WRITTEN = 2 ** 20;

export interface DiskOptions {
  readonly name: string;
  readonly image: Image;
  readonly readOnly?: boolean;
  /** 512 unless given. */
  readonly sectorSize?: 512 | 2048 | 4096;
  readonly serial?: string;
  readonly model?: string;
  readonly mostPages?: number;
  /** Where it is known which image it is, as of one that is not there. */
  readonly fingerprint?: Uint8Array;
}

export class Disk implements BlockDevice {
  readonly name: string;
  readonly identity: DiskIdentity;
  readonly readOnly: boolean;
  readonly sectorSize: number;
  readonly sectors: number;
  readonly image: Image;
  readonly overlay: Overlay;
  /** Hears when the host could not read the image; the guest gets an error. */
  failed: (error: unknown) => void = () => undefined;
  private identified: Uint8Array | undefined;

  constructor({
    name,
    image,
    readOnly = false,
    sectorSize = 512,
    serial = name,
    model = 'Guest Debugger disk',
    mostPages = MOST_WRITTEN,
    fingerprint,
  }: DiskOptions) {
    this.identified = fingerprint;
    this.name = name;
    this.image = image;
    this.readOnly = readOnly;
    this.sectorSize = sectorSize;
    // An image that ends within a sector goes on with zeros.
    this.sectors = Math.ceil(image.size / sectorSize);
    this.identity = { serial, model, revision: '1' };
    this.overlay = new Overlay(mostPages);
  }

  /** Pages that a disk of this size has. */
  get pages(): number {
    return Math.ceil(this.bytes / PAGE);
  }

  get bytes(): number {
    return this.sectors * this.sectorSize;
  }

  /** Which image it is: found out once, so that later changes of the file are not taken for it. */
  get fingerprint(): Uint8Array {
    return (this.identified ??= fingerprintOf(this.image));
  }

  read(lba: number, into: Uint8Array): BlockResult {
    const wrong = this.check(lba, into.length);
    if (wrong) return wrong;
    return this.attempt(() => this.readBytes(lba * this.sectorSize, into));
  }

  write(lba: number, from: Uint8Array): BlockResult {
    const wrong = this.check(lba, from.length) ?? this.writable();
    if (wrong) return wrong;
    const start = lba * this.sectorSize;
    return this.change(start, from.length, (page, first, last) => {
      const contents = this.whole(first, last) ? new Uint8Array(PAGE) : this.pageOf(page);
      const at = page * PAGE;
      contents.set(from.subarray(at + first - start, at + last - start), first);
      return contents;
    });
  }

  zero(lba: number, count: number): BlockResult {
    const length = count * this.sectorSize;
    const wrong = this.check(lba, length) ?? this.writable();
    if (wrong) return wrong;
    return this.change(lba * this.sectorSize, length, (page, first, last) => {
      if (this.whole(first, last)) return undefined;
      const contents = this.pageOf(page);
      contents.fill(0, first, last);
      return contents;
    });
  }

  /** What was written there goes; the image keeps what it has, as the guest may expect nothing. */
  discard(lba: number, count: number): BlockResult {
    const length = count * this.sectorSize;
    const wrong = this.check(lba, length) ?? this.writable();
    if (wrong) return wrong;
    const first = Math.ceil((lba * this.sectorSize) / PAGE);
    const end = Math.floor((lba * this.sectorSize + length) / PAGE);
    const { overlay } = this;
    if (end - first > overlay.size) {
      for (const page of overlay.list()) if (page >= first && page < end) overlay.zero(page);
    } else for (let page = first; page < end; page++) if (overlay.get(page)) overlay.zero(page);
    return undefined;
  }

  /** Written pages are in the machine's state at once; there is nothing that could be lost. */
  flush(): BlockResult {
    return undefined;
  }

  /** Contents as they are now; `offset` may reach to the end of the last page. */
  readBytes(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const inside = at % PAGE;
      const own = this.overlay.get((at - inside) / PAGE);
      if (own) {
        const piece = into.subarray(done, done + PAGE - inside);
        piece.set(own.subarray(inside, inside + piece.length));
        done += piece.length;
        continue;
      }
      // Pages of the image are read together.
      let end = at - inside + PAGE;
      while (end < offset + into.length && !this.overlay.get(end / PAGE)) end += PAGE;
      const piece = into.subarray(done, Math.min(into.length, end - offset));
      readPadded(this.image, at, piece);
      done += piece.length;
    }
  }

  private check(lba: number, length: number): BlockResult {
    if (length % this.sectorSize !== 0) return 'length';
    const count = length / this.sectorSize;
    return Number.isInteger(lba) && lba >= 0 && count >= 0 && lba + count <= this.sectors ? undefined : 'range';
  }
  private writable(): BlockResult {
    return this.readOnly ? 'read-only' : undefined;
  }
  private whole(first: number, last: number): boolean {
    return first === 0 && last === PAGE;
  }

  /** A page's contents, to be changed. */
  private pageOf(page: number): Uint8Array {
    const contents = new Uint8Array(PAGE);
    this.readBytes(page * PAGE, contents);
    return contents;
  }

  /** Makes the pages that a range touches anew; all or none. `undefined`: zeros. */
  private change(start: number, length: number, make: (page: number, first: number, last: number) => Uint8Array | undefined): BlockResult {
    const { overlay } = this;
    if (length === 0) return undefined;
    const [first, end] = [Math.floor(start / PAGE), Math.ceil((start + length) / PAGE)];
    let more = 0;
    for (let page = first; page < end; page++) if (!overlay.get(page)) more++;
    if (!overlay.fits(more)) return 'full';
    return this.attempt(() => {
      const made: (Uint8Array | undefined)[] = [];
      for (let page = first; page < end; page++) made.push(make(page, Math.max(0, start - page * PAGE), Math.min(PAGE, start + length - page * PAGE)));
      made.forEach((contents, index) => (contents ? overlay.write(first + index, contents) : overlay.zero(first + index)));
    });
  }

  private attempt(action: () => void): BlockResult {
    try {
      action();
      return undefined;
    } catch (error) {
      this.failed(error);
      return 'medium';
    }
  }
}
