/** Makes up cases for the oracle out of a list of encodings; the same seed gives the same cases. */
import type { Encoding } from '../../emulator/x86/definition';
import { assemble, canAssemble } from './assemble';
import { CODE, CODE_MAX, PAGE } from './layout';
import type { OracleCase } from './oracle';
import { Random } from './random';
import { Scene } from './scene';
import { fxState } from './values';
import { judge, type Verdict } from './verdict';

export interface GeneratedInstruction {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
  readonly verdict: Verdict;
  /** Flags that are undefined before it, because of what ran earlier. */
  readonly undefinedBefore: Undefined;
}

/** Bits that may be anything. */
export interface Undefined {
  readonly rflags: number;
  /** Of the x87 status word. */
  readonly status: number;
}

export interface GeneratedCase extends OracleCase {
  /** Together they are the code. */
  readonly instructions: readonly GeneratedInstruction[];
  readonly undefinedAfter: Undefined;
  readonly seed: number;
  readonly index: number;
}

export interface GeneratorOptions {
  readonly seed: number;
  /** What the processor under the oracle can do (`Oracle.features`). */
  readonly features: ReadonlySet<string>;
  /** Of 100 cases, how many have more than one instruction. */
  readonly sequences?: number;
  readonly modes?: readonly (32 | 64)[];
  /** Locked accesses that cross a line are left out (`throttlesSplitLocks`). */
  readonly noSplitLocks?: boolean;
}

const MAX_SEQUENCE = 6;
const ATTEMPTS = 20;
const plain = (feature: string): string => {
  const text = feature.toLowerCase().replace(/[^a-z0-9]/g, '');
  return text === 'cmpxchg16b' ? 'cx16' : text;
};

/** Features of every x86-64 processor, however a table spells them. */
const BASELINE = ['x8664', 'cx8', 'cmpxchg8b', 'clfsh', 'fpu', 'x87', 'fpu287', 'fpu387', 'multibytenop', 'pause', 'lahfsahf', 'prefetchw'];

export class Generator {
  private readonly random: Random;
  private readonly features: ReadonlySet<string>;
  /** By iced's names of features. */
  private readonly known = new Map<string, boolean>();
  private readonly encodings: Readonly<Record<32 | 64, readonly Encoding[]>>;
  /** Made once: making one takes longer than the rest of a case. */
  private readonly fxStates: readonly Uint8Array[];
  private index = 0;
  /** How often each encoding was made, and how often it was refused and why. */
  readonly made = new Map<string, number>();
  readonly refused = new Map<string, Map<string, number>>();

  constructor(
    encodings: readonly Encoding[],
    private readonly options: GeneratorOptions,
  ) {
    this.random = new Random(options.seed);
    this.fxStates = Array.from({ length: 1000 }, () => fxState(this.random));
    this.features = new Set([...options.features, ...BASELINE].map(plain));
    const usable = encodings.filter(({ definition: { feature } }) => !feature || this.features.has(plain(feature)));
    this.encodings = {
      32: usable.filter((encoding) => canAssemble(encoding, 32)),
      64: usable.filter((encoding) => canAssemble(encoding, 64)),
    };
  }

  /** Encodings that this processor can be asked about in `mode`. */
  candidates(mode: 32 | 64): readonly Encoding[] {
    return this.encodings[mode];
  }

  next(): GeneratedCase {
    const { random } = this;
    const mode = random.pick<32 | 64>(this.options.modes ?? [64, 64, 32]);
    const length = random.chance(this.options.sequences ?? 40) ? random.between(2, MAX_SEQUENCE) : 1;
    const atPageEnd = random.chance(2); // the code then runs into unmapped memory
    const codeOffset = atPageEnd ? PAGE - random.between(1, 30) : 0;
    const scene = new Scene(mode, codeOffset, random, random.pick(this.fxStates));
    const instructions: GeneratedInstruction[] = [];
    const room = Math.min(CODE_MAX - 1, PAGE - codeOffset);
    let undefinedNow: Undefined = { rflags: 0, status: 0 };
    let offset = 0;
    for (let attempt = 0; instructions.length < length && attempt < ATTEMPTS; attempt++) {
      const encoding = random.pick(this.encodings[mode]);
      const made = this.instruction(encoding, scene, offset, undefinedNow);
      if (!made) continue;
      const { bytes, verdict } = made;
      const cut = bytes.subarray(0, room - offset);
      instructions.push({ encoding, bytes: cut, verdict, undefinedBefore: undefinedNow });
      offset += cut.length;
      undefinedNow = after(undefinedNow, verdict);
      if (cut.length < bytes.length || offset === room) break;
    }
    const { registers, rflags, fsBase, gsBase, fx } = scene;
    const code = new Uint8Array(offset);
    offset = 0;
    for (const { bytes } of instructions) {
      code.set(bytes, offset);
      offset += bytes.length;
    }
    return {
      mode,
      code,
      codeOffset,
      registers,
      rflags,
      fsBase,
      gsBase,
      fx,
      patches: [],
      instructions,
      undefinedAfter: undefinedNow,
      seed: this.options.seed,
      index: this.index++,
    };
  }

  /** Bytes for an encoding that may be run after what came before, or null. */
  private instruction(encoding: Encoding, scene: Scene, offset: number, before: Undefined): { bytes: Uint8Array; verdict: Verdict } | null {
    const { bytes, splitLock } = assemble(encoding, scene, this.random, offset);
    const verdict = judge(bytes, scene.mode, BigInt(CODE + scene.codeOffset + offset));
    const reason = splitLock && this.options.noSplitLocks ? 'a split lock' : this.reason(encoding, bytes, verdict, scene, before);
    if (reason) {
      const reasons = this.refused.get(encoding.text) ?? new Map<string, number>();
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      this.refused.set(encoding.text, reasons);
      return null;
    }
    this.made.set(encoding.text, (this.made.get(encoding.text) ?? 0) + 1);
    return { bytes, verdict };
  }

  private reason(encoding: Encoding, bytes: Uint8Array, verdict: Verdict, scene: Scene, before: Undefined): string | null {
    // LOCK where it isn't allowed makes #UD, which is worth a test; anything else invalid is a mistake of ours.
    // System instructions are not asked: some processors let LOCK pass there.
    const locked = verdict.refused === 'invalid' && bytes.subarray(0, 5).includes(0xf0);
    if (verdict.refused === 'invalid' && encoding.operands.some(({ letter }) => letter === 'S')) return 'no such segment register';
    if (locked && encoding.attributes.has('ends')) return 'LOCK on a system instruction';
    if (verdict.refused && !locked) return verdict.refused;
    if (!locked && verdict.length !== bytes.length) return `length ${verdict.length} instead of ${bytes.length}`;
    if (verdict.reads & before.rflags) return 'reads undefined flags';
    const missing = this.missing(verdict.features);
    if (missing) return `needs ${missing}`;
    if (/^(Shld|Shrd)$/.test(verdict.mnemonic) && !this.tameDoubleShift(bytes, scene)) return 'undefined result';
    return null;
  }

  private missing(features: readonly string[]): string | undefined {
    for (const feature of features) {
      let has = this.known.get(feature);
      if (has === undefined) this.known.set(feature, (has = !isOptional(feature) || this.features.has(plain(feature))));
      if (!has) return feature;
    }
    return undefined;
  }

  /** 16-bit double shifts by more than 16 have undefined results: only immediate counts can be known to be small. */
  private tameDoubleShift(bytes: Uint8Array, scene: Scene): boolean {
    if (!bytes.subarray(0, 5).includes(0x66)) return true;
    const opcode = bytes.findIndex((byte, index) => byte === 0x0f && (bytes[index + 1]! & 0xf6) === 0xa4);
    const immediate = bytes[opcode + 1] === 0xa4 || bytes[opcode + 1] === 0xac;
    if (immediate) return (bytes.at(-1)! & 31) <= 16;
    if (!scene.isFree(1)) return false;
    scene.pin(1, (scene.registers[1]! & ~0x1fn) | BigInt(this.random.below(17)));
    return true;
  }
}

/** What iced calls a feature and a processor may lack. */
const isOptional = (feature: string): boolean => !/^intel\d|^8086|^fpu|^x64$|^cpuid$|^smm$|^d3now|^unknown/.test(feature);

/** What is undefined after an instruction. */
export function after(before: Undefined, verdict: Verdict): Undefined {
  const keep = verdict.keepsFlags ? before.rflags : before.rflags & ~verdict.modifies;
  return {
    rflags: keep | verdict.undefined,
    status: (before.status & ~verdict.modifiesStatus) | verdict.undefinedStatus,
  };
}
