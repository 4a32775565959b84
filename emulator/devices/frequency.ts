import type { Nanoseconds } from '../bus/device';

/**
 * The clock of a counter: turns virtual time into ticks and back, exactly, without bigint.
 * Every intermediate product is kept below 2^53 by splitting 10^9 into 10^5 * 10^4, which
 * allows frequencies up to 2^32 Hz and virtual times up to 2^53 ns.
 */
export class Frequency {
  constructor(readonly hertz: number) {}

  /** Ticks that have passed by `ns`: floor(ns * hertz / 10^9). */
  ticksAt(ns: Nanoseconds): number {
    const seconds = Math.floor(ns / 1e9);
    const rest = ns - seconds * 1e9;
    const high = Math.floor(rest / 1e5);
    const low = rest - high * 1e5;
    const product = high * this.hertz;
    const whole = Math.floor(product / 1e4);
    const remainder = product - whole * 1e4;
    return seconds * this.hertz + whole + Math.floor((remainder * 1e5 + low * this.hertz) / 1e9);
  }

  /** When tick number `tick` comes: the smallest ns with ticksAt(ns) >= tick. */
  nsAt(tick: number): Nanoseconds {
    const seconds = Math.floor(tick / this.hertz);
    const rest = (tick - seconds * this.hertz) * 1e5;
    const whole = Math.floor(rest / this.hertz);
    const remainder = rest - whole * this.hertz;
    return seconds * 1e9 + whole * 1e4 + Math.ceil((remainder * 1e4) / this.hertz);
  }

  /** The first tick after `ns`, as a time. */
  nextTick(ns: Nanoseconds): Nanoseconds {
    return this.nsAt(this.ticksAt(ns) + 1);
  }
}
