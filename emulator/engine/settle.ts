import { i32, i64, i64c } from '../wasm/expr';
import type { FunctionBuilder, Local } from '../wasm/function';
import { CARRY_MASK, type FlagSum } from '../x86/flags';

/** In a kind: the sum is a difference. Below it is the size. */
const DIFFERENCE = 0x80;

/** Which sum the flags of compiled code are those of; 0 stands for the two values of flags.ts. */
export const kindOf = ({ operation, size }: Pick<FlagSum, 'operation' | 'size'>): number => size | (operation === 'sub' ? DIFFERENCE : 0);

/** Flags as compiled code keeps them: a sum's operands, of which the low bits count, and its kind. */
export interface KeptFlags {
  readonly a: Local<'i64'>;
  readonly b: Local<'i64'>;
  readonly kind: Local<'i32'>;
}

/** Makes `a` and `b` the two values of flags.ts, whatever sum they are the operands of; `kind` is not 0. */
export function settle(f: FunctionBuilder, kept: KeptFlags): void {
  const kind = f.get(kept.kind);
  const difference = f.let(i64.sub(i64c(0), i64.extendI32U(i32.shrU(kind, i32.const(7)))));
  const unused = f.let(i64.extendI32U(i32.sub(i32.const(64), i32.and(kind, i32.const(0x7f)))));
  const a = f.get(kept.a);
  const b = f.get(kept.b);
  const sum = i64.sub(i64.add(a, i64.xor(b, difference)), difference);
  const result = f.let(i64.shrS(i64.shl(sum, unused), unused));
  const x = f.let(i64.xor(a, difference));
  const r = i64.xor(result, difference);
  const vector = f.let(i64.or(i64.and(x, b), i64.and(i64.or(x, b), i64.xor(r, i64c(-1)))));
  f.set(kept.a, result);
  f.set(kept.b, i64.or(i64.and(i64.shl(vector, unused), i64c(CARRY_MASK & ~8n)), i64.and(vector, i64c(8))));
  f.set(kept.kind, i32.const(0));
}
