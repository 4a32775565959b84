import { i64, i64c, type I32, type I64 } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import type { Form } from '../../x86/forms';
import * as layout from '../../x86/layout';
import { formOf, RSP, type RegionSource } from './graph';
import type { Plan } from './plan';

/** The page that an access of a loop was to the last time, and what makes its addresses the host's. */
export interface Translation {
  /** What added to a linear address gives its offset in the page. */
  readonly toOffset: Local<'i64'>;
  /** Offsets below are in the page, with all bytes of the access; 0 where nothing is kept. */
  readonly limit: Local<'i64'>;
  readonly addend: Local<'i32'>;
}

const PAGE = 0x1000n;
/** Bytes that a translation is asked for at once, at most. */
export const LONGEST_KEPT = 64;
/** The last accesses of a page look into the TLB again: one limit is good for all sizes. */
const LIMIT = PAGE - BigInt(LONGEST_KEPT) + 1n;

/** What makes the bytes from a linear address on the host's: the translation that is kept, or that of `lookUp`, which is kept then. */
export function translateBy(f: FunctionBuilder, { toOffset, limit, addend }: Translation, linear: I64, lookUp: () => I32): I32 {
  f.unlikely(i64.geU(i64.add(linear, f.get(toOffset)), f.get(limit)), () => {
    f.set(addend, lookUp());
    f.set(toOffset, i64.sub(i64c(0), i64.and(linear, i64c(-PAGE))));
    f.set(limit, i64c(LIMIT));
  });
  return f.get(addend);
}

/** Translations that a region keeps at most: each costs a little where it is entered. */
const MOST = 8;
/** Accesses by the same registers that are nearer than this share a translation. */
const NEAR = 2048;
/** Displacements from here on are addresses, not places in a structure. */
const ARRAY = 0x10000;

const COMPARES: ReadonlySet<string> = new Set(['cmp', 'test', 'bt', 'bti']);
const STEPS: ReadonlySet<string> = new Set(['add', 'sub', 'inc', 'dec']);
const STACK: ReadonlySet<string> = new Set(['push', 'pop', 'call', 'calli', 'ret', 'leave', 'enter']);

/**
 * Translations of a region's loops. An access whose registers go on in small steps, or not at all, is mostly to the page that it was
 * to before: that is looked at before the TLB. They hold as long as the region runs, since the TLB does not change in it.
 */
export class Translations {
  private readonly kept: (Translation & { readonly key: string; readonly displacement: number })[] = [];
  private readonly leaps = new Map<number, ReadonlySet<number>>();

  constructor(
    private readonly f: FunctionBuilder,
    private readonly source: Pick<RegionSource, 'memory' | 'forms'>,
    private readonly plan: Plan,
  ) {}

  /** Nothing is kept: to be emitted where the region is entered. */
  enter(): void {
    for (const { limit } of this.kept) this.f.set(limit, i64c(0));
  }

  /** For accesses by the registers of an instruction of `node`; `tags` say whether they read or write. Undefined outside of loops, and where addresses leap about. */
  of(node: number, record: number, form: Form, tags: Iterable<number>): Translation | undefined {
    const header = this.plan.loops[node]?.at(-1);
    if (header === undefined) return undefined;
    const { memory } = this.source;
    const addressed = form.operands.some(({ kind }) => kind === 'memory');
    if (!addressed && !STACK.has(form.definition.name)) return undefined;
    const [base, index] = addressed
      ? [memory.getUint16(record + layout.REC_BASE, true), memory.getUint16(record + layout.REC_INDEX, true)]
      : [RSP, layout.ZERO];
    const leaps = this.leapsOf(header);
    const displacement = addressed ? memory.getInt32(record + layout.REC_DISP, true) : 0;
    // What the displacement leads to is an array of the program's, most often a small one.
    const array = Math.abs(displacement) >= ARRAY && memory.getUint8(record + layout.REC_SCALE) === 0;
    if (!array && (leaps.has(base) || leaps.has(index))) return undefined;
    const key = `${[...tags].sort().join()} ${base} ${index}`;
    const known = this.kept.find((one) => one.key === key && Math.abs(one.displacement - displacement) < NEAR);
    if (known) return known;
    if (this.kept.length === MOST) return undefined;
    const made = { key, displacement, toOffset: this.f.lasting('i64'), limit: this.f.lasting('i64'), addend: this.f.lasting('i32') };
    this.kept.push(made);
    return made;
  }

  /** Registers, by their addresses in the window, that a loop sets otherwise than by a step: as far as operands show. */
  private leapsOf(header: number): ReadonlySet<number> {
    const known = this.leaps.get(header);
    if (known) return known;
    const { memory } = this.source;
    const leaps = new Set<number>();
    this.plan.blocks.forEach((block, i) => {
      if (!this.plan.loops[i + 1]!.includes(header)) return;
      for (let n = 1; n <= block.compiled; n++) {
        const record = block.header + n * layout.RECORD_SIZE;
        const { definition, operands } = formOf(this.source, record)!;
        const [to, from] = operands;
        if (to?.kind !== 'register' || COMPARES.has(definition.name)) continue;
        const register = memory.getUint16(record + layout.REC_A, true) & ~7;
        const steps =
          (STEPS.has(definition.name) && from?.kind !== 'register' && from?.kind !== 'memory') ||
          (definition.name === 'lea' &&
            memory.getUint16(record + layout.REC_BASE, true) === register &&
            memory.getUint16(record + layout.REC_INDEX, true) === layout.ZERO);
        if (!steps) leaps.add(register);
      }
    });
    this.leaps.set(header, leaps);
    return leaps;
  }
}
