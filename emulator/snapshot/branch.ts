import type { Position } from '../machine/api';
import type { JournalEvent } from '../machine/journal';
import type { Checkpoint } from './checkpoint';
import type { CheckpointStore } from './store';

/** Where two futures part: they have in common what lies at or before this position, and this many events. */
export interface Fork {
  readonly position: Position;
  readonly journal: number;
}

/** A checkpoint of a future that was left: whole by itself, with the events that led to it and those after it. */
interface Left {
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

  get checkpoints(): readonly Checkpoint[] {
    return this.left.map(({ checkpoint }) => checkpoint);
  }

  /** What lies beyond the fork goes from the current branch to the others. */
  leave(store: CheckpointStore, fork: Fork, events: readonly JournalEvent[]): void {
    for (const other of this.left) other.fork = nearer(other.fork, fork);
    const gone = store.beyond(fork).filter(({ passing }) => !passing);
    for (const checkpoint of gone.filter((each) => each.kept || each === gone.at(-1))) {
      const pages = store.whole(checkpoint);
      store.hold(pages);
      this.left.push({ checkpoint: { ...checkpoint, pages }, events, fork });
    }
    store.cut(fork);
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
