import * as layout from '../layout';
import { CR0_TS } from '../vcpu';
import type { SystemContext } from './context';
import { generalProtection, GuestException, NM, undefinedOpcode } from './exceptions';
import { alignedOperand, LEGACY_SIZE, MXCSR_MASK, readImage, restoreX87, restoreXmm, saveX87, saveXmm, writeImage, xmmCount } from './fxsave';
import type { HostInstruction, SystemFunction } from './instruction';

/** State components that exist: x87 and SSE (SDM vol. 1, 13.1). */
export const XCR0_SUPPORTED = 3n;
const X87 = 1n;
const SSE = 2n;
const CR4_OSXSAVE = 1n << 18n;
const HEADER = LEGACY_SIZE;
const AREA = LEGACY_SIZE + 64;

function checkEnabled(ctx: SystemContext): void {
  if (!(ctx.vcpu.cr4 & CR4_OSXSAVE)) throw undefinedOpcode();
  if (ctx.vcpu.cr0 & CR0_TS) throw new GuestException(NM);
}

const requested = (ctx: SystemContext): bigint => (((ctx.vcpu.gpr(2) & 0xffffffffn) << 32n) | (ctx.vcpu.gpr(0) & 0xffffffffn)) & ctx.vcpu.u64(layout.XCR0);

/** Components that are not in their initial configuration (XINUSE). */
function inUse(ctx: SystemContext): bigint {
  const { vcpu } = ctx;
  let bits = 0n;
  let x87 = vcpu.u16(layout.FPU_CONTROL) !== 0x37f || vcpu.u16(layout.FPU_STATUS) !== 0 || vcpu.view.getUint8(layout.FPU_TAGS) !== 0;
  for (let i = 0; i < 16 && !x87; i++) x87 = vcpu.u64(layout.FPR + 8 * i) !== 0n;
  x87 ||= vcpu.u64(layout.FPU_IP) !== 0n || vcpu.u64(layout.FPU_DP) !== 0n || vcpu.u16(layout.FPU_OPCODE) !== 0;
  if (x87) bits |= X87;
  for (let i = 0; i < xmmCount(ctx) * 2; i++)
    if (vcpu.u64(layout.XMM + 8 * i) !== 0n) {
      bits |= SSE;
      break;
    }
  return bits;
}

const xsave =
  (optimised: boolean): SystemFunction =>
  (ctx, insn: HostInstruction) => {
    checkEnabled(ctx);
    const linear = alignedOperand(insn, AREA, 64n, true);
    const wanted = requested(ctx);
    const used = inUse(ctx);
    const image = new DataView(new ArrayBuffer(AREA));
    readImage(ctx, linear, image, HEADER, HEADER + 8);
    const old = image.getBigUint64(HEADER, true);
    const saved = optimised ? wanted & used : wanted;
    ctx.probeWrite(linear, AREA, 'current');
    if (saved & X87) {
      saveX87(ctx, image, insn.size === 8);
      writeImage(ctx, linear, image, 0, 24);
      writeImage(ctx, linear, image, 32, 160);
    }
    if (wanted & SSE) {
      image.setUint32(24, ctx.vcpu.u32(layout.MXCSR), true);
      image.setUint32(28, MXCSR_MASK, true);
      writeImage(ctx, linear, image, 24, 32);
    }
    if (saved & SSE) {
      saveXmm(ctx, image, xmmCount(ctx));
      writeImage(ctx, linear, image, 160, 160 + 16 * xmmCount(ctx));
    }
    ctx.write(linear + BigInt(HEADER), 8, (old & ~wanted) | (used & wanted), 'current');
  };

const xrstor: SystemFunction = (ctx, insn) => {
  checkEnabled(ctx);
  const linear = alignedOperand(insn, AREA, 64n, false);
  const wanted = requested(ctx);
  const image = new DataView(new ArrayBuffer(AREA));
  readImage(ctx, linear, image, 0, AREA);
  const present = image.getBigUint64(HEADER, true);
  // The standard form only: XCOMP_BV and the reserved header bytes are 0 (SDM vol. 1, 13.8).
  if (present & ~ctx.vcpu.u64(layout.XCR0)) throw generalProtection();
  if (image.getBigUint64(HEADER + 8, true) || image.getBigUint64(HEADER + 16, true)) throw generalProtection();
  const mxcsr = image.getUint32(24, true);
  if (wanted & SSE && mxcsr & ~MXCSR_MASK) throw generalProtection();
  if (wanted & X87) {
    const initial = new DataView(new ArrayBuffer(AREA));
    initial.setUint16(0, 0x37f, true);
    restoreX87(ctx, present & X87 ? image : initial, insn.size === 8);
  }
  if (wanted & SSE) {
    ctx.vcpu.setU32(layout.MXCSR, mxcsr);
    restoreXmm(ctx, present & SSE ? image : new DataView(new ArrayBuffer(AREA)), xmmCount(ctx));
  }
};

const xgetbv: SystemFunction = (ctx) => {
  if (!(ctx.vcpu.cr4 & CR4_OSXSAVE)) throw undefinedOpcode();
  // XCR0 only: XINUSE (ECX = 1) is not advertised.
  if (ctx.vcpu.gpr(1) & 0xffffffffn) throw generalProtection();
  const value = ctx.vcpu.u64(layout.XCR0);
  ctx.vcpu.setGpr(0, value & 0xffffffffn);
  ctx.vcpu.setGpr(2, value >> 32n);
};

const xsetbv: SystemFunction = (ctx) => {
  if (!(ctx.vcpu.cr4 & CR4_OSXSAVE)) throw undefinedOpcode();
  if (ctx.vcpu.cpl !== 0) throw generalProtection();
  const value = ((ctx.vcpu.gpr(2) & 0xffffffffn) << 32n) | (ctx.vcpu.gpr(0) & 0xffffffffn);
  if (ctx.vcpu.gpr(1) & 0xffffffffn || value & ~XCR0_SUPPORTED || !(value & X87)) throw generalProtection();
  ctx.vcpu.setU64(layout.XCR0, value);
};

export const xsaveInstructions: Readonly<Record<string, SystemFunction>> = { xsave: xsave(false), xsaveopt: xsave(true), xrstor, xgetbv, xsetbv };
