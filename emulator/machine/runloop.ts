import type { Nanoseconds } from '../bus/device';
import { Exit, type WatchHit } from '../engine/engine';
import { internalError, type EmulatorError } from '../errors';
import type { Position } from './api';
import type { Input } from './journal';
import type { Machine } from './machine';

/** Instructions that a vCPU runs before the next one's turn. */
const TURN = 20_000;
/** Times that chips may become due again at one moment before time has to pass. */
const SETTLE_LIMIT = 64;

/** Why `advance` came back before its limit. */
export type Halt =
  | { readonly kind: 'breakpoint'; readonly vcpu: number }
  | { readonly kind: 'watchpoint'; readonly hit: WatchHit | undefined; readonly vcpu: number }
  /** Somebody asked the engine to stop: a trigger. */
  | { readonly kind: 'request' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'error'; readonly error: EmulatorError }
  | { readonly kind: 'power-off' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'exit'; readonly code: number }
  /** Every vCPU is halted and no chip will ever wake one. */
  | { readonly kind: 'idle' }
  /** Every vCPU is halted, and the next event comes after the time that was given. */
  | { readonly kind: 'ahead'; readonly due: Nanoseconds };

/**
 * Moves a machine. At each position the order is fixed: chips that are due, whose turn it is, its interrupts, then inputs
 * of that position; so it makes no difference where the host cuts a run into slices. What stands at a position has had its inputs.
 */
export class RunLoop {
  private last = 0;

  constructor(
    readonly machine: Machine,
    /** Carries out an input. */
    private readonly carryOut: (input: Input) => void,
  ) {}

  /** The vCPU that ran last: the turn may have passed to another since. */
  get ran(): number {
    return this.last;
  }

  /**
   * Runs to the position `limit`, or less far if something happened on the way, or if the host's time
   * for this slice is up. Idle time is skipped as far as the virtual time `until`.
   */
  advance(limit: Position, until: Nanoseconds = Infinity): Halt | undefined {
    const { machine } = this;
    for (;;) {
      this.settle();
      if (machine.host.takeTrap()) return { kind: 'request' };
      if (machine.off) return { kind: 'power-off' };
      if (machine.position >= limit || machine.host.takeOverrun()) return undefined;
      const halt = this.step(limit, until);
      if (halt) {
        this.settle();
        return halt;
      }
    }
  }

  /** An input from outside, now: a recorded future ends here. One that is refused (throws) leaves no trace. */
  inject(input: Input): void {
    this.apply(input);
    this.machine.journal.append(this.machine.position, input);
    this.expire();
  }

  private apply(input: Input): void {
    this.carryOut(input);
    this.machine.board.changed();
  }

  /** Everything that is to happen at this position before an instruction runs. The same however often it is asked for. */
  private settle(): void {
    const { machine } = this;
    const { journal } = machine;
    this.expire();
    for (let input = journal.take(machine.position); input; input = journal.take(machine.position)) {
      this.apply(input);
      this.expire();
    }
  }

  /** What is due, whose turn it is, and the interrupts of that vCPU. */
  private expire(): void {
    const { board, clock, engine } = this.machine;
    const now = clock.now();
    let turns = 0;
    do {
      for (; turns < SETTLE_LIMIT && board.deadline() <= now; turns++) board.expire(now);
      this.choose();
      engine.run(0);
    } while (turns < SETTLE_LIMIT && board.deadline() <= now);
  }

  /** Runs one vCPU to the next event of any kind. */
  private step(limit: Position, until: Nanoseconds): Halt | undefined {
    const { machine } = this;
    const { engine, clock, board, host } = machine;
    if (machine.vcpus.shutDown() !== undefined) return { kind: 'shutdown' };
    if (this.choose() === undefined) return this.skipIdle(until);
    const start = machine.position;
    const turnEnd = machine.config.cpus > 1 ? machine.turn.end : Infinity;
    const due = clock.positionAt(board.deadline());
    const end = Math.min(limit, turnEnd, machine.journal.nextPosition, Math.max(due, start + 1));
    const vcpu = (this.last = engine.current);
    host.begin(end);
    const exit = engine.run(end - start);
    host.finish();
    switch (exit) {
      case Exit.Budget:
      case Exit.Halt:
        return undefined;
      case Exit.Breakpoint:
        return { kind: 'breakpoint', vcpu };
      case Exit.Watchpoint:
        return { kind: 'watchpoint', hit: engine.lastWatch, vcpu };
      case Exit.Shutdown:
        return { kind: 'shutdown' };
      case Exit.Unimplemented:
        return { kind: 'error', error: (engine.error as EmulatorError | undefined) ?? internalError('engine', 'the engine stopped without a reason') };
      case Exit.Request:
        return this.requested();
    }
  }

  /** The vCPU to run, with its turn begun; undefined if none can run. */
  private choose(): number | undefined {
    const { machine } = this;
    const { config, vcpus, board, engine, turn } = machine;
    const ready = (n: number): boolean => vcpus.runnable(n, board.interruptPending(n));
    if (config.cpus === 1) return ready(0) ? 0 : undefined;
    if (machine.position < turn.end && ready(turn.vcpu)) return turn.vcpu;
    for (let i = 1; i <= config.cpus; i++) {
      const next = (turn.vcpu + i) % config.cpus;
      if (!ready(next)) continue;
      machine.turn = { vcpu: next, end: machine.position + TURN };
      engine.select(next);
      return next;
    }
    return undefined;
  }

  /** All vCPUs are halted: the time of the next event comes at once. */
  private skipIdle(until: Nanoseconds): Halt | undefined {
    const { machine } = this;
    const due = machine.board.deadline();
    if (due === Infinity || !machine.vcpus.wakeable()) return { kind: 'idle' };
    if (due > until) return { kind: 'ahead', due };
    machine.engine.setCount(machine.position + 1);
    machine.clock.jump(due);
    return undefined;
  }

  private requested(): Halt {
    const { machine } = this;
    for (const request of machine.host.takeRequests()) {
      switch (request.kind) {
        case 'power-off':
          machine.off = true;
          return request;
        case 'reset':
          machine.reset();
          return request;
        case 'exit':
          return request;
      }
    }
    machine.host.takeTrap();
    return { kind: 'request' };
  }
}
