import { NT, RF, VM } from '../flags';
import * as layout from '../layout';
import { ATTR, CR0_PG, CR0_TS, UNUSABLE } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { dplOf, isPresent, isSystem, nullSegment, readDescriptor, segmentOf, typeOf, type Descriptor } from './descriptor';
import { GP, GuestException, NP, SS, TS } from './exceptions';
import { loadTaskSegments } from './task-segments';

/** What a task switch is for: JMP leaves the old task available, CALL and interrupts nest, IRET goes back. */
export type TaskSwitch = 'jump' | 'call' | 'interrupt' | 'return';

/** Offsets in a task-state segment (SDM vol. 3, figures 7-2 and 7-10). */
interface TaskLayout {
  readonly size: 2 | 4;
  readonly pageTable?: number;
  readonly ip: number;
  readonly flags: number;
  readonly general: number;
  readonly segments: number;
  /** ES CS SS DS, and in the 32-bit TSS FS GS. */
  readonly segmentCount: 4 | 6;
  readonly localTable: number;
  /** Smallest allowed limit. */
  readonly limit: number;
}

const TSS32: TaskLayout = { size: 4, pageTable: 0x1c, ip: 0x20, flags: 0x24, general: 0x28, segments: 0x48, segmentCount: 6, localTable: 0x60, limit: 0x67 };
const TSS16: TaskLayout = { size: 2, ip: 0x0e, flags: 0x10, general: 0x12, segments: 0x22, segmentCount: 4, localTable: 0x2a, limit: 0x2b };
const TRAP_WORD = 0x64;
const DR6_BT = 1 << 15;
/** L0–L3 and LE of DR7. */
const LOCAL_BREAKPOINTS = 0x155;

const layoutOf = (type: number): TaskLayout => (type & 8 ? TSS32 : TSS16);

/** A fault of the new task before its first instruction: nothing of the old task is to be restored. */
export class NewTaskFault extends GuestException {}

/** The TSS selector of a task gate (SDM vol. 3, 7.2.5); checks of the gate itself are the caller's. */
export const gateTask = (d: Descriptor): number => d.low >>> 16;

/**
 * Descriptor of the task to switch to, checked.
 * JMP, CALL and gates want an available TSS (#GP), IRET a busy one (#TS); always in the GDT.
 */
function taskDescriptor(ctx: SystemContext, selector: number, how: TaskSwitch, external: number): Descriptor {
  const vector = how === 'return' ? TS : GP;
  const error = (selector & 0xfffc) | external;
  if (selector & 4 || error === external) throw new GuestException(vector, error);
  const d = readDescriptor(ctx, selector, vector, external);
  if (!isSystem(d) || (typeOf(d) & 0x7) !== (how === 'return' ? 3 : 1)) throw new GuestException(vector, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  return d;
}

/** Far CALL or JMP to a TSS descriptor or through a task gate. */
export function transferToTask(ctx: SystemContext, selector: number, d: Descriptor, how: 'jump' | 'call'): void {
  const error = selector & 0xfffc;
  if (dplOf(d) < ctx.vcpu.cpl || dplOf(d) < (selector & 3)) throw new GuestException(GP, error);
  if (typeOf(d) === 5) {
    if (!isPresent(d)) throw new GuestException(NP, error);
    switchTask(ctx, gateTask(d), how);
  } else switchTask(ctx, selector, how);
}

/** IRET with NT set: back to the task that the TSS links to. */
export function returnToTask(ctx: SystemContext): void {
  const tr = ctx.vcpu.segment(layout.TR);
  switchTask(ctx, Number(ctx.read(tr.base, 2, 'implicit')), 'return');
}

interface TaskState {
  readonly pageTable: bigint | undefined;
  readonly ip: bigint;
  readonly flags: bigint;
  readonly general: readonly bigint[];
  readonly selectors: readonly number[];
  readonly localTable: number;
  readonly traps: boolean;
}

function readTask(ctx: SystemContext, base: bigint, t: TaskLayout): TaskState {
  const at = (offset: number, size: AccessSize = t.size): bigint => ctx.read((base + BigInt(offset)) & 0xffffffffn, size, 'implicit');
  return {
    pageTable: t.pageTable === undefined ? undefined : at(t.pageTable),
    ip: at(t.ip),
    flags: at(t.flags),
    general: Array.from({ length: 8 }, (_, i) => at(t.general + i * t.size)),
    selectors: Array.from({ length: t.segmentCount }, (_, i) => Number(at(t.segments + i * t.size, 2))),
    localTable: Number(at(t.localTable, 2)),
    traps: t.size === 4 && (at(TRAP_WORD, 2) & 1n) !== 0n,
  };
}

/** Writes the registers of the running task into its TSS. The bytes are known to be writable. */
function saveTask(ctx: SystemContext, base: bigint, t: TaskLayout, flags: bigint): void {
  const { vcpu } = ctx;
  const put = (offset: number, value: bigint, size: AccessSize = t.size) =>
    ctx.write((base + BigInt(offset)) & 0xffffffffn, size, BigInt.asUintN(size * 8, value), 'implicit');
  put(t.ip, vcpu.rip);
  put(t.flags, flags);
  for (let i = 0; i < 8; i++) put(t.general + i * t.size, vcpu.gpr(i));
  for (let i = 0; i < t.segmentCount; i++) put(t.segments + i * t.size, BigInt(vcpu.selector(i)), 2);
}

function setBusy(ctx: SystemContext, d: Descriptor, busy: boolean): void {
  const access = (d.high >> 8) & 0xff;
  ctx.write(d.address + 5n, 1, BigInt(busy ? access | 2 : access & ~2), 'implicit');
}

/**
 * Switches to another task (SDM vol. 3, 7.3). Faults before the commit point are the old task's; later ones are
 * thrown as NewTaskFault. `resume`: RF goes into the saved flags, as for faults.
 */
export function switchTask(ctx: SystemContext, selector: number, how: TaskSwitch, external = 0, resume = false): void {
  const { vcpu } = ctx;
  const next = taskDescriptor(ctx, selector, how, external);
  const to = layoutOf(typeOf(next));
  const target = segmentOf(selector, next);
  if (target.limit < to.limit) throw new GuestException(TS, (selector & 0xfffc) | external);

  const tr = vcpu.segment(layout.TR);
  const from = layoutOf(tr.attributes);
  if (tr.limit < from.limit) throw new GuestException(TS, (tr.selector & 0xfffc) | external);
  const old = readDescriptor(ctx, tr.selector, TS, external);
  const nests = how === 'call' || how === 'interrupt';

  // Everything that can fault in memory comes before the first change.
  ctx.probeWrite(tr.base, from.limit + 1, 'implicit');
  ctx.probeWrite(old.address + 5n, 1, 'implicit');
  ctx.probeWrite(next.address + 5n, 1, 'implicit');
  if (nests) ctx.probeWrite(target.base, 2, 'implicit');
  const state = readTask(ctx, target.base, to);

  if (!nests) setBusy(ctx, old, false);
  let saved = vcpu.rflags;
  if (how === 'return') saved &= ~NT;
  if (resume) saved |= RF;
  saveTask(ctx, tr.base, from, saved);
  if (nests) ctx.write(target.base, 2, BigInt(tr.selector), 'implicit');
  if (how !== 'return') setBusy(ctx, next, true);

  vcpu.setSegment(layout.TR, { ...target, attributes: target.attributes | 2 });
  vcpu.setU64(layout.CR0, vcpu.cr0 | CR0_TS);
  vcpu.setU32(layout.DR + 7 * 8, vcpu.u32(layout.DR + 7 * 8) & ~LOCAL_BREAKPOINTS);
  ctx.debugRegistersChanged();
  enterTask(ctx, state, to, nests, external);
}

/** Loads the state of the new task; from here on faults are its own. */
function enterTask(ctx: SystemContext, state: TaskState, t: TaskLayout, nested: boolean, external: number): void {
  const { vcpu } = ctx;
  if (state.pageTable !== undefined && vcpu.cr0 & CR0_PG) {
    const old = vcpu.u64(layout.CR3);
    vcpu.setU64(layout.CR3, state.pageTable);
    ctx.addressSpaceChanged(old);
  }
  vcpu.rip = state.ip;
  vcpu.rflags = (state.flags & (t.size === 4 ? 0x3f7fd5n : 0x7fd5n)) | (nested ? NT : 0n);
  // A 16-bit TSS leaves the upper halves alone.
  state.general.forEach((value, i) => vcpu.setGpr(i, t.size === 4 ? value : (vcpu.gpr(i) & 0xffff0000n) | value));
  // All selectors are visible to whoever handles a fault in loading one of them.
  state.selectors.forEach((selector, i) => vcpu.setSegment(i, nullSegment(selector)));
  for (let i = t.segmentCount; i <= layout.GS; i++) vcpu.setSegment(i, nullSegment(0));
  vcpu.setSegment(layout.LDTR, nullSegment(state.localTable));
  vcpu.cpl = vcpu.rflags & VM ? 3 : state.selectors[layout.CS]! & 3;
  try {
    loadTaskSegments(ctx, state.selectors, state.localTable, external);
  } catch (error) {
    ctx.modeChanged();
    if (!(error instanceof GuestException)) throw error;
    throw new NewTaskFault(error.vector, error.code, error.address);
  }
  ctx.modeChanged();
  // The trap flag of the TSS: #DB before the first instruction of the task (SDM vol. 3, 17.3.1.5).
  if (state.traps) vcpu.setU32(layout.PENDING_DEBUG, vcpu.u32(layout.PENDING_DEBUG) | DR6_BT);
}

/** Pushes the error code of an exception that a task gate handles onto the new task's stack. */
export function pushTaskErrorCode(ctx: SystemContext, code: number): void {
  const { vcpu } = ctx;
  const size = layoutOf(vcpu.attributes(layout.TR)).size;
  const stack = vcpu.segment(layout.SS);
  const mask = stack.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  const pointer = (vcpu.gpr(4) - BigInt(size)) & mask;
  try {
    if (stack.attributes & UNUSABLE) throw new GuestException(SS, 0);
    ctx.write((stack.base + pointer) & 0xffffffffn, size, BigInt(code), 'current');
  } catch (error) {
    if (!(error instanceof GuestException)) throw error;
    throw new NewTaskFault(error.vector, error.code, error.address);
  }
  vcpu.setGpr(4, (vcpu.gpr(4) & ~mask & 0xffffffffn) | pointer);
}
