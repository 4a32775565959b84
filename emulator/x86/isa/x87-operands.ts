import { i32, i64, type I32, type I64 } from '../../wasm/expr';
import { define, type Definition, type Meaning } from '../definition';
import { FLOAT_RESULT } from '../layout';
import type { Operand, Stage } from '../stage';
import { waiting } from './x87-control';

/** Memory formats of loads and stores, as the helpers number them (assembly/x87/move.ts). */
export const FORMAT = { single: 0, double: 1, integer: 2, extended: 3, decimal: 4 } as const;
export type Format = keyof typeof FORMAT;

/** An x87 instruction that waits; its encodings have ST(i), if any, in the low three bits of the ModRM byte. */
export const x87 = (name: string, encodings: readonly string[], meaning: Meaning): Definition => define(name, encodings, waiting(meaning), 'x87');

/** A register form: a helper does everything. */
export const onStack = (name: string, encodings: readonly string[], helper: string, ...args: number[]): Definition =>
  x87(name, encodings, (s) => s.run(helper, s.record(), ...args.map((value) => i32.const(value))));

/** A memory operand; integers sign-extended. */
export function memoryValue(s: Stage, o: Operand, format: Format): I64 {
  const value = s.f.let(s.read(o));
  if (format !== 'integer') return value;
  return o.size === 16 ? i64.extend16S(value) : o.size === 32 ? i64.extend32S(value) : value;
}

/** What a store is about to write (assembly/x87/move.ts). */
export const storedLow = (): I64 => i64.load(i32.const(FLOAT_RESULT));
export const storedHigh = (): I64 => i64.load16U(i32.const(FLOAT_RESULT + 8));

export const boolean = (value: boolean): I32 => i32.const(value ? 1 : 0);
