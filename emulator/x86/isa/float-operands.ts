import { f32, f64, i32, i64, type F32, type F64, type I32, type I64, type V128 } from '../../wasm/expr';
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

/** Rounding to nearest, nothing flushed, all masked, and PE set already: only rarer flags could change. */
const PLAIN_MODES = 0xffe0;
const PLAIN = 0x1fa0;
const MIN_NORMAL = { f32: 2 ** -126, f64: 2 ** -1022 } as const;
const MAX = { f32: (2 - 2 ** -23) * 2 ** 127, f64: Number.MAX_VALUE } as const;

type Native = 'add' | 'sub' | 'mul' | 'div';

/**
 * The same through WebAssembly's own arithmetic where that is exact: operands are normal numbers or zeros, and so is
 * the result (a zero only of a sum), so that nothing but PE can be raised.
 */
export const quick =
  (operation: string, native: Native): Lane =>
  (s, p, a, b, mxcsr) => {
    const { f } = s;
    const result = f.local(a.type);
    const plain = i32.eq(i32.and(mxcsr, i32.const(PLAIN_MODES)), i32.const(PLAIN));
    const sum = native === 'add' || native === 'sub';
    const [value, usual] = p === 'f32' ? native32(s, native, a as I32, b as I32, sum) : native64(s, native, a as I64, b as I64, sum);
    f.set(result, value);
    f.if(i32.eqz(i32.and(plain, usual)), () => f.set(result, binary(operation)(s, p, a, b, mxcsr)));
    return f.get(result);
  };

function native64(s: Stage, native: Native, a: I64, b: I64, sum: boolean): [I64, I32] {
  const normal = (x: F64) => i32.and(f64.ge(f64.abs(x), f64.const(MIN_NORMAL.f64)), f64.le(f64.abs(x), f64.const(MAX.f64)));
  const zero = (x: F64) => f64.eq(x, f64.const(0));
  const [x, y] = [s.f.let(f64.reinterpret(a)), s.f.let(f64.reinterpret(b))];
  const r = s.f.let(f64[native](x, y));
  const operands = i32.and(i32.or(normal(x), zero(x)), i32.or(normal(y), zero(y)));
  return [i64.reinterpret(r), i32.and(operands, sum ? i32.or(normal(r), zero(r)) : normal(r))];
}

function native32(s: Stage, native: Native, a: I32, b: I32, sum: boolean): [I32, I32] {
  const normal = (x: F32) => i32.and(f32.ge(f32.abs(x), f32.const(MIN_NORMAL.f32)), f32.le(f32.abs(x), f32.const(MAX.f32)));
  const zero = (x: F32) => f32.eq(x, f32.const(0));
  const [x, y] = [s.f.let(f32.reinterpret(a)), s.f.let(f32.reinterpret(b))];
  const r = s.f.let(f32[native](x, y));
  const operands = i32.and(i32.or(normal(x), zero(x)), i32.or(normal(y), zero(y)));
  return [i32.reinterpret(r), i32.and(operands, sum ? i32.or(normal(r), zero(r)) : normal(r))];
}
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
