import * as layout from '../layout';
import { ATTR, type Segment } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { innerStack, withTaskFaults } from './deliver';
import { codeSegment, dplOf, isPresent, isSystem, nullSegment, readDescriptor, readHighHalf, realSegment, typeOf, type Descriptor } from './descriptor';
import { generalProtection, GP, GuestException, NP, SS, TS } from './exceptions';
import type { HostInstruction, SystemFunction } from './instruction';
import { returnTo, StackReader } from './return';
import { transferToTask } from './task';

/** Available 16- and 32-bit TSS, task gate. */
const TASK_TYPES: ReadonlySet<number> = new Set([1, 5, 9]);

interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
}

interface Stack {
  readonly segment: Segment;
  readonly pointer: bigint;
  /** 64-bit addresses: no base, no limit. */
  readonly long: boolean;
  /** Not yet the current stack: accesses are the processor's own, #SS has the selector as its error code. */
  readonly inner: boolean;
}

const currentStack = (ctx: SystemContext, long = ctx.vcpu.mode64): Stack => ({
  segment: ctx.vcpu.segment(layout.SS),
  pointer: ctx.vcpu.gpr(4),
  long,
  inner: false,
});

function within({ limit, attributes }: Segment, at: bigint, size: number): boolean {
  const last = at + BigInt(size) - 1n;
  if (!(attributes & ATTR.expandDown)) return last <= BigInt(limit);
  return at > BigInt(limit) && last <= (attributes & ATTR.big ? 0xffffffffn : 0xffffn);
}

/** Pushes values; yields the stack pointer after that, and leaves storing it to the caller. */
export function pushAll(ctx: SystemContext, size: AccessSize, values: Iterable<bigint>, stack: Stack = currentStack(ctx)): bigint {
  const { segment, pointer, long, inner } = stack;
  const mask = long ? (1n << 64n) - 1n : segment.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  let at = pointer & mask;
  for (const value of values) {
    at = (at - BigInt(size)) & mask;
    if (long ? !ctx.canonical(at) : !within(segment, at, size)) throw new GuestException(SS, inner ? segment.selector & 0xfffc : 0);
    const linear = long ? at : (segment.base + at) & 0xffffffffn;
    ctx.write(linear, size, BigInt.asUintN(size * 8, value), inner ? 'implicit' : 'current');
  }
  return (pointer & ~mask) | at;
}

const direct = (insn: HostInstruction): FarPointer => ({ offset: insn.immediate & 0xffffffffn, selector: Number(insn.immediate >> 32n) & 0xffff });

function indirect(ctx: SystemContext, insn: HostInstruction): FarPointer {
  const size = insn.size as AccessSize;
  const offset = ctx.read(insn.linear(size), size, 'current');
  return { offset, selector: Number(ctx.read(insn.linear(2, size), 2, 'current')) };
}

/** Real and virtual-8086 mode. */
function transferReal(ctx: SystemContext, { selector, offset }: FarPointer, push: readonly bigint[] = [], size: AccessSize = 2): void {
  const { vcpu } = ctx;
  const old = vcpu.segment(layout.CS);
  if (offset > BigInt(old.limit)) throw generalProtection();
  if (push.length) vcpu.setGpr(4, pushAll(ctx, size, push));
  const code = realSegment(selector, old, vcpu.v86);
  // In real mode code may be written through CS; default size and granularity stay what they were.
  vcpu.setSegment(layout.CS, { ...code, attributes: (code.attributes & ~0xff) | (vcpu.v86 ? 0xf3 : 0x93) });
  vcpu.rip = offset;
  ctx.modeChanged();
}

function checkIp(ctx: SystemContext, code: Segment, ip: bigint): void {
  const long = ctx.vcpu.longMode && (code.attributes & ATTR.long) !== 0;
  if (long ? !ctx.canonical(ip) : ip > BigInt(code.limit)) throw generalProtection();
}

/** A code segment reached directly: no change of privilege (SDM vol. 3, 5.8.1). */
function directCode(ctx: SystemContext, selector: number, d: Descriptor): Segment {
  const { cpl } = ctx.vcpu;
  const error = selector & 0xfffc;
  if (typeOf(d) & 4 ? dplOf(d) > cpl : (selector & 3) > cpl || dplOf(d) !== cpl) throw new GuestException(GP, error);
  return codeSegment(ctx, selector, d, cpl);
}

interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  readonly size: 2 | 4 | 8;
  readonly parameters: number;
}

function readCallGate(ctx: SystemContext, selector: number, d: Descriptor): CallGate {
  const { vcpu } = ctx;
  const error = selector & 0xfffc;
  if (dplOf(d) < vcpu.cpl || dplOf(d) < (selector & 3)) throw new GuestException(GP, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  const wide = typeOf(d) === 12;
  let offset = BigInt((d.low & 0xffff) | (wide ? d.high & 0xffff0000 : 0)) & 0xffffffffn;
  if (vcpu.longMode) {
    offset |= readHighHalf(ctx, selector, d);
  }
  return { selector: d.low >>> 16, offset, size: vcpu.longMode ? 8 : wide ? 4 : 2, parameters: d.high & 0x1f };
}

function gateCode(ctx: SystemContext, gate: CallGate): Descriptor {
  const { vcpu } = ctx;
  const error = gate.selector & 0xfffc;
  if (error === 0) throw generalProtection();
  const d = readDescriptor(ctx, gate.selector);
  if (isSystem(d) || !(typeOf(d) & 8) || dplOf(d) > vcpu.cpl) throw new GuestException(GP, error);
  if (vcpu.longMode && (!(d.high & 0x200000) || d.high & 0x400000)) throw new GuestException(GP, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  return d;
}

/** Far JMP in protected mode. */
function jump(ctx: SystemContext, { selector, offset }: FarPointer): void {
  const { vcpu } = ctx;
  const error = selector & 0xfffc;
  if (error === 0) throw generalProtection();
  const d = readDescriptor(ctx, selector);
  if (isSystem(d)) {
    const type = typeOf(d);
    if (type === 12 || (type === 4 && !vcpu.longMode)) {
      const gate = readCallGate(ctx, selector, d);
      const target = gateCode(ctx, gate);
      if (!(typeOf(target) & 4) && dplOf(target) !== vcpu.cpl) throw new GuestException(GP, gate.selector & 0xfffc);
      const code = codeSegment(ctx, gate.selector, target, vcpu.cpl);
      checkIp(ctx, code, gate.offset);
      enter(ctx, code, gate.offset);
      return;
    }
    if (TASK_TYPES.has(type) && !vcpu.longMode) return withTaskFaults(ctx, () => transferToTask(ctx, selector, d, 'jump'));
    throw new GuestException(GP, error);
  }
  if (!(typeOf(d) & 8)) throw new GuestException(GP, error);
  const code = directCode(ctx, selector, d);
  checkIp(ctx, code, offset);
  enter(ctx, code, offset);
}

function enter(ctx: SystemContext, code: Segment, ip: bigint): void {
  ctx.vcpu.setSegment(layout.CS, code);
  ctx.vcpu.rip = ip;
  ctx.modeChanged();
}

/** Far CALL in protected mode. */
function call(ctx: SystemContext, { selector, offset }: FarPointer, size: 2 | 4 | 8): void {
  const { vcpu } = ctx;
  const error = selector & 0xfffc;
  if (error === 0) throw generalProtection();
  const d = readDescriptor(ctx, selector);
  if (isSystem(d)) {
    const type = typeOf(d);
    if (type === 12 || (type === 4 && !vcpu.longMode)) return callGate(ctx, readCallGate(ctx, selector, d));
    if (TASK_TYPES.has(type) && !vcpu.longMode) return withTaskFaults(ctx, () => transferToTask(ctx, selector, d, 'call'));
    throw new GuestException(GP, error);
  }
  if (!(typeOf(d) & 8)) throw new GuestException(GP, error);
  const code = directCode(ctx, selector, d);
  checkIp(ctx, code, offset);
  const pointer = pushAll(ctx, size, [BigInt(vcpu.selector(layout.CS)), vcpu.rip]);
  vcpu.setGpr(4, pointer);
  enter(ctx, code, offset);
}

/** CALL through a gate, to an inner privilege level where the code segment says so (SDM vol. 3, 5.8.5). */
function callGate(ctx: SystemContext, gate: CallGate): void {
  const { vcpu } = ctx;
  const target = gateCode(ctx, gate);
  const cpl = typeOf(target) & 4 ? vcpu.cpl : dplOf(target);
  const code = codeSegment(ctx, gate.selector, target, cpl);
  checkIp(ctx, code, gate.offset);
  const back = [BigInt(vcpu.selector(layout.CS)), vcpu.rip];
  if (cpl === vcpu.cpl) {
    vcpu.setGpr(4, pushAll(ctx, gate.size, back, currentStack(ctx, vcpu.longMode)));
    enter(ctx, code, gate.offset);
    return;
  }
  const outer = [BigInt(vcpu.selector(layout.SS)), vcpu.gpr(4)];
  let segment: Segment;
  let pointer: bigint;
  if (vcpu.longMode) {
    const tr = vcpu.segment(layout.TR);
    const at = 4 + cpl * 8;
    if (at + 7 > tr.limit) throw new GuestException(TS, tr.selector & 0xfffc);
    pointer = ctx.read(tr.base + BigInt(at), 8, 'implicit');
    if (!ctx.canonical(pointer)) throw new GuestException(SS, 0);
    segment = { ...nullSegment(cpl), attributes: 0x10000 | (cpl << 5) };
    pointer = pushAll(ctx, 8, [...outer, ...back], { segment, pointer, long: true, inner: true });
  } else {
    const inner = innerStack(ctx, cpl, 0);
    segment = inner.stack;
    const reader = new StackReader(ctx, gate.size);
    const parameters = Array.from({ length: gate.parameters }, () => reader.pop()).reverse();
    pointer = pushAll(ctx, gate.size, [...outer, ...parameters, ...back], { segment, pointer: inner.esp, long: false, inner: true });
  }
  vcpu.cpl = cpl;
  vcpu.setSegment(layout.SS, segment);
  vcpu.setGpr(4, pointer);
  enter(ctx, code, gate.offset);
}

const legacy = (ctx: SystemContext): boolean => !ctx.vcpu.protectedMode || ctx.vcpu.v86;

const farJump =
  (target: (ctx: SystemContext, insn: HostInstruction) => FarPointer): SystemFunction =>
  (ctx, insn) => {
    const pointer = target(ctx, insn);
    if (legacy(ctx)) transferReal(ctx, pointer);
    else jump(ctx, pointer);
  };

const farCall =
  (target: (ctx: SystemContext, insn: HostInstruction) => FarPointer): SystemFunction =>
  (ctx, insn) => {
    const pointer = target(ctx, insn);
    if (!legacy(ctx)) return call(ctx, pointer, insn.size as 2 | 4 | 8);
    transferReal(ctx, pointer, [BigInt(ctx.vcpu.selector(layout.CS)), ctx.vcpu.rip], insn.size);
  };

const farReturn: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const stack = new StackReader(ctx, insn.size as AccessSize);
  const rip = stack.pop();
  const selector = Number(stack.pop() & 0xffffn);
  const release = insn.immediate & 0xffffn;
  if (legacy(ctx)) {
    transferReal(ctx, { selector, offset: rip });
    stack.skip(release);
    vcpu.setGpr(4, stack.pointer);
    return;
  }
  returnTo(ctx, stack, rip, selector, false, () => undefined, release);
};

export const farInstructions: Readonly<Record<string, SystemFunction>> = {
  jmpf: farJump((_, insn) => direct(insn)),
  jmpfi: farJump(indirect),
  callf: farCall((_, insn) => direct(insn)),
  callfi: farCall(indirect),
  retf: farReturn,
};
