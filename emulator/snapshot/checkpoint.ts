import type { CheckpointInfo, Position } from '../machine/api';
import type { MachineState } from '../machine/state';
import { PAGE } from './format';
import { isCopy, LIVE, type Contents } from './slabs';

const NONE = new Uint32Array(0);

/**
 * Contents by the engine's page numbers. Those that memory itself has are many at each checkpoint, and hardly ever asked for
 * one by one: until then they stay a list of numbers, and one of what has become of them.
 */
export class Pages {
  private readonly own: Map<number, Contents>;
  /** By index in `taken`; undefined: LIVE still. */
  private settled: (Uint8Array | null | undefined)[];
  /** Nothing was asked for, and nothing has changed. */
  private fresh = true;

  /** `taken`: pages that are LIVE; `contents`: of others, none of them LIVE. */
  constructor(
    private taken: Uint32Array = NONE,
    contents: Iterable<readonly [number, Contents]> = [],
  ) {
    this.own = new Map(contents);
    this.settled = new Array<undefined>(taken.length);
  }

  copy(): Pages {
    const copy = new Pages();
    for (const [page, contents] of this.all) copy.set(page, contents);
    return copy;
  }

  private get all(): Map<number, Contents> {
    this.fresh = false;
    for (const [index, page] of this.taken.entries()) if (!this.own.has(page)) this.own.set(page, this.at(index));
    this.taken = NONE;
    this.settled = [];
    return this.own;
  }
  private at(index: number): Contents {
    const contents = this.settled[index];
    return contents === undefined ? LIVE : contents;
  }

  get(page: number): Contents | undefined {
    return this.all.get(page);
  }
  has(page: number): boolean {
    return this.all.has(page);
  }
  set(page: number, contents: Contents): void {
    this.fresh = false;
    this.own.set(page, contents);
  }
  /** `set` of a page that was LIVE; `index`: where it was in what `live` gave, if that is known. */
  settle(page: number, index: number, contents: Uint8Array | null): void {
    this.fresh = false;
    if (this.taken[index] === page) this.settled[index] = contents;
    else this.own.set(page, contents);
  }
  delete(page: number): void {
    this.all.delete(page);
  }
  keys(): Iterable<number> {
    return this.all.keys();
  }
  [Symbol.iterator](): Iterator<[number, Contents]> {
    return this.all.entries();
  }

  /** Numbers of those that are LIVE. */
  live(): ArrayLike<number> {
    if (this.fresh) return this.taken;
    return [...this.all].flatMap(([page, contents]) => (contents === LIVE ? page : []));
  }
  copies(): readonly Uint8Array[] {
    const copies: Uint8Array[] = [];
    for (const contents of this.own.values()) if (isCopy(contents)) copies.push(contents);
    for (const contents of this.settled) if (contents) copies.push(contents);
    return copies;
  }
}

/** A state of the machine, with the pages that have changed since the checkpoint before it. */
export interface Checkpoint {
  readonly id: number;
  readonly state: MachineState;
  readonly time: number;
  readonly name?: string;
  /** Asked for by a user: never thinned out. */
  readonly kept: boolean;
  /** Made while replaying, near where somebody steps back: the first to go. */
  readonly passing: boolean;
  readonly pages: Pages;
}

/** Where two futures part: they have in common what lies at or before this position, and this many events. */
export interface Fork {
  readonly position: Position;
  readonly journal: number;
}

export const positionOf = ({ state }: Checkpoint): Position => state.position;

/** `branch`: of another branch than the current one. */
export const describe = (checkpoint: Checkpoint, branch?: number): CheckpointInfo => ({
  id: checkpoint.id,
  position: checkpoint.state.position,
  time: checkpoint.time,
  ...(checkpoint.name !== undefined && { name: checkpoint.name }),
  bytes: bytesOf(checkpoint),
  kept: checkpoint.kept,
  ...(branch !== undefined && { branch }),
});

/** What contents take, beside the machine's memory. */
export const bytesOfPage = (contents: Contents | undefined): number => (isCopy(contents) ? PAGE : 0);

/** Of its copies. */
export function bytesOf({ pages }: Pick<Checkpoint, 'pages'>): number {
  let bytes = 0;
  for (const copy of pages.copies()) bytes += bytesOfPage(copy);
  return bytes;
}
