import type { Position } from '../machine/api';
import type { JournalEvent } from '../machine/journal';
import type { Checkpoint, Fork } from './checkpoint';
import type { CheckpointStore } from './store';

/** A checkpoint of a future that was left: whole by itself, with the events that led to it and those after it. */
interface Left {
  /** Of the branch. */
  readonly number: number;
  readonly checkpoint: Checkpoint;
  readonly events: readonly JournalEvent[];
  /** Up to here its past is that of the current branch. */
  fork: Fork;
}

const nearer = (a: Fork, b: Fork): Fork => ({ position: Math.min(a.position, b.position), journal: Math.min(a.journal, b.journal) });

/**
 * Branches of the history that are not the current one. Of each stay the checkpoints that a user asked for
 * and, as long as the budget has room, the furthest one; between them it is replayed.
 */
export class Branches {
  private left: Left[] = [];
  private last = 0;

  get checkpoints(): readonly { readonly checkpoint: Checkpoint; readonly number: number }[] {
    return this.left;
  }

  /** What came from outside in each, after its fork. */
  list(): readonly { readonly number: number; readonly fork: Position; readonly events: readonly JournalEvent[] }[] {
    const newest = new Map(this.left.map((entry) => [entry.number, entry]));
    return [...newest.values()].map(({ number, fork, events }) => ({ number, fork: fork.position, events: events.slice(fork.journal) }));
  }

  /** What lies beyond the fork goes from the current branch to the others, under the number that comes back. */
  leave(store: CheckpointStore, fork: Fork, events: readonly JournalEvent[]): number {
    const number = ++this.last;
    for (const other of this.left) other.fork = nearer(other.fork, fork);
    const gone = store.beyond(fork).filter(({ passing }) => !passing);
    for (const checkpoint of gone.filter((each) => each.kept || each === gone.at(-1))) {
      const pages = store.whole(checkpoint);
      store.hold(pages);
      this.left.push({ number, checkpoint: { ...checkpoint, pages }, events, fork });
    }
    store.cut(fork);
    return number;
  }

  /** Takes a checkpoint out, to go on from it. */
  take(id: number): Left | undefined {
    const found = this.left.find(({ checkpoint }) => checkpoint.id === id);
    this.left = this.left.filter((other) => other !== found);
    return found;
  }

  /** Lets go of the oldest that nobody asked for. */
  release(store: CheckpointStore): boolean {
    const victim = this.left.find(({ checkpoint }) => !checkpoint.kept);
    if (!victim) return false;
    store.free(victim.checkpoint.pages);
    this.left = this.left.filter((other) => other !== victim);
    return true;
  }
}
