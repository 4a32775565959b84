import type { Bus, Device, DeviceContext, Line, Nanoseconds } from '../bus/device';
import { bit, bits, bool, bytes, fields, initial, time, u64, u8 } from '../bus/fields';
import { BytePorts } from './byteports';
import { fromSeconds, SECONDS_OF_CALENDAR, toSeconds, UNIX_EPOCH } from './calendar';
import { Frequency } from './frequency';
import { nextAlarm, readClock, writeClock, CENTURY, isClockByte } from './rtcclock';

// Motorola MC146818 datasheet; ports, second bank and century byte as in the PC and the ICH.

const SECOND: Nanoseconds = 1e9;
/** UIP rises this long before an update (datasheet, "Update cycle"); the update itself takes no time here. */
const UIP_AHEAD: Nanoseconds = 244_000;

const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
const UIP = 0x80;
const SET = 0x80;
const PIE = 0x40;
const AIE = 0x20;
const UIE = 0x10;
const IRQF = 0x80;
const PF = 0x40;
const AF = 0x20;
const UF = 0x10;

const table = fields({
  index: u8('Byte selected at port 0x70', { NMI: bit(7, 'NMI off'), Index: bits(6, 0, 'CMOS address') }),
  index2: u8('Byte of the second bank selected at port 0x72'),
  a: u8('Register A', { RS: bits(3, 0, 'Rate of the periodic interrupt'), DV: bits(6, 4, 'Divider', { 2: '32.768 kHz' }) }, 0x26),
  b: u8(
    'Register B',
    {
      DSE: bit(0, 'Daylight savings'),
      H24: bit(1, '24 hours'),
      DM: bit(2, 'Binary, not BCD'),
      SQWE: bit(3, 'Square wave'),
      UIE: bit(4, 'Update-ended interrupt'),
      AIE: bit(5, 'Alarm interrupt'),
      PIE: bit(6, 'Periodic interrupt'),
      SET: bit(7, 'Clock stopped to be set'),
    },
    0x02,
  ),
  flags: u8('Register C: flags up to `checked`', {
    UF: bit(4, 'Update ended'),
    AF: bit(5, 'Alarm'),
    PF: bit(6, 'Periodic'),
  }),
  checked: time('Until when the flags are known', 0),
  running: bool('The clock runs: not SET, and the divider is on', true),
  seconds: u64('Seconds since year 0, before `tick`'),
  tick: time('When the seconds become one more', SECOND),
  weekday: u8('Days to add to the weekday of the date'),
  cmos: bytes(128, 'CMOS RAM; its clock bytes count while the clock stands still'),
  cmos2: bytes(128, 'CMOS RAM, second bank'),
});

export interface Rtc146818Options {
  readonly name?: string;
  /** IRQ 8. */
  readonly output: Line;
  /** Wall clock at power-on: milliseconds since 1970. */
  readonly startTime: number;
  /** Bytes of RAM below and above 4 GiB, for the bytes in which firmware looks for them. */
  readonly memory?: { readonly below4g: number; readonly above4g: number };
}

/**
 * The PC's clock and CMOS RAM. The date is a function of virtual time; flags are brought up to
 * date when somebody looks, so that a clock nobody asked for costs no events.
 */
export class Rtc146818 extends BytePorts implements Device<typeof table> {
  readonly kind = 'rtc146818';
  readonly version = 1;
  readonly name: string;
  readonly table = table;
  readonly state = initial(table);
  private readonly output: Line;
  private readonly crystal = new Frequency(32768);

  constructor(
    private readonly context: DeviceContext,
    options: Rtc146818Options,
  ) {
    super();
    this.name = options.name ?? 'rtc';
    this.output = options.output;
    const start = Math.min(Math.max(Math.floor(options.startTime), 0), 8e14);
    this.state.seconds = BigInt((Math.floor(start / 1000) + UNIX_EPOCH) % SECONDS_OF_CALENDAR);
    this.state.tick = SECOND - (start % 1000) * 1e6;
    if (options.memory) writeMemorySize(this.state.cmos, options.memory.below4g, options.memory.above4g);
  }

  attach(bus: Bus): void {
    bus.addPorts(0x70, 4, this, this.name);
  }

  /** RESET clears the enables and flags; the battery keeps clock and RAM. */
  reset(): void {
    this.catchUp();
    this.state.b &= ~(PIE | AIE | UIE | 0x08);
    this.state.flags = 0;
    this.state.index = this.state.index2 = 0;
    this.update();
  }

  /** The next time at which an enabled flag is set; none while IRQ 8 waits to be acknowledged. */
  deadline(): Nanoseconds {
    const { flags, b, checked } = this.state;
    if (flags & b & (PIE | AIE | UIE)) return Infinity;
    let due = Infinity;
    if (b & PIE) due = Math.min(due, this.nextPeriodic(checked));
    if (b & UIE) due = Math.min(due, this.nextUpdate(checked));
    if (b & AIE) due = Math.min(due, this.nextAlarm(checked));
    return due;
  }

  expire(): void {
    this.catchUp();
    this.update();
  }

  restored(): void {
    const { state } = this;
    state.checked = Math.min(state.checked, this.context.now());
    if (state.tick === Infinity) state.tick = this.context.now() + SECOND;
    this.update();
  }

  /** Bit 7 of port 0x70 closes the gate of NMI. */
  get nmiEnabled(): boolean {
    return (this.state.index & 0x80) === 0;
  }

  /** A byte of CMOS RAM, as firmware configuration sets it. */
  setByte(address: number, value: number): void {
    if (address > D && address < 0x80 && address !== CENTURY) this.state.cmos[address] = value;
  }

  protected readByte(port: number): number {
    if (port === 0x71) return this.read(this.state.index & 0x7f);
    if (port === 0x73) return this.state.cmos2[this.state.index2 & 0x7f]!;
    return port === 0x72 ? this.state.index2 : 0xff;
  }

  protected writeByte(port: number, value: number): void {
    if (port === 0x70) this.state.index = value;
    else if (port === 0x71) this.write(this.state.index & 0x7f, value);
    else if (port === 0x72) this.state.index2 = value & 0x7f;
    else if (port === 0x73) this.state.cmos2[this.state.index2 & 0x7f] = value;
  }

  private read(address: number): number {
    const { state } = this;
    switch (address) {
      case A:
        return state.a | (this.updating() ? UIP : 0);
      case B:
        return state.b;
      case C: {
        this.catchUp();
        const flags = state.flags;
        state.flags = 0;
        this.update();
        return flags & state.b & (PIE | AIE | UIE) ? flags | IRQF : flags;
      }
      case D:
        return 0x80; // VRT: the battery is good
      default:
        if (!state.running || !isClockByte(address)) return state.cmos[address]!;
        return readClock(address, fromSeconds(this.now()), state.weekday, state.b);
    }
  }

  private write(address: number, value: number): void {
    const { state } = this;
    this.catchUp();
    switch (address) {
      case A:
        state.a = value & 0x7f;
        this.startOrStop(true);
        break;
      case B:
        state.b = value;
        if (value & SET) state.b &= ~UIE; // datasheet: SET clears UIE
        this.startOrStop(false);
        break;
      case C:
      case D:
        return; // read-only
      default:
        if (isClockByte(address)) this.setClockByte(address, value);
        else state.cmos[address] = value;
    }
    this.update();
  }

  private setClockByte(address: number, value: number): void {
    const running = this.state.running;
    if (running) this.freeze();
    this.state.cmos[address] = value;
    if (running) this.thaw(this.state.tick);
  }

  /** The clock runs while SET is clear and the divider is set for the crystal. */
  private startOrStop(divider: boolean): void {
    const { state } = this;
    const now = this.context.now();
    const run = !(state.b & SET) && (state.a & 0x70) === 0x20;
    if (run === state.running) return;
    if (!run) this.freeze();
    // Half a second after the divider starts comes the first update (datasheet, "Divider control").
    else this.thaw(divider ? now + SECOND / 2 : this.nextTick(now));
    state.running = run;
  }

  /** The clock's time goes into its bytes... */
  private freeze(): void {
    const { state } = this;
    const now = this.context.now();
    const date = fromSeconds(this.now());
    for (const address of CLOCK_BYTES) {
      state.cmos[address] = readClock(address, date, state.weekday, state.b);
    }
    state.tick = this.nextTick(now);
  }

  /** ...and comes back from them. */
  private thaw(tick: Nanoseconds): void {
    const { state } = this;
    const { date, weekday } = writeClock(state.cmos, state.b);
    const seconds = toSeconds(date);
    state.seconds = BigInt(seconds);
    state.weekday = (weekday - fromSeconds(seconds).weekday + 7) % 7;
    state.tick = tick;
  }

  /** Seconds since year 0. */
  private now(): number {
    return this.secondsAt(this.context.now());
  }

  private secondsAt(ns: Nanoseconds): number {
    const { seconds, tick } = this.state;
    const passed = ns < tick ? 0 : 1 + Math.floor((ns - tick) / SECOND);
    return (Number(seconds % BigInt(SECONDS_OF_CALENDAR)) + passed) % SECONDS_OF_CALENDAR;
  }

  /** The next end of a second after `ns`, on the divider's grid. */
  private nextTick(ns: Nanoseconds): Nanoseconds {
    const { tick } = this.state;
    return ns < tick ? tick : tick + (1 + Math.floor((ns - tick) / SECOND)) * SECOND;
  }

  private updating(): boolean {
    const now = this.context.now();
    return this.state.running && this.nextTick(now) - now <= UIP_AHEAD;
  }

  private nextUpdate(after: Nanoseconds): Nanoseconds {
    return this.state.running ? this.nextTick(after) : Infinity;
  }

  private nextAlarm(after: Nanoseconds): Nanoseconds {
    const { state } = this;
    if (!state.running) return Infinity;
    const wait = nextAlarm(this.secondsAt(after) % 86400, state.cmos, state.b);
    return this.nextTick(after) + (wait - 1) * SECOND;
  }

  /** Crystal clocks between periodic interrupts; 0 for none (datasheet, table 5). */
  private get period(): number {
    const rate = this.state.a & 0x0f;
    if (rate === 0 || (this.state.a & 0x70) !== 0x20) return 0;
    return 1 << ((rate < 3 ? rate + 7 : rate) - 1);
  }

  private nextPeriodic(after: Nanoseconds): Nanoseconds {
    const { period } = this;
    if (period === 0) return Infinity;
    return this.crystal.nsAt((Math.floor(this.crystal.ticksAt(after) / period) + 1) * period);
  }

  /** Sets the flags of what happened since `checked`. */
  private catchUp(): void {
    const { state } = this;
    const now = this.context.now();
    const after = state.checked;
    if (now <= after) return;
    if (this.nextPeriodic(after) <= now) state.flags |= PF;
    if (this.nextUpdate(after) <= now) state.flags |= UF;
    if (this.nextAlarm(after) <= now) state.flags |= AF;
    state.checked = now;
  }

  private update(): void {
    this.output.set((this.state.flags & this.state.b & (PIE | AIE | UIE)) !== 0);
  }
}

const CLOCK_BYTES = [0, 2, 4, 6, 7, 8, 9, CENTURY] as const;

/** Where BIOSes and boot loaders look for the size of memory. */
function writeMemorySize(cmos: Uint8Array, below4g: number, above4g: number): void {
  const put = (address: number, value: number, length = 2): void => {
    for (let i = 0; i < length; i++) cmos[address + i] = Math.floor(value / 256 ** i) & 0xff;
  };
  const MB = 0x100000;
  const extended = Math.min(Math.max(Math.floor((below4g - MB) / 1024), 0), 0xffff);
  put(0x15, 640);
  put(0x17, extended);
  put(0x30, extended);
  put(0x34, Math.min(Math.max(Math.floor((below4g - 16 * MB) / 0x10000), 0), 0xffff));
  put(0x5b, Math.floor(above4g / 0x10000), 3);
}
