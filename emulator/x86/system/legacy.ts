import { AF, CF, OF, PF, SF, ZF } from '../flags';
import * as layout from '../layout';
import { ATTR } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { BR, DE, GuestException } from './exceptions';
import { pushAll } from './far';
import { segmentLinear, type HostInstruction, type SystemFunction } from './instruction';
import { StackReader } from './return';

const AX = 0;
const SP = 4;
const BP = 5;

const pusha: SystemFunction = (ctx, insn) => {
  const values = [0, 1, 2, 3, 4, 5, 6, 7].map((register) => ctx.vcpu.gpr(register));
  ctx.vcpu.setGpr(SP, pushAll(ctx, insn.size as AccessSize, values));
};

const popa: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const size = insn.size as AccessSize;
  const stack = new StackReader(ctx, size);
  // Where a pop faults, processors have changed the registers before it; ESP has not moved yet.
  for (const register of [7, 6, 5, 4, 3, 2, 1, 0]) {
    const value = stack.pop();
    if (register === SP) continue;
    if (size === 2) vcpu.setU16(layout.GPR + register * 8, Number(value));
    else vcpu.setGpr(register, value);
  }
  vcpu.setGpr(SP, stack.pointer);
};

/** ENTER: frame size and nesting level (SDM vol. 2, ENTER). No register changes before all pushes have succeeded. */
const enter: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const size = insn.size as AccessSize;
  const frame = insn.immediate & 0xffffn;
  const level = Number((insn.immediate >> 16n) & 31n);
  const segment = vcpu.segment(layout.SS);
  const mask = vcpu.mode64 ? (1n << 64n) - 1n : segment.attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  const linear = (offset: bigint, write: boolean): bigint => segmentLinear(vcpu, layout.SS, offset, size, write);
  const start = vcpu.gpr(SP);
  const frameAt = (start & ~mask) | ((start - BigInt(size)) & mask);
  // Outer frame pointers are read between the pushes, which shows where one of them faults.
  function* values(): Generator<bigint> {
    yield vcpu.gpr(BP);
    let at = vcpu.gpr(BP) & mask;
    for (let i = 1; i < level; i++) {
      at = (at - BigInt(size)) & mask;
      yield ctx.read(linear(at, false), size, 'current');
    }
    if (level > 0) yield frameAt;
  }
  const after = (pushAll(ctx, size, values()) & mask) - frame;
  const pointer = (start & ~mask) | (after & mask);
  // The new top of the stack must be writable (SDM: #PF or #SS there).
  ctx.probeWrite(linear(pointer & mask, true), size, 'current');
  if (size === 2) vcpu.setU16(layout.GPR + BP * 8, Number(frameAt & 0xffffn));
  else vcpu.setGpr(BP, BigInt.asUintN(size * 8, frameAt));
  vcpu.setGpr(SP, pointer);
};

const bound: SystemFunction = (ctx, insn) => {
  const size = insn.size as 2 | 4;
  const index = BigInt.asIntN(size * 8, insn.readRegister(0));
  const lower = BigInt.asIntN(size * 8, ctx.read(insn.linear(size), size, 'current'));
  const upper = BigInt.asIntN(size * 8, ctx.read(insn.linear(size, size), size, 'current'));
  if (index < lower || index > upper) throw new GuestException(BR);
};

// ── Decimal arithmetic ─────────────────────────────────────────────────────────────────────

const al = (ctx: SystemContext): number => Number(ctx.vcpu.gpr(AX) & 0xffn);
const ah = (ctx: SystemContext): number => Number((ctx.vcpu.gpr(AX) >> 8n) & 0xffn);
const setAx = (ctx: SystemContext, high: number, low: number): void => ctx.vcpu.setU16(layout.GPR, ((high & 0xff) << 8) | (low & 0xff));

function setFlags(ctx: SystemContext, result: number, carry: boolean, adjust: boolean): void {
  let parity = result & 0xff;
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  let flags = ctx.vcpu.rflags & ~(CF | PF | AF | ZF | SF | OF);
  if (carry) flags |= CF;
  if (adjust) flags |= AF;
  if (!(parity & 1)) flags |= PF;
  if (!(result & 0xff)) flags |= ZF;
  if (result & 0x80) flags |= SF;
  ctx.vcpu.rflags = flags;
}

const ascii =
  (sign: 1 | -1): SystemFunction =>
  (ctx) => {
    const adjust = (al(ctx) & 0xf) > 9 || (ctx.vcpu.rflags & AF) !== 0n;
    if (adjust) ctx.vcpu.setU16(layout.GPR, (Number(ctx.vcpu.gpr(AX) & 0xffffn) + sign * 0x106) & 0xffff);
    setAx(ctx, ah(ctx), al(ctx) & 0xf);
    setFlags(ctx, al(ctx), adjust, adjust);
  };

const decimal =
  (sign: 1 | -1): SystemFunction =>
  (ctx) => {
    const old = al(ctx);
    const oldCarry = (ctx.vcpu.rflags & CF) !== 0n;
    let value = old;
    let carry = false;
    const adjust = (old & 0xf) > 9 || (ctx.vcpu.rflags & AF) !== 0n;
    if (adjust) {
      value += sign * 6;
      carry = oldCarry || value > 0xff || value < 0;
    }
    if (old > 0x99 || oldCarry) {
      value += sign * 0x60;
      carry = true;
    } else if (sign > 0) carry = false;
    setAx(ctx, ah(ctx), value);
    setFlags(ctx, value, carry, adjust);
  };

const aam: SystemFunction = (ctx, insn) => {
  const base = Number(insn.immediate & 0xffn);
  if (base === 0) throw new GuestException(DE);
  setAx(ctx, Math.floor(al(ctx) / base), al(ctx) % base);
  setFlags(ctx, al(ctx), false, false);
};

const aad: SystemFunction = (ctx, insn: HostInstruction) => {
  setAx(ctx, 0, al(ctx) + ah(ctx) * Number(insn.immediate & 0xffn));
  setFlags(ctx, al(ctx), false, false);
};

const salc: SystemFunction = (ctx) => setAx(ctx, ah(ctx), ctx.vcpu.rflags & CF ? 0xff : 0);

export const legacyInstructions: Readonly<Record<string, SystemFunction>> = {
  pusha,
  popa,
  enter,
  bound,
  aaa: ascii(1),
  aas: ascii(-1),
  daa: decimal(1),
  das: decimal(-1),
  aam,
  aad,
  salc,
};
