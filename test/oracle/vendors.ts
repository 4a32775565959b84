/**
 * What the architecture leaves open, or the manuals contradict each other in, and processors of two vendors were seen
 * to do differently: all of it is here. Our engine does as AMD's throughout (found beside EPYC processors, as the other
 * column beside a Xeon of family 6, model 207), though CPUID says GenuineIntel: no program may rely on any of it. On an
 * AMD host nothing of this counts, and comparison is exact. On an Intel host the result must be ours, or exactly what
 * the table's `asIntel` makes of ours for that instruction.
 *
 * Citations: SDM is Intel's Software Developer's Manual, APM is AMD's Architecture Programmer's Manual.
 */
import { dotProductNan } from './dotproduct';
import {
  betweenIterations,
  lowerBound,
  mmxStoreFault,
  narrowMovsxd,
  noIterations,
  partialStore,
  pushSegment,
  aroundFourGiB,
  suppressedStore,
  unalignedVector,
  wholeRotation,
  type Step,
} from './intel';
import type { OracleResult } from './oracle';

export interface VendorChoice {
  readonly instructions: string;
  readonly part: string;
  readonly source: string;
  readonly amd: string;
  readonly intel: string;
  /** What Intel's processors leave where ours leaves `ours`, several where it may be any of them, or null where it is the same. */
  readonly asIntel: (step: Step, ours: OracleResult) => OracleResult | readonly OracleResult[] | null;
}

export const VENDOR_CHOICES: readonly VendorChoice[] = [
  {
    instructions: 'PUSH of a segment register, 32-bit operands',
    part: 'the bytes above the selector, and whether they may fault',
    source: 'SDM volume 2, PUSH: zero-extended, or a move of 16 bits as recent processors do; with 64-bit operands always zero-extended',
    amd: 'zero-extended',
    intel: 'writes and checks 16 bits only',
    asIntel: pushSegment,
  },
  {
    instructions: 'MOVUPS, MOVUPD, MOVDQU, LDDQU, PCMPESTRx, PCMPISTRx',
    part: '#AC',
    source: 'SDM volume 2, LDDQU, MOVDQU: may or may not be generated, depending on the implementation',
    amd: 'raises it where the operand is not aligned',
    intel: 'does not raise it',
    asIntel: unalignedVector,
  },
  {
    instructions: 'MOVD, MOVQ, MOVNTQ from an MMX register to memory that faults',
    part: 'TOP of the x87 status word',
    source: 'SDM volume 1, 9.5: TOP is set to 0 by every MMX instruction, not said when. APM volume 1, 5.12: atomically with the execution',
    amd: 'unchanged',
    intel: '0; tags and registers unchanged',
    asIntel: mmxStoreFault,
  },
  {
    instructions: 'RCL, RCR of 8 and 16 bits by a count that is a multiple of 9, of 17',
    part: 'OF',
    source: 'SDM volume 2, RCL/RCR/ROL/ROR: defined for rotates by 1 only; a rotate by zero bits affects no flags. APM volume 3, RCL',
    amd: 'that of the unchanged operand and CF, as for a rotate by 1',
    intel: 'unchanged',
    asIntel: wholeRotation,
  },
  {
    instructions: 'MOVS, CMPS, STOS, LODS, SCAS with REP and 32-bit addresses in 64-bit mode, ECX = 0',
    part: 'the upper halves of RCX, and of RSI and RDI',
    source: 'SDM volume 1, 3.4.1.1: 32-bit results are zero-extended; whether a count of 0 gives results is not said',
    amd: 'unchanged',
    intel: 'zero: of RCX; with MOVS and STOS of the pointers too',
    asIntel: noIterations,
  },
  {
    instructions: 'CMPS, SCAS with REPE or REPNE, single-stepped',
    part: 'status flags between iterations',
    source: 'SDM volume 2, REP: after a fault they are what they were before the instruction; of traps nothing is said',
    amd: 'those of the last comparison',
    intel: 'those before the instruction',
    asIntel: betweenIterations,
  },
  {
    instructions: 'FSTP m80, FBSTP over the end of a page, the second page faults',
    part: 'the operand in the first page',
    source: 'neither manual promises that an operand of more than 8 bytes is stored as a whole: SDM volume 3, "Guaranteed Atomic Operations"',
    amd: 'unchanged',
    intel: 'the first 8 bytes are stored if they are in the first page',
    asIntel: partialStore,
  },
  {
    instructions: 'DPPS, DPPD',
    part: 'which of several NaNs',
    source: 'SDM volume 1, table 4-7: of two NaNs the first operand; SDM volume 2, DPPS and DPPD: sums without an order of their operands',
    amd: '(0 + 1) + (2 + 3), and 0 + 1, for every element of the result',
    intel: 'by element: (1 + 0) + (3 + 2), (0 + 1) + (2 + 3), (3 + 2) + (1 + 0), (2 + 3) + (0 + 1); DPPD 0 + 1, 1 + 0',
    asIntel: dotProductNan,
  },
  {
    instructions:
      'FST, FSTP, FIST, FISTP, FISTTP, FBSTP to memory that faults, with an unmasked invalid operation, denormal, overflow, underflow or stack fault',
    part: 'which exception comes: that of memory, or the x87 one at the next instruction',
    source: 'SDM volume 1, 8.4 and 8.5: nothing is stored; whether memory is accessed is not said',
    amd: 'that of memory',
    intel: 'that of the x87',
    asIntel: suppressedStore,
  },
  {
    instructions: 'MOVSXD with a 16-bit operand size',
    part: 'bytes that are read of memory',
    source: 'SDM volume 2, MOVSXD: 63 /r MOVSXD r16, r/m16. APM volume 3, MOVSXD: the source is of 32 bits',
    amd: '4',
    intel: '2',
    asIntel: narrowMovsxd,
  },
  {
    instructions: 'BOUND',
    part: 'whether the upper bound is read when the lower one is not kept',
    source: 'SDM volume 2, BOUND; SDM volume 3, "Priority Among Concurrent Events", gives no order of two accesses',
    amd: 'both are read first',
    intel: '#BR comes before a fault of the upper bound',
    asIntel: lowerBound,
  },
  {
    instructions: 'operands that go on at address 0 after FFFFFFFFh, in segments with a limit of FFFFFFFFh',
    part: 'the fault',
    source: 'SDM volume 3, "Limit Checking": with an effective limit of FFFFFFFFh there may be an exception or not',
    amd: '#SS, #GP',
    intel: "none by the limit: the first page's fault",
    asIntel: aroundFourGiB,
  },
];

/** Whether `agrees` with what one of the choices makes of our result. */
export function isVendorChoice(step: Step, ours: OracleResult, agrees: (asIntel: OracleResult) => boolean): boolean {
  return VENDOR_CHOICES.some((choice) => asIntel(choice, step, ours).some(agrees));
}

export const asIntel = (choice: VendorChoice, step: Step, ours: OracleResult): readonly OracleResult[] => [choice.asIntel(step, ours) ?? []].flat();

// ── x87, beside test/unit/emulator/engine/float-oracle.c ─────────────────────────────────────────

/** A number of 80 bits. */
export interface Extended {
  /** With the sign. */
  readonly exponent: number;
  readonly significand: bigint;
}

export interface FloatOutcome {
  /** Of the status word: exceptions. */
  readonly exceptions: number;
  readonly results: readonly Extended[];
}

export interface FloatCase {
  readonly control: number;
  readonly a: Extended;
  readonly b: Extended;
  readonly processor: FloatOutcome;
  readonly ours: FloatOutcome;
  /** Everything but exceptions and results is the same. */
  readonly alike: boolean;
  /** For each result whether both are within the tolerance of the operation. */
  readonly near: readonly boolean[];
}

export interface FloatChoice {
  readonly instructions: string;
  readonly operations: RegExp;
  readonly part: string;
  readonly source: string;
  readonly amd: string;
  readonly intel: string;
  /** Whether an Intel processor and we differ in this only. */
  readonly agrees: (one: FloatCase) => boolean;
}

const [DE, UE] = [2, 0x10];
const magnitude = ({ exponent }: Extended): number => exponent & 0x7fff;
/** As an unmasked underflow gives it: scaled by 2^24576, and here within one unit of the least normal number. */
const isScaled = ({ exponent, significand }: Extended): boolean => (exponent & 0x7fff) === 0x6000 && significand >= (1n << 64n) - 2n;
const isDenormal = (value: Extended): boolean => magnitude(value) === 0 && value.significand !== 0n;
const isTiny = (value: Extended): boolean => isDenormal(value) || isScaled(value);
const isLeastNormal = (value: Extended): boolean => magnitude(value) === 1 && value.significand === 1n << 63n;
const isZero = (value: Extended): boolean => magnitude(value) === 0 && value.significand === 0n;
const isInfinite = (value: Extended): boolean => magnitude(value) === 0x7fff && value.significand === 1n << 63n;

/** The operand comes back, with DE alone, where underflow is not masked. */
const keepsDenormal = ({ control, a, processor: { exceptions, results } }: FloatCase): boolean =>
  (control & UE) === 0 && isDenormal(a) && exceptions === DE && results[0]!.exponent === a.exponent && results[0]!.significand === a.significand;

export const FLOAT_CHOICES: readonly FloatChoice[] = [
  {
    instructions: 'FSCALE of a denormal by zero, underflow not masked',
    operations: /^f80_scale$/,
    part: 'result and UE',
    source: 'SDM volume 2, FSCALE: the table gives F for a scale of 0. APM volume 1, 6.8: tiny results are scaled, with UE',
    amd: 'the operand scaled by 2^24576, UE and DE',
    intel: 'the operand, DE',
    agrees: (one) => isZero(one.b) && keepsDenormal(one),
  },
  {
    instructions: 'FPREM, FPREM1 of a denormal by an infinity, underflow not masked',
    operations: /^f80_rem_/,
    part: 'result and UE',
    source: 'SDM volume 2, FPREM: the table gives ST(0) for a divisor that is infinite. APM volume 1, as above',
    amd: 'the operand scaled by 2^24576, UE and DE',
    intel: 'the operand, DE',
    agrees: (one) => isInfinite(one.b) && keepsDenormal(one),
  },
  {
    instructions: 'F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS with the least normal number as one of two neighbouring results',
    operations: /^f80_(2xm1|yl2x|yl2xp1|patan|ptan|sin|cos|sincos)$/,
    part: 'UE',
    source: 'SDM volume 1, 8.3.10: errors are less than one unit in the last place, so that the result may be on either side',
    amd: 'as its own result says',
    intel: 'as its own result says',
    agrees: ({ alike, near, processor, ours }) =>
      alike &&
      (processor.exceptions ^ ours.exceptions) === UE &&
      [processor, ours].every(({ exceptions, results }) => ((exceptions & UE) !== 0) === results.some(isTiny)) &&
      [processor, ours].some(({ results }) => results.some(isLeastNormal)) &&
      near.every((both, i) => both || isTiny(processor.results[i]!) !== isTiny(ours.results[i]!)),
  },
];
