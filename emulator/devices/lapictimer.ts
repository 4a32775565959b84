import type { Nanoseconds } from '../bus/device';
import { Frequency } from './frequency';
import type { LapicState } from './lapictable';

const MASKED = 0x10000;
const ONE_SHOT = 0;
const PERIODIC = 1;
const TSC_DEADLINE = 2;

/** A periodic timer faster than this interrupts once for several periods, so that no guest stalls its host. */
const SHORTEST_PERIOD: Nanoseconds = 1000;

/**
 * The local APIC's timer (SDM volume 3, 11.5.4). It lives in the LAPIC's state: `timerCount`
 * was the count at `timerStart`; everything else is computed from the virtual time.
 */
export class LapicTimer {
  /** When the timer next interrupts. Derived from the state. */
  due: Nanoseconds = Infinity;

  private readonly clock: Frequency;

  constructor(
    private readonly state: LapicState,
    hertz: number,
    private readonly now: () => Nanoseconds,
    private readonly nsAtTsc: (tsc: number) => Nanoseconds,
    private readonly fire: (vector: number) => void,
    private readonly rearm: () => void,
  ) {
    this.clock = new Frequency(hertz);
  }

  get inTscDeadlineMode(): boolean {
    return this.mode === TSC_DEADLINE;
  }

  currentCount(): number {
    const { timerCount, initialCount, timerStart } = this.state;
    if (timerStart === Infinity) return 0;
    const elapsed = this.elapsed();
    if (elapsed < timerCount) return timerCount - elapsed;
    if (this.mode !== PERIODIC || initialCount === 0) return 0;
    return initialCount - ((elapsed - timerCount) % initialCount);
  }

  setInitialCount(count: number): void {
    if (this.mode === TSC_DEADLINE) return;
    this.state.initialCount = count;
    this.state.timerCount = count;
    this.state.timerStart = count === 0 ? Infinity : this.now();
    this.update();
  }

  /** The count goes on from where it is, at the new rate. */
  setDivide(divide: number): void {
    this.settle();
    if (this.state.timerStart !== Infinity) {
      this.state.timerCount = this.currentCount();
      this.state.timerStart = this.now();
    }
    this.state.divide = divide;
    this.update();
  }

  setLvt(lvt: number): void {
    const wasDeadline = this.mode === TSC_DEADLINE;
    this.settle();
    this.state.lvtTimer = lvt;
    if (wasDeadline !== (this.mode === TSC_DEADLINE)) this.disarm();
    this.update();
  }

  setDeadline(low: number, high: number): void {
    if (this.mode !== TSC_DEADLINE) return;
    this.state.tscDeadline = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    this.update();
    if (this.due <= this.now()) this.expire();
  }

  readDeadline(): bigint {
    this.settle();
    return this.state.tscDeadline;
  }

  expire(): void {
    if (this.due > this.now()) return;
    this.settle();
    this.update();
    this.fire(this.state.lvtTimer & 0xff);
  }

  /** Recomputes `due`, after any change of the state or of the TSC. */
  update(): void {
    const due = this.nextDue();
    if (due === this.due) return;
    this.due = due;
    this.rearm();
  }

  private get mode(): number {
    return (this.state.lvtTimer >>> 17) & 3;
  }

  /** 1, 2, 4 ... 128: bits 3, 1 and 0 plus one give the power, modulo 8. */
  private get divisor(): number {
    const { divide } = this.state;
    return 1 << ((((divide & 3) | ((divide >> 1) & 4)) + 1) & 7);
  }

  private elapsed(): number {
    const { clock } = this;
    const ticks = clock.ticksAt(this.now()) - clock.ticksAt(this.state.timerStart);
    return Math.max(Math.floor(ticks / this.divisor), 0);
  }

  /** Brings the state to the present, without interrupts, over ends of the count that have passed. */
  private settle(): void {
    const { state } = this;
    if (this.mode === TSC_DEADLINE) {
      if (state.tscDeadline !== 0n && this.nsAtTsc(Number(state.tscDeadline)) <= this.now()) state.tscDeadline = 0n;
      return;
    }
    if (state.timerStart === Infinity) return;
    const beyond = this.elapsed() - state.timerCount;
    if (beyond < 0) return;
    if (this.mode !== PERIODIC || state.initialCount === 0) {
      state.timerStart = Infinity;
      state.timerCount = 0;
      return;
    }
    const counts = state.timerCount + beyond - (beyond % state.initialCount);
    state.timerStart = this.clock.nsAt(this.clock.ticksAt(state.timerStart) + counts * this.divisor);
    state.timerCount = state.initialCount;
  }

  private disarm(): void {
    this.state.timerStart = Infinity;
    this.state.timerCount = 0;
    this.state.tscDeadline = 0n;
  }

  private nextDue(): Nanoseconds {
    const { state } = this;
    if (state.lvtTimer & MASKED) return Infinity;
    switch (this.mode) {
      case TSC_DEADLINE:
        return state.tscDeadline === 0n ? Infinity : this.nsAtTsc(Number(state.tscDeadline));
      case ONE_SHOT:
      case PERIODIC: {
        if (state.timerStart === Infinity) return Infinity;
        const end = this.clock.nsAt(this.clock.ticksAt(state.timerStart) + state.timerCount * this.divisor);
        return this.mode === PERIODIC ? Math.max(end, state.timerStart + SHORTEST_PERIOD) : end;
      }
      default:
        return Infinity; // mode 3 is reserved
    }
  }
}
