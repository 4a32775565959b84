/** A vCPU in 1 MiB of plain memory without paging: what system functions need, and no engine. */
import * as layout from '../../../../../emulator/x86/layout';
import type { AccessSize, SystemContext } from '../../../../../emulator/x86/system/context';
import { GuestException } from '../../../../../emulator/x86/system/exceptions';
import { HostInstruction } from '../../../../../emulator/x86/system/instruction';
import { systemInstructions } from '../../../../../emulator/x86/system';
import { ATTR, type Segment, UNUSABLE, Vcpu } from '../../../../../emulator/x86/vcpu';

export const GDT = 0x1000;
export const IDT = 0x2000;
const RECORD = 0x2000;

/** Operands of an instruction: registers by number, or memory at an absolute address. */
export interface Operands {
  readonly size?: 1 | 2 | 4 | 8;
  /** Window addresses of the register operands. */
  readonly places?: readonly number[];
  readonly memory?: number;
  readonly immediate?: bigint;
}

export class FakeContext implements SystemContext {
  readonly id = 0;
  readonly cpus = 1;
  readonly vcpu = new Vcpu(new ArrayBuffer(0x4000));
  readonly memory = new DataView(new ArrayBuffer(1 << 20));
  /** Accesses to these pages fault. */
  readonly absent = new Set<number>();
  flushes = 0;
  halted = false;
  priority = 0;

  private check(linear: bigint, size: number, write: boolean): number {
    for (const at of [linear, linear + BigInt(size) - 1n]) if (this.absent.has(Number(at >> 12n))) throw new GuestException(14, write ? 2 : 0, at);
    return Number(linear);
  }
  read(linear: bigint, size: AccessSize): bigint {
    const at = this.check(linear, size, false);
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(this.memory.getUint8(at + i)) << BigInt(8 * i);
    return value;
  }
  write(linear: bigint, size: AccessSize, value: bigint): void {
    const at = this.check(linear, size, true);
    for (let i = 0; i < size; i++) this.memory.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }
  probeWrite(linear: bigint, size: number): void {
    this.check(linear, size, true);
  }
  canonical = (linear: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, linear)) === linear;
  readPhysical = (address: number, size: 4 | 8): bigint =>
    size === 8 ? this.memory.getBigUint64(address, true) : BigInt(this.memory.getUint32(address, true));
  /** Port accesses: "r<port>/<size>" and "w<port>/<size>=<value>". */
  readonly ports: string[] = [];
  /** Registers of a local APIC that takes every value. */
  readonly apic = new Map<number, bigint>();
  ticks = 0n;
  portRead(port: number, size: number): number {
    this.ports.push(`r${port.toString(16)}/${size}`);
    return 0x87654321;
  }
  portWrite(port: number, size: number, value: number): void {
    this.ports.push(`w${port.toString(16)}/${size}=${value.toString(16)}`);
  }
  readApicMsr(index: number): bigint | undefined {
    return this.apic.get(index);
  }
  writeApicMsr(index: number, value: bigint): boolean {
    return this.apic.has(index) && this.apic.set(index, value) !== undefined;
  }
  taskPriority = (): number => this.priority;
  setTaskPriority(value: number): void {
    this.priority = value;
  }
  timestamp = (): bigint => this.ticks;
  timestampChanged = (): void => undefined;
  count = (): bigint => 1000n;
  flushTlb(): void {
    this.flushes++;
  }
  addressSpaceChanged(): void {
    this.flushes++;
  }
  modeChanged = (): void => undefined;
  debugRegistersChanged = (): void => undefined;
  halt(): void {
    this.halted = true;
  }
  unimplemented(what: string): never {
    throw new Error(what);
  }
}

/** Runs a system instruction; what it throws comes back as "vector" or "vector(code)". */
export function execute(ctx: FakeContext, name: string, { size = 4, places = [], memory, immediate = 0n }: Operands = {}): string | undefined {
  const { view } = ctx.vcpu;
  new Uint8Array(view.buffer, view.byteOffset + RECORD, layout.RECORD_SIZE).fill(0);
  for (const field of [layout.REC_A, layout.REC_B, layout.REC_C, layout.REC_BASE, layout.REC_INDEX]) view.setUint16(RECORD + field, layout.ZERO, true);
  places.forEach((place, i) => view.setUint16(RECORD + layout.REC_A + i * 2, place, true));
  view.setUint8(RECORD + layout.REC_SIZE, Math.log2(size));
  const addressSize = ctx.vcpu.mode64 ? 2 : 1;
  view.setUint8(RECORD + layout.REC_MEM, memory === undefined ? 0 : 8 | layout.DS | (addressSize << 4));
  view.setInt32(RECORD + layout.REC_DISP, memory ?? 0, true);
  view.setBigUint64(RECORD + layout.REC_IMM, immediate, true);
  const saved = ctx.vcpu.rip;
  try {
    systemInstructions[name]!(ctx, new HostInstruction(view, ctx.vcpu).at(RECORD));
    return undefined;
  } catch (error) {
    if (!(error instanceof GuestException)) throw error;
    ctx.vcpu.rip = saved;
    return error.code === undefined ? String(error.vector) : `${error.vector}(${error.code.toString(16)})`;
  }
}

export const gpr = (number: number): number => layout.GPR + number * 8;
export const segmentPlace = (number: number): number => layout.SEGMENTS + number * layout.SEGMENT_SIZE;

/** Puts a segment descriptor into the GDT; `access` is descriptor bits 8–15, `flags` bits 20–23. */
export function describe8(ctx: FakeContext, selector: number, base: number, limit: number, access: number, flags = 0): void {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high = ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20) | (base & 0xff000000);
  ctx.memory.setUint32(GDT + (selector & 0xfff8), low >>> 0, true);
  ctx.memory.setUint32(GDT + (selector & 0xfff8) + 4, high >>> 0, true);
}

/** A gate descriptor at `address`. */
export function gateAt(ctx: FakeContext, address: number, selector: number, offset: number, access: number, parameters = 0): void {
  ctx.memory.setUint32(address, ((offset & 0xffff) | (selector << 16)) >>> 0, true);
  ctx.memory.setUint32(address + 4, ((offset & 0xffff0000) | (access << 8) | parameters) >>> 0, true);
}

export const accessOf = (ctx: FakeContext, selector: number): number => ctx.memory.getUint8(GDT + (selector & 0xfff8) + 5);

export const flat = (selector: number, dpl: number, code: boolean, long = false): Segment => ({
  selector,
  base: 0n,
  limit: 0xffffffff,
  attributes: (code ? 0x809b : 0x8093) | (dpl << 5) | (long ? ATTR.long : ATTR.big),
});

// Selectors of the table that every test starts from.
export const CODE0 = 0x08;
export const DATA0 = 0x10;
export const CODE3 = 0x1b;
export const DATA3 = 0x23;
export const CODE64 = 0x28;
export const TASK = 0x30;

/** Flat 32-bit protected mode, or 64-bit mode, at privilege `cpl`; stack at 0x8000. */
export function context(mode: 'real' | 'protected' | 'long', cpl = 0): FakeContext {
  const ctx = new FakeContext();
  const { vcpu } = ctx;
  vcpu.rflags = 2n;
  vcpu.rip = 0x5000n;
  vcpu.setGpr(4, 0x8000n);
  vcpu.setU64(layout.GDTR_BASE, BigInt(GDT));
  vcpu.setU32(layout.GDTR_LIMIT, 0xff);
  vcpu.setU64(layout.IDTR_BASE, BigInt(IDT));
  vcpu.setU32(layout.IDTR_LIMIT, 0x7ff);
  vcpu.setSegment(layout.LDTR, { selector: 0, base: 0n, limit: 0, attributes: UNUSABLE });
  if (mode === 'real') {
    for (let s = 0; s < 6; s++) vcpu.setSegment(s, { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 });
    return ctx;
  }
  const long = mode === 'long';
  vcpu.setU64(layout.CR0, long ? 0x80000011n : 0x11n);
  if (long) {
    vcpu.setU64(layout.CR4, 0x20n);
    vcpu.setU64(layout.EFER, 0x500n);
  }
  describe8(ctx, CODE0, 0, 0xfffff, 0x9b, 0xc);
  describe8(ctx, DATA0, 0, 0xfffff, 0x93, 0xc);
  describe8(ctx, CODE3, 0, 0xfffff, 0xfb, 0xc);
  describe8(ctx, DATA3, 0, 0xfffff, 0xf3, 0xc);
  describe8(ctx, CODE64, 0, 0xfffff, 0x9b, 0xa);
  vcpu.cpl = cpl;
  vcpu.setSegment(layout.CS, flat(cpl ? CODE3 : long ? CODE64 : CODE0, cpl, true, long));
  for (const s of [layout.SS, layout.DS, layout.ES, layout.FS, layout.GS]) vcpu.setSegment(s, flat(cpl ? DATA3 : DATA0, cpl, false));
  return ctx;
}
