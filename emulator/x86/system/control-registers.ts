import * as layout from '../layout';
import {
  ATTR, CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_FSGSBASE, CR4_OSFXSR, CR4_PAE, CR4_SMAP,
  EFER_LMA, EFER_LME, UNUSABLE,
} from '../vcpu'; // prettier-ignore
import type { SystemContext } from './context';
import { DB, generalProtection, GuestException, undefinedOpcode } from './exceptions';
import type { HostInstruction, SystemFunction } from './instruction';

const CR0_DEFINED = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

const CR4_TSD = 1n << 2n;
const CR4_PSE = 1n << 4n;
const CR4_MCE = 1n << 6n;
const CR4_PGE = 1n << 7n;
const CR4_PCE = 1n << 8n;
const CR4_OSXMMEXCPT = 1n << 10n;
const CR4_OSXSAVE = 1n << 18n;
const CR4_SMEP = 1n << 20n;
/** Bits of the features that CPUID advertises; the others are reserved. */
const CR4_DEFINED =
  CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP; // prettier-ignore
/**
 * Bits that change what the page tables mean. Cached translations are always those of the tables, so writes that
 * only flush on hardware (the same CR3 again, CR4.PGE, INVLPG, INVPCID) have nothing to do.
 */
const CR4_TRANSLATION = CR4_PSE | CR4_PAE | CR4_SMEP | CR4_SMAP;
const CR0_TRANSLATION = CR0_PE | CR0_WP | CR0_PG;
const TSS16_BUSY = 3;

const DR7_GD = 1 << 13;
const DR6_BD = 1 << 13;
const DR6_FIXED = 0xffff0ff0;
const DR6_WRITABLE = 0xe00fn;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff23ffn;

/** Reserved bits of a page-directory-pointer-table entry of PAE paging, below the physical address width (SDM vol. 3, 4.4.1). */
const PDPTE_RESERVED = 0x1e6n;

/**
 * #GP(0) where a write to a control register would start PAE paging with a present PDPTE that has reserved bits
 * (SDM vol. 3, 4.4.1). Walks read the entries from memory, so nothing else is kept of them.
 */
function checkPdptes(ctx: SystemContext, cr0: bigint, cr3: bigint, cr4: bigint): void {
  const { vcpu } = ctx;
  if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || vcpu.efer & EFER_LME) return;
  const reserved = PDPTE_RESERVED | BigInt.asUintN(64, -1n << BigInt(vcpu.physicalBits));
  const table = Number(cr3 & 0xffffffe0n);
  for (let index = 0; index < 4; index++) {
    const entry = ctx.readPhysical(table + index * 8, 8);
    if (entry & 1n && entry & reserved) throw generalProtection();
  }
}

const privileged = (ctx: SystemContext): void => {
  if (ctx.vcpu.cpl !== 0) throw generalProtection();
};

/** Writes CR0 with all checks (SDM vol. 2, MOV to control registers), and enters or leaves long mode with paging. */
export function writeCr0(ctx: SystemContext, value: bigint): void {
  const { vcpu } = ctx;
  const old = vcpu.cr0;
  if (value >> 32n) throw generalProtection();
  const next = (value & CR0_DEFINED) | CR0_ET;
  if (next & CR0_PG && !(next & CR0_PE)) throw generalProtection();
  if (next & CR0_NW && !(next & CR0_CD)) throw generalProtection();
  const long = (vcpu.efer & EFER_LME) !== 0n;
  if (next & CR0_PG && !(old & CR0_PG) && long) {
    // Consistency checks of activating long mode (SDM vol. 3, 9.8.5).
    const tr = vcpu.attributes(layout.TR);
    const tss16 = !(tr & UNUSABLE) && (tr & 0xf) === TSS16_BUSY;
    if (!(vcpu.cr4 & CR4_PAE) || vcpu.attributes(layout.CS) & ATTR.long || tss16) throw generalProtection();
    vcpu.setU64(layout.EFER, vcpu.efer | EFER_LMA);
  }
  if ((old ^ next) & (CR0_CD | CR0_NW | CR0_PG)) checkPdptes(ctx, next, vcpu.u64(layout.CR3), vcpu.cr4);
  if (!(next & CR0_PG) && old & CR0_PG) {
    if (vcpu.mode64) throw generalProtection();
    vcpu.setU64(layout.EFER, vcpu.efer & ~EFER_LMA);
  }
  vcpu.setU64(layout.CR0, next);
  if (!(next & CR0_PE)) vcpu.cpl = 0;
  if ((old ^ next) & CR0_TRANSLATION) ctx.flushTlb();
  ctx.modeChanged();
}

export function writeCr3(ctx: SystemContext, value: bigint): void {
  const { vcpu } = ctx;
  if (vcpu.longMode && value >> BigInt(vcpu.physicalBits)) throw generalProtection();
  checkPdptes(ctx, vcpu.cr0, value, vcpu.cr4);
  const old = vcpu.u64(layout.CR3);
  if (value === old) return;
  vcpu.setU64(layout.CR3, value);
  if (vcpu.cr0 & CR0_PG) ctx.addressSpaceChanged(old);
}

export function writeCr4(ctx: SystemContext, value: bigint): void {
  const { vcpu } = ctx;
  if (value & ~CR4_DEFINED) throw generalProtection();
  if (vcpu.longMode && !(value & CR4_PAE)) throw generalProtection();
  const changed = vcpu.cr4 ^ value;
  if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) checkPdptes(ctx, vcpu.cr0, vcpu.u64(layout.CR3), value);
  vcpu.setU64(layout.CR4, value);
  if (changed & CR4_TRANSLATION) ctx.flushTlb();
  ctx.modeChanged();
}

/** Whole registers: 64 bits in 64-bit mode, else 32, whatever the operand size. */
const width = (ctx: SystemContext): 4 | 8 => (ctx.vcpu.mode64 ? 8 : 4);

const movFromCr: SystemFunction = (ctx, insn) => {
  privileged(ctx);
  const register = insn.place(1);
  const value = register === layout.CR8 ? BigInt(ctx.taskPriority()) : ctx.vcpu.u64(register);
  insn.writeRegister(0, value, width(ctx));
};

const movToCr: SystemFunction = (ctx, insn) => {
  privileged(ctx);
  const value = insn.readRegister(1, width(ctx));
  switch (insn.place(0)) {
    case layout.CR0:
      return writeCr0(ctx, value);
    case layout.CR2:
      return ctx.vcpu.setU64(layout.CR2, value);
    case layout.CR3:
      return writeCr3(ctx, value);
    case layout.CR4:
      return writeCr4(ctx, value);
    case layout.CR8:
      if (value > 15n) throw generalProtection();
      return ctx.setTaskPriority(Number(value));
    default:
      throw undefinedOpcode();
  }
};

/** Number of the debug register that an operand names; 4 and 5 stand for 6 and 7 where CR4.DE is clear. */
function debugRegister(ctx: SystemContext, insn: HostInstruction, operand: 0 | 1): number {
  privileged(ctx);
  const number = (insn.place(operand) - layout.DR) / 8;
  if ((number === 4 || number === 5) && ctx.vcpu.cr4 & CR4_DE) throw undefinedOpcode();
  if (ctx.vcpu.u32(layout.DR + 7 * 8) & DR7_GD) {
    ctx.vcpu.setU32(layout.DR + 6 * 8, ctx.vcpu.u32(layout.DR + 6 * 8) | DR6_BD);
    ctx.vcpu.setU32(layout.DR + 7 * 8, ctx.vcpu.u32(layout.DR + 7 * 8) & ~DR7_GD);
    throw new GuestException(DB);
  }
  return number === 4 || number === 5 ? number + 2 : number;
}

const movFromDr: SystemFunction = (ctx, insn) => {
  const number = debugRegister(ctx, insn, 1);
  insn.writeRegister(0, ctx.vcpu.u64(layout.DR + number * 8), width(ctx));
};

const movToDr: SystemFunction = (ctx, insn) => {
  const number = debugRegister(ctx, insn, 0);
  const value = insn.readRegister(1, width(ctx));
  if (number >= 6 && value >> 32n) throw generalProtection();
  const stored = number === 6 ? (value & DR6_WRITABLE) | BigInt(DR6_FIXED) : number === 7 ? (value & DR7_WRITABLE) | BigInt(DR7_FIXED) : value;
  ctx.vcpu.setU64(layout.DR + number * 8, stored);
  if (number !== 6) ctx.debugRegistersChanged();
};

const clts: SystemFunction = (ctx) => {
  privileged(ctx);
  ctx.vcpu.setU64(layout.CR0, ctx.vcpu.cr0 & ~CR0_TS);
  ctx.modeChanged();
};

const lmsw: SystemFunction = (ctx, insn) => {
  privileged(ctx);
  const value = insn.read(ctx, 0, 2);
  const old = ctx.vcpu.cr0;
  // PE can be set but not cleared.
  writeCr0(ctx, (old & ~0xen) | (value & 0xfn) | (old & CR0_PE));
};

const smsw: SystemFunction = (ctx, insn) => insn.write(ctx, 0, ctx.vcpu.cr0, insn.hasMemory ? 2 : insn.size);

/** INVPCID without CR4.PCIDE: all that is left are its checks (SDM vol. 2). */
const invpcid: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  // Real mode knows it; virtual-8086 mode has privilege 3.
  privileged(ctx);
  const type = insn.readRegister(0, width(ctx));
  const pcid = ctx.read(insn.linear(16), 8, 'current');
  const address = ctx.read(insn.linear(8, 8), 8, 'current');
  if (type > 3n || pcid >> 12n || (type <= 1n && pcid !== 0n)) throw generalProtection();
  if (type === 0n && vcpu.mode64 && !ctx.canonical(address)) throw generalProtection();
};

export const controlInstructions: Readonly<Record<string, SystemFunction>> = {
  movfromcr: movFromCr,
  movtocr: movToCr,
  movfromdr: movFromDr,
  movtodr: movToDr,
  clts,
  lmsw,
  smsw,
  invpcid,
};
