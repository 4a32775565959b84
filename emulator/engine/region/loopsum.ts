import { i64, i64c, type I64 } from '../../wasm/expr';
import { signed, type FlagSize, type FlagSum } from '../../x86/flags';
import * as layout from '../../x86/layout';
import type { Operand } from '../../x86/stage';
import { formOf, type RegionBlock, type RegionSource } from './graph';
import type { RegionState } from './state';

/** Instructions that set all flags without looking at them, as sums of what their operands are. */
const SUMS: ReadonlySet<string> = new Set(['add', 'sub', 'cmp', 'and', 'or', 'xor', 'test']);

/** Whether an instruction sets all flags, whatever they were and on whatever way it ends without leaving. */
export const setsFlags = (name: string): boolean => SUMS.has(name);

/** The sum that a loop's last block sets the flags with, found again from the registers. */
export interface LoopSum extends Pick<FlagSum, 'operation' | 'size'> {
  /** Number in its region. */
  readonly number: number;
  /** The instruction that sets the flags. */
  readonly record: number;
  /** Registers that the operands are found from, by their addresses in the window. */
  readonly registers: ReadonlySet<number>;
  /** The operands, sign-extended, as long as the registers have not changed. */
  operands(): { readonly a: I64; readonly b: I64 };
}

/** Of a block that ends with a branch right behind an instruction on registers; undefined where it doesn't. */
export function loopSumOf(source: Pick<RegionSource, 'memory' | 'forms'>, state: RegionState, block: RegionBlock, number: number): LoopSum | undefined {
  if (block.terminator.kind !== 'branch' || block.compiled < 2) return undefined;
  const record = block.header + layout.RECORD_SIZE * (block.compiled - 1);
  const form = formOf(source, record)!;
  const { name } = form.definition;
  const [to, from] = form.operands;
  if (!SUMS.has(name) || to?.kind !== 'register' || !from || (from.kind !== 'register' && from.kind !== 'immediate')) return undefined;
  const size = to.size as FlagSize;
  const address = (o: Operand): number => source.memory.getUint16(record + (o.index === 0 ? layout.REC_A : layout.REC_B), true);
  const base = (o: Operand): number => address(o) & ~7;
  const value = (o: Operand): I64 => {
    const raw = o.kind === 'immediate' ? i64c(source.memory.getBigInt64(record + layout.REC_IMM, true)) : state.load(size, address(o))!;
    return signed(raw, size);
  };
  const writes = name !== 'cmp' && name !== 'test';
  if (writes && from.kind === 'register' && base(from) === base(to)) return undefined;
  const registers = new Set([to, from].filter(({ kind }) => kind === 'register').map(base));
  const made = { number, record, size, registers };
  switch (name) {
    case 'cmp':
      return { ...made, operation: 'sub', operands: () => ({ a: value(to), b: value(from) }) };
    case 'add':
      return { ...made, operation: 'add', operands: () => ({ a: signed(i64.sub(value(to), value(from)), size), b: value(from) }) };
    case 'sub':
      return { ...made, operation: 'sub', operands: () => ({ a: signed(i64.add(value(to), value(from)), size), b: value(from) }) };
    case 'test':
      return { ...made, size: 64, operation: 'sub', operands: () => ({ a: i64.and(value(to), value(from)), b: i64c(0) }) };
    default:
      return { ...made, size: 64, operation: 'sub', operands: () => ({ a: value(to), b: i64c(0) }) };
  }
}
