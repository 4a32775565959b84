/**
 * Addition, multiplication and division of the x87's registers in the usual case: normal operands and result, extended
 * precision, rounding to nearest, everything masked. `arithmetic.ts` has all the others, and gives the same for these.
 */
import { divWide, INTEGER_BIT, mulHigh, PE } from './core';
import { BIAS, C1, MAX_BIASED, SIGN, store80 } from './extended';

/** What the operation is not done for: it has left everything as it was. */
export const UNUSUAL: u32 = 0xffffffff;

const HALF: u64 = 1 << 63;
/** The control word's masks, precision and rounding, and above it a widened denormal operand. */
const MODES: u32 = 0x10f3f;
const USUAL_MODES: u32 = 0x33f;

@inline
function isNormal(signExponent: u32, significand: u64): bool {
  return (signExponent & MAX_BIASED) - 1 < MAX_BIASED - 1 && (significand & INTEGER_BIT) != 0;
}

/** Whether control word and operands are the usual ones. */
@inline
export function isUsual(a: usize, b: usize, control: u32): bool {
  return (control & MODES) == USUAL_MODES && isNormal(load<u16>(a, 8), load<u64>(a)) && isNormal(load<u16>(b, 8), load<u64>(b));
}

/** Rounds hi:lo * 2^(biased - BIAS - 127), bit 63 of hi set, bit 0 of lo sticky, and stores it. */
@inline
function finish(dst: usize, sign: u32, biased: i32, hi: u64, lo: u64): u32 {
  const up = lo > HALF || (lo == HALF && (hi & 1) != 0);
  if (up) {
    hi++;
    if (hi == 0) {
      hi = INTEGER_BIT;
      biased++;
    }
  }
  if (biased < 1 || biased >= (MAX_BIASED as i32)) return UNUSUAL;
  store80(dst, sign | (biased as u32), hi);
  return (lo != 0 ? PE : 0) | (up ? C1 : 0);
}

/** a + b; a bit of `negate`, SIGN, turns a sign: below it that of b, 16 bits above that of a. */
export function quickAdd(dst: usize, a: usize, b: usize, negate: u32): u32 {
  let aBits = (load<u16>(a, 8) as u32) ^ (negate >> 16);
  let bBits = (load<u16>(b, 8) as u32) ^ (negate & SIGN);
  let aHi = load<u64>(a);
  let bHi = load<u64>(b);
  let distance = ((aBits & MAX_BIASED) as i32) - ((bBits & MAX_BIASED) as i32);
  if (distance < 0 || (distance == 0 && aHi < bHi)) {
    const bits = aBits;
    aBits = bBits;
    bBits = bits;
    const hi = aHi;
    aHi = bHi;
    bHi = hi;
    distance = -distance;
  }
  let bLo: u64 = 0;
  if (distance >= 64) {
    const beyond = distance - 64;
    bLo = beyond > 63 ? 1 : (bHi >> (beyond as u64)) | u64(beyond != 0 && bHi << ((64 - beyond) as u64) != 0);
    bHi = 0;
  } else if (distance > 0) {
    bLo = bHi << ((64 - distance) as u64);
    bHi >>= distance as u64;
  }
  let biased = (aBits & MAX_BIASED) as i32;
  let hi: u64;
  let lo: u64;
  if ((aBits ^ bBits) & SIGN) {
    hi = aHi - bHi - u64(bLo != 0);
    lo = 0 - bLo;
    if ((hi | lo) == 0) return UNUSUAL; // the sign of a zero depends on the mode
    if (hi == 0) {
      hi = lo;
      lo = 0;
      biased -= 64;
    }
    const shift = clz(hi);
    if (shift != 0) {
      hi = (hi << shift) | (lo >> (64 - shift));
      lo <<= shift;
      biased -= shift as i32;
    }
  } else {
    hi = aHi + bHi;
    lo = bLo;
    if (hi < bHi) {
      lo = (hi << 63) | (lo >> 1) | (lo & 1);
      hi = INTEGER_BIT | (hi >> 1);
      biased++;
    }
  }
  return finish(dst, aBits & SIGN, biased, hi, lo);
}

export function quickMultiply(dst: usize, a: usize, b: usize): u32 {
  const aBits = load<u16>(a, 8) as u32;
  const bBits = load<u16>(b, 8) as u32;
  const x = load<u64>(a);
  const y = load<u64>(b);
  let hi = mulHigh(x, y);
  let lo = x * y;
  let biased = ((aBits & MAX_BIASED) as i32) + ((bBits & MAX_BIASED) as i32) - BIAS;
  if (hi & INTEGER_BIT) biased++;
  else {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
  }
  return finish(dst, (aBits ^ bBits) & SIGN, biased, hi, lo);
}

/** a / b. */
export function quickDivide(dst: usize, a: usize, b: usize): u32 {
  const aBits = load<u16>(a, 8) as u32;
  const bBits = load<u16>(b, 8) as u32;
  const x = load<u64>(a);
  const y = load<u64>(b);
  const less = x < y;
  const lo: u64 = less ? 0 : x << 63;
  const quotient = divWide(less ? x : x >> 1, lo, y);
  const rest = lo - quotient * y;
  const toHalf = y - rest;
  const guard = rest > toHalf ? HALF | 1 : rest == toHalf ? HALF : u64(rest != 0);
  const biased = ((aBits & MAX_BIASED) as i32) - ((bBits & MAX_BIASED) as i32) + BIAS - i32(less);
  return finish(dst, (aBits ^ bBits) & SIGN, biased, quotient, guard);
}
