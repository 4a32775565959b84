/** Addition, multiplication, division and square root of numbers, and their rounding. NaNs are dealt with before. */
import {
  divWide,
  flags,
  INTEGER_BIT,
  Kind,
  mulHigh,
  OE,
  PE,
  raise,
  Real,
  Rounding,
  setFinite,
  setInfinite,
  setInvalid,
  setNormalized,
  setZero,
  UE,
  ZE,
} from './core';

/** What a result beyond the exponent range is scaled by when its exception is unmasked (SDM vol. 1, 8.5.4-8.5.5). */
const WRAP: i32 = 24576;

const HALF: u64 = 1 << 63;

export function add(a: Real, b: Real, r: Real, mode: Rounding): void {
  const subtract = a.sign != b.sign;
  if (a.kind == Kind.INFINITE || b.kind == Kind.INFINITE) {
    if (subtract && a.kind == b.kind) return setInvalid(r);
    raise(a.denormal | b.denormal);
    return setInfinite(r, a.kind == Kind.INFINITE ? a.sign : b.sign);
  }
  raise(a.denormal | b.denormal);
  if (b.kind == Kind.ZERO) {
    if (a.kind == Kind.FINITE) return setFinite(r, a.sign, a.exp, a.hi, a.lo);
    return setZero(r, subtract ? u32(mode == Rounding.DOWN) : a.sign);
  }
  if (a.kind == Kind.ZERO) return setFinite(r, b.sign, b.exp, b.hi, b.lo);
  if (a.exp < b.exp || (a.exp == b.exp && (a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo)))) addOrdered(b, a, r, subtract, mode);
  else addOrdered(a, b, r, subtract, mode);
}

/** The sum of finite numbers, a having the greater magnitude. */
function addOrdered(a: Real, b: Real, r: Real, subtract: bool, mode: Rounding): void {
  const distance: u64 = u64(a.exp - b.exp);
  let bHi: u64 = b.hi;
  let bLo: u64 = b.lo;
  if (distance >= 128) {
    bHi = 0;
    bLo = 1;
  } else if (distance >= 64) {
    const lost = bLo | (distance == 64 ? 0 : bHi << (128 - distance));
    bLo = (bHi >> (distance - 64)) | u64(lost != 0);
    bHi = 0;
  } else if (distance > 0) {
    const lost = bLo << (64 - distance);
    bLo = (bLo >> distance) | (bHi << (64 - distance)) | u64(lost != 0);
    bHi >>= distance;
  }
  if (subtract) {
    const hi = a.hi - bHi - u64(a.lo < bLo);
    const lo = a.lo - bLo;
    if ((hi | lo) == 0) setZero(r, u32(mode == Rounding.DOWN));
    else setNormalized(r, a.sign, a.exp, hi, lo);
  } else {
    const lo = a.lo + bLo;
    const carry = u64(lo < bLo);
    const hi = a.hi + bHi + carry;
    if (hi < bHi || (carry && hi == bHi)) {
      setFinite(r, a.sign, a.exp + 1, INTEGER_BIT | (hi >> 1), (hi << 63) | (lo >> 1) | (lo & 1));
    } else setFinite(r, a.sign, a.exp, hi, lo);
  }
}

export function multiply(a: Real, b: Real, r: Real): void {
  const sign = a.sign ^ b.sign;
  if (a.kind == Kind.INFINITE || b.kind == Kind.INFINITE) {
    if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) return setInvalid(r);
    raise(a.denormal | b.denormal);
    return setInfinite(r, sign);
  }
  raise(a.denormal | b.denormal);
  if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) return setZero(r, sign);
  const hi = mulHigh(a.hi, b.hi);
  const lo = a.hi * b.hi;
  if (hi & INTEGER_BIT) setFinite(r, sign, a.exp + b.exp + 1, hi, lo);
  else setFinite(r, sign, a.exp + b.exp, (hi << 1) | (lo >> 63), lo << 1);
}

export function divide(a: Real, b: Real, r: Real): void {
  const sign = a.sign ^ b.sign;
  if (a.kind == Kind.INFINITE) {
    if (b.kind == Kind.INFINITE) return setInvalid(r);
    raise(b.denormal);
    return setInfinite(r, sign);
  }
  if (b.kind == Kind.ZERO) {
    if (a.kind == Kind.ZERO) return setInvalid(r);
    raise(ZE);
    return setInfinite(r, sign);
  }
  raise(a.denormal | b.denormal);
  if (a.kind == Kind.ZERO || b.kind == Kind.INFINITE) return setZero(r, sign);
  const less = a.hi < b.hi;
  const hi = less ? a.hi : a.hi >> 1;
  const lo = less ? 0 : a.hi << 63;
  const quotient = divWide(hi, lo, b.hi);
  const rest = lo - quotient * b.hi;
  const toHalf = b.hi - rest;
  const guard = rest > toHalf ? HALF | 1 : rest == toHalf ? HALF : u64(rest != 0);
  setFinite(r, sign, a.exp - b.exp - i32(less), quotient, guard);
}

export function squareRoot(a: Real, r: Real): void {
  if (a.kind == Kind.ZERO) return setZero(r, a.sign);
  if (a.sign) return setInvalid(r);
  raise(a.denormal);
  if (a.kind == Kind.INFINITE) return setInfinite(r, 0);
  // The root of radicand * 2^64, radicand in [2^62, 2^64), by one step of Zimmermann's method.
  const odd = a.exp & 1;
  const radicand = odd ? a.hi : a.hi >> 1;
  const shifted: u64 = odd ? 0 : a.hi << 63;
  let top = u64(min<f64>(sqrt<f64>(f64(radicand)), 4294967295.0));
  while (top * top > radicand) top--;
  while (top < 0xffff_ffff && (top + 1) * (top + 1) <= radicand) top++;
  // (rest * 2^32 + next digit) / (2 * top) without overflow: the digit is 0 or 2^31.
  const rest = radicand - top * top;
  const digit = ((rest << 31) | (shifted >> 33)) / top;
  let root = (top << 32) + (digit > 0xffff_ffff ? 0xffff_ffff : digit);
  let high = mulHigh(root, root);
  let low = root * root;
  if (high > radicand || (high == radicand && low > shifted)) {
    root--;
    high = mulHigh(root, root);
    low = root * root;
  }
  const restLow = shifted - low;
  const restHigh = radicand - high - u64(shifted < low);
  const guard = restHigh != 0 || restLow > root ? HALF | 1 : u64(restLow != 0);
  setFinite(r, 0, a.exp >> 1, root, guard);
}

/** -1, 0 or 1 as a is less than, equal to or greater than b. */
export function compare(a: Real, b: Real): i32 {
  if (a.kind == Kind.ZERO && b.kind == Kind.ZERO) return 0;
  if (a.kind == Kind.ZERO) return b.sign ? 1 : -1;
  const greater = a.sign ? -1 : 1;
  if (b.kind == Kind.ZERO || a.sign != b.sign) return greater;
  if (a.kind != b.kind) return a.kind == Kind.INFINITE ? greater : -greater;
  if (a.kind == Kind.INFINITE) return 0;
  if (a.exp != b.exp) return a.exp > b.exp ? greater : -greater;
  if (a.hi != b.hi) return a.hi > b.hi ? greater : -greater;
  return 0;
}

/** Whether what is cut off, left-justified in `guard`, rounds the magnitude up. */
export function roundsUp(sign: u32, odd: bool, guard: u64, mode: Rounding): bool {
  if (mode == Rounding.NEAREST) return guard > HALF || (guard == HALF && odd);
  if (mode == Rounding.ZERO) return false;
  return guard != 0 && (mode == Rounding.UP) == (sign == 0);
}

/**
 * Rounds a finite number to `precision` bits with the exponents emin..emax. Leaves the significand in hi,
 * left-justified, and the exponent field in biased (infinity: emax + 1). Tininess is detected after rounding.
 */
export function round(r: Real, precision: u64, emin: i32, emax: i32, mode: Rounding, masks: u32, flushToZero: bool): void {
  const ulp: u64 = 1 << (64 - precision);
  let hi = r.hi;
  let lo = r.lo;
  let exp = r.exp;
  let tiny = false;
  let wrapped = false;
  if (exp < emin) {
    tiny = exp < emin - 1 || hi < 0 - ulp || !roundsUp(r.sign, true, guardOf(hi, lo, precision), mode);
    if (tiny && !(masks & UE)) {
      raise(UE);
      exp += WRAP;
      if (exp < emin) return setRounded(r, 0, 0, false);
      tiny = false;
      wrapped = true;
    } else {
      const distance = u64(emin - exp);
      exp = emin - 1;
      if (distance < 64) {
        lo = (hi << (64 - distance)) | u64(lo != 0);
        hi >>= distance;
      } else {
        lo = distance == 64 ? hi | u64(lo != 0) : 1;
        hi = 0;
      }
    }
  }
  const guard = guardOf(hi, lo, precision);
  hi &= 0 - ulp;
  const up = roundsUp(r.sign, (hi & ulp) != 0, guard, mode);
  const denormal = exp < emin;
  if (up) {
    hi += ulp;
    if (hi == 0) {
      hi = INTEGER_BIT;
      exp++;
    } else if (denormal && hi & INTEGER_BIT) exp++;
  }
  r.up = u32(up);
  if (guard != 0) raise(PE);
  if (tiny && flushToZero) {
    raise(UE | PE);
    hi = 0;
    exp = emin - 1;
  } else if (tiny && guard != 0) raise(UE);
  if (exp > emax && !wrapped) {
    raise(OE);
    if (masks & OE) {
      raise(PE);
      const infinite = mode == Rounding.NEAREST || (mode != Rounding.ZERO && (mode == Rounding.UP) == (r.sign == 0));
      r.up = u32(infinite);
      exp = infinite ? emax + 1 : emax;
      hi = infinite ? INTEGER_BIT : 0 - ulp;
    } else {
      exp -= WRAP;
      if (exp > emax) return setRounded(r, emax - emin + 2, INTEGER_BIT, true);
    }
  }
  r.hi = hi;
  r.biased = exp - emin + 1;
}

/** The result of FSCALE that not even a wrapped exponent can hold. */
function setRounded(r: Real, biased: i32, hi: u64, up: bool): void {
  raise(PE);
  r.biased = biased;
  r.hi = hi;
  r.up = u32(up);
}

/** The bits beyond `precision`, left-justified, with a sticky last bit. */
function guardOf(hi: u64, lo: u64, precision: u64): u64 {
  return precision == 64 ? lo : (hi << precision) | u64(lo != 0);
}

/** The magnitude of a finite number below 2^64 as an integer; sets r.up, raises PE when inexact. */
export function roundToInteger(r: Real, mode: Rounding): u64 {
  const exp = r.exp;
  const whole: u64 = exp < 0 ? 0 : r.hi >> u64(63 - exp);
  const guard: u64 = exp >= 63 ? 0 : exp >= 0 ? r.hi << u64(exp + 1) : exp == -1 ? r.hi : 1;
  const up = roundsUp(r.sign, (whole & 1) != 0, guard, mode);
  r.up = u32(up);
  if (guard != 0) raise(PE);
  return whole + u64(up);
}

/** Whether an exception that forbids the result has been raised and isn't masked. */
export function resultSuppressed(masks: u32): bool {
  return (flags() & ~masks & 7) != 0;
}
