import * as layout from '../layout';
import { CR0_PG, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, MISC_ENABLE } from '../vcpu';
import type { SystemContext } from './context';
import { generalProtection } from './exceptions';
import type { SystemFunction } from './instruction';

/** A model-specific register: how it is read and written. No `write`: writing is #GP. */
interface Msr {
  readonly name: string;
  read(ctx: SystemContext): bigint;
  /** Throws #GP for values that can't be. */
  write?(ctx: SystemContext, value: bigint): void;
}

const reserved = (value: bigint, allowed: bigint): void => {
  if (value & ~allowed) throw generalProtection();
};
const canonical = (ctx: SystemContext, value: bigint): void => {
  if (!ctx.canonical(value)) throw generalProtection();
};

/** Kept in the window; `check` refuses values. */
const stored = (name: string, at: number, check?: (ctx: SystemContext, value: bigint) => void): Msr => ({
  name,
  read: (ctx) => ctx.vcpu.u64(at),
  write: (ctx, value) => {
    check?.(ctx, value);
    ctx.vcpu.setU64(at, value);
  },
});
const constant = (name: string, value: bigint): Msr => ({ name, read: () => value });
const apic = (name: string, index: number): Msr => ({
  name,
  read: (ctx) => {
    const value = ctx.readApicMsr(index);
    if (value === undefined) throw generalProtection();
    return value;
  },
  write: (ctx, value) => {
    if (!ctx.writeApicMsr(index, value)) throw generalProtection();
  },
});

/** Physical addresses in registers end at the width that CPUID tells. */
const physicalMask = ({ vcpu }: SystemContext): bigint => (1n << BigInt(vcpu.physicalBits)) - 1n;

const apicBase: Msr = {
  ...apic('IA32_APIC_BASE', 0x1b),
  write: (ctx, value) => {
    reserved(value, physicalMask(ctx));
    if (!ctx.writeApicMsr(0x1b, value)) throw generalProtection();
  },
};

/** Bits of features that CPUID doesn't advertise (SpeedStep, MONITOR, thermal monitoring, xTPR) are reserved. */
const miscEnable: Msr = {
  name: 'IA32_MISC_ENABLE',
  read: ({ vcpu }) => vcpu.u64(layout.MSR_MISC_ENABLE),
  write: ({ vcpu }, value) => {
    const { fastStrings, limitCpuid, xdDisable, unavailable } = MISC_ENABLE;
    reserved(value, fastStrings | limitCpuid | xdDisable | unavailable);
    vcpu.setU64(layout.MSR_MISC_ENABLE, value | unavailable);
  },
};

const efer: Msr = {
  name: 'IA32_EFER',
  read: (ctx) => ctx.vcpu.efer,
  write: (ctx, value) => {
    const { vcpu } = ctx;
    // Without execute-disable its enable is reserved (SDM vol. 4, IA32_MISC_ENABLE).
    reserved(value, EFER_SCE | EFER_LME | EFER_LMA | (vcpu.u64(layout.MSR_MISC_ENABLE) & MISC_ENABLE.xdDisable ? 0n : EFER_NXE));
    if ((value ^ vcpu.efer) & EFER_LME && vcpu.cr0 & CR0_PG) throw generalProtection();
    const changed = (value ^ vcpu.efer) & EFER_NXE;
    vcpu.setU64(layout.EFER, (value & ~EFER_LMA) | (vcpu.efer & EFER_LMA));
    if (changed) ctx.flushTlb();
  },
};

export const timestamp = (ctx: SystemContext): bigint => BigInt.asUintN(64, ctx.timestamp() + ctx.vcpu.u64(layout.MSR_TSC_OFFSET));

const tsc: Msr = {
  name: 'IA32_TIME_STAMP_COUNTER',
  read: timestamp,
  write: (ctx, value) => {
    ctx.vcpu.setU64(layout.MSR_TSC_OFFSET, BigInt.asUintN(64, value - ctx.timestamp()));
    ctx.timestampChanged();
  },
};

/** Memory types that PAT and MTRRs may hold (SDM vol. 3, 11.11 and 11.12). */
const PAT_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);
const MTRR_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6]);
const bytesIn =
  (types: ReadonlySet<number>) =>
  (_: SystemContext, value: bigint): void => {
    for (let shift = 0n; shift < 64n; shift += 8n) if (!types.has(Number((value >> shift) & 0xffn))) throw generalProtection();
  };
const mtrrDefault = (_: SystemContext, value: bigint): void => {
  reserved(value, 0xcffn);
  if (!MTRR_TYPES.has(Number(value & 0xffn))) throw generalProtection();
};
const mtrrBase = (ctx: SystemContext, value: bigint): void => {
  reserved(value, (physicalMask(ctx) & ~0xfffn) | 0xffn);
  if (!MTRR_TYPES.has(Number(value & 0xffn))) throw generalProtection();
};
const mtrrMask = (ctx: SystemContext, value: bigint): void => reserved(value, (physicalMask(ctx) & ~0xfffn) | 0x800n);

const VARIABLE_MTRRS = 8;
const FIXED_MTRRS = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO and the later *_NO bits: nothing here speculates. */
const ARCH_CAPABILITIES = (1n << 0n) | (1n << 3n) | (1n << 4n) | (1n << 5n) | (1n << 6n) | (1n << 8n) | (1n << 13n) | (1n << 14n) | (1n << 15n) | (1n << 20n) | (1n << 24n) | (1n << 26n) | (1n << 27n); // prettier-ignore
const segmentBase = (number: number): number => layout.SEGMENTS + number * layout.SEGMENT_SIZE + layout.SEG_BASE;

const TABLE: ReadonlyMap<number, Msr> = new Map<number, Msr>([
  [0x0000_0010, tsc],
  [0x0000_0017, constant('IA32_PLATFORM_ID', 0n)],
  [0x0000_001b, apicBase],
  [0x0000_003a, constant('IA32_FEATURE_CONTROL', 1n)], // locked, VMX off
  [0x0000_008b, { name: 'IA32_BIOS_SIGN_ID', read: () => 0n, write: (_, value) => reserved(value, 0n) }],
  [0x0000_00ce, constant('MSR_PLATFORM_INFO', 10n << 8n)], // 10 × 100 MHz
  [0x0000_00fe, constant('IA32_MTRRCAP', BigInt(VARIABLE_MTRRS) | (1n << 8n) | (1n << 10n))],
  [0x0000_010a, constant('IA32_ARCH_CAPABILITIES', ARCH_CAPABILITIES)],
  [0x0000_0174, stored('IA32_SYSENTER_CS', layout.MSR_SYSENTER_CS)],
  [0x0000_0175, stored('IA32_SYSENTER_ESP', layout.MSR_SYSENTER_ESP, canonical)],
  [0x0000_0176, stored('IA32_SYSENTER_EIP', layout.MSR_SYSENTER_EIP, canonical)],
  [0x0000_0179, constant('IA32_MCG_CAP', 0n)],
  [0x0000_017a, { name: 'IA32_MCG_STATUS', read: () => 0n, write: (_, value) => reserved(value, 7n) }],
  [0x0000_01a0, miscEnable],
  [0x0000_01d9, stored('IA32_DEBUGCTL', layout.MSR_DEBUGCTL, (_, value) => reserved(value, 0n))],
  ...Array.from({ length: VARIABLE_MTRRS }, (_, i): [number, Msr][] => [
    [0x200 + 2 * i, stored(`IA32_MTRR_PHYSBASE${i}`, layout.MSR_MTRR_VARIABLE + 16 * i, mtrrBase)],
    [0x201 + 2 * i, stored(`IA32_MTRR_PHYSMASK${i}`, layout.MSR_MTRR_VARIABLE + 16 * i + 8, mtrrMask)],
  ]).flat(),
  ...FIXED_MTRRS.map((index, i): [number, Msr] => [index, stored(`IA32_MTRR_FIX_${index.toString(16)}`, layout.MSR_MTRR_FIXED + 8 * i, bytesIn(MTRR_TYPES))]),
  [0x0000_0277, stored('IA32_PAT', layout.MSR_PAT, bytesIn(PAT_TYPES))],
  [0x0000_02ff, stored('IA32_MTRR_DEF_TYPE', layout.MSR_MTRR_DEF_TYPE, mtrrDefault)],
  [0x0000_06e0, apic('IA32_TSC_DEADLINE', 0x6e0)],
  [0xc000_0080, efer],
  [0xc000_0081, stored('IA32_STAR', layout.MSR_STAR)],
  [0xc000_0082, stored('IA32_LSTAR', layout.MSR_LSTAR, canonical)],
  [0xc000_0083, stored('IA32_CSTAR', layout.MSR_CSTAR, canonical)],
  [0xc000_0084, stored('IA32_FMASK', layout.MSR_SFMASK, (_, value) => reserved(value, 0xffffffffn))],
  [0xc000_0100, stored('IA32_FS_BASE', segmentBase(layout.FS), canonical)],
  [0xc000_0101, stored('IA32_GS_BASE', segmentBase(layout.GS), canonical)],
  [0xc000_0102, stored('IA32_KERNEL_GS_BASE', layout.MSR_KERNEL_GS_BASE, canonical)],
  [0xc000_0103, stored('IA32_TSC_AUX', layout.MSR_TSC_AUX, (_, value) => reserved(value, 0xffffffffn))],
]);

function find(index: number): Msr {
  const msr = TABLE.get(index) ?? (index >= 0x800 && index < 0x900 ? apic('x2APIC', index) : undefined);
  if (!msr) throw generalProtection();
  return msr;
}

const pair = (ctx: SystemContext, value: bigint): void => {
  ctx.vcpu.setGpr(0, value & 0xffffffffn);
  ctx.vcpu.setGpr(2, BigInt.asUintN(64, value) >> 32n);
};
const privileged = (ctx: SystemContext): void => {
  if (ctx.vcpu.cpl !== 0) throw generalProtection();
};

const rdmsr: SystemFunction = (ctx) => {
  privileged(ctx);
  pair(ctx, find(Number(ctx.vcpu.gpr(1) & 0xffffffffn)).read(ctx));
};

const wrmsr: SystemFunction = (ctx) => {
  privileged(ctx);
  const msr = find(Number(ctx.vcpu.gpr(1) & 0xffffffffn));
  if (!msr.write) throw generalProtection();
  msr.write(ctx, ((ctx.vcpu.gpr(2) & 0xffffffffn) << 32n) | (ctx.vcpu.gpr(0) & 0xffffffffn));
};

/** There are no performance counters: every index is out of range. */
const rdpmc: SystemFunction = () => {
  throw generalProtection();
};

/** Numbers and names, for those who show them. */
export const msrNames: ReadonlyMap<number, string> = new Map([...TABLE].map(([index, { name }]) => [index, name]));
export const msrInstructions: Readonly<Record<string, SystemFunction>> = { rdmsr, wrmsr, rdpmc };
