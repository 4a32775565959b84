import { VM } from '../flags';
import * as layout from '../layout';
import type { SystemContext } from './context';
import { codeSegment, dplOf, isPresent, isSystem, markAccessed, nullSegment, readDescriptor, realSegment, segmentOf, typeOf } from './descriptor';
import { generalProtection, GuestException, NP, SS, TS } from './exceptions';

const LDT_TYPE = 2;
const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/**
 * Loads the segment registers of a task from the selectors of its TSS: ES CS SS DS, and FS GS where it has them.
 * Wrong descriptors are #TS, absent ones #NP or #SS (SDM vol. 3, table 7-1).
 */
export function loadTaskSegments(ctx: SystemContext, selectors: readonly number[], localTable: number, external: number): void {
  const { vcpu } = ctx;
  loadLocalTable(ctx, localTable, external);
  if (vcpu.rflags & VM) {
    selectors.forEach((selector, i) => vcpu.setSegment(i, realSegment(selector, nullSegment(0), true)));
    vcpu.rip &= 0xffffn;
    return;
  }
  loadCode(ctx, selectors[layout.CS]!, external);
  loadStack(ctx, selectors[layout.SS]!, external);
  selectors.forEach((selector, i) => {
    if (i !== layout.CS && i !== layout.SS) loadData(ctx, i, selector, external);
  });
  if (vcpu.rip > BigInt(vcpu.segment(layout.CS).limit)) throw generalProtection(external);
}

function loadLocalTable(ctx: SystemContext, selector: number, external: number): void {
  if (isNull(selector)) return;
  const fault = new GuestException(TS, (selector & 0xfffc) | external);
  if (selector & 4) throw fault;
  const d = readDescriptor(ctx, selector, TS, external);
  if (!isSystem(d) || typeOf(d) !== LDT_TYPE || !isPresent(d)) throw fault;
  ctx.vcpu.setSegment(layout.LDTR, segmentOf(selector, d));
}

function loadCode(ctx: SystemContext, selector: number, external: number): void {
  const error = (selector & 0xfffc) | external;
  if (isNull(selector)) throw new GuestException(TS, external);
  const d = readDescriptor(ctx, selector, TS, external);
  const rpl = selector & 3;
  const conforming = (typeOf(d) & 4) !== 0;
  if (isSystem(d) || !(typeOf(d) & 8)) throw new GuestException(TS, error);
  if (conforming ? dplOf(d) > rpl : dplOf(d) !== rpl) throw new GuestException(TS, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  ctx.vcpu.setSegment(layout.CS, codeSegment(ctx, selector, d, rpl));
}

function loadStack(ctx: SystemContext, selector: number, external: number): void {
  const { cpl } = ctx.vcpu;
  const error = (selector & 0xfffc) | external;
  if (isNull(selector)) throw new GuestException(TS, external);
  const d = readDescriptor(ctx, selector, TS, external);
  if (isSystem(d) || (typeOf(d) & 0xa) !== 2) throw new GuestException(TS, error);
  if (dplOf(d) !== cpl || (selector & 3) !== cpl) throw new GuestException(TS, error);
  if (!isPresent(d)) throw new GuestException(SS, error);
  ctx.vcpu.setSegment(layout.SS, segmentOf(selector, markAccessed(ctx, d)));
}

function loadData(ctx: SystemContext, number: number, selector: number, external: number): void {
  if (isNull(selector)) return;
  const { cpl } = ctx.vcpu;
  const error = (selector & 0xfffc) | external;
  const d = readDescriptor(ctx, selector, TS, external);
  const type = typeOf(d);
  if (isSystem(d) || (type & 0xa) === 8) throw new GuestException(TS, error);
  const conforming = (type & 0xc) === 0xc;
  if (!conforming && (dplOf(d) < cpl || dplOf(d) < (selector & 3))) throw new GuestException(TS, error);
  if (!isPresent(d)) throw new GuestException(NP, error);
  ctx.vcpu.setSegment(number, segmentOf(selector, markAccessed(ctx, d)));
}
