import type { AccessSize } from '../bus/device';
import { widen } from './apicbus';
import type { LapicPin } from './lapicpin';
import { Register, stored, writable, type LapicState } from './lapictable';
import type { LapicTimer } from './lapictimer';

const VERSION = 0x01050014; // integrated, 6 LVT entries, EOI broadcast suppression
const SVR_ENABLE = 0x100;
const MASKED = 0x10000;
const ESR_SEND_ILLEGAL = 0x20;
const ESR_ILLEGAL_REGISTER = 0x80;

/** The local APIC as its registers see it. */
export interface RegisterOwner {
  readonly state: LapicState;
  readonly timer: LapicTimer;
  readonly pins: readonly [LapicPin, LapicPin];
  readonly ppr: number;
  apr(): number;
  logicalId(): number;
  inject(vector: number, level: boolean): boolean;
  sendIpi(destination: number): void;
  endOfInterrupt(): void;
  error(bit: number): void;
  maskLvt(): void;
  update(): void;
}

/** The registers of a local APIC: Intel SDM volume 3, 11.4.1 (memory) and 11.12.1 (MSRs). */
export class LapicRegisters {
  constructor(private readonly apic: RegisterOwner) {}

  mmioRead(offset: number, size: AccessSize): number {
    const value = (offset & 0xc) === 0 ? this.read(offset >>> 4) : 0;
    if (size === 4) return value;
    return (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff);
  }

  /** Registers are 32 bits wide and 16 bytes apart; other writes have no defined effect and get none. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || (offset & 0xf) !== 0) return;
    const register = offset >>> 4;
    const { state } = this.apic;
    switch (register) {
      case Register.Id:
        return; // fixed, as in processors since the Pentium 4
      case Register.Ldr:
        state.ldr = (value & 0xff000000) >>> 0;
        return;
      case Register.Dfr:
        state.dfr = (value | 0x0fffffff) >>> 0;
        return;
      case Register.IcrHigh:
        state.icrHigh = (value & 0xff000000) >>> 0;
        return;
      case Register.IcrLow:
        state.icrLow = value & writable[Register.IcrLow]!;
        this.apic.sendIpi(widen(state.icrHigh >>> 24));
        return;
      default:
        if (!this.write(register, value >>> 0) && !this.readable(register)) this.apic.error(ESR_ILLEGAL_REGISTER);
    }
  }

  /** In x2APIC mode; undefined for #GP. */
  readMsr(register: number): bigint | undefined {
    const { state } = this.apic;
    switch (register) {
      case Register.IcrLow:
        return (BigInt(state.icrHigh) << 32n) | BigInt(state.icrLow);
      case Register.Id:
        return BigInt(state.id);
      case Register.Ldr:
        return BigInt(this.apic.logicalId());
      default:
        return this.readable(register) ? BigInt(this.read(register)) : undefined;
    }
  }

  /** In x2APIC mode; false for #GP. */
  writeMsr(register: number, low: number, high: number): boolean {
    const { state } = this.apic;
    const mask = writable[register];
    if (mask === undefined || (low & ~mask) !== 0) return false;
    if (register === Register.IcrLow) {
      state.icrLow = low;
      state.icrHigh = high;
      this.apic.sendIpi(high);
      return true;
    }
    if (high !== 0) return false;
    if (register !== Register.SelfIpi) return this.write(register, low);
    if (low < 16) this.apic.error(ESR_SEND_ILLEGAL);
    else this.apic.inject(low, false);
    return true;
  }

  /** Read-only registers, and those that `stored` names. */
  private readable(register: number): boolean {
    return (
      register in stored ||
      register === Register.Version ||
      register === Register.Ppr ||
      register === Register.CurrentCount ||
      (register >= Register.Isr && register < Register.Esr)
    );
  }

  private read(register: number): number {
    const { state } = this.apic;
    if (register >= Register.Isr && register < Register.Esr) {
      const words = register < Register.Tmr ? state.isr : register < Register.Irr ? state.tmr : state.irr;
      return words[register & 7]!;
    }
    const field = stored[register as keyof typeof stored];
    if (field !== undefined) return state[field];
    switch (register) {
      case Register.Id:
        return (state.id << 24) >>> 0;
      case Register.Version:
        return VERSION;
      case Register.Apr:
        return this.apic.apr();
      case Register.Ppr:
        return this.apic.ppr;
      case Register.Ldr:
        return state.ldr;
      case Register.Dfr:
        return state.dfr;
      case Register.IcrHigh:
        return state.icrHigh;
      case Register.CurrentCount:
        return this.apic.timer.currentCount();
      case Register.Eoi:
      case Register.Rrd:
        return 0;
      default:
        this.apic.error(ESR_ILLEGAL_REGISTER);
        return 0;
    }
  }

  /** Writes that both interfaces share; false when there is no such register. */
  private write(register: number, value: number): boolean {
    const { state } = this.apic;
    const masked = value & (writable[register] ?? 0);
    // Software-disabled, every LVT entry stays masked (SDM 11.4.7.2).
    const lvt = state.svr & SVR_ENABLE ? masked : masked | MASKED;
    switch (register) {
      case Register.Tpr:
        state.tpr = masked;
        this.apic.update();
        return true;
      case Register.Eoi:
        this.apic.endOfInterrupt();
        return true;
      case Register.Svr:
        state.svr = masked;
        if (!(masked & SVR_ENABLE)) this.apic.maskLvt();
        return true;
      case Register.Esr:
        state.esr = state.errors;
        state.errors = 0;
        return true;
      case Register.LvtTimer:
        this.apic.timer.setLvt(lvt);
        return true;
      case Register.LvtLint0:
        this.apic.pins[0].write(lvt);
        return true;
      case Register.LvtLint1:
        this.apic.pins[1].write(lvt);
        return true;
      case Register.LvtThermal:
      case Register.LvtPerformance:
      case Register.LvtError:
        state[stored[register]] = lvt;
        return true;
      case Register.InitialCount:
        this.apic.timer.setInitialCount(value);
        return true;
      case Register.Divide:
        this.apic.timer.setDivide(masked);
        return true;
      default:
        return false;
    }
  }
}
