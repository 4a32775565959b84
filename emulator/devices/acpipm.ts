/**
 * ACPI fixed hardware: PM1a event and control blocks and the SMI command port, at bhyve's addresses unless moved.
 * ACPI Specification 6.4, 4.8.3. The PM timer is a chip of its own.
 */
import type { Bus, Device, DeviceContext, Line, Mapping, Nanoseconds } from '../bus/device';
import { bit, bits, fields, initial, reset, time, u16 } from '../bus/fields';
import { BytePorts } from './byteports';

export const ACPI_PORTS = { smiCommand: 0xb2, event: 0x400, control: 0x404 } as const;
export const ACPI_ENABLE = 0xa0;
export const ACPI_DISABLE = 0xa1;
/** SLP_TYP of soft off: what \_S5 says. Stock firmware for the PIIX4 and ICH9 boards of virtual machines writes 0. */
export const SLEEP_TYPE_S5 = 5;
export const FIRMWARE_SLEEP_TYPE_S5 = 0;

const EVENT_BITS = {
  TMR: bit(0, 'Power Management Timer'),
  GBL: bit(5, 'Global'),
  PWRBTN: bit(8, 'Power Button'),
  SLPBTN: bit(9, 'Sleep Button'),
  RTC: bit(10, 'Real Time Clock Alarm'),
};
const TMR = 0x0001;
const PWRBTN = 0x0100;
const EVENTS = 0x0721;
const WAK = 0x8000;
const SCI_EN = 0x0001;
const SLP_TYP = 0x1c00;
const SLP_EN = 0x2000;

const table = fields({
  status: u16('PM1 Status', { ...EVENT_BITS, WAK: bit(15, 'Wake') }),
  enable: u16('PM1 Enable', EVENT_BITS),
  control: u16('PM1 Control', {
    SCI_EN: bit(0, 'Events raise SCI, not SMI'),
    BM_RLD: bit(1, 'Bus master requests break C3'),
    SLP_TYP: bits(12, 10, 'Sleep type'),
  }),
  timerDue: time("When the PM timer's highest bit next changes"),
});

export interface AcpiPmOptions {
  readonly name?: string;
  readonly sci: Line;
  readonly powerOff: () => void;
  /** The PM timer, whose carries set TMR_STS. */
  readonly timer?: { nextCarry(after: Nanoseconds): Nanoseconds };
  /** A chip set whose firmware says where the blocks lie: nowhere at first. */
  readonly movable?: boolean;
}

/** Control block and PM timer, from the start of the event block. */
export const PM_CONTROL = 4;
export const PM_TIMER = 8;

export class AcpiPm extends BytePorts implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'acpipm';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private base: number = ACPI_PORTS.event;
  private readonly sleepTypeS5: number;
  private blocks: readonly Mapping[] = [];

  constructor(
    private readonly context: DeviceContext,
    private readonly options: AcpiPmOptions,
  ) {
    super();
    this.name = options.name ?? 'acpi';
    this.sleepTypeS5 = options.movable ? FIRMWARE_SLEEP_TYPE_S5 : SLEEP_TYPE_S5;
    this.armTimer(context.now());
  }

  attach(bus: Bus): void {
    bus.addPorts(ACPI_PORTS.smiCommand, 1, this, this.name);
    this.blocks = [bus.addPorts(this.base, 4, this, this.name), bus.addPorts(this.base + PM_CONTROL, 2, this, this.name)];
    if (this.options.movable) this.place(null);
  }

  /** Where the event block lies, as the chip set's registers say; the control block follows. */
  place(base: number | null): void {
    if (base !== null) this.base = base;
    this.blocks.forEach((block, index) => block.move(base === null ? null : base + index * PM_CONTROL));
  }

  reset(): void {
    reset(table, this.state);
    this.armTimer(this.context.now());
    this.update();
  }

  restored(): void {
    this.update();
  }

  pressPowerButton(): void {
    this.state.status |= PWRBTN;
    this.update();
  }

  /** A carry that interrupts nobody is noted when somebody looks: an idle machine has no events. */
  deadline(): Nanoseconds {
    const { enable, control, timerDue } = this.state;
    return enable & TMR && control & SCI_EN ? timerDue : Infinity;
  }

  expire(now: Nanoseconds): void {
    if (this.state.timerDue > now) return;
    this.state.status |= TMR;
    this.armTimer(now);
    this.update();
  }

  protected readByte(port: number): number {
    this.expire(this.context.now());
    const { status, enable, control } = this.state;
    const event = this.base;
    const controlPort = event + PM_CONTROL;
    switch (port) {
      case event:
      case event + 1:
        return (status >> (8 * (port - event))) & 0xff;
      case event + 2:
      case event + 3:
        return (enable >> (8 * (port - event - 2))) & 0xff;
      case controlPort:
      case controlPort + 1:
        return (control >> (8 * (port - controlPort))) & 0xff;
      case ACPI_PORTS.smiCommand:
        return 0;
      default:
        return 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    this.expire(this.context.now());
    const state = this.state;
    const event = this.base;
    const control = event + PM_CONTROL;
    switch (port) {
      case event:
      case event + 1:
        state.status &= ~((value << (8 * (port - event))) & (EVENTS | WAK)); // write one to clear
        break;
      case event + 2:
        state.enable = (state.enable & 0xff00) | (value & EVENTS & 0xff);
        break;
      case event + 3:
        state.enable = (state.enable & 0x00ff) | ((value << 8) & EVENTS);
        break;
      case control:
        // SCI_EN is firmware's: here the SMI command port's.
        state.control = (state.control & 0xff01) | (value & 0x02);
        break;
      case control + 1:
        state.control = (state.control & 0x00ff) | ((value << 8) & SLP_TYP);
        if ((value << 8) & SLP_EN && (state.control & SLP_TYP) >> 10 === this.sleepTypeS5) this.options.powerOff();
        break;
      case ACPI_PORTS.smiCommand:
        if (value === ACPI_ENABLE) state.control |= SCI_EN;
        else if (value === ACPI_DISABLE) state.control &= ~SCI_EN;
        break;
      default:
        break;
    }
    this.update();
  }

  private armTimer(now: Nanoseconds): void {
    this.state.timerDue = this.options.timer?.nextCarry(now) ?? Infinity;
  }

  private update(): void {
    const { status, enable, control } = this.state;
    this.options.sci.set((control & SCI_EN) !== 0 && (status & enable & EVENTS) !== 0);
  }
}
