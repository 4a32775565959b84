import type { AccessSize, Device, DeviceContext, Line, MmioHandler, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { BROADCAST, DeliveryMode, Shorthand } from './apicbus';
import type { InterprocessorInterrupt, LocalApic } from './apicbus';
import { LapicPin, type PinOwner } from './lapicpin';
import { LapicRegisters, type RegisterOwner } from './lapicregisters';
import { lapicTable, lvtFields } from './lapictable';
import { LapicTimer } from './lapictimer';
import { add, has, highest, remove } from './lapicvectors';

// Local APIC, xAPIC and x2APIC: Intel SDM volume 3, chapter 11.

const BSP = 0x100n;
const EXTD = 0x400n;
const EN = 0x800n;
const BASE_RESERVED = ~0xffffffffffd00n; // bits 7-0, 9 and above 51

const SVR_ENABLE = 0x100;
const SVR_DIRECTED_EOI = 0x1000;
const MASKED = 0x10000;
const ASSERT = 0x4000;
const ESR_SEND_ILLEGAL = 0x20;
const ESR_RECEIVE_ILLEGAL = 0x40;
const TSC_DEADLINE_MSR = 0x6e0;

export interface LapicOptions {
  readonly name?: string;
  readonly id: number;
  readonly bsp: boolean;
  /** Clock of the timer before its divider, in Hz. */
  readonly frequency: number;
  send(ipi: InterprocessorInterrupt): void;
  /** EOI of a level-triggered interrupt, to the I/O APICs. */
  eoi(vector: number): void;
  /** The first virtual time at which this processor's TSC is at least `tsc` (a rounded double above 2^53). */
  nsAtTsc(tsc: number): Nanoseconds;
  nmi(): void;
  /** INIT: the LAPIC has already reset itself. */
  init(): void;
  sipi(vector: number): void;
  smi?(): void;
  /** `pending()` or `external()` may have turned true: look at the next instruction boundary. */
  request?(): void;
  /** The page of registers was moved by IA32_APIC_BASE, or (null) answers no more: x2APIC mode, disabled. */
  moved?(page: number | null): void;
}

export class Lapic implements Device<typeof lapicTable>, LocalApic, MmioHandler, PinOwner, RegisterOwner {
  readonly kind = 'lapic';
  readonly version = 1;
  readonly name: string;
  readonly table = lapicTable;
  readonly state = initial(lapicTable);
  readonly id: number;
  /** The PIC's INTR. */
  readonly lint0: Line;
  readonly lint1: Line;
  readonly timer: LapicTimer;
  private readonly registers: LapicRegisters;
  readonly pins: readonly [LapicPin, LapicPin];

  // Derived from the state, kept up by `base` writes and `update()`.
  private mode: 'disabled' | 'xapic' | 'x2apic' = 'xapic';
  private page: number | null = 0xfee00000;
  ppr = 0;
  private deliverable = -1;

  constructor(
    context: DeviceContext,
    private readonly options: LapicOptions,
  ) {
    this.id = options.id;
    this.name = options.name ?? `lapic${options.id}`;
    this.timer = new LapicTimer(
      this.state,
      options.frequency,
      () => context.now(),
      (tsc) => options.nsAtTsc(tsc),
      (vector) => void this.inject(vector, false),
      () => context.rearm(),
    );
    this.pins = [new LapicPin(this, 'lint0', 'lvtLint0'), new LapicPin(this, 'lint1', 'lvtLint1')];
    [this.lint0, this.lint1] = this.pins;
    this.registers = new LapicRegisters(this);
    this.reset();
  }

  reset(): void {
    this.resetRegisters(0xfee00000n | EN | (this.options.bsp ? BSP : 0n));
  }

  deadline(): Nanoseconds {
    return this.timer.due;
  }

  expire(): void {
    this.timer.expire();
  }

  restored(): void {
    // A state from elsewhere may have bits that the registers don't.
    const { state } = this;
    for (const field of lvtFields) state[field] &= 0x7ffff;
    state.errors &= 0xff;
    this.setMode();
    this.timer.update();
    this.update();
  }

  /** The processor's TSC or its offset was written: a TSC deadline comes at another time. */
  tscChanged(): void {
    this.timer.update();
    this.timer.expire();
  }

  // ---- What the processor asks and says

  /** The highest vector that the processor's priority lets through, or -1. */
  pending(): number {
    return this.deliverable;
  }

  /** Takes the pending vector into service; the spurious vector when there is none. */
  acknowledge(): number {
    const vector = this.deliverable;
    if (vector < 0) return this.state.svr & 0xff;
    remove(this.state.irr, vector);
    add(this.state.isr, vector);
    this.update();
    return vector;
  }

  /** The PIC's interrupt (or an ExtINT message) gets through: its vector comes from the PIC. */
  external(): boolean {
    const { lint0, lvtLint0, extInt } = this.state;
    if (extInt) return true;
    if (!lint0) return false;
    return this.mode === 'disabled' || (lvtLint0 & (MASKED | 0x700)) === DeliveryMode.ExtINT << 8;
  }

  /** The acknowledge cycle for `external()` has been run on the PIC. */
  externalTaken(): void {
    this.state.extInt = false;
  }

  get cr8(): number {
    return this.state.tpr >>> 4;
  }

  set cr8(value: number) {
    this.state.tpr = (value & 0xf) << 4;
    this.update();
  }

  get apicBase(): bigint {
    return this.state.base;
  }

  /** Writes IA32_APIC_BASE; false for #GP: reserved bits and forbidden transitions (SDM 11.12.5). */
  setBase(value: bigint): boolean {
    const { base } = this.state;
    if (value & BASE_RESERVED) return false;
    const enable = (value & EN) !== 0n;
    const extended = (value & EXTD) !== 0n;
    if (extended && (!enable || !(base & EN))) return false;
    if (enable && !extended && base & EXTD) return false;
    if (enable && !(base & EN)) this.resetRegisters(value);
    else this.state.base = value;
    this.setMode();
    this.update();
    return true;
  }

  /** Firmware's virtual wire mode: the PIC through LINT0, NMI through LINT1. For boots without firmware. */
  virtualWire(): void {
    this.state.svr = 0x10f;
    this.state.lvtLint0 = DeliveryMode.ExtINT << 8;
    this.state.lvtLint1 = DeliveryMode.NMI << 8;
    this.update();
  }

  // ---- Interrupts that come in

  /** A fixed interrupt; false when the APIC doesn't accept it. */
  inject(vector: number, level: boolean): boolean {
    const { state } = this;
    if (this.mode === 'disabled' || !(state.svr & SVR_ENABLE)) return false;
    if (vector < 16) {
      this.error(ESR_RECEIVE_ILLEGAL);
      return false;
    }
    add(state.irr, vector);
    if (level) add(state.tmr, vector);
    else remove(state.tmr, vector);
    if (vector > this.deliverable) this.update();
    return true;
  }

  accept(mode: DeliveryMode, vector: number, level: boolean): boolean {
    if (this.mode === 'disabled') return false;
    switch (mode) {
      case DeliveryMode.Fixed:
      case DeliveryMode.LowestPriority:
        return this.inject(vector, level);
      case DeliveryMode.SMI:
        this.options.smi?.();
        return true;
      case DeliveryMode.NMI:
        this.options.nmi();
        return true;
      case DeliveryMode.INIT:
        this.resetRegisters(this.state.base);
        this.options.init();
        return true;
      case DeliveryMode.StartUp:
        this.options.sipi(vector);
        return true;
      case DeliveryMode.ExtINT:
        this.state.extInt = true;
        this.options.request?.();
        return true;
      default:
        return false;
    }
  }

  matches(destination: number, logical: boolean): boolean {
    const { state } = this;
    if (this.mode === 'disabled') return false;
    if (destination === BROADCAST) return true;
    if (!logical) return destination === state.id;
    const ldr = this.logicalId();
    if (this.mode === 'x2apic') return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0;
    const logicalId = ldr >>> 24;
    if (state.dfr >>> 28 === 0xf) return (destination & logicalId) !== 0;
    return destination >>> 4 === logicalId >>> 4 && (destination & logicalId & 0xf) !== 0;
  }

  arbitrationPriority(): number {
    if (this.mode === 'disabled' || !(this.state.svr & SVR_ENABLE)) return Infinity;
    return this.apr();
  }

  /** The APIC is off, its pins are the processor's own INTR and NMI. */
  bypass(pin: 'lint0' | 'lint1'): boolean {
    if (this.mode !== 'disabled') return false;
    if (pin === 'lint1') this.options.nmi();
    else this.externalChanged();
    return true;
  }

  externalChanged(): void {
    this.options.request?.();
  }

  // ---- Registers

  mmioRead(offset: number, size: AccessSize): number {
    if (this.mode !== 'xapic') return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
    return this.registers.mmioRead(offset, size);
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (this.mode === 'xapic') this.registers.mmioWrite(offset, size, value);
  }

  /** RDMSR of 0x800-0x8FF and IA32_TSC_DEADLINE; undefined for #GP. */
  readMsr(index: number): bigint | undefined {
    if (index === TSC_DEADLINE_MSR) return this.timer.readDeadline();
    return this.mode === 'x2apic' ? this.registers.readMsr(index - 0x800) : undefined;
  }

  /** WRMSR of 0x800-0x8FF and IA32_TSC_DEADLINE, from EAX and EDX; false for #GP. */
  writeMsr(index: number, low: number, high: number): boolean {
    if (index === TSC_DEADLINE_MSR) {
      this.timer.setDeadline(low, high);
      return true;
    }
    return this.mode === 'x2apic' && this.registers.writeMsr(index - 0x800, low >>> 0, high >>> 0);
  }

  sendIpi(destination: number): void {
    const { icrLow } = this.state;
    const mode = (icrLow >>> 8) & 7;
    const vector = icrLow & 0xff;
    if (mode <= DeliveryMode.LowestPriority && vector < 16) {
      this.error(ESR_SEND_ILLEGAL);
      return;
    }
    // INIT level de-assert synchronized arbitration ids, which no longer exist.
    if (mode === DeliveryMode.INIT && !(icrLow & ASSERT)) return;
    if (mode === DeliveryMode.ExtINT || mode === 3) return; // reserved in the ICR
    const logical = (icrLow & 0x800) !== 0;
    const shorthand = (icrLow >>> 18) & 3;
    // IPIs are edge triggered whatever the trigger bit says, but for INIT (SDM 11.6.1).
    if (shorthand === Shorthand.Self && mode <= DeliveryMode.LowestPriority) void this.inject(vector, false);
    else
      this.options.send({
        destination,
        logical,
        mode,
        vector,
        level: false,
        shorthand,
        source: this.state.id,
      });
  }

  endOfInterrupt(): void {
    const { state } = this;
    const vector = highest(state.isr);
    if (vector < 0) return;
    remove(state.isr, vector);
    this.update();
    if (!has(state.tmr, vector)) return;
    for (const pin of this.pins) pin.endOfInterrupt(vector);
    if (!(state.svr & SVR_DIRECTED_EOI)) this.options.eoi(vector);
  }

  error(bit: number): void {
    const { state } = this;
    if (state.errors & bit) return;
    state.errors |= bit;
    if (!(state.lvtError & MASKED)) this.inject(state.lvtError & 0xff, false);
  }

  maskLvt(): void {
    const { state } = this;
    this.timer.setLvt(state.lvtTimer | MASKED);
    for (const field of lvtFields) state[field] |= MASKED;
  }

  /** In x2APIC mode the logical id is made of the APIC id (SDM 11.12.10.2). */
  logicalId(): number {
    const { id, ldr } = this.state;
    return this.mode === 'x2apic' ? (((id >>> 4) << 16) | (1 << (id & 0xf))) >>> 0 : ldr;
  }

  apr(): number {
    const { tpr, isr, irr } = this.state;
    const requested = Math.max(highest(irr), 0) & 0xf0;
    const serviced = Math.max(highest(isr), 0) & 0xf0;
    // SDM volume 3, 11.6.2.4.
    if ((tpr & 0xf0) >= requested && (tpr & 0xf0) > serviced) return tpr;
    return Math.max(tpr & 0xf0, serviced, requested);
  }

  /** Power-up and INIT state (SDM 11.4.7.1); the levels of the pins are not the APIC's to reset. */
  private resetRegisters(base: bigint): void {
    const { state } = this;
    const { lint0, lint1 } = state;
    reset(this.table, state);
    state.base = base;
    state.id = this.options.id;
    state.lint0 = lint0;
    state.lint1 = lint1;
    this.timer.update();
    this.setMode();
    this.update();
  }

  private setMode(): void {
    const { base } = this.state;
    this.mode = !(base & EN) ? 'disabled' : base & EXTD ? 'x2apic' : 'xapic';
    const page = this.mode === 'xapic' ? Number(base & ~0xfffn) : null;
    if (page === this.page) return;
    this.page = page;
    this.options.moved?.(page);
  }

  /** Recomputes PPR (SDM 11.8.3.1) and the pending vector from TPR, ISR and IRR. */
  update(): void {
    const { tpr, isr, irr } = this.state;
    const serviced = Math.max(highest(isr), 0) & 0xf0;
    this.ppr = (tpr & 0xf0) >= serviced ? tpr : serviced;
    const vector = this.mode === 'disabled' ? -1 : highest(irr);
    this.deliverable = vector >= 0 && (vector & 0xf0) > (this.ppr & 0xf0) ? vector : -1;
    if (this.deliverable >= 0) this.options.request?.();
  }
}
