import { v128, type F32, type F64, type I64, type V128 } from './expr';

/**
 * SIMD operations by name (WebAssembly core, appendix "Index of Instructions").
 * Opcodes of one lane shape follow each other in the same order for every shape that has them.
 */
const comparisons = (base: number) => ({
  eq: v128.binary(base),
  ne: v128.binary(base + 1),
  ltS: v128.binary(base + 2),
  ltU: v128.binary(base + 3),
  gtS: v128.binary(base + 4),
  gtU: v128.binary(base + 5),
  leS: v128.binary(base + 6),
  leU: v128.binary(base + 7),
  geS: v128.binary(base + 8),
  geU: v128.binary(base + 9),
});

/** What all four integer shapes have, at 0x60 + 0x20 × log2 of the lane's bytes. */
const integers = (base: number) => ({
  abs: v128.unary(base),
  neg: v128.unary(base + 1),
  allTrue: v128.test(base + 3),
  bitmask: v128.test(base + 4),
  shl: v128.shift(base + 0xb),
  shrS: v128.shift(base + 0xc),
  shrU: v128.shift(base + 0xd),
  add: v128.binary(base + 0xe),
  sub: v128.binary(base + 0x11),
});

const saturating = (base: number) => ({
  addSatS: v128.binary(base + 0xf),
  addSatU: v128.binary(base + 0x10),
  subSatS: v128.binary(base + 0x12),
  subSatU: v128.binary(base + 0x13),
  avgrU: v128.binary(base + 0x1b),
  narrowS: v128.binary(base + 5),
  narrowU: v128.binary(base + 6),
});

const minMax = (base: number) => ({
  minS: v128.binary(base + 0x16),
  minU: v128.binary(base + 0x17),
  maxS: v128.binary(base + 0x18),
  maxU: v128.binary(base + 0x19),
});

const widening = (base: number) => ({
  extendLowS: v128.unary(base + 7),
  extendHighS: v128.unary(base + 8),
  extendLowU: v128.unary(base + 9),
  extendHighU: v128.unary(base + 0xa),
  extmulLowS: v128.binary(base + 0x1c),
  extmulHighS: v128.binary(base + 0x1d),
  extmulLowU: v128.binary(base + 0x1e),
  extmulHighU: v128.binary(base + 0x1f),
});

const bytesOf = (lane: number, values: readonly number[]): V128 => {
  const bytes = values.flatMap((v) => Array.from({ length: lane }, (_, i) => Math.floor(v / 2 ** (8 * i)) & 0xff));
  const view = new DataView(Uint8Array.from(bytes).buffer);
  return v128.const(view.getBigUint64(0, true), view.getBigUint64(8, true));
};

export const bits128 = {
  not: v128.unary(0x4d),
  and: v128.binary(0x4e),
  /** a and not b */
  andnot: v128.binary(0x4f),
  or: v128.binary(0x50),
  xor: v128.binary(0x51),
  /** Bits of `a` where the mask has ones, else of `b`. */
  select: (a: V128, b: V128, mask: V128): V128 => v128.ternary(0x52)(a, b, mask),
  anyTrue: v128.test(0x53),
  zero: v128.const(0n, 0n),
};

export const i8x16 = {
  ...integers(0x60),
  ...saturating(0x60),
  ...minMax(0x60),
  ...comparisons(0x23),
  const: (...lanes: number[]) => bytesOf(1, lanes),
  swizzle: v128.binary(0x0e),
  splat: v128.splat<'i32'>(0x0f),
  extractU: v128.extract('i32', 0x16),
  replace: v128.replace<'i32'>(0x17),
};

export const i16x8 = {
  ...integers(0x80),
  ...saturating(0x80),
  ...minMax(0x80),
  ...widening(0x80),
  ...comparisons(0x2d),
  const: (...lanes: number[]) => bytesOf(2, lanes),
  q15mulrSatS: v128.binary(0x82),
  mul: v128.binary(0x95),
  extaddPairwiseU: v128.unary(0x7d),
  splat: v128.splat<'i32'>(0x10),
  extractU: v128.extract('i32', 0x19),
  replace: v128.replace<'i32'>(0x1a),
};

export const i32x4 = {
  ...integers(0xa0),
  ...minMax(0xa0),
  ...widening(0xa0),
  ...comparisons(0x37),
  const: (...lanes: number[]) => bytesOf(4, lanes),
  mul: v128.binary(0xb5),
  dot: v128.binary(0xba),
  extaddPairwiseU: v128.unary(0x7f),
  truncSatF32S: v128.unary(0xf8),
  truncSatF64S: v128.unary(0xfc),
  splat: v128.splat<'i32'>(0x11),
  extract: v128.extract('i32', 0x1b),
  replace: v128.replace<'i32'>(0x1c),
};

export const i64x2 = {
  ...integers(0xc0),
  ...widening(0xc0),
  eq: v128.binary(0xd6),
  gtS: v128.binary(0xd9),
  splat: v128.splat<'i64'>(0x12),
  extract: v128.extract('i64', 0x1d),
  replace: v128.replace<'i64'>(0x1e),
  of: (low: I64, high: I64): V128 => v128.replace<'i64'>(0x1e)(v128.splat<'i64'>(0x12)(low), 1, high),
};

const floats = (compare: number, base: number) => ({
  eq: v128.binary(compare),
  ne: v128.binary(compare + 1),
  lt: v128.binary(compare + 2),
  gt: v128.binary(compare + 3),
  le: v128.binary(compare + 4),
  ge: v128.binary(compare + 5),
  abs: v128.unary(base),
  neg: v128.unary(base + 1),
  sqrt: v128.unary(base + 3),
  add: v128.binary(base + 4),
  sub: v128.binary(base + 5),
  mul: v128.binary(base + 6),
  div: v128.binary(base + 7),
  /** b < a ? b : a */
  pmin: v128.binary(base + 0xa),
  /** a < b ? b : a */
  pmax: v128.binary(base + 0xb),
});

export const f32x4 = {
  ...floats(0x41, 0xe0),
  ceil: v128.unary(0x67),
  floor: v128.unary(0x68),
  trunc: v128.unary(0x69),
  nearest: v128.unary(0x6a),
  demoteF64: v128.unary(0x5e),
  convertI32S: v128.unary(0xfa),
  splat: v128.splat<'f32'>(0x13),
  const: (value: number): V128 => i32x4.const(...Array<number>(4).fill(new Uint32Array(new Float32Array([value]).buffer)[0]!)),
  extract: v128.extract('f32', 0x1f),
  replace: (a: V128, lane: number, b: F32): V128 => v128.replace<'f32'>(0x20)(a, lane, b),
};

export const f64x2 = {
  ...floats(0x47, 0xec),
  ceil: v128.unary(0x74),
  floor: v128.unary(0x75),
  trunc: v128.unary(0x7a),
  nearest: v128.unary(0x94),
  promoteF32: v128.unary(0x5f),
  convertI32S: v128.unary(0xfe),
  splat: v128.splat<'f64'>(0x14),
  const: (value: number): V128 => {
    const bits = new BigUint64Array(new Float64Array([value]).buffer)[0]!;
    return v128.const(bits, bits);
  },
  extract: v128.extract('f64', 0x21),
  replace: (a: V128, lane: number, b: F64): V128 => v128.replace<'f64'>(0x22)(a, lane, b),
};

/** Bytes of `a` (0–15) and `b` (16–31) chosen lane by lane, for lanes of any power of two bytes. */
export function shuffleLanes(a: V128, b: V128, lanes: readonly number[]): V128 {
  const width = 16 / lanes.length;
  return v128.shuffle(lanes.flatMap((lane) => Array.from({ length: width }, (_, i) => lane * width + i)))(a, b);
}

/** The first lane from `low`, the others from `rest`. */
export const withLow = (rest: V128, low: V128, lanes: 2 | 4): V128 => shuffleLanes(low, rest, lanes === 2 ? [0, 3] : [0, 5, 6, 7]);
