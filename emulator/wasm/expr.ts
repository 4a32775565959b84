import { signed32, signed64, unsigned, type Sink } from './sink';

/** Value types of WebAssembly. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';
export const valueTypeCode: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/**
 * A typed expression: its arguments in order, then its own instruction bytes.
 * Constants keep their value, so that operations on them are folded.
 */
export class Expr<T extends ValueType = ValueType> {
  constructor(
    readonly type: T,
    readonly args: readonly Expr[],
    readonly code: readonly number[],
    readonly value?: bigint,
  ) {}

  write(sink: Sink): void {
    for (const arg of this.args) arg.write(sink);
    sink.bytes(this.code);
  }
}
export type I32 = Expr<'i32'>;
export type I64 = Expr<'i64'>;
export type F32 = Expr<'f32'>;
export type F64 = Expr<'f64'>;
export type V128 = Expr<'v128'>;

const fold32 = (value: bigint) => BigInt.asIntN(32, value);
const fold64 = (value: bigint) => BigInt.asIntN(64, value);

export const i32c = (value: number): I32 => new Expr('i32', [], signed32([0x41], value), BigInt(value | 0));
export const i64c = (value: bigint | number): I64 => new Expr('i64', [], signed64([0x42], fold64(BigInt(value))), fold64(BigInt(value)));
export const f32c = (value: number): F32 => new Expr('f32', [], [0x43, ...new Uint8Array(new Float32Array([value]).buffer)]);
export const f64c = (value: number): F64 => new Expr('f64', [], [0x44, ...new Uint8Array(new Float64Array([value]).buffer)]);
export const v128c = (low: bigint, high: bigint): V128 => new Expr('v128', [], [0xfd, 0x0c, ...new Uint8Array(new BigUint64Array([low, high]).buffer)]);

const op1 =
  <T extends ValueType, A extends ValueType>(type: T, ...code: number[]) =>
  (a: Expr<A>): Expr<T> =>
    new Expr(type, [a], code);
const op2 =
  <T extends ValueType, A extends ValueType, B extends ValueType = A>(type: T, ...code: number[]) =>
  (a: Expr<A>, b: Expr<B>): Expr<T> =>
    new Expr(type, [a, b], code);

type Fold = (a: bigint, b: bigint) => bigint;
type Simplify<T extends ValueType> = (a: Expr<T>, b: Expr<T>) => Expr<T> | undefined;

const arithmetic = <T extends 'i32' | 'i64'>(type: T, code: number, fold: Fold, simplify?: Simplify<T>) => {
  const wrap = type === 'i32' ? fold32 : fold64;
  const constant = (type === 'i32' ? (v: bigint) => i32c(Number(v)) : i64c) as (v: bigint) => Expr<T>;
  return (a: Expr<T>, b: Expr<T>): Expr<T> => {
    if (a.value !== undefined && b.value !== undefined) return constant(wrap(fold(a.value, b.value)));
    return simplify?.(a, b) ?? new Expr(type, [a, b], [code]);
  };
};
const isConst = (e: Expr, value: bigint) => e.value === value;
const neutral =
  (identity: bigint) =>
  <T extends ValueType>(a: Expr<T>, b: Expr<T>): Expr<T> | undefined =>
    isConst(b, identity) ? a : isConst(a, identity) ? b : undefined;
const neutralRight =
  (identity: bigint) =>
  <T extends ValueType>(a: Expr<T>, b: Expr<T>): Expr<T> | undefined =>
    isConst(b, identity) ? a : undefined;

const memarg = (align: number, offset: number) => unsigned(unsigned([], align), offset);
const load =
  <T extends ValueType>(type: T, align: number, ...code: number[]) =>
  (address: I32, offset = 0): Expr<T> => {
    // A constant address goes into the offset field, where it costs nothing.
    if (address.value !== undefined && address.value >= 0n) return new Expr(type, [i32c(0)], [...code, ...memarg(align, Number(address.value) + offset)]);
    return new Expr(type, [address], [...code, ...memarg(align, offset)]);
  };

const count = (width: bigint) => (b: bigint) => b & (width - 1n);
const integer = <T extends 'i32' | 'i64'>(type: T, base: { cmp: number; arith: number; extend: number }) => {
  const width = type === 'i32' ? 32n : 64n;
  const unsigned = (v: bigint) => BigInt.asUintN(Number(width), v);
  const mod = count(width);
  const cmp = (index: number) => op2<'i32', T>('i32', base.cmp + index);
  const arith = (index: number, fold: Fold, simplify?: Simplify<T>) => arithmetic(type, base.arith + index, fold, simplify);
  const plain = (index: number) => op2<T, T>(type, base.arith + index);
  return {
    eqz: op1<'i32', T>('i32', base.cmp),
    eq: cmp(1),
    ne: cmp(2),
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
    add: arith(3, (a, b) => a + b, neutral(0n)),
    sub: arith(4, (a, b) => a - b, neutralRight(0n)),
    mul: arith(5, (a, b) => a * b, neutral(1n)),
    divS: plain(6),
    divU: plain(7),
    remS: plain(8),
    remU: plain(9),
    and: arith(10, (a, b) => a & b, neutral(-1n)),
    or: arith(11, (a, b) => a | b, neutral(0n)),
    xor: arith(12, (a, b) => a ^ b, neutral(0n)),
    shl: arith(13, (a, b) => a << mod(b), neutralRight(0n)),
    shrS: arith(14, (a, b) => a >> mod(b), neutralRight(0n)),
    shrU: arith(15, (a, b) => unsigned(a) >> mod(b), neutralRight(0n)),
    rotl: plain(16),
    rotr: plain(17),
    extend8S: op1<T, T>(type, base.extend),
    extend16S: op1<T, T>(type, base.extend + 1),
  };
};

/** Operations that integers of both widths have. */
export type Integer<T extends 'i32' | 'i64'> = ReturnType<typeof integer<T>> & { readonly const: (value: number) => Expr<T> };

export const i32 = {
  ...integer('i32', { cmp: 0x45, arith: 0x67, extend: 0xc0 }),
  const: i32c,
  wrap: (a: I64): I32 => (a.value !== undefined ? i32c(Number(fold32(a.value))) : new Expr('i32', [a], [0xa7])),
  load: load('i32', 2, 0x28),
  load8S: load('i32', 0, 0x2c),
  load8U: load('i32', 0, 0x2d),
  load16S: load('i32', 1, 0x2e),
  load16U: load('i32', 1, 0x2f),
  reinterpret: op1<'i32', 'f32'>('i32', 0xbc),
  truncSatF32S: op1<'i32', 'f32'>('i32', 0xfc, 0),
  truncSatF64S: op1<'i32', 'f64'>('i32', 0xfc, 2),
};
export const i64 = {
  ...integer('i64', { cmp: 0x50, arith: 0x79, extend: 0xc2 }),
  const: i64c,
  extend32S: op1<'i64', 'i64'>('i64', 0xc4),
  extendI32S: (a: I32): I64 => (a.value !== undefined ? i64c(a.value) : new Expr('i64', [a], [0xac])),
  extendI32U: (a: I32): I64 => (a.value !== undefined ? i64c(BigInt.asUintN(32, a.value)) : new Expr('i64', [a], [0xad])),
  load: load('i64', 3, 0x29),
  load8S: load('i64', 0, 0x30),
  load8U: load('i64', 0, 0x31),
  load16S: load('i64', 1, 0x32),
  load16U: load('i64', 1, 0x33),
  load32S: load('i64', 2, 0x34),
  load32U: load('i64', 2, 0x35),
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
  load: load('f32', 2, 0x2a),
  demote: op1<'f32', 'f64'>('f32', 0xb6),
  convertI32S: op1<'f32', 'i32'>('f32', 0xb2),
  convertI64S: op1<'f32', 'i64'>('f32', 0xb4),
  reinterpret: op1<'f32', 'i32'>('f32', 0xbe),
};
export const f64 = {
  ...float('f64', 0x61, 0x99, 0xa0),
  const: f64c,
  load: load('f64', 3, 0x2b),
  promote: op1<'f64', 'f32'>('f64', 0xbb),
  convertI64S: op1<'f64', 'i64'>('f64', 0xb9),
  convertI32S: op1<'f64', 'i32'>('f64', 0xb7),
  reinterpret: op1<'f64', 'i64'>('f64', 0xbf),
};

/** `select`: `a` where the condition is not zero, else `b`. Both are evaluated. */
export const select = <T extends ValueType>(condition: I32, a: Expr<T>, b: Expr<T>): Expr<T> =>
  condition.value !== undefined
    ? condition.value !== 0n
      ? a
      : b
    : new Expr(a.type, [a, b, condition], a.type === 'v128' ? [0x1c, 1, valueTypeCode.v128] : [0x1b]);

const simd = (code: number, ...rest: number[]) => [...unsigned([0xfd], code), ...rest];
/** SIMD operations by their binary opcode (WebAssembly core, appendix "Index of Instructions"). */
export const v128 = {
  const: v128c,
  load: load('v128', 4, 0xfd, 0x00),
  load32Zero: load('v128', 2, 0xfd, 0x5c),
  load64Zero: load('v128', 3, 0xfd, 0x5d),
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
