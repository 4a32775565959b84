import { AC, ID, IF, IOPL, NT, RF, VIF, VIP, VM } from '../flags';
import * as layout from '../layout';
import { ATTR, EFER_SCE } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { withTaskFaults } from './deliver';
import { codeSegment, dplOf, isPresent, isSystem, nullSegment, readDescriptor, realSegment, segmentOf, typeOf } from './descriptor';
import { generalProtection, GP, GuestException, NP, SS, undefinedOpcode } from './exceptions';
import { returnToTask } from './task';
import { segmentLinear, type SystemFunction } from './instruction';

const ARITHMETIC_AND_CONTROL = 0x4dd5n; // CF PF AF ZF SF TF DF OF NT

/** Reads values off the stack without moving the pointer. */
export class StackReader {
  private offset = 0n;
  private readonly mask: bigint;
  private readonly start: bigint;

  constructor(
    private readonly ctx: SystemContext,
    private readonly size: AccessSize,
  ) {
    const { vcpu } = ctx;
    const stack = vcpu.segment(layout.SS);
    this.mask = vcpu.mode64 ? (1n << 64n) - 1n : stack.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
    this.start = vcpu.gpr(4);
  }
  pop(): bigint {
    const at = (this.start + this.offset) & this.mask;
    this.offset += BigInt(this.size);
    return this.ctx.read(segmentLinear(this.ctx.vcpu, layout.SS, at, this.size, false), this.size, 'current');
  }
  skip(bytes: bigint): void {
    this.offset += bytes;
  }
  /** rSP after what was read. */
  get pointer(): bigint {
    return (this.start & ~this.mask) | ((this.start + this.offset) & this.mask);
  }
}

/** Flags that IRET may change at a privilege. */
function iretFlags(ctx: SystemContext, popped: bigint, size: number): void {
  const { vcpu } = ctx;
  const { cpl } = vcpu;
  const old = vcpu.rflags;
  const iopl = Number((old & IOPL) >> 12n);
  let mask = ARITHMETIC_AND_CONTROL | (size > 2 ? RF | AC | ID : 0n);
  if (cpl === 0) mask |= IOPL | (size > 2 ? VIF | VIP : 0n);
  if (cpl <= iopl) mask |= IF;
  vcpu.rflags = (old & ~mask) | (popped & mask);
}

const iret: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const { size } = insn;
  if (!vcpu.protectedMode || vcpu.v86) {
    if (vcpu.v86 && (vcpu.systemFlags & IOPL) !== IOPL) throw generalProtection();
    const stack = new StackReader(ctx, size);
    const [rip, cs, flags] = [stack.pop(), Number(stack.pop() & 0xffffn), stack.pop()];
    vcpu.setGpr(4, stack.pointer);
    vcpu.rip = rip;
    vcpu.setSegment(layout.CS, realSegment(cs, vcpu.segment(layout.CS), vcpu.v86));
    const mask = ARITHMETIC_AND_CONTROL | IF | (vcpu.v86 ? 0n : IOPL) | (size > 2 ? RF | AC | ID : 0n);
    vcpu.rflags = (vcpu.rflags & ~mask) | (flags & mask);
    ctx.modeChanged();
    return;
  }
  if (vcpu.systemFlags & NT) {
    if (vcpu.longMode) throw generalProtection();
    return withTaskFaults(ctx, () => returnToTask(ctx));
  }
  const stack = new StackReader(ctx, size);
  const rip = stack.pop();
  const cs = Number(stack.pop() & 0xffffn);
  const flags = stack.pop();
  if (flags & VM && vcpu.cpl === 0 && !vcpu.longMode && size === 4) {
    returnToV86(ctx, stack, rip, cs, flags);
    return;
  }
  returnTo(ctx, stack, rip, cs, true, () => iretFlags(ctx, flags, size));
};

function returnToV86(ctx: SystemContext, stack: StackReader, rip: bigint, cs: number, flags: bigint): void {
  const { vcpu } = ctx;
  const esp = stack.pop();
  const selectors = [layout.SS, layout.ES, layout.DS, layout.FS, layout.GS].map((s) => [s, Number(stack.pop() & 0xffffn)] as const);
  vcpu.rflags = flags;
  for (const [s, selector] of [[layout.CS, cs] as const, ...selectors]) vcpu.setSegment(s, realSegment(selector, vcpu.segment(s), true));
  vcpu.setGpr(4, esp);
  vcpu.rip = rip & 0xffffn;
  vcpu.cpl = 3;
  ctx.modeChanged();
}

/** The common part of IRET and far RET in protected mode: checks, then CS, SS and what `commit` adds. */
export function returnTo(ctx: SystemContext, stack: StackReader, rip: bigint, selector: number, always: boolean, commit: () => void, release = 0n): void {
  const { vcpu } = ctx;
  const rpl = selector & 3;
  const error = selector & 0xfffc;
  if (error === 0) throw generalProtection();
  const d = readDescriptor(ctx, selector);
  if (isSystem(d) || !(typeOf(d) & 8) || rpl < vcpu.cpl) throw generalProtection(error);
  if (typeOf(d) & 4 ? dplOf(d) > rpl : dplOf(d) !== rpl) throw generalProtection(error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  const code = codeSegment(ctx, selector, d, rpl);
  const to64 = vcpu.longMode && (code.attributes & ATTR.long) !== 0;
  if (to64 ? !ctx.canonical(rip) : rip > BigInt(code.limit)) throw generalProtection();
  stack.skip(release);
  const outer = rpl > vcpu.cpl;
  // In 64-bit mode IRET always pops SS:RSP.
  if (outer || (always && vcpu.mode64)) {
    const rsp = stack.pop();
    const ss = Number(stack.pop() & 0xffffn);
    let segment;
    if ((ss & 0xfffc) === 0) {
      if (!to64 || rpl === 3) throw generalProtection();
      segment = { ...nullSegment(ss), attributes: 0x10000 | (rpl << 5) };
    } else {
      const s = readDescriptor(ctx, ss);
      if ((ss & 3) !== rpl || isSystem(s) || (typeOf(s) & 0xa) !== 2 || dplOf(s) !== rpl) throw new GuestException(GP, ss & 0xfffc);
      if (!isPresent(s)) throw new GuestException(SS, ss & 0xfffc);
      segment = segmentOf(ss, s);
    }
    commit();
    vcpu.setSegment(layout.SS, segment);
    if (to64) vcpu.setGpr(4, rsp + release);
    else if (segment.attributes & ATTR.big) vcpu.setGpr(4, (rsp + release) & 0xffffffffn);
    else vcpu.setU16(layout.GPR + 32, Number((rsp + release) & 0xffffn));
  } else {
    commit();
    vcpu.setGpr(4, stack.pointer);
  }
  vcpu.setSegment(layout.CS, code);
  vcpu.rip = rip;
  vcpu.cpl = rpl;
  if (outer)
    for (const s of [layout.ES, layout.DS, layout.FS, layout.GS]) {
      const { attributes } = vcpu.segment(s);
      const conforming = (attributes & 0xc) === 0xc;
      if (!(attributes & 0x10000) && !conforming && ((attributes >> 5) & 3) < rpl) vcpu.setSegment(s, nullSegment(0));
    }
  ctx.modeChanged();
}

const flatCode = (selector: number, dpl: number, long: boolean) => ({
  selector,
  base: 0n,
  limit: 0xffffffff,
  attributes: 0x809b | (dpl << 5) | (long ? ATTR.long : ATTR.big),
});
const flatData = (selector: number, dpl: number) => ({ selector, base: 0n, limit: 0xffffffff, attributes: 0xc093 | (dpl << 5) });

const syscall: SystemFunction = (ctx) => {
  const { vcpu } = ctx;
  if (!(vcpu.efer & EFER_SCE) || !vcpu.mode64) throw undefinedOpcode();
  vcpu.setGpr(1, vcpu.rip);
  const flags = vcpu.rflags & ~RF;
  vcpu.setGpr(11, flags);
  vcpu.rip = vcpu.u64(layout.MSR_LSTAR);
  vcpu.rflags = flags & ~vcpu.u64(layout.MSR_SFMASK);
  const cs = Number((vcpu.u64(layout.MSR_STAR) >> 32n) & 0xfffcn);
  vcpu.setSegment(layout.CS, flatCode(cs, 0, true));
  vcpu.setSegment(layout.SS, flatData((cs + 8) & 0xffff, 0));
  vcpu.cpl = 0;
  ctx.modeChanged();
};

const sysret: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  if (!(vcpu.efer & EFER_SCE) || !vcpu.mode64) throw undefinedOpcode();
  if (vcpu.cpl !== 0) throw generalProtection();
  const long = insn.size === 8;
  const rip = vcpu.gpr(1);
  if (long && !ctx.canonical(rip)) throw generalProtection();
  vcpu.rflags = (vcpu.gpr(11) & 0x3c7fd7n) | 2n;
  vcpu.rip = long ? rip : rip & 0xffffffffn;
  const base = Number((vcpu.u64(layout.MSR_STAR) >> 48n) & 0xffffn);
  vcpu.setSegment(layout.CS, flatCode((base + (long ? 16 : 0)) | 3, 3, long));
  vcpu.setSegment(layout.SS, flatData((base + 8) | 3, 3));
  vcpu.cpl = 3;
  ctx.modeChanged();
};

const sysenter: SystemFunction = (ctx) => {
  const { vcpu } = ctx;
  const cs = vcpu.u32(layout.MSR_SYSENTER_CS) & 0xfffc;
  if (!vcpu.protectedMode || cs === 0) throw generalProtection();
  const long = vcpu.longMode;
  vcpu.systemFlags &= ~(VM | IF);
  vcpu.setSegment(layout.CS, flatCode(cs, 0, long));
  vcpu.setSegment(layout.SS, flatData(cs + 8, 0));
  vcpu.setGpr(4, vcpu.u64(layout.MSR_SYSENTER_ESP) & (long ? (1n << 64n) - 1n : 0xffffffffn));
  vcpu.rip = vcpu.u64(layout.MSR_SYSENTER_EIP) & (long ? (1n << 64n) - 1n : 0xffffffffn);
  vcpu.cpl = 0;
  ctx.modeChanged();
};

const sysexit: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const cs = vcpu.u32(layout.MSR_SYSENTER_CS) & 0xfffc;
  if (!vcpu.protectedMode || vcpu.cpl !== 0 || cs === 0) throw generalProtection();
  const long = insn.size === 8;
  if (long && !(ctx.canonical(vcpu.gpr(1)) && ctx.canonical(vcpu.gpr(2)))) throw generalProtection();
  const mask = long ? (1n << 64n) - 1n : 0xffffffffn;
  vcpu.setSegment(layout.CS, flatCode((cs + (long ? 32 : 16)) | 3, 3, long));
  vcpu.setSegment(layout.SS, flatData((cs + (long ? 40 : 24)) | 3, 3));
  vcpu.setGpr(4, vcpu.gpr(1) & mask);
  vcpu.rip = vcpu.gpr(2) & mask;
  vcpu.cpl = 3;
  ctx.modeChanged();
};

export const returns: Readonly<Record<string, SystemFunction>> = { iret, syscall, sysret, sysenter, sysexit };
