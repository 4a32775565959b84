import { AC, IF, NT, RF, TF, VM } from '../flags';
import * as layout from '../layout';
import { ATTR, SHUTDOWN, type Segment } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { codeSegment, dplOf, isPresent, isSystem, nullSegment, readDescriptor, segmentOf, typeOf } from './descriptor';
import { combine, DF, generalProtection, GP, GuestException, NP, SS, TS } from './exceptions';
import { NewTaskFault, pushTaskErrorCode, switchTask } from './task';

export interface Event {
  readonly vector: number;
  readonly kind: 'exception' | 'external' | 'nmi' | 'software';
  readonly code?: number;
}

/** Delivers an exception with all that can go wrong on the way; false: triple fault. */
export function deliverException(ctx: SystemContext, fault: GuestException): boolean {
  let current = fault;
  for (;;) {
    if (current.address !== undefined) ctx.vcpu.setU64(layout.CR2, current.address);
    try {
      deliver(ctx, { vector: current.vector, kind: 'exception', ...(current.code !== undefined && { code: current.code }) });
      return true;
    } catch (error) {
      if (!(error instanceof GuestException)) throw error;
      switch (combine(current.vector, error.vector)) {
        case 'triple':
          return false;
        case 'double':
          current = new GuestException(DF, 0);
          if (error.address !== undefined) ctx.vcpu.setU64(layout.CR2, error.address);
          break;
        case 'serial':
          current = error;
      }
    }
  }
}

/** Runs an instruction that may switch tasks: a fault of the new task is delivered there. */
export function withTaskFaults(ctx: SystemContext, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof NewTaskFault)) throw error;
    if (!deliverException(ctx, error)) ctx.vcpu.setU32(layout.ACTIVITY, SHUTDOWN);
  }
}

/** Delivers an event through the interrupt table of the current mode (SDM vol. 3, chapter 6). */
export function deliver(ctx: SystemContext, event: Event): void {
  const { vcpu } = ctx;
  if (!vcpu.protectedMode) deliverReal(ctx, event.vector);
  else if (vcpu.longMode) deliverLong(ctx, event);
  else deliverProtected(ctx, event);
  ctx.modeChanged();
}

function deliverReal(ctx: SystemContext, vector: number): void {
  const { vcpu } = ctx;
  if (vector * 4 + 3 > vcpu.u32(layout.IDTR_LIMIT)) throw generalProtection(vector * 8 + 2);
  const entry = ctx.read(vcpu.u64(layout.IDTR_BASE) + BigInt(vector * 4), 4, 'implicit');
  const stack = vcpu.segment(layout.SS);
  let sp = Number(vcpu.gpr(4) & 0xffffn);
  for (const value of [vcpu.rflags, BigInt(vcpu.selector(layout.CS)), vcpu.rip]) {
    sp = (sp - 2) & 0xffff;
    ctx.write(stack.base + BigInt(sp), 2, value & 0xffffn, 'implicit');
  }
  vcpu.setU16(layout.GPR + 4 * 8, sp);
  vcpu.systemFlags &= ~(IF | TF | AC | RF);
  const selector = Number(entry >> 16n);
  vcpu.setSegment(layout.CS, { ...vcpu.segment(layout.CS), selector, base: BigInt(selector << 4) });
  vcpu.rip = entry & 0xffffn;
}

/** Error code bits: bit 0 says that the event came from outside. */
const externalBit = (event: Event): number => (event.kind === 'software' ? 0 : 1);

interface Gate {
  readonly selector: number;
  readonly offset: bigint;
  readonly trap: boolean;
  readonly wide: boolean;
  readonly ist: number;
  readonly task: boolean;
}

function readGate(ctx: SystemContext, event: Event, entrySize: 8 | 16): Gate {
  const { vcpu } = ctx;
  const { vector } = event;
  const error = vector * 8 + 2 + externalBit(event);
  if (vector * entrySize + entrySize - 1 > vcpu.u32(layout.IDTR_LIMIT)) throw generalProtection(error);
  const at = vcpu.u64(layout.IDTR_BASE) + BigInt(vector * entrySize);
  const raw = ctx.read(at, 8, 'implicit');
  const high = Number(raw >> 32n);
  const type = (high >> 8) & 0x1f;
  if (entrySize === 16 ? type !== 14 && type !== 15 : ![5, 6, 7, 14, 15].includes(type)) throw generalProtection(error);
  if (event.kind === 'software' && ((high >> 13) & 3) < vcpu.cpl) throw generalProtection(error);
  if (!(high & 0x8000)) throw new GuestException(NP, error);
  const wide = (type & 8) !== 0;
  let offset = (raw & 0xffffn) | (wide ? BigInt(high >>> 16) << 16n : 0n);
  if (entrySize === 16) offset |= ctx.read(at + 8n, 4, 'implicit') << 32n;
  return { selector: Number((raw >> 16n) & 0xffffn), offset, trap: (type & 1) !== 0, wide, ist: entrySize === 16 ? high & 7 : 0, task: type === 5 };
}

/** Target code segment and privilege of a gate. */
function gateTarget(ctx: SystemContext, gate: Gate, external: number): { code: Segment; cpl: number } {
  const { vcpu } = ctx;
  const error = (gate.selector & 0xfffc) | external;
  if ((gate.selector & 0xfffc) === 0) throw generalProtection(external);
  const d = readDescriptor(ctx, gate.selector, GP, external);
  if (isSystem(d) || !(typeOf(d) & 8) || dplOf(d) > vcpu.cpl) throw generalProtection(error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  if (vcpu.longMode && (!(d.high & 0x200000) || d.high & 0x400000)) throw generalProtection(error);
  const cpl = typeOf(d) & 4 ? vcpu.cpl : dplOf(d);
  return { code: codeSegment(ctx, gate.selector, d, cpl), cpl };
}

function deliverLong(ctx: SystemContext, event: Event): void {
  const { vcpu } = ctx;
  const external = externalBit(event);
  const gate = readGate(ctx, event, 16);
  const { code, cpl } = gateTarget(ctx, gate, external);
  const changes = cpl < vcpu.cpl;
  let rsp = vcpu.gpr(4);
  if (gate.ist) rsp = taskStack(ctx, 0x1c + gate.ist * 8, external);
  else if (changes) rsp = taskStack(ctx, 4 + cpl * 8, external);
  if (!ctx.canonical(rsp)) throw new GuestException(SS, external);
  rsp &= ~0xfn;
  const rflags = vcpu.rflags | (event.kind === 'exception' && event.vector !== 1 ? RF : 0n);
  const frame = [BigInt(vcpu.selector(layout.SS)), vcpu.gpr(4), rflags, BigInt(vcpu.selector(layout.CS)), vcpu.rip];
  if (event.code !== undefined) frame.push(BigInt(event.code));
  // Pushed with the new privilege; nothing of the vCPU has changed if that faults.
  const old = vcpu.cpl;
  vcpu.cpl = cpl;
  try {
    for (const value of frame) {
      rsp = BigInt.asUintN(64, rsp - 8n);
      ctx.write(rsp, 8, value, 'implicit');
    }
  } finally {
    vcpu.cpl = old;
  }
  if (changes) vcpu.setSegment(layout.SS, { ...nullSegment(cpl), attributes: 0x10000 | (cpl << 5) });
  vcpu.setGpr(4, rsp);
  vcpu.setSegment(layout.CS, code);
  vcpu.cpl = cpl;
  vcpu.rip = gate.offset;
  vcpu.systemFlags &= ~(TF | NT | VM | RF | (gate.trap ? 0n : IF));
}

/** A stack pointer of the 64-bit TSS. */
function taskStack(ctx: SystemContext, offset: number, external: number): bigint {
  const tr = ctx.vcpu.segment(layout.TR);
  if (offset + 7 > tr.limit) throw new GuestException(TS, (tr.selector & 0xfffc) | external);
  return ctx.read(tr.base + BigInt(offset), 8, 'implicit');
}

function deliverProtected(ctx: SystemContext, event: Event): void {
  const { vcpu } = ctx;
  const external = externalBit(event);
  const gate = readGate(ctx, event, 8);
  if (gate.task) {
    switchTask(ctx, gate.selector, 'interrupt', external, event.kind === 'exception' && event.vector !== 1);
    if (event.code !== undefined) pushTaskErrorCode(ctx, event.code);
    return;
  }
  const { code, cpl } = gateTarget(ctx, gate, external);
  const size: AccessSize = gate.wide ? 4 : 2;
  const wasV86 = vcpu.v86;
  const rflags = vcpu.rflags | (event.kind === 'exception' && event.vector !== 1 ? RF : 0n);
  const frame: bigint[] = [];
  let stack = vcpu.segment(layout.SS);
  let esp = vcpu.gpr(4);
  // Virtual-8086 mode is left for privilege 0 only (SDM vol. 3, 20.3.1).
  if (wasV86 && cpl !== 0) throw generalProtection((gate.selector & 0xfffc) | external);
  if (cpl < vcpu.cpl) {
    if (wasV86) {
      for (const s of [layout.GS, layout.FS, layout.DS, layout.ES]) frame.push(BigInt(vcpu.selector(s)));
    }
    frame.push(BigInt(vcpu.selector(layout.SS)), esp);
    ({ stack, esp } = innerStack(ctx, cpl, external));
  }
  frame.push(rflags, BigInt(vcpu.selector(layout.CS)), vcpu.rip);
  if (event.code !== undefined) frame.push(BigInt(event.code));
  const mask = stack.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  let sp = esp & mask;
  const old = vcpu.cpl;
  vcpu.cpl = cpl;
  try {
    for (const value of frame) {
      sp = (sp - BigInt(size)) & mask;
      ctx.write((stack.base + sp) & 0xffffffffn, size, BigInt.asUintN(size * 8, value), 'implicit');
    }
  } finally {
    vcpu.cpl = old;
  }
  if (wasV86) for (const s of [layout.GS, layout.FS, layout.DS, layout.ES]) vcpu.setSegment(s, nullSegment(0));
  vcpu.setSegment(layout.SS, stack);
  vcpu.setGpr(4, (esp & ~mask & 0xffffffffn) | sp);
  vcpu.setSegment(layout.CS, code);
  vcpu.cpl = cpl;
  vcpu.rip = gate.offset;
  vcpu.systemFlags &= ~(TF | NT | VM | RF | (gate.trap ? 0n : IF));
}

/** SS:ESP for an inner privilege level, from the 32- or 16-bit TSS (SDM vol. 3, 6.12.1). */
export function innerStack(ctx: SystemContext, cpl: number, external: number): { stack: Segment; esp: bigint } {
  const tr = ctx.vcpu.segment(layout.TR);
  const wide = (tr.attributes & 8) !== 0;
  const offset = wide ? 4 + cpl * 8 : 2 + cpl * 4;
  if (offset + (wide ? 5 : 3) > tr.limit) throw new GuestException(TS, (tr.selector & 0xfffc) | external);
  const at = tr.base + BigInt(offset);
  const esp = ctx.read(at, wide ? 4 : 2, 'implicit');
  const selector = Number(ctx.read(at + (wide ? 4n : 2n), 2, 'implicit'));
  const error = (selector & 0xfffc) | external;
  if ((selector & 0xfffc) === 0) throw new GuestException(TS, external);
  const d = readDescriptor(ctx, selector, TS, external);
  if ((selector & 3) !== cpl || dplOf(d) !== cpl || isSystem(d) || (typeOf(d) & 0xa) !== 2) throw new GuestException(TS, error);
  if (!isPresent(d)) throw new GuestException(SS, error);
  return { stack: segmentOf(selector, d), esp };
}
