import * as layout from '../layout';
import { ATTR, UNUSABLE, type Segment } from '../vcpu';
import type { SystemContext } from './context';
import { GP, GuestException, NP, SS } from './exceptions';

/** A descriptor as it lies in a table. */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
  /** Linear address of its eight bytes. */
  readonly address: bigint;
}

export const typeOf = (d: Descriptor): number => (d.high >> 8) & 0xf;
export const isSystem = (d: Descriptor): boolean => (d.high & 0x1000) === 0;
export const isPresent = (d: Descriptor): boolean => (d.high & 0x8000) !== 0;
export const dplOf = (d: Descriptor): number => (d.high >> 13) & 3;

/** Reads a selector's descriptor; outside of its table: `vector`(selector). */
export function readDescriptor(ctx: SystemContext, selector: number, vector: number = GP, external = 0, bytes: 8 | 16 = 8): Descriptor {
  const { vcpu } = ctx;
  const fault = new GuestException(vector, (selector & 0xfffc) | external);
  let base: bigint;
  let limit: number;
  if (selector & 4) {
    const ldtr = vcpu.segment(layout.LDTR);
    if (ldtr.attributes & UNUSABLE) throw fault;
    ({ base, limit } = ldtr);
  } else {
    base = vcpu.u64(layout.GDTR_BASE);
    limit = vcpu.u32(layout.GDTR_LIMIT);
  }
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) throw fault;
  const address = base + BigInt(offset);
  const raw = ctx.read(address, 8, 'implicit');
  return { low: Number(raw & 0xffffffffn), high: Number(raw >> 32n), address };
}

/** Bits 63–32 of the base, or of a gate's offset, of a 16-byte system descriptor (long mode; SDM vol. 3, 3.5.2 and 5.8.3.1). */
export function readHighHalf(ctx: SystemContext, selector: number, d: Descriptor): bigint {
  // The second half has to lie in the table too; its type field is 0.
  readDescriptor(ctx, selector, GP, 0, 16);
  const raw = ctx.read(d.address + 8n, 8, 'implicit');
  if ((raw >> 40n) & 0x1fn) throw new GuestException(GP, selector & 0xfffc);
  return (raw & 0xffffffffn) << 32n;
}

/** Hidden part from a descriptor. */
export function segmentOf(selector: number, d: Descriptor): Segment {
  const raw = (d.low & 0xffff) | (d.high & 0xf0000);
  const limit = d.high & 0x800000 ? ((raw << 12) | 0xfff) >>> 0 : raw;
  const base = BigInt(((d.low >>> 16) | ((d.high & 0xff) << 16) | (d.high & 0xff000000)) >>> 0);
  return { selector, base, limit, attributes: (d.high >> 8) & 0xf0ff };
}

/** Sets the accessed bit in the table, as loading does. */
export function markAccessed(ctx: SystemContext, d: Descriptor): Descriptor {
  if (d.high & 0x100) return d;
  const high = d.high | 0x100;
  ctx.write(d.address + 5n, 1, BigInt((high >> 8) & 0xff), 'implicit');
  return { ...d, high };
}

export const nullSegment = (selector: number, base = 0n): Segment => ({ selector, base, limit: 0, attributes: UNUSABLE });

/** A segment of real or virtual-8086 mode. */
export const realSegment = (selector: number, old: Segment, v86: boolean): Segment => ({
  selector,
  base: BigInt(selector << 4),
  limit: v86 ? 0xffff : old.limit,
  attributes: v86 ? 0xf3 : old.attributes & ~UNUSABLE || 0x93,
});

/** Loads a data segment register, SS included, with all checks of MOV Sreg (SDM vol. 2). */
export function loadDataSegment(ctx: SystemContext, number: number, selector: number): void {
  const { vcpu } = ctx;
  if (!vcpu.protectedMode || vcpu.v86) {
    vcpu.setSegment(number, realSegment(selector, vcpu.segment(number), vcpu.v86));
    ctx.modeChanged();
    return;
  }
  const { cpl } = vcpu;
  const error = selector & 0xfffc;
  if (error === 0) {
    if (number === layout.SS && (!vcpu.mode64 || cpl === 3 || (selector & 3) !== cpl)) throw new GuestException(GP, 0);
    // The base of FS and GS stays in Intel's implementations only for MSR writes; a null load clears it.
    vcpu.setSegment(number, { ...nullSegment(selector), attributes: UNUSABLE | (number === layout.SS ? cpl << 5 : 0) });
    ctx.modeChanged();
    return;
  }
  let d = readDescriptor(ctx, selector);
  const rpl = selector & 3;
  const type = typeOf(d);
  if (isSystem(d)) throw new GuestException(GP, error);
  if (number === layout.SS) {
    if (rpl !== cpl || dplOf(d) !== cpl || type & 8 || !(type & 2)) throw new GuestException(GP, error);
    if (!isPresent(d)) throw new GuestException(SS, error);
  } else {
    if (type & 8 && !(type & 2)) throw new GuestException(GP, error);
    const conforming = (type & 0xc) === 0xc;
    if (!conforming && (rpl > dplOf(d) || cpl > dplOf(d))) throw new GuestException(GP, error);
    if (!isPresent(d)) throw new GuestException(NP, error);
  }
  d = markAccessed(ctx, d);
  vcpu.setSegment(number, segmentOf(selector, d));
  ctx.modeChanged();
}

/** Checks a code segment descriptor for a transfer without privilege change to `cpl`; yields the segment. */
export function codeSegment(ctx: SystemContext, selector: number, d: Descriptor, cpl: number): Segment {
  const error = selector & 0xfffc;
  if (!isPresent(d)) throw new GuestException(NP, error);
  if (ctx.vcpu.longMode && d.high & 0x200000 && d.high & 0x400000) throw new GuestException(GP, error);
  const segment = segmentOf((selector & 0xfffc) | cpl, markAccessed(ctx, d));
  // In 64-bit mode base and limit are ignored; the engine relies on base 0.
  return ctx.vcpu.longMode && segment.attributes & ATTR.long ? { ...segment, base: 0n, limit: 0xffffffff } : segment;
}
