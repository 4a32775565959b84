/**
 * Floating point numbers taken apart, and the integer arithmetic underneath (Intel SDM vol. 1, chapters 4, 8 and 11).
 *
 * Every operation unpacks its operands into `Real`s, computes a result that is exact but for a sticky
 * last bit, and rounds it once into the destination's format.
 */

/** Raised exceptions gather in the u32 at this address (SSE callers clear it; x87 operations start afresh). */
export const FLOAT_FLAGS: usize = 0x3c0;

// Exception bits, as in MXCSR and the x87 status word.
export const IE: u32 = 1 << 0; // invalid operation
export const DE: u32 = 1 << 1; // denormal operand
export const ZE: u32 = 1 << 2; // division by zero
export const OE: u32 = 1 << 3; // overflow
export const UE: u32 = 1 << 4; // underflow
export const PE: u32 = 1 << 5; // precision (inexact)

/** Exceptions detected before the computation: when unmasked, they suppress the result and all later exceptions. */
export const BEFORE_RESULT: u32 = IE | DE | ZE;

/** Rounding control, with the encoding that MXCSR.RC and the x87 control word share. */
export const enum Rounding {
  NEAREST = 0,
  DOWN = 1,
  UP = 2,
  ZERO = 3,
}

export const enum Kind {
  ZERO = 0,
  FINITE = 1,
  INFINITE = 2,
  QNAN = 3, // this and the kinds after it are no numbers
  SNAN = 4,
  UNSUPPORTED = 5, // x87 encodings without meaning (SDM vol. 1, 8.2.2)
}

/** A number: (-1)^sign * hi:lo * 2^(exp - 127), bit 63 of hi set. Operands have lo = 0; in results bit 0 is sticky. */
@unmanaged
export class Real {
  hi: u64;
  lo: u64;
  kind: Kind;
  sign: u32;
  exp: i32;
  /** DE for a denormal operand, else 0. */
  denormal: u32;
  /** After rounding: the exponent field, and whether rounding went away from zero (x87 C1). */
  biased: i32;
  up: u32;
}

const REAL_SIZE: i32 = 40;
/** Operands, result, and intermediate results. */
export const A: Real = changetype<Real>(memory.data(REAL_SIZE, 8));
export const B: Real = changetype<Real>(memory.data(REAL_SIZE, 8));
export const R: Real = changetype<Real>(memory.data(REAL_SIZE, 8));
export const S: Real = changetype<Real>(memory.data(REAL_SIZE, 8));
export const T: Real = changetype<Real>(memory.data(REAL_SIZE, 8));

export const INTEGER_BIT: u64 = 1 << 63;
export const QUIET_BIT: u64 = 1 << 62;
const LOW_HALF: u64 = 0xffff_ffff;

export function raise(exceptions: u32): void {
  store<u32>(FLOAT_FLAGS, load<u32>(FLOAT_FLAGS) | exceptions);
}

export function setFlags(exceptions: u32): void {
  store<u32>(FLOAT_FLAGS, exceptions);
}

export function flags(): u32 {
  return load<u32>(FLOAT_FLAGS);
}

export function setZero(r: Real, sign: u32): void {
  r.kind = Kind.ZERO;
  r.sign = sign;
}

export function setInfinite(r: Real, sign: u32): void {
  r.kind = Kind.INFINITE;
  r.sign = sign;
}

/** The result of an invalid operation: the default NaN. */
export function setInvalid(r: Real): void {
  raise(IE);
  r.kind = Kind.QNAN;
}

export function setFinite(r: Real, sign: u32, exp: i32, hi: u64, lo: u64): void {
  r.kind = Kind.FINITE;
  r.sign = sign;
  r.exp = exp;
  r.hi = hi;
  r.lo = lo;
}

/** The finite number hi:lo * 2^(exp - 127), hi:lo being anything but 0. */
export function setNormalized(r: Real, sign: u32, exp: i32, hi: u64, lo: u64): void {
  if (hi == 0) {
    exp -= 64;
    hi = lo;
    lo = 0;
  }
  const shift = clz(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  setFinite(r, sign, exp - i32(shift), hi, lo);
}

/** A finite number from an integer. */
export function setInteger(r: Real, sign: u32, magnitude: u64): void {
  r.denormal = 0;
  if (magnitude == 0) setZero(r, sign);
  else setNormalized(r, sign, 63, magnitude, 0);
}

/** Upper half of the 128-bit product. */
export function mulHigh(a: u64, b: u64): u64 {
  const aLow = a & LOW_HALF;
  const aHigh = a >> 32;
  const bLow = b & LOW_HALF;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const cross = aLow * bHigh + (middle & LOW_HALF);
  return aHigh * bHigh + (middle >> 32) + (cross >> 32);
}

/** hi:lo / divisor for hi < divisor and bit 63 of divisor set; the remainder is hi:lo - quotient * divisor. */
export function divWide(hi: u64, lo: u64, divisor: u64): u64 {
  const high = divDigit(hi, lo >> 32, divisor);
  const rest = ((hi << 32) | (lo >> 32)) - high * divisor;
  return (high << 32) | divDigit(rest, lo & LOW_HALF, divisor);
}

/** One 32-bit digit of a quotient (Knuth, algorithm D). */
function divDigit(rest: u64, digit: u64, divisor: u64): u64 {
  const dHigh = divisor >> 32;
  const dLow = divisor & LOW_HALF;
  let q = rest / dHigh;
  let r = rest - q * dHigh;
  while (q > LOW_HALF || q * dLow > ((r << 32) | digit)) {
    q--;
    r += dHigh;
    if (r > LOW_HALF) break;
  }
  return q;
}
