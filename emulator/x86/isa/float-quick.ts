import { f32, f64, i32, i64, i64c, type F32, type F64, type I32, type I64, type V128 } from '../../wasm/expr';
import { bits128, f32x4, f64x2, i32x4, i64x2 } from '../../wasm/simd';
import type { Meaning } from '../definition';
import { MXCSR } from '../layout';
import type { Operand, Stage, Usual } from '../stage';
import { binary, everyLane, laneOf, replaceLane, withExceptions, type Precision } from './float-operands';
import { source, unaligned } from './vector-operands';

/**
 * Floating point through WebAssembly's own arithmetic, where that gives the same to the last bit and raises nothing but
 * PE, which is set already: operands are normal numbers or zeros, and so is the result.
 */
export type Native = 'add' | 'sub' | 'mul' | 'div';

/** MXCSR: rounding to nearest, nothing flushed, all masked, and PE set: only rarer flags could change. */
const PLAIN_MODES = 0xffe0;
const PLAIN = 0x1fa0;
const plain = (s: Stage): I32 => i32.eq(i32.and(i32.wrap(s.getState('u32', MXCSR)), i32.const(PLAIN_MODES)), i32.const(PLAIN));

const MIN_NORMAL = { f32: 2 ** -126, f64: 2 ** -1022 } as const;
const MAX = { f32: (2 - 2 ** -23) * 2 ** 127, f64: Number.MAX_VALUE } as const;

/** The bits of a number without its sign, at the top. */
const magnitude = (p: Precision, bits: I32 | I64): I64 => (p === 'f64' ? i64.shl(bits as I64, i64c(1)) : i64.shl(i64.extendI32U(bits as I32), i64c(33)));
/** The least normal number as such a magnitude, and how many there are. */
const LEAST = { f32: 1n << 56n, f64: 1n << 53n } as const;
const NORMALS = { f32: 0xfen << 56n, f64: 0x7fen << 53n } as const;
const INFINITE = { f32: 0xffn << 56n, f64: 0x7ffn << 53n } as const;

const isNormal = (p: Precision, t: I64): I32 => i64.ltU(i64.sub(t, i64c(LEAST[p])), i64c(NORMALS[p]));
const noDenormal = (p: Precision, t: I64): I32 => i64.geU(i64.sub(t, i64c(1)), i64c(LEAST[p] - 1n));

const NUMBER = { f32: 'f32 number', f64: 'f64 number' } as const;
const NUMBERS = { f32: 'f32 numbers', f64: 'f64 numbers' } as const;

const plainUnlessKnown = (s: Stage): Usual => (s.known('plain', MXCSR) ? undefined : plain(s));

/** A lane's value and its bits: the value stays in a floating-point register, the bits are for looking at it. */
function lowLane(s: Stage, p: Precision, v: V128): { value: F32 | F64; magnitude: I64 } {
  if (p === 'f64') {
    const value = s.f.let(f64x2.extract(v, 0));
    return { value, magnitude: s.f.let(magnitude(p, i64.reinterpret(value))) };
  }
  const value = s.f.let(f32x4.extract(v, 0));
  return { value, magnitude: s.f.let(magnitude(p, i32.reinterpret(value))) };
}

const calculate = (p: Precision, operation: Native, a: F32 | F64, b: F32 | F64): F32 | F64 =>
  p === 'f64' ? f64[operation](a as F64, b as F64) : f32[operation](a as F32, b as F32);

/** ADDSD and the like. A zero is exact if it is a sum, or if a factor or the dividend is one. */
export const scalarQuick =
  (p: Precision, operation: Native): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const vector = unaligned(s, from!);
    const old = f.let(s.readVector(to!));
    const [a, b] = [lowLane(s, p, old), lowLane(s, p, vector)];
    const result = f.local('v128');
    const value = f.let(calculate(p, operation, a.value, b.value));
    f.set(result, p === 'f64' ? f64x2.replace(old, 0, value as F64) : f32x4.replace(old, 0, value as F32));
    const r = f.let(magnitude(p, p === 'f64' ? i64.reinterpret(value as F64) : i32.reinterpret(value as F32)));
    const zero = i64.eqz(r);
    const factor = operation === 'mul' ? i32.or(i64.eqz(a.magnitude), i64.eqz(b.magnitude)) : i64.eqz(a.magnitude);
    const exactZero = operation === 'add' || operation === 'sub' ? zero : i32.and(zero, factor);
    const number = (o: Operand, { magnitude: t }: { magnitude: I64 }) => (s.known(NUMBER[p], o) ? undefined : noDenormal(p, t));
    s.usually([plainUnlessKnown(s), number(to!, a), number(from!, b), [isNormal(p, r), exactZero]], () =>
      f.set(
        result,
        replaceLane(
          p,
          old,
          0,
          withExceptions(s, (mxcsr) => binary(operation)(s, p, laneOf(p, old, 0), laneOf(p, vector, 0), mxcsr)),
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
    const [za, zb] = [f.let(zero(a)), f.let(zero(b))];
    const factor = operation === 'mul' ? bits128.or(za, zb) : za;
    const r = f.get(result);
    const exactZero = operation === 'add' || operation === 'sub' ? zero(r) : bits128.and(zero(r), factor);
    const numbers = (o: Operand, x: V128, z: V128): V128[] => (s.known(NUMBERS[p], o) ? [] : [bits128.or(normal(x), z)]);
    const usual = [...numbers(to!, a, za), ...numbers(from!, b, zb)].reduce(bits128.and, bits128.or(normal(r), exactZero));
    const all = p === 'f32' ? i32x4.allTrue(usual) : i64x2.allTrue(usual);
    s.usually([plainUnlessKnown(s), all], () => f.set(result, everyLane(s, p, a, b, binary(operation))));
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
