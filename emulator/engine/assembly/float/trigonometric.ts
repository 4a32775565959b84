/** FSIN, FCOS, FSINCOS, FPTAN and FPATAN (flags and `control` as in f80.ts); computed like transcendental.ts. */
import { add, resultSuppressed } from './arithmetic';
import { A, B, flags, INTEGER_BIT, Kind, R, raise, Real, Rounding, S, setFinite, setInteger, setInvalid, setNormalized, setZero, T } from './core';
import { C2, operand, operands, pack80, propagate80 } from './extended';
import {
  ARC_TANGENTS,
  PI_HI,
  PI_LO,
  RECIPROCAL_FACTORIALS,
  RECIPROCAL_ODDS,
  SHORT_PI_HI,
  SHORT_PI_LO,
  THREE_QUARTERS_PI_HI,
  THREE_QUARTERS_PI_LO,
} from './tables';
import { finish } from './transcendental';
import { divideWide, multiplyWide, series } from './wide';

/** Angles from 2^63 on are left as they are, with C2 set. */
const ANGLE_LIMIT: i32 = 63;
/** Terms of the series of sine and cosine up to pi / 4, and of the arc tangent up to 1 / 16. */
const CIRCLE_TERMS: usize = 15;
const ARC_TERMS: usize = 17;

function copy(from: Real, to: Real): void {
  to.kind = from.kind;
  to.sign = from.sign;
  to.exp = from.exp;
  to.hi = from.hi;
  to.lo = from.lo;
}

/**
 * Leaves the magnitude of the finite angle A less n * pi / 2 in A, which is then at most pi / 4 from zero, and returns
 * n. Like hardware this takes 66 bits of pi, for which the remainder is exact.
 */
function reduce(): u32 {
  const exp = A.exp;
  A.sign = 0;
  if (exp < -1) return 0;
  // In units of 2^-65, where pi / 2 is SHORT_PI: a significand alone is less than that.
  let hi: u64 = 0;
  let lo = A.hi;
  let n: u32 = 0;
  for (let i = exp + 2; i > 0; i--) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    n <<= 1;
    if (hi > SHORT_PI_HI || (hi == SHORT_PI_HI && lo >= SHORT_PI_LO)) {
      hi -= SHORT_PI_HI + u64(lo < SHORT_PI_LO);
      lo -= SHORT_PI_LO;
      n |= 1;
    }
  }
  const toNextHi = SHORT_PI_HI - hi - u64(SHORT_PI_LO < lo);
  const toNextLo = SHORT_PI_LO - lo;
  const past = hi > toNextHi || (hi == toNextHi && lo > toNextLo);
  if (past) setNormalized(A, 1, 62, toNextHi, toNextLo);
  else setNormalized(A, 0, 62, hi, lo);
  return n + u32(past);
}

/** r = sin(A) for |A| <= pi / 4; A is not 0. T is used. */
function sine(r: Real): void {
  multiplyWide(A, A, T);
  series(RECIPROCAL_FACTORIALS + 16, 2, CIRCLE_TERMS, T, true, T);
  multiplyWide(A, T, r);
  r.lo |= 1;
}

/** r = cos(A), likewise. */
function cosine(r: Real): void {
  multiplyWide(A, A, T);
  series(RECIPROCAL_FACTORIALS, 2, CIRCLE_TERMS, T, true, r);
  r.lo |= 1;
}

/** R = sin(A + n * pi / 2). */
function sineInQuadrant(n: u32): void {
  if (n & 1) cosine(R);
  else sine(R);
  if (n & 2) R.sign ^= 1;
}

/** The outcome where takesAngle() is false. */
let exceptions: u32 = 0;

/** What all instructions on an angle begin with; false for a NaN, an infinity and an angle out of range. */
function takesAngle(dst: usize, a: usize, control: u32): bool {
  if (!operand(a)) {
    exceptions = propagate80(dst, A, a, A, a, control);
    return false;
  }
  if (A.kind == Kind.INFINITE) {
    setInvalid(R);
    exceptions = finish(dst, R, control);
    return false;
  }
  if (A.kind == Kind.FINITE && A.exp >= ANGLE_LIMIT) {
    exceptions = C2;
    return false;
  }
  raise(A.denormal);
  return true;
}

export function f80_sin(dst: usize, a: usize, control: u32): u32 {
  if (!takesAngle(dst, a, control)) return exceptions;
  if (A.kind == Kind.ZERO) return finish(dst, A, control);
  const sign = A.sign;
  sineInQuadrant(reduce());
  R.sign ^= sign;
  return finish(dst, R, control);
}

function setOne(r: Real): void {
  setFinite(r, 0, 0, INTEGER_BIT, 0);
}

export function f80_cos(dst: usize, a: usize, control: u32): u32 {
  if (!takesAngle(dst, a, control)) return exceptions;
  if (A.kind == Kind.ZERO) setOne(R);
  else sineInQuadrant(reduce() + 1);
  return finish(dst, R, control);
}

/** FSINCOS: where C2 comes back nothing has been stored. */
export function f80_sincos(sin: usize, cos: usize, a: usize, control: u32): u32 {
  if (!takesAngle(sin, a, control)) {
    copy80(sin, cos, exceptions, control);
    return exceptions;
  }
  if (resultSuppressed(control)) return flags();
  if (A.kind == Kind.ZERO) {
    setOne(R);
    pack80(sin, A, 64, control);
    return finish(cos, R, control);
  }
  const sign = A.sign;
  const n = reduce();
  sineInQuadrant(n);
  R.sign ^= sign;
  const up = pack80(sin, R, 64, control);
  sineInQuadrant(n + 1);
  return finish(cos, R, control) | up;
}

/** A NaN that FSINCOS and FPTAN have made is both results. */
function copy80(from: usize, to: usize, result: u32, control: u32): void {
  if (result & C2 || resultSuppressed(control)) return;
  store<u64>(to, load<u64>(from));
  store<u16>(to, load<u16>(from, 8), 8);
}

/** FPTAN: the tangent, then 1. */
export function f80_ptan(tan: usize, one: usize, a: usize, control: u32): u32 {
  if (!takesAngle(tan, a, control)) {
    copy80(tan, one, exceptions, control);
    return exceptions;
  }
  if (resultSuppressed(control)) return flags();
  if (A.kind == Kind.ZERO) copy(A, R);
  else {
    const sign = A.sign;
    const n = reduce();
    sine(R);
    cosine(S);
    if (n & 1) {
      divideWide(S, R, R);
      R.sign ^= 1;
    } else divideWide(R, S, R);
    R.sign ^= sign;
    R.lo |= 1;
  }
  const result = finish(tan, R, control);
  setOne(S);
  pack80(one, S, 64, control);
  return result;
}

/** S = atan(S) for 0 < S <= 1; A, B and R are used. */
function arcTangent(): void {
  // atan(S) = atan(c) + atan((S - c) / (1 + S * c)) for the nearest c in eighths.
  const eighths: u64 = S.exp < -4 ? 0 : ((S.hi >> u64(-S.exp)) + (1 << 59)) >> 60;
  if (eighths != 0) {
    setInteger(A, 1, eighths);
    A.exp -= 3;
    A.lo = 0;
    multiplyWide(S, A, B);
    B.sign = 0;
    add(S, A, A, Rounding.NEAREST);
    if (A.kind == Kind.ZERO) {
      setEighths(S, eighths);
      return;
    }
    setOne(S);
    add(S, B, B, Rounding.NEAREST);
    divideWide(A, B, S);
  }
  multiplyWide(S, S, T);
  series(RECIPROCAL_ODDS, 1, ARC_TERMS, T, true, T);
  multiplyWide(S, T, S);
  if (eighths == 0) return;
  setEighths(T, eighths);
  add(T, S, S, Rounding.NEAREST);
}

function setEighths(r: Real, eighths: u64): void {
  const at = ARC_TANGENTS + usize(eighths) * 16;
  setNormalized(r, 0, 0, load<u64>(at), load<u64>(at, 8));
}

/** FPATAN: the angle of the point (a, b), atan2(b, a). */
export function f80_patan(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  raise(A.denormal | B.denormal);
  const sign = B.sign;
  const left = A.sign != 0;
  A.sign = 0;
  B.sign = 0;
  if (B.kind == Kind.ZERO || (A.kind == Kind.INFINITE && B.kind != Kind.INFINITE)) quarters(left ? 4 : 0);
  else if (A.kind == Kind.ZERO || (B.kind == Kind.INFINITE && A.kind != Kind.INFINITE)) quarters(2);
  else if (A.kind == Kind.INFINITE) quarters(left ? 3 : 1);
  else {
    const steep = B.exp > A.exp || (B.exp == A.exp && B.hi > A.hi);
    if (steep) divideWide(A, B, S);
    else divideWide(B, A, S);
    arcTangent();
    if (steep || left) {
      quarters(steep ? 2 : 4);
      S.sign = u32(steep != left);
      add(R, S, R, Rounding.NEAREST);
    } else copy(S, R);
    R.lo |= 1;
  }
  R.sign = sign;
  return finish(dst, R, control);
}

/** R = n * pi / 4 for n = 0 to 4. */
function quarters(n: u32): void {
  if (n == 0) setZero(R, 0);
  else if (n == 3) setFinite(R, 0, 1, THREE_QUARTERS_PI_HI, THREE_QUARTERS_PI_LO);
  else setFinite(R, 0, n == 4 ? 1 : n == 2 ? 0 : -1, PI_HI, PI_LO);
}
