import type { AccessSize, Bus, Device, DeviceContext, Line, MmioHandler, Nanoseconds } from '../bus/device';
import { bit, bits, fields, group, initial, list, reset, time, u32, type ValueOf } from '../bus/fields';
import { Frequency } from './frequency';

// IA-PC HPET specification 1.0a. As in bhyve the main counter has 32 bits.

const HERTZ = 10_000_000;
const FEMTOSECONDS = 1e15 / HERTZ;
const TIMERS = 3;
const RANGE = 2 ** 32;
/** A period below this interrupts once for several periods, so that no guest stalls its host. */
const SHORTEST_PERIOD: Nanoseconds = 1000;
/** I/O APIC inputs that comparators may be routed to. */
const ROUTES = 0x00f00000;

const CAPABILITIES = 0x80860000 | 0x8000 | ((TIMERS - 1) << 8) | 0x01; // vendor, LEG_RT_CAP, timers, revision
const ENABLE = 0x1;
const LEGACY = 0x2;

const LEVEL = 0x0002;
const INT_ENB = 0x0004;
const PERIODIC = 0x0008;
const VAL_SET = 0x0040;
const FSB_EN = 0x4000;
const TIMER_WRITABLE = LEVEL | INT_ENB | PERIODIC | VAL_SET | 0x3e00 | FSB_EN;
const TIMER_CAPABILITIES = 0x8010; // FSB delivery, periodic

const timerField = group('A comparator', {
  config: u32('Timer Configuration', {
    INT_TYPE: bit(1, 'Level triggered'),
    INT_ENB: bit(2, 'Interrupt enabled'),
    TYPE: bit(3, 'Periodic'),
    VAL_SET: bit(6, 'The next write sets the accumulator'),
    INT_ROUTE: bits(13, 9, 'I/O APIC input'),
    FSB_EN: bit(14, 'Delivery as a message'),
  }),
  comparator: u32('Timer Comparator Value', undefined, 0xffffffff),
  period: u32('Periodic mode: what the comparator advances by'),
  fsbValue: u32('FSB Interrupt Route: data'),
  fsbAddress: u32('FSB Interrupt Route: address'),
  due: time('When the main counter next meets the comparator'),
});
type Timer = ValueOf<typeof timerField>;

const table = fields({
  config: u32('General Configuration', {
    ENABLE: bit(0, 'Counts'),
    LEG_RT: bit(1, 'Legacy replacement route'),
  }),
  status: u32('General Interrupt Status', {
    T0: bit(0, 'Timer 0'),
    T1: bit(1, 'Timer 1'),
    T2: bit(2, 'Timer 2'),
  }),
  counter: u32('Main counter at `start`, or where it was halted'),
  start: time('When the main counter was started; Infinity while it is halted'),
  timers: list(TIMERS, 'Comparators', timerField),
});

export interface HpetOptions {
  readonly name?: string;
  /** 0xFED00000 unless told. */
  readonly address?: number;
  /** Input `pin` of the I/O APIC, 20-23. */
  line(pin: number): Line;
  /** IRQ 0 and IRQ 8 in legacy replacement mode, when PIT and RTC are cut off from them. */
  readonly irq0: Line;
  readonly irq8: Line;
  /** Legacy replacement mode has begun, or has ended. */
  replace?(replaced: boolean): void;
  msi(address: number, data: number): void;
}

export class Hpet implements Device<typeof table>, MmioHandler {
  readonly quietReads = true;
  readonly kind = 'hpet';
  readonly version = 1;
  readonly name: string;
  readonly table = table;
  readonly state = initial(table);
  private readonly clock = new Frequency(HERTZ);
  private readonly lines = new Map<number, Line>();
  /** I/O APIC inputs held by level-triggered timers. Derived from the state. */
  private held = 0;

  constructor(
    private readonly context: DeviceContext,
    private readonly options: HpetOptions,
  ) {
    this.name = options.name ?? 'hpet';
    for (let pin = 0; pin < 32; pin++) if (ROUTES & (1 << pin)) this.lines.set(pin, options.line(pin));
  }

  attach(bus: Bus): void {
    bus.addMmio(this.options.address ?? 0xfed00000, 0x400, this, this.name);
  }

  reset(): void {
    reset(this.table, this.state);
    this.hold();
    this.options.replace?.(this.legacy);
  }

  /** Legacy replacement mode: PIT and RTC don't drive IRQ 0 and 8. */
  get legacy(): boolean {
    return (this.state.config & LEGACY) !== 0;
  }

  deadline(): Nanoseconds {
    let due = Infinity;
    for (const timer of this.state.timers) due = Math.min(due, timer.due);
    return due;
  }

  expire(now: Nanoseconds): void {
    this.state.timers.forEach((timer, n) => {
      if (timer.due > now) return;
      this.advance(timer, now);
      this.fire(timer, n);
    });
  }

  restored(): void {
    this.options.replace?.(this.legacy);
    this.held = this.levels();
    for (const [pin, line] of this.lines) line.set((this.held & (1 << pin)) !== 0);
  }

  mmioRead(offset: number, size: AccessSize): number {
    const value = this.read(offset & ~3) >>> (8 * (offset & 3));
    return size === 4 ? value : size === 2 ? value & 0xffff : value & 0xff;
  }

  /** Registers are written in aligned halves of 32 bits (2.3.2); other sizes have no defined effect. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (size === 4 && (offset & 3) === 0) this.write(offset, value >>> 0);
  }

  private read(offset: number): number {
    const { state } = this;
    switch (offset) {
      case 0x000:
        return CAPABILITIES >>> 0;
      case 0x004:
        return FEMTOSECONDS;
      case 0x010:
        return state.config;
      case 0x020:
        return state.status;
      case 0x0f0:
        return this.counterAt(this.context.now());
    }
    const timer = this.timer(offset);
    if (timer === undefined) return 0;
    switch (offset & 0x1c) {
      case 0x00:
        return (timer.config | TIMER_CAPABILITIES) >>> 0;
      case 0x04:
        return ROUTES;
      case 0x08:
        return timer.comparator;
      case 0x10:
        return timer.fsbValue;
      case 0x14:
        return timer.fsbAddress;
      default:
        return 0;
    }
  }

  private write(offset: number, value: number): void {
    const { state } = this;
    const now = this.context.now();
    this.expire(now); // what is due comes before the write
    switch (offset) {
      case 0x010:
        this.setConfig(value & (ENABLE | LEGACY), now);
        return;
      case 0x020:
        state.status = (state.status & ~value) >>> 0; // write one to clear
        this.hold();
        return;
      case 0x0f0:
        state.counter = value;
        if (state.start !== Infinity) state.start = now;
        for (const each of state.timers) this.schedule(each, now);
        return;
    }
    const timer = this.timer(offset);
    if (timer === undefined) return;
    switch (offset & 0x1c) {
      case 0x00:
        timer.config = value & TIMER_WRITABLE;
        if (!(value & LEVEL)) state.status = (state.status & ~(1 << this.index(offset))) >>> 0;
        this.hold();
        break;
      case 0x08:
        // Periodic: every write sets the period, one after VAL_SET the comparator too (2.3.9.2.2).
        if (!(timer.config & PERIODIC) || timer.config & VAL_SET) timer.comparator = value;
        if (timer.config & PERIODIC) timer.period = value;
        timer.config = (timer.config & ~VAL_SET) >>> 0;
        break;
      case 0x10:
        timer.fsbValue = value;
        break;
      case 0x14:
        timer.fsbAddress = value;
        break;
    }
    this.schedule(timer, now);
  }

  private setConfig(config: number, now: Nanoseconds): void {
    const { state } = this;
    const run = (config & ENABLE) !== 0;
    if (run !== (state.start !== Infinity)) {
      state.counter = this.counterAt(now);
      state.start = run ? now : Infinity;
    }
    const { legacy } = this;
    state.config = config;
    if (this.legacy !== legacy) this.options.replace?.(this.legacy);
    this.hold();
    for (const timer of state.timers) this.schedule(timer, now);
  }

  private index(offset: number): number {
    return (offset - 0x100) >> 5;
  }

  private timer(offset: number): Timer | undefined {
    return offset < 0x100 ? undefined : this.state.timers[this.index(offset)];
  }

  private counterAt(now: Nanoseconds): number {
    const { counter, start } = this.state;
    if (start === Infinity) return counter;
    const ticks = counter + this.clock.ticksAt(now) - this.clock.ticksAt(start);
    return ((ticks % RANGE) + RANGE) % RANGE;
  }

  /** When the counter next comes to the comparator; one that it stands on is a whole round away. */
  private schedule(timer: Timer, now: Nanoseconds): void {
    const wait = (timer.comparator - this.counterAt(now) + RANGE) % RANGE || RANGE;
    const running = this.state.start !== Infinity;
    timer.due = running ? this.clock.nsAt(this.clock.ticksAt(now) + wait) : Infinity;
  }

  /** Past a match: a periodic comparator moves on by whole periods, another waits a round of the counter. */
  private advance(timer: Timer, now: Nanoseconds): void {
    const step = timer.config & PERIODIC && timer.period !== 0 ? timer.period : RANGE;
    const first = this.clock.ticksAt(timer.due);
    const steps = Math.floor((this.clock.ticksAt(now) - first) / step) + 1;
    timer.comparator = (timer.comparator + ((steps * step) % RANGE)) % RANGE;
    timer.due = Math.max(this.clock.nsAt(first + steps * step), now + SHORTEST_PERIOD);
  }

  private fire(timer: Timer, n: number): void {
    const { config } = timer;
    if (config & LEVEL) this.state.status |= 1 << n;
    if (!(config & INT_ENB)) return;
    if (config & FSB_EN) {
      this.options.msi(timer.fsbAddress, timer.fsbValue);
      return;
    }
    const line = this.lineOf(timer, n);
    if (config & LEVEL && !this.replaced(n)) {
      this.hold();
    } else if (line !== undefined) {
      line.set(true);
      line.set(false);
    }
  }

  /** Timers 0 and 1 in legacy replacement mode; their interrupts are edges. */
  private replaced(n: number): boolean {
    return this.legacy && n < 2;
  }

  private lineOf(timer: Timer, n: number): Line | undefined {
    if (this.replaced(n)) return n === 0 ? this.options.irq0 : this.options.irq8;
    return this.lines.get((timer.config >>> 9) & 0x1f);
  }

  /** Drives the inputs of level-triggered timers whose status bit is set. */
  private hold(): void {
    const held = this.levels();
    const changed = held ^ this.held;
    this.held = held;
    for (const [pin, line] of this.lines) if (changed & (1 << pin)) line.set((held & (1 << pin)) !== 0);
  }

  private levels(): number {
    let held = 0;
    this.state.timers.forEach((timer, n) => {
      const { config } = timer;
      const level = config & LEVEL && config & INT_ENB && !(config & FSB_EN) && !this.replaced(n);
      if (level && this.state.status & (1 << n)) held |= 1 << ((config >>> 9) & 0x1f);
    });
    return held & ROUTES;
  }
}
