import { f32, f64, i32, i64, i64c, type I32, type I64, type V128 } from '../../wasm/expr';
import { bits128, f32x4, f64x2, i32x4, i64x2 } from '../../wasm/simd';
import type { Meaning } from '../definition';
import { FLOAT_CONSTANTS, FLOAT_CONSTANTS_F64, FLOAT_GREATEST, FLOAT_LEAST, FLOAT_MAGNITUDE, MXCSR } from '../layout';
import type { Operand, Stage, Usual } from '../stage';
import { binary, everyLane, laneOf, replaceLane, withExceptions, type Precision } from './float-operands';
import { source, unaligned } from './vector-operands';

/**
 * Floating point through WebAssembly's own arithmetic, where that gives the same to the last bit and raises nothing but
 * PE, which is set already: operands are normal numbers or zeros, and so is the result. The least normal number is none of these results:
 * what is rounded up to it may have been tiny, which raises UE (SDM vol. 1, 4.9.1.5: tininess is found after rounding to unlimited exponents).
 */
export type Native = 'add' | 'sub' | 'mul' | 'div';

/** MXCSR: rounding to nearest, nothing flushed, all masked, and PE set: only rarer flags could change. */
const PLAIN_MODES = 0xffe0;
const PLAIN = 0x1fa0;
const plain = (s: Stage): Usual => {
  const mxcsr = i32.wrap(s.getState('u32', MXCSR));
  return [i32.eq(mxcsr, i32.const(PLAIN)), i32.eq(i32.and(mxcsr, i32.const(PLAIN_MODES)), i32.const(PLAIN))];
};

const MIN_NORMAL = { f32: 2 ** -126, f64: 2 ** -1022 } as const;
const MAX = { f32: (2 - 2 ** -23) * 2 ** 127, f64: Number.MAX_VALUE } as const;

/** The bits of a number without its sign, at the top. */
const magnitude = (p: Precision, bits: I32 | I64): I64 => (p === 'f64' ? i64.shl(bits as I64, i64c(1)) : i64.shl(i64.extendI32U(bits as I32), i64c(33)));
/** The least normal number as such a magnitude, and how many there are. */
const LEAST = { f32: 1n << 56n, f64: 1n << 53n } as const;
const NORMALS = { f32: 0xfen << 56n, f64: 0x7fen << 53n } as const;
const INFINITE = { f32: 0xffn << 56n, f64: 0x7ffn << 53n } as const;

const isAboveLeast = (p: Precision, t: I64): I32 => i64.ltU(i64.sub(t, i64c(LEAST[p] + 1n)), i64c(NORMALS[p] - 1n));
const noDenormal = (p: Precision, t: I64): I32 => i64.geU(i64.sub(t, i64c(1)), i64c(LEAST[p] - 1n));

const NUMBER = { f32: 'f32 number', f64: 'f64 number' } as const;
const NUMBERS = { f32: 'f32 numbers', f64: 'f64 numbers' } as const;

const plainUnlessKnown = (s: Stage): Usual => (s.known('plain', MXCSR) ? undefined : plain(s));

/**
 * Whether a result is a normal number above the least and its operands are not denormal, in the low lane or in all of them. Zeros are not let
 * through here, as they have to be looked at more closely: this costs least where there are none.
 */
function allNormal(s: Stage, p: Precision, scalar: boolean, result: V128, operands: readonly V128[]): I32 {
  const lanes = p === 'f32' ? f32x4 : f64x2;
  const constants = FLOAT_CONSTANTS + (p === 'f64' ? FLOAT_CONSTANTS_F64 : 0);
  const size = (x: V128): V128 => bits128.and(x, s.constant(constants + FLOAT_MAGNITUDE));
  const own = s.f.let(size(result));
  // A NaN that a minimum loses comes out in the result.
  const least = operands.reduce((least, operand) => lanes.pmin(least, size(operand)), own);
  const good = bits128.and(lanes.ge(least, s.constant(constants + FLOAT_LEAST)), lanes.le(own, s.constant(constants + FLOAT_GREATEST)));
  const mask = p === 'f32' ? i32x4.bitmask(good) : i64x2.bitmask(good);
  return scalar ? i32.and(mask, i32.const(1)) : i32.eq(mask, i32.const(p === 'f32' ? 15 : 3));
}

/** The low lane's bits without the sign, at the top. */
const lowMagnitude = (p: Precision, v: V128): I64 => magnitude(p, p === 'f64' ? i64x2.extract(v, 0) : i32x4.extract(v, 0));

function calculateLow(p: Precision, operation: Native, a: V128, b: V128): V128 {
  if (p === 'f64') return f64x2.replace(a, 0, f64[operation](f64x2.extract(a, 0), f64x2.extract(b, 0)));
  return f32x4.replace(a, 0, f32[operation](f32x4.extract(a, 0), f32x4.extract(b, 0)));
}

/** ADDSD and the like. A zero is exact if it is a sum, or if a factor or the dividend is one. */
export const scalarQuick =
  (p: Precision, operation: Native): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const b = unaligned(s, from!);
    const a = f.let(s.readVector(to!));
    const result = f.local('v128');
    f.set(result, calculateLow(p, operation, a, b));
    const [ta, tb, tr] = [a, b, f.get(result)].map((v) => lowMagnitude(p, v)) as [I64, I64, I64];
    const factor = operation === 'mul' ? i32.or(i64.eqz(ta), i64.eqz(tb)) : i64.eqz(ta);
    const exactZero = operation === 'add' || operation === 'sub' ? i64.eqz(tr) : i32.and(i64.eqz(tr), factor);
    const unknown = (
      [
        [to!, a, ta],
        [from!, b, tb],
      ] as const
    ).filter(([o]) => !s.known(NUMBER[p], o));
    const quick = allNormal(
      s,
      p,
      true,
      f.get(result),
      unknown.map(([, v]) => v),
    );
    const exact = unknown.reduce((all, [, , t]) => i32.and(all, noDenormal(p, t)), i32.or(isAboveLeast(p, tr), exactZero));
    s.usually([plainUnlessKnown(s), [quick, exact]], () =>
      f.set(
        result,
        replaceLane(
          p,
          a,
          0,
          withExceptions(s, (mxcsr) => binary(operation)(s, p, laneOf(p, a, 0), laneOf(p, b, 0), mxcsr)),
        ),
      ),
    );
    s.learn('plain', MXCSR);
    s.learn(NUMBER[p], from!);
    s.writeVector(to!, f.get(result));
    s.learn(NUMBER[p], to!);
  };

/** ADDPD and the like: all lanes at once. */
export const packedQuick =
  (p: Precision, operation: Native): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const lanes = p === 'f32' ? f32x4 : f64x2;
    const b = source(s, from!);
    const a = f.let(s.readVector(to!));
    const result = f.local('v128');
    f.set(result, lanes[operation](a, b));
    const zero = (x: V128) => lanes.eq(x, lanes.const(0));
    const normal = (x: V128) => bits128.and(lanes.ge(lanes.abs(x), lanes.const(MIN_NORMAL[p])), lanes.le(lanes.abs(x), lanes.const(MAX[p])));
    const least = (x: V128) => lanes.eq(lanes.abs(x), lanes.const(MIN_NORMAL[p]));
    const factor = operation === 'mul' ? bits128.or(zero(a), zero(b)) : zero(a);
    const r = f.get(result);
    const exactZero = operation === 'add' || operation === 'sub' ? zero(r) : bits128.and(zero(r), factor);
    const unknown = (
      [
        [to!, a],
        [from!, b],
      ] as const
    )
      .filter(([o]) => !s.known(NUMBERS[p], o))
      .map(([, v]) => v);
    const quick = allNormal(s, p, false, r, unknown);
    const usual = unknown.map((x) => bits128.or(normal(x), zero(x))).reduce(bits128.and, bits128.or(bits128.andnot(normal(r), least(r)), exactZero));
    const exact = p === 'f32' ? i32x4.allTrue(usual) : i64x2.allTrue(usual);
    s.usually([plainUnlessKnown(s), [quick, exact]], () => f.set(result, everyLane(s, p, a, b, binary(operation))));
    s.learn('plain', MXCSR);
    for (const fact of [NUMBER[p], NUMBERS[p]]) s.learn(fact, from!);
    s.writeVector(to!, f.get(result));
    for (const fact of [NUMBER[p], NUMBERS[p]]) s.learn(fact, to!);
  };

/** ZF and CF of COMISD and UCOMISD where both operands are numbers and none is denormal: nothing is raised. */
type LaneOf = readonly [o: Operand, bits: I32 | I64];
export function quickOrder(s: Stage, p: Precision, [to, a]: LaneOf, [from, b]: LaneOf): { usual: readonly Usual[]; below: I32; equal: I32 } {
  const [ta, tb] = [s.f.let(magnitude(p, a)), s.f.let(magnitude(p, b))];
  const number = (o: Operand, t: I64): Usual[] => (s.known(NUMBER[p], o) ? [] : [noDenormal(p, t), i64.leU(t, i64c(INFINITE[p]))]);
  const below = p === 'f64' ? f64.lt(f64.reinterpret(a as I64), f64.reinterpret(b as I64)) : f32.lt(f32.reinterpret(a as I32), f32.reinterpret(b as I32));
  const equal = p === 'f64' ? f64.eq(f64.reinterpret(a as I64), f64.reinterpret(b as I64)) : f32.eq(f32.reinterpret(a as I32), f32.reinterpret(b as I32));
  return { usual: [...number(to, ta), ...number(from, tb)], below, equal };
}
