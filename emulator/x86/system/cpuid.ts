import * as layout from '../layout';
import { MISC_ENABLE } from '../vcpu';
import type { SystemContext } from './context';
import type { SystemFunction } from './instruction';
import { XCR0_SUPPORTED } from './xsave';

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NONE: Registers = [0, 0, 0, 0];
/** Family 6, model 44: a generation without AVX, as this one is. */
const SIGNATURE = 0x000206c1;
const VENDOR = 'GenuineIntel';
const BRAND = 'Guest Debugger virtual CPU';
const MAX_BASIC = 0x16;
/** Where IA32_MISC_ENABLE limits it, for systems that trip over more. */
const MAX_LIMITED = 2;
const MAX_EXTENDED = 0x80000008;
/** The time-stamp counter's clock; the local APIC's timer has the crystal's. */
const TSC_HERTZ = 1_000_000_000;

const bits = (...numbers: number[]): number => numbers.reduce((sum, bit) => sum | (1 << bit), 0) >>> 0;

/** Leaf 1, EDX: FPU DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2. */
const FEATURES_EDX = bits(0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26);
/** Leaf 1, ECX: SSE3 SSSE3 CX16 SSE4.1 SSE4.2 x2APIC POPCNT TSC-deadline XSAVE. */
const FEATURES_ECX = bits(0, 9, 13, 19, 20, 21, 23, 24, 26);
const APIC = 9;
const HTT = 28;
const NX = 20;
const OSXSAVE = 27;
const CR4_OSXSAVE = 1n << 18n;
const APIC_ENABLE = 1n << 11n;

/** Leaf 7: FSGSBASE SMEP ERMS INVPCID SMAP; ARCH_CAPABILITIES. */
const EXTENDED_FEATURES_EBX = bits(0, 7, 9, 10, 20);
const EXTENDED_FEATURES_EDX = bits(29);
/** Leaf 8000_0001: LAHF, PREFETCHW; SYSCALL, NX, 1-GiB pages, RDTSCP, long mode. */
const AMD_FEATURES_ECX = bits(0, 8);
const AMD_FEATURES_EDX = bits(11, 20, 26, 27, 29);

const text = (string: string, at: number): number => [0, 1, 2, 3].reduce((value, i) => value | ((string.charCodeAt(at + i) || 0) << (8 * i)), 0) >>> 0;
const brand = (leaf: number): Registers => [0, 4, 8, 12].map((at) => text(BRAND, leaf * 16 + at)) as unknown as Registers;

/** Deterministic cache parameters (leaf 4): type, level, KiB, ways. */
const CACHES: readonly (readonly [type: number, level: number, kib: number, ways: number])[] = [
  [1, 1, 32, 8],
  [2, 1, 32, 4],
  [3, 2, 256, 8],
];
function cache(index: number, cpus: number): Registers {
  const found = CACHES[index];
  if (!found) return NONE;
  const [type, level, kib, ways] = found;
  const sets = (kib * 1024) / (64 * ways);
  return [type | (level << 5) | (1 << 8) | ((cpus - 1) << 26), ((ways - 1) << 22) | 63, sets - 1, 0];
}

function topology(level: number, id: number, cpus: number): Registers {
  const width = Math.ceil(Math.log2(cpus));
  if (level === 0) return [0, 1, 0x100, id];
  if (level === 1) return [width, cpus, 0x201, id];
  return [0, 0, level, id];
}

const xsaveSize = 512 + 64;

function leaf1(ctx: SystemContext): Registers {
  const { vcpu, id, cpus } = ctx;
  let edx = FEATURES_EDX;
  if (cpus > 1) edx |= 1 << HTT;
  const base = ctx.readApicMsr(0x1b);
  if (base !== undefined && !(base & APIC_ENABLE)) edx &= ~(1 << APIC);
  const ecx = FEATURES_ECX | (vcpu.cr4 & CR4_OSXSAVE ? 1 << OSXSAVE : 0);
  return [SIGNATURE, (id << 24) | (cpus << 16) | (8 << 8), ecx, edx];
}

/** What a leaf says (SDM vol. 2, CPUID). Leaves beyond the last are those of the last basic leaf. */
export function cpuidLeaf(ctx: SystemContext, leaf: number, subleaf: number): Registers {
  const { id, cpus, vcpu } = ctx;
  const misc = vcpu.u64(layout.MSR_MISC_ENABLE);
  const maxBasic = misc & MISC_ENABLE.limitCpuid ? MAX_LIMITED : MAX_BASIC;
  const basic = leaf < 0x80000000 && leaf > maxBasic ? maxBasic : leaf;
  switch (basic) {
    case 0:
      return [maxBasic, text(VENDOR, 0), text(VENDOR, 8), text(VENDOR, 4)];
    case 1:
      return leaf1(ctx);
    case 2:
      return [0x00feff01, 0, 0, 0];
    case 4:
      return cache(subleaf, cpus);
    case 6:
      return [bits(2), 0, 0, 0]; // the APIC timer never stops
    case 7:
      return subleaf === 0 ? [0, EXTENDED_FEATURES_EBX, 0, EXTENDED_FEATURES_EDX] : NONE;
    case 0xb:
      return topology(subleaf, id, cpus);
    case 0xd:
      if (subleaf === 0) return [Number(XCR0_SUPPORTED), xsaveSize, xsaveSize, 0];
      return subleaf === 1 ? [1, 0, 0, 0] : NONE; // XSAVEOPT
    case 0x15:
      return [1, TSC_HERTZ / vcpu.crystalHertz, vcpu.crystalHertz, 0];
    case 0x16:
      return [1000, 1000, 100, 0];
    case 0x80000000:
      return [MAX_EXTENDED, 0, 0, 0];
    case 0x80000001:
      return [0, 0, AMD_FEATURES_ECX, AMD_FEATURES_EDX & ~(misc & MISC_ENABLE.xdDisable ? 1 << NX : 0)];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return brand(leaf - 0x80000002);
    case 0x80000006:
      return [0, 0, (256 << 16) | (6 << 12) | 64, 0];
    case 0x80000007:
      return [0, 0, 0, bits(8)]; // invariant TSC
    case 0x80000008:
      return [ctx.vcpu.physicalBits | (48 << 8), 0, 0, 0];
    default:
      return leaf > MAX_EXTENDED ? cpuidLeaf(ctx, maxBasic, subleaf) : NONE;
  }
}

const cpuid: SystemFunction = (ctx) => {
  const { vcpu } = ctx;
  const registers = cpuidLeaf(ctx, Number(vcpu.gpr(0) & 0xffffffffn), Number(vcpu.gpr(1) & 0xffffffffn));
  [0, 3, 1, 2].forEach((register, i) => vcpu.setGpr(register, BigInt(registers[i]! >>> 0)));
};

export const cpuidInstructions: Readonly<Record<string, SystemFunction>> = { cpuid };
