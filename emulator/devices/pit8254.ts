import type { Bus, Device, DeviceContext, Line, Nanoseconds } from '../bus/device';
import { bit, bool, fields, initial, list, reset, time, u8 } from '../bus/fields';
import { BytePorts } from './byteports';
import { Frequency } from './frequency';
import { counterField, PitCounter } from './pitcounter';

// Intel 8254 datasheet (231164) at ports 0x40-0x43; port 0x61 as in the ICH datasheets (NMI_SC).

const HERTZ = 1193182;
const REFRESH_TICKS = 18; // counter 1's customary count: the refresh request toggles every 15.1 us

const table = fields({
  counters: list(3, 'The three counters', counterField),
  edge: time('When OUT 0 next rises'),
  out0: bool('IRQ 0 as last driven'),
  port61: u8('NMI status and control', {
    TIM_CNT2_EN: bit(0, 'Gate of counter 2'),
    SPKR_DAT_EN: bit(1, 'Speaker data'),
    PCI_SERR_EN: bit(2, 'SERR# off'),
    IOCHK_NMI_EN: bit(3, 'IOCHK# off'),
  }),
});

export interface Pit8254Options {
  readonly name?: string;
  /** OUT of counter 0: IRQ 0. */
  readonly output: Line;
}

/**
 * The interval timer. Nothing in it runs: a counter is the time at which it was loaded and
 * the count it was loaded with. IRQ 0 is edge triggered, so only rising edges are events;
 * the fall before is driven together with the rise.
 */
export class Pit8254 extends BytePorts implements Device<typeof table> {
  readonly quietReads = true;
  readonly kind = 'pit8254';
  readonly version = 1;
  readonly name: string;
  readonly table = table;
  readonly state = initial(table);
  private readonly clock = new Frequency(HERTZ);
  private readonly output: Line;
  private readonly counters: readonly PitCounter[];

  constructor(
    private readonly context: DeviceContext,
    options: Pit8254Options,
  ) {
    super();
    this.name = options.name ?? 'pit';
    this.output = options.output;
    this.counters = [0, 1, 2].map((n) => new PitCounter(this.clock, () => this.state.counters[n]!));
    this.closeGate2();
  }

  attach(bus: Bus): void {
    bus.addPorts(0x40, 4, this, this.name);
    bus.addPorts(0x61, 1, this, this.name);
  }

  reset(): void {
    reset(this.table, this.state);
    this.closeGate2();
    this.output.set(false);
  }

  deadline(): Nanoseconds {
    return this.state.edge;
  }

  expire(now: Nanoseconds): void {
    const { state } = this;
    if (state.edge > now) return;
    this.drive(false);
    this.drive(true);
    const counter = this.counters[0]!;
    counter.settle(now);
    state.edge = counter.nextRise(now);
  }

  restored(): void {
    this.output.set(this.state.out0);
  }

  /** The speaker's square wave, if it is on: counter 2's period in ticks, 0 for silence. */
  speakerPeriod(): number {
    return (this.state.port61 & 3) === 3 ? this.counters[2]!.period() : 0;
  }

  protected readByte(port: number): number {
    const now = this.context.now();
    if (port >= 0x40 && port <= 0x42) return this.counters[port - 0x40]!.read(now);
    if (port !== 0x61) return 0xff;
    const refresh = Math.floor(this.clock.ticksAt(now) / REFRESH_TICKS) & 1;
    const out2 = this.counters[2]!.out(now) ? 1 : 0;
    return this.state.port61 | (refresh << 4) | (out2 << 5);
  }

  protected writeByte(port: number, value: number): void {
    const now = this.context.now();
    if (port >= 0x40 && port <= 0x42) {
      this.counters[port - 0x40]!.write(now, value);
      if (port === 0x40) this.counter0Changed(now);
    } else if (port === 0x43) {
      this.control(now, value);
    } else if (port === 0x61) {
      this.state.port61 = value & 0x0f;
      this.counters[2]!.setGate(now, (value & 1) !== 0);
    }
  }

  private control(now: Nanoseconds, value: number): void {
    const select = value >> 6;
    if (select < 3) {
      this.counters[select]!.control(now, value & 0x3f);
      if (select === 0 && (value & 0x30) !== 0) this.counter0Changed(now);
      return;
    }
    // Read-back command: bit 5 low latches the count, bit 4 low the status, bits 3-1 select.
    for (let n = 0; n < 3; n++) {
      if (!(value & (2 << n))) continue;
      if (!(value & 0x20)) this.counters[n]!.latchCount(now);
      if (!(value & 0x10)) this.counters[n]!.latchStatus(now);
    }
  }

  private counter0Changed(now: Nanoseconds): void {
    const counter = this.counters[0]!;
    this.drive(counter.out(now));
    this.state.edge = counter.nextRise(now);
  }

  private drive(level: boolean): void {
    this.state.out0 = level;
    this.output.set(level);
  }

  /** Gates 0 and 1 are tied high; gate 2 is bit 0 of port 0x61. */
  private closeGate2(): void {
    this.state.counters[2]!.gate = false;
  }
}
