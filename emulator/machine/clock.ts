import type { Nanoseconds } from '../bus/device';

/** Virtual time of one retired instruction: 250 million a second. */
export const INSTRUCTION_NS = 4;
/** What a port or memory-mapped access costs beside its instruction: about an ISA bus cycle. */
export const ACCESS_NS = 1000;

export interface ClockState {
  /** Nanoseconds beyond those of the counted instructions: accesses and time skipped while idle. */
  readonly offset: number;
  /** Positions that were jumps over idle time, not instructions. */
  readonly jumps: number;
}

/**
 * Virtual time, a function of what the guest has done: instructions, accesses, and jumps to the next
 * device event while every vCPU is halted. Each jump takes one position, so that no two states of the
 * machine share one.
 */
export class Clock {
  private offset = 0;
  private jumps = 0;

  /** @param count gives the machine's position @param moved hears of every new offset */
  constructor(
    private readonly count: () => number,
    private readonly moved: (offset: number) => void = () => undefined,
  ) {
    moved(0);
  }

  now(): Nanoseconds {
    return this.count() * INSTRUCTION_NS + this.offset;
  }
  /** Instructions retired, without the positions of idle jumps. */
  instructions(): number {
    return this.count() - this.jumps;
  }
  charge(ns: number): void {
    this.offset += ns;
    this.moved(this.offset);
  }
  /** Call after the position was moved by one: the time becomes `time`, or stays if that has passed. */
  jump(time: Nanoseconds): void {
    this.jumps++;
    this.offset -= INSTRUCTION_NS;
    this.offset += Math.max(0, time - this.now());
    this.moved(this.offset);
  }
  /** The first position at which the time is at least `time`, if nothing but instructions passes it. */
  positionAt(time: Nanoseconds): number {
    return Math.ceil((time - this.offset) / INSTRUCTION_NS);
  }

  save(): ClockState {
    return { offset: this.offset, jumps: this.jumps };
  }
  load({ offset, jumps }: ClockState): void {
    this.offset = offset;
    this.jumps = jumps;
    this.moved(offset);
  }
}
