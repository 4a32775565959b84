import type { Nanoseconds } from '../bus/device';

/** What the emulator needs of its host beside the guest: nothing of it can show in the guest. */
export interface Pace {
  /** Milliseconds of any clock that only goes forward. */
  now(): number;
  /** Milliseconds that the host's processor has worked for this program; where that isn't known, time that has gone by. */
  spent?(): number;
  /** Lets the host do what waits: messages, timers. */
  yield(): Promise<void>;
  sleep(milliseconds: number): Promise<void>;
}

/** Longest stretch of host time without yielding: a pause is answered within it. */
export const SLICE_MS = 10;
/** So much may idle time run ahead of the host's, and so much lag is caught up. */
const AHEAD_MS = 20;
const LAG_MS = 1000;
const LONGEST_REST_MS = 100;
const SHORTEST = 20_000;
const LONGEST = 20_000_000;

/** Keeps idle time to the host's pace. A guest that computes is not held back. */
export class Leash {
  /** The host's time at virtual time 0. */
  private origin: number;

  constructor(
    private readonly pace: Pace,
    now: Nanoseconds,
  ) {
    this.origin = pace.now() - now / 1e6;
  }

  /** The virtual time up to which idle time may be skipped. */
  limit(now: Nanoseconds): Nanoseconds {
    const host = this.pace.now();
    this.origin = Math.max(this.origin, host - now / 1e6 - LAG_MS);
    return (host - this.origin + AHEAD_MS) * 1e6;
  }

  /** How long to rest until `due` may come. */
  wait(due: Nanoseconds): number {
    return Math.min(LONGEST_REST_MS, Math.max(1, this.origin + due / 1e6 - this.pace.now() - AHEAD_MS));
  }
}

/** Fits slices, in instructions, to the host's speed. */
export class Slices {
  private size = 100_000;
  private end = Infinity;

  constructor(private readonly pace: Pace) {}

  get instructions(): number {
    return this.size;
  }

  /** Tells how a slice went. */
  took(instructions: number, milliseconds: number): void {
    if (milliseconds > SLICE_MS) this.size = Math.max(SHORTEST, Math.floor(this.size / 2));
    else if (milliseconds < SLICE_MS / 3 && instructions >= this.size) this.size = Math.min(LONGEST, this.size * 2);
  }

  measure<T>(run: () => T, count: () => number): T {
    const start = this.pace.now();
    const before = count();
    this.end = start + SLICE_MS;
    const result = run();
    this.end = Infinity;
    this.took(count() - before, this.pace.now() - start);
    return result;
  }

  /** Whether the slice that runs now has taken its time. */
  overdue(): boolean {
    return this.pace.now() > this.end;
  }
}
