import type { Position } from '../machine/api';
import type { Halt, HistoryContext } from '../machine/history';
import { positionOf, type Checkpoint } from './checkpoint';
import type { CheckpointStore } from './store';

/** Distances before a destination at which checkpoints are left behind, so that the next step back is near. */
const TRAIL = [2_000_000, 100_000, 4_000];
/** Longest stretch of a replay: code that is slow now may not have been when the stretch of a run was fitted. */
const REPLAYED = 200_000;

/** What a replay starts from, and leaves behind. */
interface Ground {
  /** Puts a checkpoint's state into the machine. */
  goTo(checkpoint: Checkpoint): void;
  /** Makes a passing checkpoint where the machine stands. */
  leave(): void;
}

/** Moves the machine through what is recorded: from the nearest checkpoint on, it runs as it ran before. */
export class Replay {
  constructor(
    private readonly context: HistoryContext,
    private readonly store: CheckpointStore,
    private readonly every: number,
    private readonly ground: Ground,
  ) {}

  private get position(): Position {
    return this.context.machine.position;
  }
  goTo(checkpoint: Checkpoint): void {
    this.ground.goTo(checkpoint);
  }

  /** Restores what is nearest and replays the rest, leaving a trail of checkpoints near the end. A checkpoint may stand before inputs of its position. */
  async to(position: Position): Promise<void> {
    const nearest = this.store.before(position);
    if (this.position > position || this.position < positionOf(nearest)) this.goTo(nearest);
    const marks = TRAIL.map((distance) => position - distance).filter((mark) => mark > this.position);
    for (const mark of marks) {
      await this.run(mark);
      if (this.position === mark && !this.store.at(mark)) this.ground.leave();
    }
    await this.run(position);
    if (this.position === position) this.context.loop.advance(position);
  }

  /** Runs as far as `limit` with whatever triggers are armed; the halts are told to `seen`. `whole`: whoever interrupts. */
  async run(limit: Position, { seen, whole = false }: { seen?: (halt: Halt) => void; whole?: boolean } = {}): Promise<void> {
    const { machine } = this.context;
    let reported = machine.position;
    while (machine.position < limit && (whole || !this.context.interrupted())) {
      const before = machine.position;
      const halt = this.context.advance(Math.min(limit, before + Math.min(REPLAYED, this.context.slice())));
      if (halt) {
        seen?.(halt);
        // Power-off, shutdown, idleness: nothing comes after it.
        if (machine.position === before && halt.kind !== 'breakpoint' && halt.kind !== 'watchpoint' && halt.kind !== 'request' && halt.kind !== 'reset') return;
      }
      if (machine.position - reported > this.every / 8) {
        reported = machine.position;
        this.context.progress(machine.position, limit);
      }
      await this.context.yield();
    }
  }
}
