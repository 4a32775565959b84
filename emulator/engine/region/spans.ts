import type { FunctionBuilder, Local } from '../../wasm/function';
import type { Form } from '../../x86/forms';
import * as layout from '../../x86/layout';
import { formOf, type RegionBlock, type RegionSource } from './graph';
import type { RegionState } from './state';

/** What an access is made of: `base + index × scale + displacement` in a segment, and what the registers were. */
export interface Address {
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly segment: number;
  readonly displacement: number;
  /** Tells values of its registers apart. */
  readonly version: string;
}

/** Bytes from displacement `from` to `to` that one look into the TLB is for; which tags it looks at. */
export interface Span {
  readonly address: Address;
  readonly from: number;
  readonly to: number;
  readonly tags: ReadonlySet<number>;
  readonly addend: Local<'i32'>;
}

/** Longer ones would too often lie in two pages. */
export const LONGEST_SPAN = 128;
/** Spans of a straight line at most. */
const MOST = 8;

const MODIFY: ReadonlySet<string> = new Set(['add', 'sub', 'and', 'or', 'xor', 'adc', 'sbb', 'inc', 'dec', 'not', 'neg', 'mov']);
const READ: ReadonlySet<string> = new Set(['mov', 'movzx', 'movsx', 'movsxd', 'add', 'sub', 'and', 'or', 'xor', 'adc', 'sbb', 'cmp', 'test', 'imul2', 'imul3']);
const COMPARE: ReadonlySet<string> = new Set(['cmp', 'test']);

/**
 * Accesses of a straight line that are near each other, by registers that don't change between them, are looked up in the TLB once, all of
 * them by the first: where that misses, the interpreter goes on from there. Which will follow is a guess from operands; that the registers
 * have not changed is made sure of.
 */
export class Spans {
  private spans: readonly Span[] = [];
  private readonly addends: Local<'i32'>[] = [];

  constructor(
    private readonly f: FunctionBuilder,
    private readonly source: Pick<RegionSource, 'memory' | 'forms'>,
    private readonly state: RegionState,
  ) {}

  /** Control may come from several places. */
  forget(): void {
    this.spans = [];
  }
  /** For `recall` where control goes on from there. */
  get known(): readonly Span[] {
    return this.spans;
  }
  recall(known: readonly Span[]): void {
    this.spans = known;
  }

  addressAt(record: number): Address {
    const { memory } = this.source;
    const base = memory.getUint16(record + layout.REC_BASE, true);
    const index = memory.getUint16(record + layout.REC_INDEX, true);
    return {
      base,
      index,
      scale: memory.getUint8(record + layout.REC_SCALE),
      segment: memory.getUint16(record + layout.REC_SEGMENT, true),
      displacement: memory.getInt32(record + layout.REC_DISP, true),
      version: `${this.state.version(base)} ${this.state.version(index)}`,
    };
  }

  /** The span that an access lies in. */
  find(address: Address, bytes: number, tag: number): Span | undefined {
    const at = address.displacement;
    return this.spans.find(
      ({ address: other, from, to, tags }) =>
        other.version === address.version && sameRegisters(other, address) && tags.has(tag) && at >= from && at + bytes <= to,
    );
  }

  /** A span of at most `longest` bytes for an access of instruction `record` of a block and others that follow; undefined where none do. */
  make(block: RegionBlock, record: number, address: Address, bytes: number, tag: number, longest: number): Span | undefined {
    if (this.spans.length === MOST) return undefined;
    let from = address.displacement;
    let to = from + bytes;
    const tags = new Set([tag]);
    let others = 0;
    const last = block.header + layout.RECORD_SIZE * block.compiled;
    for (let next = record + layout.RECORD_SIZE; next <= last; next += layout.RECORD_SIZE) {
      const form = formOf(this.source, next)!;
      const access = accessOf(form);
      if (access) {
        const { displacement, ...registers } = this.addressAt(next);
        const [low, high] = [Math.min(from, displacement), Math.max(to, displacement + access.bytes)];
        if (sameRegisters(registers, address) && high - low <= longest) {
          [from, to] = [low, high];
          tags.add(access.tag);
          others++;
        }
      }
      if (this.changes(form, next, address)) break;
    }
    if (!others) return undefined;
    const addend = (this.addends[this.spans.length] ??= this.f.lasting('i32'));
    const made = { address, from, to, tags, addend };
    this.spans = [...this.spans, made];
    return made;
  }

  /** Whether an instruction sets one of the registers, as far as operands show. */
  private changes({ operands, definition }: Form, record: number, { base, index }: Address): boolean {
    if (operands[0]?.kind !== 'register' || COMPARE.has(definition.name)) return false;
    const register = this.source.memory.getUint16(record + layout.REC_A, true) & ~7;
    return register === base || register === index;
  }
}

const sameRegisters = (a: Omit<Address, 'displacement'>, b: Omit<Address, 'displacement'>): boolean =>
  a.base === b.base && a.index === b.index && a.scale === b.scale && a.segment === b.segment;

/** How a plain instruction accesses memory; undefined for others. */
function accessOf({ definition: { name }, operands, addressing }: Form): { readonly bytes: number; readonly tag: number } | undefined {
  if (addressing !== 'flat64' && addressing !== 'flat32') return undefined;
  const place = operands.findIndex(({ kind }) => kind === 'memory');
  const bytes = operands[place]!.size / 8;
  if (place > 0 || COMPARE.has(name)) return READ.has(name) || name.startsWith('cmov') ? { bytes, tag: layout.TLB_READ } : undefined;
  return MODIFY.has(name) ? { bytes, tag: layout.TLB_WRITE } : undefined;
}
