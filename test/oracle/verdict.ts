/** What a well-kept disassembler says of an instruction: whether it may be run, and what it leaves undefined. */
import { Code, CpuidFeature, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register, RflagsBits } from 'iced-x86';

/** Instructions that can't be compared: their results are the processor's own (LDMXCSR: which bits exist), or the operating system's. */
const DENIED = new Set(
  (
    'Cpuid Rdtsc Rdtscp Rdrand Rdseed Rdpid Rdpmc Xgetbv Rdpru Sysenter Syscall Sysret Sysexit ' +
    'Sgdt Sidt Sldt Str Smsw Lar Lsl Verr Verw Lds Les Lfs Lgs Lss Hlt Cli Sti In Out Insb Insw Insd Outsb Outsw Outsd ' +
    'Fxsave Fxsave64 Fxrstor Fxrstor64 Xsave Xsave64 Xrstor Xrstor64 Xsaveopt Xsaveopt64 Xsavec Xsavec64 Fnsave Fsave ' +
    'Fnstenv Fstenv Fldenv Frstor Ldmxcsr Rdfsbase Rdgsbase Wrfsbase Wrgsbase Monitor Mwait Monitorx Mwaitx Clzero Xbegin Xend Xtest Ud0 Ud1 Ud2'
  ).split(' '),
);

/** Instructions whose results processors round differently: excluded here, tested elsewhere with tolerance. */
export const APPROXIMATE: ReadonlySet<string> = new Set('Rcpss Rcpps Rsqrtss Rsqrtps F2xm1 Fyl2x Fyl2xp1 Fptan Fpatan Fsin Fcos Fsincos'.split(' '));

/** Flags stay as they are where the count is zero, so that what was undefined before may still be. */
const KEEPS_FLAGS = new Set('Rol Ror Rcl Rcr Shl Sal Shr Sar Shld Shrd'.split(' '));

const RFLAGS: readonly (readonly [iced: number, flag: number])[] = [
  [RflagsBits.CF, 1 << 0],
  [RflagsBits.PF, 1 << 2],
  [RflagsBits.AF, 1 << 4],
  [RflagsBits.ZF, 1 << 6],
  [RflagsBits.SF, 1 << 7],
  [RflagsBits.DF, 1 << 10],
  [RflagsBits.OF, 1 << 11],
  [RflagsBits.AC, 1 << 18],
];
const STATUS_WORD: readonly (readonly [iced: number, flag: number])[] = [
  [RflagsBits.C0, 1 << 8],
  [RflagsBits.C1, 1 << 9],
  [RflagsBits.C2, 1 << 10],
  [RflagsBits.C3, 1 << 14],
];

function flagsOf(iced: number, table: typeof RFLAGS): number {
  let flags = 0;
  if (iced !== 0) for (const [from, to] of table) if (iced & from) flags |= to;
  return flags;
}

export interface Verdict {
  /** Why it must not be run, or null. */
  readonly refused: string | null;
  readonly length: number;
  readonly mnemonic: string;
  /** CPUID features that it needs, by iced's names in lower case: `sse4_1`. */
  readonly features: readonly string[];
  readonly reads: number;
  readonly modifies: number;
  readonly undefined: number;
  /** Bits of the x87 status word. */
  readonly undefinedStatus: number;
  readonly modifiesStatus: number;
  /** Some inputs leave all flags as they were. */
  readonly keepsFlags: boolean;
}

const isSegment = (register: Register): boolean => register >= Register.ES && register <= Register.GS;

/** What only depends on the kind of instruction, kept because asking iced for it is slow. */
interface Kind {
  readonly mnemonic: string;
  readonly features: readonly string[];
  readonly keepsFlags: boolean;
  readonly refused: string | null;
}

const kinds = new Map<Code, Kind>();

function kindOf(instruction: Instruction): Kind {
  const known = kinds.get(instruction.code);
  if (known) return known;
  const mnemonic = Mnemonic[instruction.mnemonic]!;
  const kind = {
    mnemonic,
    features: [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]!.toLowerCase()),
    keepsFlags: KEEPS_FLAGS.has(mnemonic),
    refused: refusal(instruction, mnemonic),
  };
  kinds.set(instruction.code, kind);
  return kind;
}

function refusal(instruction: Instruction, mnemonic: string): string | null {
  if (instruction.isInvalid) return 'invalid';
  if (DENIED.has(mnemonic)) return 'not comparable';
  if (APPROXIMATE.has(mnemonic)) return 'approximate';
  if (instruction.isPrivileged) return 'privileged';
  if (instruction.flowControl !== FlowControl.Next) return 'a branch';
  const loads = instruction.op0Kind === OpKind.Register && isSegment(instruction.op0Register) && mnemonic !== 'Push';
  if (loads) return 'loads a segment';
  return mnemonic === 'Bswap' && instruction.op0Register < Register.EAX ? 'undefined result' : null;
}

export function judge(bytes: Uint8Array, mode: 32 | 64, ip: bigint): Verdict {
  const decoder = new Decoder(mode, bytes, DecoderOptions.None);
  decoder.ip = ip;
  const instruction = decoder.decode();
  const { mnemonic, features, refused, keepsFlags } = kindOf(instruction);
  const modified = instruction.rflagsModified;
  const unclear = instruction.rflagsUndefined;
  const verdict = {
    refused,
    length: instruction.length,
    mnemonic,
    features,
    reads: flagsOf(instruction.rflagsRead, RFLAGS),
    modifies: flagsOf(modified, RFLAGS),
    modifiesStatus: flagsOf(modified, STATUS_WORD),
    undefined: flagsOf(unclear, RFLAGS),
    undefinedStatus: flagsOf(unclear, STATUS_WORD),
    keepsFlags: keepsFlags || (instruction.isStringInstruction && (instruction.hasRepPrefix || instruction.hasRepnePrefix)),
  };
  instruction.free();
  decoder.free();
  return verdict;
}
