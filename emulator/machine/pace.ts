/** What the emulator needs of its host beside the guest: nothing of it can show in the guest. */
export interface Pace {
  /** Milliseconds of any clock that only goes forward. */
  now(): number;
  /** Lets the host do what waits: messages, timers. */
  yield(): Promise<void>;
}

/** Longest stretch of host time without yielding: a pause is answered within it. */
export const SLICE_MS = 10;
const SHORTEST = 20_000;
const LONGEST = 20_000_000;

/** Fits slices, in instructions, to the host's speed. */
export class Slices {
  private size = 500_000;

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
    const result = run();
    this.took(count() - before, this.pace.now() - start);
    return result;
  }
}
