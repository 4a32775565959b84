import * as layout from '../layout';
import { ATTR, type Segment } from '../vcpu';
import type { AccessSize, SystemContext, SystemFunction } from './context';
import { innerStack } from './deliver';
import { codeSegment, dplOf, isPresent, isSystem, nullSegment, readDescriptor, readHighHalf, realSegment, typeOf, type Descriptor } from './descriptor';
import { generalProtection, GP, GuestException, NP, SS, TS } from './exceptions';
import { segmentLinear, type HostInstruction } from './instruction';
import { returnTo, StackReader } from './return';

interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
}

/** Pushes values in the current stack segment; the pointer moves at the end. */
export function pushAll(ctx: SystemContext, size: AccessSize, values: Iterable<bigint>, stack?: { segment: Segment; pointer: bigint }): bigint {
  const { vcpu } = ctx;
  const segment = stack?.segment ?? vcpu.segment(layout.SS);
  const pointer = stack?.pointer ?? vcpu.gpr(4);
  const long = vcpu.mode64;
  const mask = long ? (1n << 64n) - 1n : segment.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  let at = pointer & mask;
  for (const value of values) {
    at = (at - BigInt(size)) & mask;
    if (stack && at + BigInt(size) - 1n > BigInt(segment.limit) && (segment.attributes & ATTR.expandDown) === 0) throw new GuestException(SS, 0);
    const linear = stack ? (segment.base + at) & 0xffffffffn : segmentLinear(vcpu, layout.SS, at, size, true);
    ctx.write(linear, size, BigInt.asUintN(size * 8, value), stack ? 'implicit' : 'current');
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
function transferReal(ctx: SystemContext, { selector, offset }: FarPointer): void {
  const { vcpu } = ctx;
  const old = vcpu.segment(layout.CS);
  if (offset > BigInt(old.limit)) throw generalProtection();
  vcpu.setSegment(layout.CS, realSegment(selector, old, vcpu.v86));
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
    if ([1, 5, 9].includes(type) && !vcpu.longMode) ctx.unimplemented('far JMP to a task');
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
    if ([1, 5, 9].includes(type) && !vcpu.longMode) ctx.unimplemented('far CALL to a task');
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
    vcpu.setGpr(4, pushAll(ctx, gate.size, back));
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
    for (const value of [...outer, ...back]) {
      pointer = BigInt.asUintN(64, pointer - 8n);
      ctx.write(pointer, 8, value, 'implicit');
    }
  } else {
    const inner = innerStack(ctx, cpl, 0);
    segment = inner.stack;
    const reader = new StackReader(ctx, gate.size);
    const parameters = Array.from({ length: gate.parameters }, () => reader.pop()).reverse();
    pointer = pushAll(ctx, gate.size, [...outer, ...parameters, ...back], { segment, pointer: inner.esp });
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
    const { vcpu } = ctx;
    const after = pushAll(ctx, insn.size as AccessSize, [BigInt(vcpu.selector(layout.CS)), vcpu.rip]);
    transferReal(ctx, pointer);
    vcpu.setGpr(4, after);
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
