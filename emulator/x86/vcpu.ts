import { ARITHMETIC, arithmeticFlags, fromRflags } from './flags';
import * as layout from './layout';

/** A segment register with its hidden part. Attributes: descriptor bits 8–15 and 20–23 as in VMCS access rights. */
export interface Segment {
  readonly selector: number;
  readonly base: bigint;
  /** In bytes, granularity applied. */
  readonly limit: number;
  readonly attributes: number;
}

export const UNUSABLE = 0x10000;
/** Attribute bits. */
export const ATTR = {
  type: 0xf,
  code: 0x8,
  expandDown: 0x4,
  conforming: 0x4,
  writable: 0x2,
  readable: 0x2,
  accessed: 0x1,
  nonSystem: 0x10,
  dplShift: 5,
  present: 0x80,
  available: 0x1000,
  long: 0x2000,
  big: 0x4000,
  granularity: 0x8000,
} as const;

export const CR0_PE = 1n;
export const CR0_MP = 1n << 1n;
export const CR0_EM = 1n << 2n;
export const CR0_TS = 1n << 3n;
export const CR0_ET = 1n << 4n;
export const CR0_NE = 1n << 5n;
export const CR0_WP = 1n << 16n;
export const CR0_AM = 1n << 18n;
export const CR0_NW = 1n << 29n;
export const CR0_CD = 1n << 30n;
export const CR0_PG = 1n << 31n;
export const CR4_DE = 1n << 3n;
export const CR4_PAE = 1n << 5n;
export const CR4_OSFXSR = 1n << 9n;
export const CR4_FSGSBASE = 1n << 16n;
export const CR4_SMAP = 1n << 21n;
export const EFER_SCE = 1n;
export const EFER_LME = 1n << 8n;
export const EFER_LMA = 1n << 10n;
export const EFER_NXE = 1n << 11n;

/** Bits of IA32_MISC_ENABLE that this processor has (SDM vol. 4, table 2-2). */
export const MISC_ENABLE = {
  fastStrings: 1n,
  /** Read only: there is no branch trace store and no event sampling. */
  unavailable: 3n << 11n,
  limitCpuid: 1n << 22n,
  xdDisable: 1n << 34n,
} as const;

const PE = Number(CR0_PE);
const LMA = Number(EFER_LMA);
/** EFLAGS.VM. */
const VM = 1 << 17;

export const ACTIVE = 0;
export const HALTED = 1;
export const WAIT_FOR_SIPI = 2;
export const SHUTDOWN = 3;

/** Typed access to the state of one vCPU: a window in the machine's memory. */
export class Vcpu {
  readonly view: DataView;

  /** `base`: where this vCPU's window lies; addresses of layout.ts are relative to WINDOW. */
  constructor(buffer: ArrayBufferLike, base: number = layout.WINDOW) {
    this.view = new DataView(buffer, base - layout.WINDOW);
  }

  /** Bits of a physical address: the machine's, whichever vCPU this is. */
  get physicalBits(): number {
    return new DataView(this.view.buffer).getUint32(layout.PHYSICAL_WIDTH, true) || layout.PHYSICAL_BITS;
  }

  /** Clock of the core crystal. */
  get crystalHertz(): number {
    return new DataView(this.view.buffer).getUint32(layout.CRYSTAL_CLOCK, true) || layout.CRYSTAL_HERTZ;
  }

  u64(address: number): bigint {
    return this.view.getBigUint64(address, true);
  }
  setU64(address: number, value: bigint): void {
    this.view.setBigUint64(address, value, true);
  }
  u32(address: number): number {
    return this.view.getUint32(address, true);
  }
  setU32(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }
  u16(address: number): number {
    return this.view.getUint16(address, true);
  }
  setU16(address: number, value: number): void {
    this.view.setUint16(address, value, true);
  }

  gpr(number: number): bigint {
    return this.u64(layout.GPR + number * 8);
  }
  setGpr(number: number, value: bigint): void {
    this.setU64(layout.GPR + number * 8, value);
  }

  get rip(): bigint {
    return this.u64(layout.RIP);
  }
  set rip(value: bigint) {
    this.setU64(layout.RIP, value);
  }

  get rflags(): bigint {
    const { FLAG_RESULT, FLAG_CARRIES } = layout;
    const low = arithmeticFlags(this.u32(FLAG_RESULT), this.u32(FLAG_RESULT + 4), this.u32(FLAG_CARRIES), this.u32(FLAG_CARRIES + 4));
    return (this.u64(layout.EFLAGS) & ~ARITHMETIC) | BigInt(low | 2);
  }
  set rflags(value: bigint) {
    const { result, carries } = fromRflags(value);
    this.setU64(layout.FLAG_RESULT, result);
    this.setU64(layout.FLAG_CARRIES, carries);
    this.setU64(layout.EFLAGS, (value & ~ARITHMETIC) | 2n);
  }
  /** Flags other than the arithmetic ones, as stored. */
  get systemFlags(): bigint {
    return this.u64(layout.EFLAGS);
  }
  set systemFlags(value: bigint) {
    this.setU64(layout.EFLAGS, value);
  }

  segment(number: number): Segment {
    const at = layout.SEGMENTS + number * layout.SEGMENT_SIZE;
    return {
      selector: this.u16(at + layout.SEG_SELECTOR),
      base: this.u64(at + layout.SEG_BASE),
      limit: this.u32(at + layout.SEG_LIMIT),
      attributes: this.u32(at + layout.SEG_ATTR),
    };
  }
  setSegment(number: number, { selector, base, limit, attributes }: Segment): void {
    const at = layout.SEGMENTS + number * layout.SEGMENT_SIZE;
    this.setU16(at + layout.SEG_SELECTOR, selector);
    this.setU64(at + layout.SEG_BASE, base);
    this.setU32(at + layout.SEG_LIMIT, limit >>> 0);
    this.setU32(at + layout.SEG_ATTR, attributes);
  }
  attributes(number: number): number {
    return this.u32(layout.SEGMENTS + number * layout.SEGMENT_SIZE + layout.SEG_ATTR);
  }
  selector(number: number): number {
    return this.u16(layout.SEGMENTS + number * layout.SEGMENT_SIZE + layout.SEG_SELECTOR);
  }

  get cpl(): number {
    return this.u32(layout.CPL);
  }
  set cpl(value: number) {
    this.setU32(layout.CPL, value);
  }
  get cr0(): bigint {
    return this.u64(layout.CR0);
  }
  get cr4(): bigint {
    return this.u64(layout.CR4);
  }
  get efer(): bigint {
    return this.u64(layout.EFER);
  }
  // Asked at every port access and interrupt: their bits lie in the low half, which needs no bigint.
  get protectedMode(): boolean {
    return (this.u32(layout.CR0) & PE) !== 0;
  }
  get longMode(): boolean {
    return (this.u32(layout.EFER) & LMA) !== 0;
  }
  /** 64-bit code segment in long mode. */
  get mode64(): boolean {
    return this.longMode && (this.attributes(layout.CS) & ATTR.long) !== 0;
  }
  get v86(): boolean {
    return (this.u32(layout.EFLAGS) & VM) !== 0;
  }
}
