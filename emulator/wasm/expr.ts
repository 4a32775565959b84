import { signed32, signed64, unsigned, type Sink } from './sink';

/** Value types of WebAssembly. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';
export const valueTypeCode: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** What constants have at compile time, signed. */
type Value<T extends ValueType> = T extends 'i64' ? bigint : number;

/**
 * A typed expression: its arguments in order, then its own instruction: bytes, and an unsigned LEB128 where it ends with one.
 * Constants keep their value, so that operations on them are folded. An expression never changes, and may be used anywhere.
 */
export class Expr<T extends ValueType = ValueType> {
  constructor(
    readonly type: T,
    readonly args: readonly Expr[],
    readonly code: readonly number[],
    readonly immediate?: number,
    readonly value?: Value<T>,
    /** Of an integer: its bits from this one on are known to be 0. */
    readonly bits = 64,
    /** It is a local that does not change any more. */
    readonly held = false,
  ) {}

  write(sink: Sink): void {
    const { args, code, immediate } = this;
    for (let i = 0; i < args.length; i++) args[i]!.write(sink);
    for (let i = 0; i < code.length; i++) sink.byte(code[i]!);
    if (immediate !== undefined) sink.u32(immediate);
  }
}
export type I32 = Expr<'i32'>;
export type I64 = Expr<'i64'>;
export type F32 = Expr<'f32'>;
export type F64 = Expr<'f64'>;
export type V128 = Expr<'v128'>;

const NONE: readonly Expr[] = [];
const WRAP = [0xa7];
const EXTEND = [0xad];
const SELECT = [0x1b];

/** Constants from -1 on that are made once. */
const FEW = 256;
const few32: I32[] = [];
const few64: I64[] = [];

const make32 = (value: number): I32 => new Expr('i32', NONE, signed32([0x41], value), undefined, value);
export function i32c(value: number): I32 {
  const wrapped = value | 0;
  return wrapped >= -1 && wrapped < FEW ? (few32[wrapped + 1] ??= make32(wrapped)) : make32(wrapped);
}

const bitsOf = (value: bigint): number => (value < 0n ? 64 : value <= 0xffffffffn ? 32 - Math.clz32(Number(value)) : 63);
const make64 = (value: bigint): I64 => new Expr('i64', NONE, signed64([0x42], value), undefined, value, bitsOf(value));
export function i64c(value: bigint | number): I64 {
  if (value >= -1 && value < FEW) {
    const small = Number(value);
    return (few64[small + 1] ??= make64(BigInt(small)));
  }
  return make64(BigInt.asIntN(64, BigInt(value)));
}
export const f32c = (value: number): F32 => new Expr('f32', NONE, [0x43, ...new Uint8Array(new Float32Array([value]).buffer)]);
export const f64c = (value: number): F64 => new Expr('f64', NONE, [0x44, ...new Uint8Array(new Float64Array([value]).buffer)]);
export const v128c = (low: bigint, high: bigint): V128 => new Expr('v128', NONE, [0xfd, 0x0c, ...new Uint8Array(new BigUint64Array([low, high]).buffer)]);

const op1 =
  <T extends ValueType, A extends ValueType>(type: T, ...code: number[]) =>
  (a: Expr<A>): Expr<T> =>
    new Expr(type, [a], code);
const op2 =
  <T extends ValueType, A extends ValueType, B extends ValueType = A>(type: T, ...code: number[]) =>
  (a: Expr<A>, b: Expr<B>): Expr<T> =>
    new Expr(type, [a, b], code);

const load =
  <T extends ValueType>(type: T, align: number, bits: number, ...opcode: number[]) =>
  (address: I32, offset = 0): Expr<T> => {
    const known = address.value;
    const code = [...opcode, align];
    // A constant address goes into the offset field, where it costs nothing.
    if (known !== undefined && known >= 0) return new Expr(type, [i32c(0)], code, known + offset, undefined, bits);
    return new Expr(type, [address], code, offset, undefined, bits);
  };

type Integral = 'i32' | 'i64';
type Two<T extends Integral> = (a: Expr<T>, b: Expr<T>) => Expr<T>;

/** How an operation is done where both operands are known. */
type Folds<N> = Readonly<Record<'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shrS' | 'shrU', (a: N, b: N) => N>>;
const FOLDS_32: Folds<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shrS: (a, b) => a >> b,
  shrU: (a, b) => a >>> b,
};
const FOLDS_64: Folds<bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 63n),
  shrS: (a, b) => a >> (b & 63n),
  shrU: (a, b) => BigInt.asUintN(64, a) >> (b & 63n),
};

/** Bits that a result may have, by those that the operands may have. */
const BITS = {
  add: (a: number, b: number) => Math.min(64, Math.max(a, b) + 1),
  mul: (a: number, b: number) => Math.min(64, a + b),
  and: (a: number, b: number) => Math.min(a, b),
  either: (a: number, b: number) => Math.max(a, b),
};
/** Whether an i64 is a constant of the lowest bits only. */
const isMask = ({ value }: I64): boolean => value !== undefined && (value & (value + 1n)) === 0n;

/** One width of integers. */
interface Width<T extends Integral> {
  readonly type: T;
  readonly constant: (value: Value<T>) => Expr<T>;
  readonly folds: Folds<Value<T>>;
  readonly zero: Value<T>;
  readonly one: Value<T>;
  readonly ones: Value<T>;
}
const WIDTH_32: Width<'i32'> = { type: 'i32', constant: i32c, folds: FOLDS_32, zero: 0, one: 1, ones: -1 };
const WIDTH_64: Width<'i64'> = { type: 'i64', constant: i64c, folds: FOLDS_64, zero: 0n, one: 1n, ones: -1n };

const integer = <T extends Integral>({ type, constant, folds, zero, one, ones }: Width<T>, base: { cmp: number; arith: number; extend: number }) => {
  const cmp = (index: number) => op2<'i32', T>('i32', base.cmp + index);
  /** Whether two values are the same, or are not. */
  const same = (index: number, holds: boolean) => {
    const compare = cmp(index);
    return (a: Expr<T>, b: Expr<T>): I32 => (a.value !== undefined && b.value !== undefined ? i32c(Number((a.value === b.value) === holds)) : compare(a, b));
  };
  const isZero = op1<'i32', T>('i32', base.cmp);
  const plain = (index: number) => op2<T, T>(type, base.arith + index);
  /** `left` and `right` are operands that change nothing. */
  const arith = (
    index: number,
    fold: (a: Value<T>, b: Value<T>) => Value<T>,
    { left, right }: { readonly left?: Value<T>; readonly right?: Value<T> },
    bits?: (a: number, b: number) => number,
  ): Two<T> => {
    const code = [base.arith + index];
    return (a, b) => {
      const x: Value<T> | undefined = a.value;
      const y: Value<T> | undefined = b.value;
      if (y !== undefined) {
        if (x !== undefined) return constant(fold(x, y));
        if (y === right) return a;
      } else if (x !== undefined && x === left) return b;
      return new Expr(type, [a, b], code, undefined, undefined, bits?.(a.bits, b.bits));
    };
  };
  return {
    eqz: (a: Expr<T>): I32 => (a.value !== undefined ? i32c(Number(a.value === zero)) : isZero(a)),
    eq: same(1, true),
    ne: same(2, false),
    ltS: cmp(3),
    ltU: cmp(4),
    gtS: cmp(5),
    gtU: cmp(6),
    leS: cmp(7),
    leU: cmp(8),
    geS: cmp(9),
    geU: cmp(10),
    clz: op1<T, T>(type, base.arith),
    ctz: op1<T, T>(type, base.arith + 1),
    popcnt: op1<T, T>(type, base.arith + 2),
    add: arith(3, folds.add, { left: zero, right: zero }, BITS.add),
    sub: arith(4, folds.sub, { right: zero }),
    mul: arith(5, folds.mul, { left: one, right: one }, BITS.mul),
    divS: plain(6),
    divU: plain(7),
    remS: plain(8),
    remU: plain(9),
    and: arith(10, folds.and, { left: ones, right: ones }, BITS.and),
    or: arith(11, folds.or, { left: zero, right: zero }, BITS.either),
    xor: arith(12, folds.xor, { left: zero, right: zero }, BITS.either),
    shl: arith(13, folds.shl, { right: zero }),
    shrS: arith(14, folds.shrS, { right: zero }),
    shrU: arith(15, folds.shrU, { right: zero }),
    rotl: plain(16),
    rotr: plain(17),
    extend8S: op1<T, T>(type, base.extend),
    extend16S: op1<T, T>(type, base.extend + 1),
  };
};

/** Operations that integers of both widths have. */
export type Integer<T extends 'i32' | 'i64'> = ReturnType<typeof integer<T>> & { readonly const: (value: number) => Expr<T> };

export const i32 = {
  ...integer(WIDTH_32, { cmp: 0x45, arith: 0x67, extend: 0xc0 }),
  const: i32c,
  wrap: (a: I64): I32 => (a.value !== undefined ? i32c(Number(BigInt.asIntN(32, a.value))) : new Expr('i32', [a], WRAP)),
  load: load('i32', 2, 64, 0x28),
  load8S: load('i32', 0, 64, 0x2c),
  load8U: load('i32', 0, 8, 0x2d),
  load16S: load('i32', 1, 64, 0x2e),
  load16U: load('i32', 1, 16, 0x2f),
  reinterpret: op1<'i32', 'f32'>('i32', 0xbc),
  truncSatF32S: op1<'i32', 'f32'>('i32', 0xfc, 0),
  truncSatF64S: op1<'i32', 'f64'>('i32', 0xfc, 2),
};

const plain64 = integer(WIDTH_64, { cmp: 0x50, arith: 0x79, extend: 0xc2 });
export const i64 = {
  ...plain64,
  const: i64c,
  and: (a: I64, b: I64): I64 => {
    // Zero-extending what is.
    if (a.bits <= b.bits && isMask(b)) return a;
    return plain64.and(a, b);
  },
  shl: (a: I64, b: I64): I64 => {
    const shifted = plain64.shl(a, b);
    if (shifted === a || shifted.value !== undefined || b.value === undefined) return shifted;
    return new Expr('i64', shifted.args, shifted.code, undefined, undefined, Math.min(64, a.bits + Number(b.value & 63n)));
  },
  extend32S: op1<'i64', 'i64'>('i64', 0xc4),
  extendI32S: (a: I32): I64 => (a.value !== undefined ? i64c(a.value) : new Expr('i64', [a], [0xac])),
  extendI32U: (a: I32): I64 => (a.value !== undefined ? i64c(a.value >>> 0) : new Expr('i64', [a], EXTEND, undefined, undefined, Math.min(32, a.bits))),
  load: load('i64', 3, 64, 0x29),
  load8S: load('i64', 0, 64, 0x30),
  load8U: load('i64', 0, 8, 0x31),
  load16S: load('i64', 1, 64, 0x32),
  load16U: load('i64', 1, 16, 0x33),
  load32S: load('i64', 2, 64, 0x34),
  load32U: load('i64', 2, 32, 0x35),
  reinterpret: op1<'i64', 'f64'>('i64', 0xbd),
  truncSatF32S: op1<'i64', 'f32'>('i64', 0xfc, 4),
  truncSatF64S: op1<'i64', 'f64'>('i64', 0xfc, 6),
};

const float = <T extends 'f32' | 'f64'>(type: T, cmp: number, unary: number, arith: number) => ({
  eq: op2<'i32', T>('i32', cmp),
  ne: op2<'i32', T>('i32', cmp + 1),
  lt: op2<'i32', T>('i32', cmp + 2),
  gt: op2<'i32', T>('i32', cmp + 3),
  le: op2<'i32', T>('i32', cmp + 4),
  ge: op2<'i32', T>('i32', cmp + 5),
  abs: op1<T, T>(type, unary),
  neg: op1<T, T>(type, unary + 1),
  ceil: op1<T, T>(type, unary + 2),
  floor: op1<T, T>(type, unary + 3),
  trunc: op1<T, T>(type, unary + 4),
  nearest: op1<T, T>(type, unary + 5),
  sqrt: op1<T, T>(type, unary + 6),
  add: op2<T, T>(type, arith),
  sub: op2<T, T>(type, arith + 1),
  mul: op2<T, T>(type, arith + 2),
  div: op2<T, T>(type, arith + 3),
});
export const f32 = {
  ...float('f32', 0x5b, 0x8b, 0x92),
  const: f32c,
  load: load('f32', 2, 64, 0x2a),
  demote: op1<'f32', 'f64'>('f32', 0xb6),
  convertI32S: op1<'f32', 'i32'>('f32', 0xb2),
  convertI64S: op1<'f32', 'i64'>('f32', 0xb4),
  reinterpret: op1<'f32', 'i32'>('f32', 0xbe),
};
export const f64 = {
  ...float('f64', 0x61, 0x99, 0xa0),
  const: f64c,
  load: load('f64', 3, 64, 0x2b),
  promote: op1<'f64', 'f32'>('f64', 0xbb),
  convertI64S: op1<'f64', 'i64'>('f64', 0xb9),
  convertI32S: op1<'f64', 'i32'>('f64', 0xb7),
  reinterpret: op1<'f64', 'i64'>('f64', 0xbf),
};

/** `select`: `a` where the condition is not zero, else `b`. Both are evaluated. */
export const select = <T extends ValueType>(condition: I32, a: Expr<T>, b: Expr<T>): Expr<T> =>
  condition.value !== undefined
    ? condition.value !== 0
      ? a
      : b
    : new Expr(a.type, [a, b, condition], a.type === 'v128' ? [0x1c, 1, valueTypeCode.v128] : SELECT, undefined, undefined, Math.max(a.bits, b.bits));

const simd = (code: number, ...rest: number[]) => [...unsigned([0xfd], code), ...rest];
/** SIMD operations by their binary opcode (WebAssembly core, appendix "Index of Instructions"). */
export const v128 = {
  const: v128c,
  load: load('v128', 4, 64, 0xfd, 0x00),
  load32Zero: load('v128', 2, 64, 0xfd, 0x5c),
  load64Zero: load('v128', 3, 64, 0xfd, 0x5d),
  unary:
    (code: number) =>
    (a: V128): V128 =>
      new Expr('v128', [a], simd(code)),
  binary:
    (code: number) =>
    (a: V128, b: V128): V128 =>
      new Expr('v128', [a, b], simd(code)),
  ternary:
    (code: number) =>
    (a: V128, b: V128, c: V128): V128 =>
      new Expr('v128', [a, b, c], simd(code)),
  /** Vector shifted by a scalar count. */
  shift:
    (code: number) =>
    (a: V128, n: I32): V128 =>
      new Expr('v128', [a, n], simd(code)),
  /** Vector to a scalar i32: any_true, all_true, bitmask. */
  test:
    (code: number) =>
    (a: V128): I32 =>
      new Expr('i32', [a], simd(code)),
  shuffle:
    (lanes: readonly number[]) =>
    (a: V128, b: V128): V128 =>
      new Expr('v128', [a, b], simd(13, ...lanes)),
  splat:
    <T extends ValueType>(code: number) =>
    (a: Expr<T>): V128 =>
      new Expr('v128', [a], simd(code)),
  extract:
    <T extends ValueType>(type: T, code: number) =>
    (a: V128, lane: number): Expr<T> =>
      new Expr(type, [a], simd(code, lane)),
  replace:
    <T extends ValueType>(code: number) =>
    (a: V128, lane: number, b: Expr<T>): V128 =>
      new Expr('v128', [a, b], simd(code, lane)),
};
