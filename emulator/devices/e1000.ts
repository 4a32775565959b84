/**
 * Intel gigabit Ethernet, as the 82545EM of bhyve or the 82540EM that stock firmware expects: PCI/PCI-X Family of Gigabit
 * Ethernet Controllers Software Developer's Manual (317453). Delays of interrupts are none but that of ITR.
 */
import type { AccessSize, Device, DeviceContext, MmioHandler, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { ETHERNET_HEADER, type NetworkAdapter, type Wire } from '../bus/network';
import { Eeprom } from './e1000eeprom';
import { mdic, resetPhy } from './e1000phy';
import { Receiver } from './e1000receive';
import {
  CTRL,
  e1000Table,
  INTERRUPT,
  MTA,
  RA,
  RAH_VALID,
  REGISTER,
  STATISTICS,
  STATUS,
  VFTA,
  WINDOW,
  type E1000State,
  type RegisterName,
} from './e1000registers';
import { Transmitter } from './e1000transmit';
import { PciFunction } from './pcifunction';

const VENDOR = 0x8086;
const MODELS = {
  '82540EM': { device: 0x100e, revision: 2, subsystem: 0x001e },
  '82545EM': { device: 0x100f, revision: 4, subsystem: 0x1008 },
} as const;
export type E1000Model = keyof typeof MODELS;

/** BAR2: a register's number, and what it holds (manual, 13.2.2). */
const IO_WINDOW = 0x40;
/** Virtual time until frames go out. */
const LATENCY_NS = 5_000;
const THROTTLE_NS = 256;
const INTERRUPT_PIN = 0x0008;
const EERD = { START: 1, DONE: 0x10 } as const;
const MDIC_INTERRUPT = 1 << 29;

/** Bits of registers that are numbers of bytes, or places in a ring. */
const MASKS: Readonly<Partial<Record<RegisterName, number>>> = {
  RDBAL: 0xfffffff0, TDBAL: 0xfffffff0, RDLEN: 0x000fff80, TDLEN: 0x000fff80, RDH: 0xffff, RDT: 0xffff, TDH: 0xffff, TDT: 0xffff, ITR: 0xffff, FCT: 0xffff,
}; // prettier-ignore
const NAMES: ReadonlyMap<number, RegisterName> = new Map(Object.entries(REGISTER).map(([name, offset]) => [offset, name as RegisterName]));
const ARRAYS = [['statistics', STATISTICS], ['MTA', MTA], ['RA', RA], ['VFTA', VFTA]] as const; // prettier-ignore

export interface E1000Options {
  readonly name?: string;
  readonly model: E1000Model;
  readonly mac: Uint8Array;
  readonly wire: Wire;
  /** RAM that it may use. */
  readonly reachable: (address: number, length: number) => boolean;
}

export class E1000 implements Device<typeof e1000Table>, MmioHandler, NetworkAdapter {
  readonly name: string;
  readonly kind = 'e1000';
  readonly version = 1;
  readonly table = e1000Table;
  readonly state: E1000State = initial(e1000Table);
  readonly pci: PciFunction;
  private readonly eeprom: Eeprom;
  private readonly mac: Uint8Array;
  private readonly transmitter: Transmitter;
  private readonly receiver: Receiver;

  constructor(
    private readonly context: DeviceContext,
    { name = 'e1000', model, mac, wire, reachable }: E1000Options,
  ) {
    this.name = name;
    this.mac = mac;
    const { device, revision, subsystem } = MODELS[model];
    this.eeprom = new Eeprom(mac, { vendor: VENDOR, device, subsystem });
    const { memory } = context;
    const { state } = this;
    const cause = (bits: number): void => void (state.ICR = (state.ICR | bits) >>> 0);
    this.transmitter = new Transmitter({ memory, reachable, cause, transmit: (frame) => wire.transmit(frame) }, state);
    this.receiver = new Receiver({ memory, reachable, cause }, state);
    this.pci = new PciFunction(
      {
        vendor: VENDOR,
        device,
        revision,
        classCode: 0x020000,
        subsystemVendor: VENDOR,
        subsystem,
        interruptPin: 1,
        bars: {
          0: { kind: 'mem32', size: WINDOW, handler: this },
          2: {
            kind: 'io',
            size: IO_WINDOW,
            handler: { mmioRead: (offset, size) => this.ioRead(offset, size), mmioWrite: (offset, size, value) => this.ioWrite(offset, size, value) },
          },
        },
      },
      () => this.state.config,
    );
    this.restart();
  }

  reset(): void {
    reset(e1000Table, this.state);
    this.restart();
    this.pci.setInterrupt(false);
    this.pci.update();
  }
  restored(): void {
    this.pci.update();
  }

  /** What the EEPROM holds, and the PHY. */
  private restart(): void {
    const { state, mac } = this;
    resetPhy(state.phy);
    state.RA[0] = (mac[0]! | (mac[1]! << 8) | (mac[2]! << 16) | (mac[3]! << 24)) >>> 0;
    state.RA[1] = (mac[4]! | (mac[5]! << 8) | RAH_VALID) >>> 0;
  }

  /** CTRL.RST: everything but the PCI header (manual, 14.1). */
  private softReset(): void {
    const { config, ioAddress } = this.state;
    reset(e1000Table, this.state);
    Object.assign(this.state, { config, ioAddress });
    this.restart();
    this.pci.setInterrupt(false);
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────

  private get asserted(): boolean {
    return (this.state.config.status & INTERRUPT_PIN) !== 0;
  }
  private get wanted(): boolean {
    return (this.state.ICR & this.state.IMS) !== 0;
  }

  deadline(): Nanoseconds {
    const { due, throttled } = this.state;
    return this.wanted && !this.asserted ? Math.min(due, throttled) : due;
  }

  expire(now: Nanoseconds): void {
    const { state } = this;
    if (state.due <= now) {
      state.due = Infinity;
      const { wait } = this.pci.busMaster ? this.transmitter.run() : { wait: undefined };
      if (wait !== undefined) state.due = now + LATENCY_NS + wait;
    }
    this.update(now);
  }

  /** The pin follows causes that are let through, no more often than ITR says. */
  private update(now = this.context.now()): void {
    const { state } = this;
    if (!this.wanted) this.pci.setInterrupt(false);
    else if (!this.asserted && now >= state.throttled) {
      this.pci.setInterrupt(true);
      state.throttled = now + (state.ITR & 0xffff) * THROTTLE_NS;
    }
    this.context.rearm();
  }

  receive(frame: Uint8Array): void {
    if (frame.length < ETHERNET_HEADER || !this.pci.busMaster) return;
    this.receiver.receive(frame);
    this.update();
  }

  // ── Registers ────────────────────────────────────────────────────────────────────────────

  private ioRead(offset: number, size: AccessSize): number {
    if (offset < 4) return piece(this.state.ioAddress, offset, size);
    return offset < 8 ? this.mmioRead((this.state.ioAddress % WINDOW) + offset - 4, size) : 0;
  }
  private ioWrite(offset: number, size: AccessSize, value: number): void {
    if (size !== 4) return;
    if (offset === 0) this.state.ioAddress = value >>> 0;
    else if (offset === 4) this.mmioWrite(this.state.ioAddress % WINDOW, size, value);
  }

  mmioRead(offset: number, size: AccessSize): number {
    return piece(this.read(offset & ~3), offset, size);
  }
  /** Registers are written whole (manual, 13.1). */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (size === 4 && !(offset & 3)) this.write(offset, value >>> 0);
  }

  private read(offset: number): number {
    const { state } = this;
    for (const [name, { at, count }] of ARRAYS) {
      const index = (offset - at) / 4;
      if (index < 0 || index >= count) continue;
      const value = state[name][index]!;
      if (name === 'statistics') state.statistics[index] = 0;
      return value;
    }
    const name = NAMES.get(offset);
    switch (name) {
      case undefined:
      case 'ICS':
      case 'IMC':
        return 0;
      case 'STATUS':
        return STATUS.FD | STATUS.SPEED_1000 | (state.CTRL & CTRL.SLU ? STATUS.LU : 0);
      case 'EECD':
        return this.eeprom.readControl(state);
      case 'ICR':
        return this.takeCauses();
      default:
        return state[name];
    }
  }

  private takeCauses(): number {
    const { ICR } = this.state;
    this.state.ICR = 0;
    this.update();
    return ICR;
  }

  private write(offset: number, value: number): void {
    const { state } = this;
    for (const [array, { at, count }] of ARRAYS) {
      const index = (offset - at) / 4;
      if (index < 0 || index >= count) continue;
      if (array !== 'statistics') state[array][index] = value;
      return;
    }
    const name = NAMES.get(offset);
    switch (name) {
      case undefined:
      case 'STATUS':
      case 'RXCW':
        return;
      case 'CTRL':
        return this.control(value);
      case 'EECD':
        return this.eeprom.writeControl(state, value);
      case 'EERD':
        state.EERD = value & EERD.START ? (((value & 0xff00) | EERD.DONE | (this.eeprom.word((value >>> 8) & 0xff) << 16)) >>> 0) : (value & ~EERD.DONE) >>> 0; // prettier-ignore
        return;
      case 'MDIC':
        state.MDIC = mdic(state.phy, value);
        if (value & MDIC_INTERRUPT) this.cause(INTERRUPT.MDAC);
        return;
      case 'ICR':
        state.ICR = (state.ICR & ~value) >>> 0;
        return this.update();
      case 'ICS':
        return this.cause(value & INTERRUPT.ALL);
      case 'IMS':
        state.IMS = (state.IMS | (value & INTERRUPT.ALL)) >>> 0;
        return this.update();
      case 'IMC':
        state.IMS = (state.IMS & ~value) >>> 0;
        return this.update();
      default:
        state[name] = (value & (MASKS[name] ?? 0xffffffff)) >>> 0;
        if (name === 'TDT' || name === 'TCTL') this.schedule();
    }
  }

  private cause(bits: number): void {
    this.state.ICR = (this.state.ICR | bits) >>> 0;
    this.update();
  }

  private control(value: number): void {
    const { state } = this;
    if (value & CTRL.RST) return this.softReset();
    const before = state.CTRL;
    state.CTRL = value >= CTRL.PHY_RST ? value - CTRL.PHY_RST : value;
    if (value >= CTRL.PHY_RST) resetPhy(state.phy);
    if (value & ~before & CTRL.SLU) this.cause(INTERRUPT.LSC);
  }

  private schedule(): void {
    if (this.state.due !== Infinity || !this.transmitter.pending()) return;
    this.state.due = this.context.now() + LATENCY_NS;
    this.context.rearm();
  }
}

const piece = (value: number, offset: number, size: AccessSize): number => {
  const shifted = value >>> (8 * (offset & 3));
  return (size === 4 ? shifted : shifted & (2 ** (8 * size) - 1)) >>> 0;
};
