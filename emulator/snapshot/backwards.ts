import type { Position } from '../machine/api';
import type { Halt, HistoryContext, Hit } from '../machine/history';
import { positionOf, type Checkpoint } from './checkpoint';
import type { Replay } from './replay';
import type { CheckpointStore } from './store';

/** Stretches looked through for a vCPU's last instruction, nearest first. */
const WINDOWS = [32, 1_000, 50_000, 2_000_000, 50_000_000, Infinity];
/** Pieces that a stretch is looked through in. */
const PIECES = 32;

/** Finds what came last before here: forwards, from ever earlier checkpoints on. */
export class Backwards {
  constructor(
    private readonly context: HistoryContext,
    private readonly store: CheckpointStore,
    private readonly replay: Replay,
    private readonly oldest: () => Position,
  ) {}

  private get position(): Position {
    return this.context.machine.position;
  }

  /** To the state before the last instruction of this vCPU. False at the oldest position. */
  async step(vcpu: number): Promise<boolean> {
    const here = this.position;
    if (here > this.oldest()) {
      await this.replay.to(here - 1);
      if (this.context.interrupted() || this.runsNext(vcpu)) return true;
    }
    for (const window of WINDOWS) {
      const start = Math.max(this.oldest(), here - window);
      const found = await this.lastInstruction(start, here, vcpu);
      if (this.context.interrupted()) return true;
      if (found !== undefined) {
        await this.replay.to(found);
        return true;
      }
      if (start === this.oldest()) break;
    }
    this.replay.goTo(this.store.first);
    this.context.loop.advance(this.position);
    return false;
  }

  /** Whether what comes next is an instruction of this vCPU. */
  private runsNext(vcpu: number): boolean {
    const { vcpus, board, config, turn, engine } = this.context.machine;
    if (config.cpus > 1 && (engine.current !== vcpu || this.position >= turn.end)) return false;
    return vcpus.runnable(vcpu, board.interruptPending(vcpu));
  }

  /** Position before the last instruction that a vCPU completes between two positions. */
  private async lastInstruction(from: Position, to: Position, vcpu: number): Promise<Position | undefined> {
    const { machine, loop } = this.context;
    await this.replay.to(from);
    const step = Math.max(1, Math.ceil((to - from) / PIECES));
    const found: (readonly [Position, Position])[] = [];
    while (machine.position < to && !this.context.interrupted()) {
      const [position, instructions, start] = [machine.position, machine.clock.instructions(), this.trace(vcpu)];
      await this.replay.run(Math.min(to, position + step));
      const alone = machine.config.cpus === 1 || loop.ran === vcpu;
      const ran = machine.clock.instructions() > instructions && (alone || (step > 1 && this.trace(vcpu) !== start));
      if (ran) found.push([position, machine.position]);
      if (machine.position === position) break;
    }
    // With several vCPUs a piece may hold only what another one ran.
    for (const [start, end] of found.reverse()) {
      if (this.context.interrupted()) return undefined;
      const position = step === 1 ? start : await this.lastInstruction(start, end, vcpu);
      if (position !== undefined) return position;
    }
    return undefined;
  }

  /** Differs if a vCPU has run, where there are several. */
  private trace(vcpu: number): string {
    const { engine, config } = this.context.machine;
    return config.cpus === 1 ? '' : Buffer.from(engine.saveVcpu(vcpu)).toString('latin1');
  }

  /** To the last hit before here. Undefined: there is none, and the machine stands at the oldest position. */
  async search(): Promise<Hit | undefined> {
    const here = this.position;
    const { first } = this.store;
    // How often something has been hit is known only from the beginning on.
    const all = this.store.all.filter((checkpoint) => positionOf(checkpoint) < here).reverse();
    const starts = this.context.triggers.counting ? all.filter((checkpoint) => checkpoint === first) : all;
    let end = here;
    for (const start of starts) {
      const found = await this.lastHit(start, end, here);
      if (this.context.interrupted()) return undefined;
      if (found) {
        await this.replay.to(found.position);
        return found.hit;
      }
      end = positionOf(start);
      this.context.progress(here - end, here - this.oldest());
    }
    this.replay.goTo(first);
    this.context.loop.advance(this.position);
    return undefined;
  }

  /** The last hit between a checkpoint and a position, before the place where the search began. */
  private async lastHit(start: Checkpoint, end: Position, here: Position): Promise<{ hit: Hit; position: Position } | undefined> {
    const { triggers, machine } = this.context;
    let found: { hit: Hit; position: Position } | undefined;
    this.replay.goTo(start);
    triggers.setMode('search');
    const seen = (halt: Halt): void => {
      const hit = triggers.judge(halt);
      // Where the search began has been seen; what stops before an instruction at `end` belongs to the stretch after it.
      if (hit && machine.position < here && (machine.position < end || halt.kind !== 'breakpoint')) found = { hit, position: machine.position };
    };
    await this.replay.run(end, { seen });
    triggers.setMode('off');
    return found;
  }
}
