import { i32, i64, i64c, select, type I32, type I64, type V128 } from '../../wasm/expr';
import { bits128, i8x16, i16x8, i32x4, i64x2, shuffleLanes } from '../../wasm/simd';
import { everyOther, type Packed, type Unary } from './vector-operands';

// Operations on packed integers where WebAssembly has no single equivalent.

/** High words of the 32-bit products. */
const highWords =
  (low: typeof i32x4.extmulLowS, high: typeof i32x4.extmulLowS): Packed =>
  (a, b) =>
    everyOther(8, 1)(low(a, b), high(a, b));
export const multiplyHighS = highWords(i32x4.extmulLowS, i32x4.extmulHighS);
export const multiplyHighU = highWords(i32x4.extmulLowU, i32x4.extmulHighU);

const evenDwords = (v: V128): V128 => shuffleLanes(v, v, [0, 2, 0, 2]);
export const multiplyEvenU: Packed = (a, b) => i64x2.extmulLowU(evenDwords(a), evenDwords(b));
export const multiplyEvenS: Packed = (a, b) => i64x2.extmulLowS(evenDwords(a), evenDwords(b));

/** PSADBW: sums of absolute differences of each eight bytes. */
export const sumOfDifferences: Packed = (a, b, f) => {
  const differences = bits128.or(i8x16.subSatU(a, b), i8x16.subSatU(b, a));
  const dwords = f.let(i32x4.extaddPairwiseU(i16x8.extaddPairwiseU(differences)));
  const sums = i64x2.add(dwords, i64x2.shrU(dwords, i32.const(32)));
  return bits128.and(sums, i32x4.const(0xffff, 0, 0xffff, 0));
};

/** PMADDUBSW: unsigned bytes of `a` by signed ones of `b`; pairs are added with saturation. */
export const multiplyAddBytes: Packed = (a, b) => {
  const eight = i32.const(8);
  const even = i16x8.mul(bits128.and(a, i8x16.const(...Array.from({ length: 16 }, (_, i) => (i & 1 ? 0 : 0xff)))), i16x8.shrS(i16x8.shl(b, eight), eight));
  const odd = i16x8.mul(i16x8.shrU(a, eight), i16x8.shrS(b, eight));
  return i16x8.addSatS(even, odd);
};

const lowestWord = i16x8.const(...Array<number>(8).fill(0x8000));

/** PMULHRSW. WebAssembly's operation saturates the one product that does not fit; here it wraps to 8000H. */
export const multiplyRound: Packed = (a, b) => {
  const both = bits128.and(i16x8.eq(a, lowestWord), i16x8.eq(b, lowestWord));
  return bits128.xor(i16x8.q15mulrSatS(a, b), both);
};

type Lanes = typeof i8x16 | typeof i16x8 | typeof i32x4;

/** PSIGN: `a` negated, kept or cleared by the sign of `b`. */
export const applySign =
  (lanes: Lanes): Packed =>
  (a, b, f) => {
    const negative = f.let(lanes.ltS(b, bits128.zero));
    const value = lanes.sub(bits128.xor(a, negative), negative);
    return bits128.andnot(value, lanes.eq(b, bits128.zero));
  };

/** PHADD and the like: neighbours of the destination, then of the source. */
export const horizontal =
  (lanes: number, operation: (a: V128, b: V128) => V128): Packed =>
  (a, b) =>
    operation(everyOther(lanes, 0)(a, b), everyOther(lanes, 1)(a, b));

/** PSHUFB within `bytes` bytes: bit 7 of a selector gives 0, the bits above the index do not count. */
export const shuffleBytes =
  (bytes: 8 | 16): Packed =>
  (a, b) =>
    i8x16.swizzle(a, bits128.and(b, i8x16.const(...Array<number>(16).fill(0x80 | (bytes - 1)))));

/** PHMINPOSUW: the smallest word and its position. */
export const smallestWord: Unary = (v, f) => {
  const sixteen = i32.const(16);
  const low = bits128.or(i32x4.shl(i32x4.extendLowU(v), sixteen), i32x4.const(0, 1, 2, 3));
  const high = bits128.or(i32x4.shl(i32x4.extendHighU(v), sixteen), i32x4.const(4, 5, 6, 7));
  const four = f.let(i32x4.minU(low, high));
  const two = f.let(i32x4.minU(four, shuffleLanes(four, four, [2, 3, 2, 3])));
  const one = f.let(i32x4.extract(i32x4.minU(two, shuffleLanes(two, two, [1, 1, 1, 1])), 0));
  return i64x2.of(i64.extendI32U(i32.rotl(one, sixteen)), i64c(0));
};

/** What shifts packed lanes by a count that may be too large for them. */
export interface PackedShift {
  readonly shift: (v: V128, count: I32) => V128;
  /** Bits of a lane. */
  readonly bits: number;
  /** Arithmetic shifts fill with the sign, the others with zero. */
  readonly fill: 'sign' | 'zero';
}

export function shiftBy({ shift, bits, fill }: PackedShift, v: V128, count: I64): V128 {
  const tooLarge = i64.gtU(count, i64c(bits - 1));
  if (fill === 'sign') return shift(v, i32.wrap(select(tooLarge, i64c(bits - 1), count)));
  return select(tooLarge, bits128.zero, shift(v, i32.wrap(count)));
}

export const packedShifts: Readonly<Record<string, PackedShift>> = {
  psrlw: { shift: i16x8.shrU, bits: 16, fill: 'zero' },
  psraw: { shift: i16x8.shrS, bits: 16, fill: 'sign' },
  psllw: { shift: i16x8.shl, bits: 16, fill: 'zero' },
  psrld: { shift: i32x4.shrU, bits: 32, fill: 'zero' },
  psrad: { shift: i32x4.shrS, bits: 32, fill: 'sign' },
  pslld: { shift: i32x4.shl, bits: 32, fill: 'zero' },
  psrlq: { shift: i64x2.shrU, bits: 64, fill: 'zero' },
  psllq: { shift: i64x2.shl, bits: 64, fill: 'zero' },
};
