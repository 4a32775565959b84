/** Memory of a snapshot that a machine goes on without: it comes when the guest looks at it, or before, while the host has time. */
import type { Machine } from '../machine/machine';
import * as layout from '../x86/layout';
import { readBlob, readBlobSync, type BlobIndex } from './blobs';
import { GROUP, PAGE } from './format';
import type { GroupEntry } from './memorychunk';

/** Below 1 MB the board puts ROM and holes over RAM: it has to be there. */
const FIRST = (1 << 20) / (PAGE * GROUP);
export const mayAwait = (region: string, { index }: GroupEntry): boolean => region === 'ram' && index >= FIRST;

const WHAT = 'a group of pages';
const SIDE_BY_SIDE = 4;
const RAM_PAGE = layout.RAM / PAGE;

interface Group {
  readonly pages: readonly number[];
  readonly hash: Uint8Array;
}

export class AwaitedMemory {
  private readonly groups = new Map<number, Group>();

  /** `about` adds the file's name to what is wrong with it. */
  constructor(
    private readonly machine: Machine,
    private readonly blobs: BlobIndex,
    private readonly about: (error: unknown) => unknown,
  ) {}

  add(first: number, pages: readonly number[], hash: Uint8Array): void {
    this.groups.set(numberOf(first), { pages, hash });
  }

  /** From now on the machine asks for what it lacks. */
  begin(): void {
    const pages = [...this.groups.values()].flatMap((group) => group.pages);
    this.machine.pages.await(pages, (page) => this.bring(page));
  }

  /** The guest looks at a page. Throws where the file is damaged: the machine stops there. */
  private bring(page: number): void {
    const group = this.groups.get(numberOf(page))!;
    try {
      this.arrive(group, readBlobSync(this.blobs, group.hash, WHAT));
    } catch (error) {
      throw this.about(error);
    }
  }

  private arrive({ pages }: Group, contents: Uint8Array): void {
    pages.forEach((page, number) => this.machine.pages.arrive(page, contents.subarray(number * PAGE, (number + 1) * PAGE)));
  }

  /** Brings what is left, while the guest runs, until `ended`. Throws where the file is damaged. */
  async rest(ended: () => boolean): Promise<void> {
    const left = [...this.groups.values()];
    const worker = async (): Promise<void> => {
      for (let group = left.shift(); group && !ended(); group = left.shift()) {
        if (!group.pages.some((page) => this.machine.pages.isAwaited(page))) continue;
        const contents = await readBlob(this.blobs, group.hash, WHAT);
        if (!ended()) this.arrive(group, contents);
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker)).catch((error: unknown) => {
      throw this.about(error);
    });
  }
}

const numberOf = (page: number): number => Math.floor((page - RAM_PAGE) / GROUP);
