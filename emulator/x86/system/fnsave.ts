import * as layout from '../layout';
import type { AccessSize, SystemContext } from './context';
import { GuestException, MF } from './exceptions';
import { summarised } from './fxsave';
import type { HostInstruction, SystemFunction } from './instruction';

const REGISTERS = 8;
const REGISTER_SIZE = 10;
const DEFAULT_CONTROL = 0x37f;
const INTEGER_BIT = 1n << 63n;
const MAX_EXPONENT = 0x7fff;

/** FLDENV and FRSTOR wait: a pending exception comes first. #NM is the decoder's. */
function raisePending(ctx: SystemContext): void {
  if (ctx.vcpu.u16(layout.FPU_STATUS) & 0x80) throw new GuestException(MF);
}

/** Two bits for each register: 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, 8.1.7). */
function tagWord(ctx: SystemContext): number {
  const { vcpu } = ctx;
  const used = vcpu.view.getUint8(layout.FPU_TAGS);
  let word = 0;
  for (let i = 0; i < REGISTERS; i++) {
    const significand = vcpu.u64(layout.FPR + 16 * i);
    const exponent = vcpu.u16(layout.FPR + 16 * i + 8) & MAX_EXPONENT;
    const tag = !(used & (1 << i))
      ? 3
      : exponent === 0 && significand === 0n
        ? 1
        : exponent === 0 || exponent === MAX_EXPONENT || !(significand & INTEGER_BIT)
          ? 2
          : 0;
    word |= tag << (2 * i);
  }
  return word;
}

/** The environment's seven fields, in 16 or 32 bits each; pointers as real or protected mode has them (figures 8-9 to 8-12). */
function environment(ctx: SystemContext, wide: boolean): number[] {
  const { vcpu } = ctx;
  const [ip, dp] = [vcpu.u32(layout.FPU_IP), vcpu.u32(layout.FPU_DP)];
  const opcode = vcpu.u16(layout.FPU_OPCODE);
  const words = [vcpu.u16(layout.FPU_CONTROL), vcpu.u16(layout.FPU_STATUS), tagWord(ctx)];
  if (vcpu.protectedMode && !vcpu.v86)
    return wide
      ? [...words, ip, vcpu.u16(layout.FPU_CS) | (opcode << 16), dp, vcpu.u16(layout.FPU_DS)]
      : [...words, ip, vcpu.u16(layout.FPU_CS), dp, vcpu.u16(layout.FPU_DS)];
  const [linearIp, linearDp] = [(vcpu.u16(layout.FPU_CS) * 16 + ip) >>> 0, (vcpu.u16(layout.FPU_DS) * 16 + dp) >>> 0];
  return wide
    ? [...words, linearIp & 0xffff, ((linearIp >>> 16) << 12) | opcode, linearDp & 0xffff, (linearDp >>> 16) << 12]
    : [...words, linearIp & 0xffff, ((linearIp >>> 16) << 12) | opcode, linearDp & 0xffff, (linearDp >>> 16) << 12];
}

function loadEnvironment(ctx: SystemContext, fields: readonly number[], wide: boolean): void {
  const { vcpu } = ctx;
  const [control, status, tags, ip, selector, dp, dataSelector] = fields as [number, number, number, number, number, number, number];
  const word = (control & 0x1f3f) | 0x40;
  vcpu.setU16(layout.FPU_CONTROL, word);
  vcpu.setU16(layout.FPU_STATUS, summarised(status & 0xffff, word));
  let used = 0;
  for (let i = 0; i < REGISTERS; i++) if (((tags >> (2 * i)) & 3) !== 3) used |= 1 << i;
  vcpu.view.setUint8(layout.FPU_TAGS, used);
  if (vcpu.protectedMode && !vcpu.v86) {
    vcpu.setU64(layout.FPU_IP, BigInt(ip >>> 0));
    vcpu.setU16(layout.FPU_CS, selector & 0xffff);
    if (wide) vcpu.setU16(layout.FPU_OPCODE, (selector >>> 16) & 0x7ff);
    vcpu.setU64(layout.FPU_DP, BigInt(dp >>> 0));
    vcpu.setU16(layout.FPU_DS, dataSelector & 0xffff);
    return;
  }
  // Linear addresses: the selectors are lost.
  const upper = (field: number): number => (wide ? (field >>> 12) << 16 : ((field >>> 12) & 0xf) << 16) >>> 0;
  vcpu.setU64(layout.FPU_IP, BigInt(((ip & 0xffff) | upper(selector)) >>> 0));
  vcpu.setU16(layout.FPU_CS, 0);
  vcpu.setU16(layout.FPU_OPCODE, selector & 0x7ff);
  vcpu.setU64(layout.FPU_DP, BigInt(((dp & 0xffff) | upper(dataSelector)) >>> 0));
  vcpu.setU16(layout.FPU_DS, 0);
}

/** Size of one field: 2 bytes with 16-bit operands, else 4. */
const fieldSize = (insn: HostInstruction): 2 | 4 => (insn.size === 2 ? 2 : 4);

function writeFields(ctx: SystemContext, insn: HostInstruction): void {
  const size = fieldSize(insn);
  // Reserved upper halves of 32-bit fields are stored as ones.
  environment(ctx, size === 4).forEach((value, i) => {
    const filled = size === 4 && (i < 3 || i === 6) ? (value | 0xffff0000) >>> 0 : value >>> 0;
    ctx.write(insn.linear(size, i * size, true), size as AccessSize, BigInt(filled) & (size === 2 ? 0xffffn : 0xffffffffn), 'current');
  });
}

function readFields(ctx: SystemContext, insn: HostInstruction): void {
  const size = fieldSize(insn);
  const fields = Array.from({ length: 7 }, (_, i) => Number(ctx.read(insn.linear(size, i * size), size as AccessSize, 'current')));
  loadEnvironment(ctx, fields, size === 4);
}

const fnstenv: SystemFunction = (ctx, insn) => {
  const bytes = 7 * fieldSize(insn);
  ctx.probeWrite(insn.linear(bytes, 0, true), bytes, 'implicit');
  writeFields(ctx, insn);
  // All exceptions are masked afterwards.
  const control = ctx.vcpu.u16(layout.FPU_CONTROL) | 0x3f;
  ctx.vcpu.setU16(layout.FPU_CONTROL, control);
  ctx.vcpu.setU16(layout.FPU_STATUS, summarised(ctx.vcpu.u16(layout.FPU_STATUS), control));
};

const fldenv: SystemFunction = (ctx, insn) => {
  raisePending(ctx);
  readFields(ctx, insn);
};

/** ST(i), in order, after the environment. */
const registerAt = (ctx: SystemContext, i: number): number => layout.FPR + 16 * (((ctx.vcpu.u16(layout.FPU_STATUS) >> 11) + i) & 7);

const fnsave: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const start = 7 * fieldSize(insn);
  const bytes = start + REGISTERS * REGISTER_SIZE;
  ctx.probeWrite(insn.linear(bytes, 0, true), bytes, 'implicit');
  writeFields(ctx, insn);
  for (let i = 0; i < REGISTERS; i++) {
    const at = start + i * REGISTER_SIZE;
    ctx.write(insn.linear(8, at, true), 8, vcpu.u64(registerAt(ctx, i)), 'current');
    ctx.write(insn.linear(2, at + 8, true), 2, BigInt(vcpu.u16(registerAt(ctx, i) + 8)), 'current');
  }
  vcpu.setU16(layout.FPU_CONTROL, DEFAULT_CONTROL);
  for (const field of [layout.FPU_STATUS, layout.FPU_OPCODE, layout.FPU_CS, layout.FPU_DS]) vcpu.setU16(field, 0);
  vcpu.view.setUint8(layout.FPU_TAGS, 0);
  vcpu.setU64(layout.FPU_IP, 0n);
  vcpu.setU64(layout.FPU_DP, 0n);
};

const frstor: SystemFunction = (ctx, insn) => {
  raisePending(ctx);
  const { vcpu } = ctx;
  const start = 7 * fieldSize(insn);
  const values = Array.from({ length: REGISTERS }, (_, i) => {
    const at = start + i * REGISTER_SIZE;
    return [ctx.read(insn.linear(8, at), 8, 'current'), Number(ctx.read(insn.linear(2, at + 8), 2, 'current'))] as const;
  });
  readFields(ctx, insn);
  values.forEach(([significand, exponent], i) => {
    vcpu.setU64(registerAt(ctx, i), significand);
    vcpu.setU64(registerAt(ctx, i) + 8, BigInt(exponent));
  });
};

export const environmentInstructions: Readonly<Record<string, SystemFunction>> = { fnstenv, fldenv, fnsave, frstor };
