import { ZF } from '../flags';
import * as layout from '../layout';
import type { Segment } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { dplOf, isPresent, isSystem, loadDataSegment, nullSegment, readDescriptor, readHighHalf, segmentOf, typeOf, type Descriptor } from './descriptor';
import { generalProtection, GP, GuestException, NP, undefinedOpcode } from './exceptions';
import type { SystemFunction } from './instruction';
import { StackReader } from './return';

const privileged = (ctx: SystemContext): void => {
  if (ctx.vcpu.cpl !== 0) throw generalProtection();
};
/** Instructions that exist in protected mode only. */
const protectedOnly = (ctx: SystemContext): void => {
  if (!ctx.vcpu.protectedMode || ctx.vcpu.v86) throw undefinedOpcode();
};
const segmentNumber = (place: number): number => (place - layout.SEGMENTS) / layout.SEGMENT_SIZE;

/** Loads a segment register; SS holds interrupts back for one instruction. */
function load(ctx: SystemContext, number: number, selector: number): void {
  loadDataSegment(ctx, number, selector);
  if (number === layout.SS) ctx.vcpu.setU64(layout.SHADOW_COUNT, ctx.count());
}

const movToSegment: SystemFunction = (ctx, insn) => {
  const number = segmentNumber(insn.place(0));
  if (number === layout.CS) throw undefinedOpcode();
  load(ctx, number, Number(insn.read(ctx, 1, 2)));
};

const popSegment =
  (number: number): SystemFunction =>
  (ctx, insn) => {
    const stack = new StackReader(ctx, insn.size);
    const selector = Number(stack.pop() & 0xffffn);
    load(ctx, number, selector);
    ctx.vcpu.setGpr(4, stack.pointer);
  };

/** LDS, LES, LSS, LFS, LGS: a far pointer from memory. */
const loadFarPointer =
  (number: number): SystemFunction =>
  (ctx, insn) => {
    const size = insn.size as AccessSize;
    const offset = ctx.read(insn.linear(size), size, 'current');
    const selector = Number(ctx.read(insn.linear(2, size), 2, 'current'));
    loadDataSegment(ctx, number, selector);
    insn.writeRegister(0, offset);
  };

// ── Descriptor tables ──────────────────────────────────────────────────────────────────────

const storeTable =
  (base: number, limit: number): SystemFunction =>
  (ctx, insn) => {
    const { vcpu } = ctx;
    const size = vcpu.mode64 ? 8 : 4;
    ctx.probeWrite(insn.linear(size + 2, 0, true), size + 2, 'current');
    ctx.write(insn.linear(2, 0, true), 2, BigInt(vcpu.u32(limit) & 0xffff), 'current');
    ctx.write(insn.linear(size, 2, true), size, BigInt.asUintN(size * 8, vcpu.u64(base)), 'current');
  };

const loadTable =
  (base: number, limit: number): SystemFunction =>
  (ctx, insn) => {
    privileged(ctx);
    const { vcpu } = ctx;
    const newLimit = Number(ctx.read(insn.linear(2), 2, 'current'));
    const size = vcpu.mode64 ? 8 : 4;
    let newBase = ctx.read(insn.linear(size, 2), size, 'current');
    if (vcpu.mode64) {
      if (!ctx.canonical(newBase)) throw generalProtection();
    } else if (insn.size === 2) newBase &= 0xffffffn;
    vcpu.setU64(base, newBase);
    vcpu.setU32(limit, newLimit);
  };

/** LDT or TSS; in long mode its descriptor has 16 bytes. */
function systemSegment(ctx: SystemContext, selector: number, d: Descriptor): Segment {
  const segment = segmentOf(selector, d);
  if (!ctx.vcpu.longMode) return segment;
  const base = segment.base | readHighHalf(ctx, selector, d);
  if (!ctx.canonical(base)) throw new GuestException(GP, selector & 0xfffc);
  return { ...segment, base };
}

const lldt: SystemFunction = (ctx, insn) => {
  protectedOnly(ctx);
  privileged(ctx);
  const { vcpu } = ctx;
  const selector = Number(insn.read(ctx, 0, 2));
  const error = selector & 0xfffc;
  if (error === 0) return vcpu.setSegment(layout.LDTR, nullSegment(selector));
  if (selector & 4) throw new GuestException(GP, error);
  const d = readDescriptor(ctx, selector);
  if (!isSystem(d) || typeOf(d) !== 2) throw new GuestException(GP, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  vcpu.setSegment(layout.LDTR, systemSegment(ctx, selector, d));
};

const ltr: SystemFunction = (ctx, insn) => {
  protectedOnly(ctx);
  privileged(ctx);
  const { vcpu } = ctx;
  const selector = Number(insn.read(ctx, 0, 2));
  const error = selector & 0xfffc;
  if (error === 0 || selector & 4) throw new GuestException(GP, error);
  const d = readDescriptor(ctx, selector);
  // Available TSS, 16-bit (not in long mode) or 32/64-bit.
  const available = typeOf(d) === 9 || (typeOf(d) === 1 && !vcpu.longMode);
  if (!isSystem(d) || !available) throw new GuestException(GP, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  const segment = systemSegment(ctx, selector, d);
  // Busy, in the table and in the register.
  ctx.write(d.address + 5n, 1, BigInt(((d.high >> 8) & 0xff) | 2), 'implicit');
  vcpu.setSegment(layout.TR, { ...segment, attributes: segment.attributes | 2 });
};

const storeSelector =
  (number: number): SystemFunction =>
  (ctx, insn) => {
    protectedOnly(ctx);
    insn.write(ctx, 0, BigInt(ctx.vcpu.selector(number)), insn.hasMemory ? 2 : insn.size);
  };

// ── Looking at descriptors ─────────────────────────────────────────────────────────────────

const LAR_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 9, 11, 12]);
const LAR_TYPES_LONG: ReadonlySet<number> = new Set([2, 9, 11, 12]);
const LSL_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 9, 11]);
const LSL_TYPES_LONG: ReadonlySet<number> = new Set([2, 9, 11]);

/** The descriptor, where it may be looked at from the current privilege; else undefined. */
function visible(ctx: SystemContext, selector: number, systemTypes: ReadonlySet<number>): Descriptor | undefined {
  if ((selector & 0xfffc) === 0) return undefined;
  let d: Descriptor;
  try {
    d = readDescriptor(ctx, selector);
  } catch (error) {
    // Outside of the table is no fault here.
    if (error instanceof GuestException && error.vector === GP) return undefined;
    throw error;
  }
  if (isSystem(d) && !systemTypes.has(typeOf(d))) return undefined;
  const conforming = !isSystem(d) && (typeOf(d) & 0xc) === 0xc;
  return conforming || (dplOf(d) >= ctx.vcpu.cpl && dplOf(d) >= (selector & 3)) ? d : undefined;
}

const setZf = (ctx: SystemContext, on: boolean): void => {
  ctx.vcpu.rflags = on ? ctx.vcpu.rflags | ZF : ctx.vcpu.rflags & ~ZF;
};

const lar: SystemFunction = (ctx, insn) => {
  protectedOnly(ctx);
  const d = visible(ctx, Number(insn.read(ctx, 1, 2)), ctx.vcpu.longMode ? LAR_TYPES_LONG : LAR_TYPES);
  if (d) insn.writeRegister(0, BigInt(d.high & 0x00ffff00));
  setZf(ctx, d !== undefined);
};

const lsl: SystemFunction = (ctx, insn) => {
  protectedOnly(ctx);
  const d = visible(ctx, Number(insn.read(ctx, 1, 2)), ctx.vcpu.longMode ? LSL_TYPES_LONG : LSL_TYPES);
  if (d) insn.writeRegister(0, BigInt(segmentOf(0, d).limit));
  setZf(ctx, d !== undefined);
};

const verify =
  (write: boolean): SystemFunction =>
  (ctx, insn) => {
    protectedOnly(ctx);
    const d = visible(ctx, Number(insn.read(ctx, 0, 2)), new Set());
    const type = d ? typeOf(d) : 0;
    setZf(ctx, d !== undefined && (write ? (type & 0xa) === 2 : (type & 8) === 0 || (type & 2) !== 0));
  };

const arpl: SystemFunction = (ctx, insn) => {
  protectedOnly(ctx);
  const destination = insn.read(ctx, 0, 2);
  const rpl = insn.readRegister(1, 2) & 3n;
  const raises = (destination & 3n) < rpl;
  if (raises) insn.write(ctx, 0, (destination & ~3n) | rpl, 2);
  setZf(ctx, raises);
};

export const segmentInstructions: Readonly<Record<string, SystemFunction>> = {
  movtosreg: movToSegment,
  popes: popSegment(layout.ES),
  popss: popSegment(layout.SS),
  popds: popSegment(layout.DS),
  popfs: popSegment(layout.FS),
  popgs: popSegment(layout.GS),
  les: loadFarPointer(layout.ES),
  lds: loadFarPointer(layout.DS),
  lss: loadFarPointer(layout.SS),
  lfs: loadFarPointer(layout.FS),
  lgs: loadFarPointer(layout.GS),
  sgdt: storeTable(layout.GDTR_BASE, layout.GDTR_LIMIT),
  sidt: storeTable(layout.IDTR_BASE, layout.IDTR_LIMIT),
  lgdt: loadTable(layout.GDTR_BASE, layout.GDTR_LIMIT),
  lidt: loadTable(layout.IDTR_BASE, layout.IDTR_LIMIT),
  lldt,
  ltr,
  sldt: storeSelector(layout.LDTR),
  str: storeSelector(layout.TR),
  lar,
  lsl,
  verr: verify(false),
  verw: verify(true),
  arpl,
};
