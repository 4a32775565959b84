import { i32, i64, type I32, type I64, type V128 } from '../../wasm/expr';
import { i32x4, i64x2 } from '../../wasm/simd';
import type { Meaning } from '../definition';
import { CR4, FLOAT_FLAGS, MXCSR } from '../layout';
import type { Stage } from '../stage';
import { source, unaligned } from './vector-operands';

const UNDEFINED_OPCODE = 6;
const SIMD_EXCEPTION = 19;
const OSXMMEXCPT = 1 << 10;
const MASKS = 7;

/** Binary32 or binary64: the helpers' prefix, and how many lanes a register holds. */
export type Precision = 'f32' | 'f64';
export const lanesOf = (p: Precision): 2 | 4 => (p === 'f32' ? 4 : 2);

/** Bits of a lane, as the helpers take and give them. */
export const laneOf = (p: Precision, v: V128, lane: number): I32 | I64 => (p === 'f32' ? i32x4.extract(v, lane) : i64x2.extract(v, lane));
export const replaceLane = (p: Precision, v: V128, lane: number, bits: I32 | I64): V128 =>
  p === 'f32' ? i32x4.replace(v, lane, bits as I32) : i64x2.replace(v, lane, bits as I64);

/** Calls a floating-point helper whose result has the width of `p`. */
export function compute(s: Stage, p: Precision, name: string, ...args: (I32 | I64)[]): I32 | I64 {
  return p === 'f32' ? s.f.let(s.helper(name, ...args)) : s.f.let(s.helper64(name, ...args));
}

/**
 * Runs a computation on the helpers, which collect exceptions, and raises what is not masked before anything but
 * MXCSR's flags has changed (SDM vol. 1, 11.5): #XM, or #UD where the system doesn't take #XM.
 */
export function withExceptions<T>(s: Stage, work: (mxcsr: I32) => T): T {
  const mxcsr = s.f.let(i32.load(i32.const(MXCSR)));
  s.f.store('i32', i32.const(FLOAT_FLAGS), 0, i32.const(0));
  const result = work(mxcsr);
  const raised = s.f.let(s.helper('sse_exceptions', mxcsr));
  s.f.if(raised, () => {
    s.setState('u32', MXCSR, i64.extendI32U(i32.or(mxcsr, raised)));
    const open = s.f.let(i32.and(raised, i32.xor(i32.shrU(mxcsr, i32.const(MASKS)), i32.const(-1))));
    const taken = s.f.let(i32.and(i32.load(i32.const(CR4)), i32.const(OSXMMEXCPT)));
    s.faultIf(i32.and(i32.eqz(i32.eqz(open)), i32.eqz(i32.eqz(taken))), SIMD_EXCEPTION);
    s.faultIf(i32.and(i32.eqz(i32.eqz(open)), i32.eqz(taken)), UNDEFINED_OPCODE);
  });
  return result;
}

export type Lane = (s: Stage, p: Precision, a: I32 | I64, b: I32 | I64, mxcsr: I32) => I32 | I64;

/** A helper of two operands. */
export const binary =
  (operation: string): Lane =>
  (s, p, a, b, mxcsr) =>
    compute(s, p, `${p}_${operation}`, a, b, mxcsr);

/** A helper of the source alone. */
export const ofSource =
  (operation: string): Lane =>
  (s, p, _, b, mxcsr) =>
    compute(s, p, `${p}_${operation}`, b, mxcsr);

/** ADDPS and the like: every lane. */
export const packedFloat =
  (p: Precision, lane: Lane): Meaning =>
  (s, to, from) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(to!, everyLane(s, p, a, b, lane));
  };

export function everyLane(s: Stage, p: Precision, a: V128, b: V128, lane: Lane): V128 {
  return withExceptions(s, (mxcsr) => {
    let result = a;
    for (let i = 0; i < lanesOf(p); i++) result = s.f.let(replaceLane(p, result, i, lane(s, p, laneOf(p, a, i), laneOf(p, b, i), mxcsr)));
    return result;
  });
}

/** ADDSS and the like: the low lane; the others stay. */
export const scalarFloat =
  (p: Precision, lane: Lane): Meaning =>
  (s, to, from) => {
    const b = unaligned(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(
      to!,
      replaceLane(
        p,
        a,
        0,
        withExceptions(s, (mxcsr) => lane(s, p, laneOf(p, a, 0), laneOf(p, b, 0), mxcsr)),
      ),
    );
  };
