import * as layout from '../layout';
import type { SystemContext } from './context';
import { generalProtection, GuestException, NM } from './exceptions';
import type { HostInstruction, SystemFunction } from './instruction';
import { CR0_EM, CR0_TS, CR4_OSFXSR } from '../vcpu';

/** Bits of MXCSR that exist, denormals-are-zeros among them. */
export const MXCSR_MASK = 0xffff;
const XMM_OFFSET = 160;
const ST_OFFSET = 32;
export const LEGACY_SIZE = 512;

/** FXSAVE and FXRSTOR are #NM under CR0.EM too, unlike the SSE instructions (SDM vol. 2). */
export function checkFpu(ctx: SystemContext): void {
  if (ctx.vcpu.cr0 & (CR0_EM | CR0_TS)) throw new GuestException(NM);
}

/** x87 state as in the first 160 bytes of an FXSAVE image (SDM vol. 1, table 10-2); `wide`: 64-bit pointers. */
export function saveX87(ctx: SystemContext, image: DataView, wide: boolean): void {
  const { vcpu } = ctx;
  const status = vcpu.u16(layout.FPU_STATUS);
  image.setUint16(0, vcpu.u16(layout.FPU_CONTROL), true);
  image.setUint16(2, status, true);
  image.setUint8(4, vcpu.view.getUint8(layout.FPU_TAGS));
  image.setUint16(6, vcpu.u16(layout.FPU_OPCODE), true);
  if (wide) {
    image.setBigUint64(8, vcpu.u64(layout.FPU_IP), true);
    image.setBigUint64(16, vcpu.u64(layout.FPU_DP), true);
  } else {
    image.setUint32(8, vcpu.u32(layout.FPU_IP), true);
    image.setUint16(12, vcpu.u16(layout.FPU_CS), true);
    image.setUint32(16, vcpu.u32(layout.FPU_DP), true);
    image.setUint16(20, vcpu.u16(layout.FPU_DS), true);
  }
  for (let i = 0; i < 8; i++) {
    const at = layout.FPR + 16 * (((status >> 11) + i) & 7);
    image.setBigUint64(ST_OFFSET + 16 * i, vcpu.u64(at), true);
    image.setUint16(ST_OFFSET + 16 * i + 8, vcpu.u16(at + 8), true);
  }
}

export function restoreX87(ctx: SystemContext, image: DataView, wide: boolean): void {
  const { vcpu } = ctx;
  const status = image.getUint16(2, true);
  const control = (image.getUint16(0, true) & 0x1f3f) | 0x40;
  vcpu.setU16(layout.FPU_CONTROL, control);
  vcpu.setU16(layout.FPU_STATUS, summarised(status, control));
  vcpu.view.setUint8(layout.FPU_TAGS, image.getUint8(4));
  vcpu.setU16(layout.FPU_OPCODE, image.getUint16(6, true) & 0x7ff);
  if (wide) {
    vcpu.setU64(layout.FPU_IP, image.getBigUint64(8, true));
    vcpu.setU64(layout.FPU_DP, image.getBigUint64(16, true));
    vcpu.setU16(layout.FPU_CS, 0);
    vcpu.setU16(layout.FPU_DS, 0);
  } else {
    vcpu.setU64(layout.FPU_IP, BigInt(image.getUint32(8, true)));
    vcpu.setU64(layout.FPU_DP, BigInt(image.getUint32(16, true)));
    vcpu.setU16(layout.FPU_CS, image.getUint16(12, true));
    vcpu.setU16(layout.FPU_DS, image.getUint16(20, true));
  }
  for (let i = 0; i < 8; i++) {
    const at = layout.FPR + 16 * (((status >> 11) + i) & 7);
    vcpu.setU64(at, image.getBigUint64(ST_OFFSET + 16 * i, true));
    vcpu.setU64(at + 8, BigInt(image.getUint16(ST_OFFSET + 16 * i + 8, true)));
  }
}

/** ES and B follow from the exceptions that are not masked. */
export function summarised(status: number, control: number): number {
  return status & ~control & 0x3f ? status | 0x8080 : status & ~0x8080;
}

export function saveXmm(ctx: SystemContext, image: DataView, count: number): void {
  for (let i = 0; i < count * 2; i++) image.setBigUint64(XMM_OFFSET + 8 * i, ctx.vcpu.u64(layout.XMM + 8 * i), true);
}
export function restoreXmm(ctx: SystemContext, image: DataView, count: number): void {
  for (let i = 0; i < count * 2; i++) ctx.vcpu.setU64(layout.XMM + 8 * i, image.getBigUint64(XMM_OFFSET + 8 * i, true));
}

/** Copies between guest memory and an image, 8 bytes at a time, after the whole of it was found accessible. */
export function readImage(ctx: SystemContext, linear: bigint, image: DataView, from: number, to: number): void {
  for (let at = from; at < to; at += 8) image.setBigUint64(at, ctx.read(linear + BigInt(at), 8, 'current'), true);
}
export function writeImage(ctx: SystemContext, linear: bigint, image: DataView, from: number, to: number): void {
  ctx.probeWrite(linear + BigInt(from), to - from, 'current');
  for (let at = from; at < to; at += 8) ctx.write(linear + BigInt(at), 8, image.getBigUint64(at, true), 'current');
}

export function alignedOperand(insn: HostInstruction, size: number, alignment: bigint, write: boolean): bigint {
  const linear = insn.linear(size, 0, write);
  if (linear & (alignment - 1n)) throw generalProtection();
  return linear;
}

export const xmmCount = (ctx: SystemContext): number => (ctx.vcpu.mode64 ? 16 : 8);
const blank = (): DataView => new DataView(new ArrayBuffer(LEGACY_SIZE));

const fxsave: SystemFunction = (ctx, insn) => {
  checkFpu(ctx);
  const linear = alignedOperand(insn, LEGACY_SIZE, 16n, true);
  const image = blank();
  saveX87(ctx, image, insn.size === 8);
  image.setUint32(24, ctx.vcpu.u32(layout.MXCSR), true);
  image.setUint32(28, MXCSR_MASK, true);
  if (ctx.vcpu.cr4 & CR4_OSFXSR) saveXmm(ctx, image, xmmCount(ctx));
  // Bytes 416 to 511 are left to software.
  writeImage(ctx, linear, image, 0, ctx.vcpu.mode64 ? 416 : 288);
};

const fxrstor: SystemFunction = (ctx, insn) => {
  checkFpu(ctx);
  const linear = alignedOperand(insn, LEGACY_SIZE, 16n, false);
  const image = blank();
  readImage(ctx, linear, image, 0, 416);
  const mxcsr = image.getUint32(24, true);
  if (ctx.vcpu.cr4 & CR4_OSFXSR) {
    if (mxcsr & ~MXCSR_MASK) throw generalProtection();
    ctx.vcpu.setU32(layout.MXCSR, mxcsr);
    restoreXmm(ctx, image, xmmCount(ctx));
  }
  restoreX87(ctx, image, insn.size === 8);
};

export const fxsaveInstructions: Readonly<Record<string, SystemFunction>> = { fxsave, fxrstor };
