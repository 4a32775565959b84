/** Pages of a past that was opened: the file is read when somebody goes there, or before, while the guest runs. */
import { readBlob, readBlobSync, type BlobIndex } from './blobs';
import { hex } from './format';

const WHAT = 'a group of pages of the history';
const SIDE_BY_SIDE = 4;

interface Group {
  readonly hash: Uint8Array;
  /** Where its contents are to be. */
  readonly place: Uint8Array;
  readonly what: string;
}

export class AwaitedPages {
  /** By their memory, of which each page is a part. */
  private readonly groups = new Map<ArrayBufferLike, Group>();
  private readonly places = new Map<string, Uint8Array>();

  /** `about` adds the file's name to what is wrong with it. */
  constructor(
    private readonly blobs: BlobIndex = new Map(),
    private readonly about: (error: unknown) => unknown = (error) => error,
  ) {}

  /** Where the contents of a group will be; of equal groups in the same place. */
  place(hash: Uint8Array, size: number, what = WHAT): Uint8Array {
    const key = hex(hash);
    const known = this.places.get(key);
    if (known) return known;
    const place = new Uint8Array(size);
    this.places.set(key, place);
    this.groups.set(place.buffer, { hash, place, what });
    return place;
  }

  awaits({ buffer }: Uint8Array): boolean {
    return this.groups.has(buffer);
  }

  /** The contents of this page, which somebody is about to look at. Throws where the file is damaged. */
  fetch<Page extends Uint8Array | null>(page: Page): Page {
    const group = page && this.groups.get(page.buffer);
    if (!group) return page;
    try {
      this.arrive(group, readBlobSync(this.blobs, group.hash, group.what));
    } catch (error) {
      throw this.about(error);
    }
    return page;
  }

  private arrive({ place }: Group, contents: Uint8Array): void {
    if (!this.groups.delete(place.buffer)) return;
    place.set(contents);
  }

  /** Brings what is left, until `ended`. Throws where the file is damaged. */
  async rest(ended: () => boolean): Promise<void> {
    const left = [...this.groups.values()];
    const worker = async (): Promise<void> => {
      for (let group = left.pop(); group && !ended(); group = left.pop())
        if (this.awaits(group.place)) this.arrive(group, await readBlob(this.blobs, group.hash, group.what));
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker)).catch((error: unknown) => {
      throw this.about(error);
    });
  }
}
