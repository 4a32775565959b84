import type { Nanoseconds } from '../bus/device';
import { bool, choice, group, time, u16, u8, type ValueOf } from '../bus/fields';
import type { Frequency } from './frequency';

export const counterField = group('A counter', {
  access: choice('Bytes of the count that are written and read', ['none', 'low', 'high', 'both']),
  mode: u8('Counting mode, 0-5'),
  bcd: bool('Counts in decimal'),
  gate: bool('GATE input', true),
  reload: u16('Count Register: the count last written'),
  count: u16('What the counting element was loaded with, 0 for the whole range'),
  start: time('When it was loaded; Infinity: not yet'),
  stop: time('When GATE stopped it; Infinity: it counts'),
  rewritten: bool('Modes 1, 2, 3, 5: a new count waits for the end of the cycle or a trigger'),
  takeover: time('Modes 2 and 3: end of the cycle, when the new count is loaded'),
  writeHigh: bool('The next write is the high byte'),
  readHigh: bool('The next read is the high byte'),
  latched: bool('The output latch holds a count'),
  latch: u16('Output latch'),
  statusLatched: bool('The status latch is read next'),
  status: u8('Status latch'),
});
type Counter = ValueOf<typeof counterField>;

const accesses = ['none', 'low', 'high', 'both'] as const;

/** One of the 8254's counters, as a function of virtual time. */
export class PitCounter {
  constructor(
    private readonly clock: Frequency,
    private readonly get: () => Counter,
  ) {}

  /** Control word, or counter latch command when its RW bits are 0. */
  control(now: Nanoseconds, word: number): void {
    const access = accesses[word >> 4]!;
    if (access === 'none') {
      this.latchCount(now);
      return;
    }
    const c = this.get();
    c.access = access;
    const mode = (word >> 1) & 7;
    c.mode = mode > 5 ? mode - 4 : mode; // modes 6 and 7 are 2 and 3
    c.bcd = (word & 1) !== 0;
    c.start = c.stop = c.takeover = Infinity;
    c.rewritten = c.writeHigh = c.readHigh = c.latched = c.statusLatched = false;
    c.reload = c.count = 0;
  }

  write(now: Nanoseconds, value: number): void {
    const c = this.get();
    switch (c.access) {
      case 'none':
        return;
      case 'low':
        this.load(now, value);
        return;
      case 'high':
        this.load(now, value << 8);
        return;
      case 'both':
        if (c.writeHigh) {
          this.load(now, (c.reload & 0xff) | (value << 8));
        } else {
          // Mode 0: the first byte stops the counting and sets OUT low.
          if (c.mode === 0) {
            c.count = this.value(now);
            c.start = Infinity;
          }
          this.settle(now);
          c.reload = value;
        }
        c.writeHigh = !c.writeHigh;
    }
  }

  read(now: Nanoseconds): number {
    const c = this.get();
    if (c.statusLatched) {
      c.statusLatched = false;
      return c.status;
    }
    const value = c.latched ? c.latch : this.value(now);
    const high = c.access === 'high' || (c.access === 'both' && c.readHigh);
    if (c.access === 'both') c.readHigh = !c.readHigh;
    // A latch is held until it has been read as programmed.
    if (c.access !== 'both' || high) c.latched = false;
    return high ? value >> 8 : value & 0xff;
  }

  latchCount(now: Nanoseconds): void {
    const c = this.get();
    if (c.latched) return;
    c.latch = this.value(now);
    c.latched = true;
  }

  latchStatus(now: Nanoseconds): void {
    const c = this.get();
    if (c.statusLatched) return;
    this.settle(now);
    const out = this.out(now) ? 0x80 : 0;
    const nullCount = c.rewritten || now < c.start ? 0x40 : 0;
    c.status = out | nullCount | (accesses.indexOf(c.access) << 4) | (c.mode << 1) | (c.bcd ? 1 : 0);
    c.status &= 0xff;
    c.statusLatched = true;
  }

  setGate(now: Nanoseconds, gate: boolean): void {
    const c = this.get();
    if (c.gate === gate) return;
    this.settle(now);
    c.gate = gate;
    switch (c.mode) {
      case 0:
      case 4: // GATE low disables counting, high enables it
        if (c.start === Infinity) break;
        if (!gate) c.stop = Math.max(now, c.start);
        else if (c.stop !== Infinity) {
          c.start = this.clock.nsAt(this.clock.ticksAt(c.start) + this.clock.ticksAt(now) - this.clock.ticksAt(c.stop));
          c.stop = Infinity;
        }
        break;
      case 2:
      case 3: // low stops, and sets OUT high at once; a rising edge loads the counter anew
        if (c.start === Infinity) break;
        if (gate) this.trigger(now);
        else {
          c.stop = Math.max(now, c.start);
          c.takeover = Infinity;
        }
        break;
      case 1:
      case 5: // a rising edge is the trigger; the level has no effect
        if (gate && (c.start !== Infinity || c.rewritten)) this.trigger(now);
        break;
    }
  }

  out(now: Nanoseconds): boolean {
    const c = this.get();
    this.settle(now);
    if (c.start === Infinity) return c.mode !== 0;
    const elapsed = this.elapsed(now);
    const n = this.period();
    switch (c.mode) {
      case 0:
        return elapsed >= n;
      case 1: // low from the clock after the trigger
        return elapsed < 0 || elapsed >= n;
      case 2:
        return elapsed < 0 || !c.gate || elapsed % n !== n - 1;
      case 3:
        return elapsed < 0 || !c.gate || elapsed % n < Math.ceil(n / 2);
      default: // 4 and 5: a strobe of one clock
        return elapsed !== n;
    }
  }

  /** When OUT next rises after `now`, with GATE as it is. */
  nextRise(now: Nanoseconds): Nanoseconds {
    const c = this.get();
    this.settle(now);
    if (c.start === Infinity || c.stop !== Infinity) return Infinity;
    const first = this.clock.ticksAt(c.start);
    const n = this.period();
    switch (c.mode) {
      case 2:
      case 3: {
        const cycles = Math.max(Math.floor((this.clock.ticksAt(now) - first) / n), 0);
        return this.clock.nsAt(first + (cycles + 1) * n);
      }
      default: {
        const rise = this.clock.nsAt(first + n + (c.mode >= 4 ? 1 : 0));
        return rise > now ? rise : Infinity;
      }
    }
  }

  /** N: the count in ticks; 0 stands for the largest. Modes 2 and 3 can't count less than 2. */
  period(): number {
    const c = this.get();
    const range = c.bcd ? 10000 : 0x10000;
    const n = (c.bcd ? fromBcd(c.count) : c.count) || range;
    return n === 1 && (c.mode === 2 || c.mode === 3) ? 2 : n;
  }

  /** Modes 2 and 3: takes over a new count at the end of the cycle in which it was written. */
  settle(now: Nanoseconds): void {
    const c = this.get();
    if (now < c.takeover) return;
    c.start = c.takeover;
    c.count = c.reload;
    c.rewritten = false;
    c.takeover = Infinity;
  }

  /** The count is complete: where it goes depends on the mode. */
  private load(now: Nanoseconds, reload: number): void {
    const c = this.get();
    this.settle(now);
    c.reload = reload;
    if (c.mode === 1 || c.mode === 5) {
      c.rewritten = true;
      return;
    }
    const running = c.start <= now && (c.mode === 2 || c.mode === 3);
    if (!running) {
      c.count = reload;
      c.start = this.clock.nextTick(now);
      c.stop = c.gate ? Infinity : c.start;
      return;
    }
    c.rewritten = true;
    if (c.stop !== Infinity) return; // loaded when GATE rises
    const n = this.period();
    const cycles = Math.floor(this.elapsed(now) / n) + 1;
    c.takeover = this.clock.nsAt(this.clock.ticksAt(c.start) + cycles * n);
  }

  /** A rising edge of GATE loads the counter on the next clock. */
  private trigger(now: Nanoseconds): void {
    const c = this.get();
    c.count = c.reload;
    c.rewritten = false;
    c.takeover = c.stop = Infinity;
    c.start = this.clock.nextTick(now);
  }

  /** Clocks counted since the load; negative before it. */
  private elapsed(now: Nanoseconds): number {
    const c = this.get();
    return this.clock.ticksAt(Math.min(now, c.stop)) - this.clock.ticksAt(c.start);
  }

  /** The counting element as it is read. */
  private value(now: Nanoseconds): number {
    const c = this.get();
    this.settle(now);
    if (c.start === Infinity) return c.count;
    const elapsed = Math.max(this.elapsed(now), 0);
    const n = this.period();
    const range = c.bcd ? 10000 : 0x10000;
    let value: number;
    if (c.mode === 2) {
      value = n - (elapsed % n);
    } else if (c.mode === 3) {
      // By two, twice per cycle; an odd count is loaded less one (datasheet, "Mode 3").
      const half = Math.ceil(n / 2);
      const phase = elapsed % n;
      value = n - (n & 1) - 2 * (phase < half ? phase : phase - half);
    } else {
      value = (((n - elapsed) % range) + range) % range; // goes on below zero
    }
    return c.bcd ? toBcd(value % range) : value % range;
  }
}

/** Four decimal digits; a guest's digits above 9 count as what they weigh. */
const fromBcd = (value: number): number => ((value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15)) % 10000;

const toBcd = (value: number): number =>
  (Math.floor(value / 1000) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10);
