/**
 * F2XM1, FYL2X and FYL2XP1 (flags and `control` as in f80.ts). Computed with 128 bits, so that the result is the exact
 * one rounded but for rare cases; hardware is within one unit of it.
 */
import { add, resultSuppressed } from './arithmetic';
import { A, B, INTEGER_BIT, Kind, PE, R, raise, Real, Rounding, S, setFinite, setInfinite, setInteger, setInvalid, setZero, T, UE, ZE } from './core';
import { BIAS, deliver, operand, operands, propagate80 } from './extended';
import { LN2_HI, LN2_LO, RECIPROCAL_FACTORIALS, RECIPROCAL_ODDS, TWO_LOG2E_HI, TWO_LOG2E_LO } from './tables';
import { divideWide, multiplyWide, series } from './wide';

/** Rounds the result; unlike arithmetic, these instructions ignore PC (SDM vol. 1, 8.3.8). */
export function finish(dst: usize, r: Real, control: u32): u32 {
  return deliver(dst, r, 64, control);
}

/** 2^a - 1 for -1 <= a <= 1; any other finite number stays as it is (undefined in the SDM). */
export function f80_2xm1(dst: usize, a: usize, control: u32): u32 {
  if (!operand(a)) return propagate80(dst, A, a, A, a, control);
  raise(A.denormal);
  if (A.kind == Kind.INFINITE && A.sign) setFinite(A, 1, 0, INTEGER_BIT, 0);
  else if (A.kind == Kind.FINITE && A.exp < 0) {
    setFinite(S, 0, -1, LN2_HI, LN2_LO);
    multiplyWide(A, S, S);
    series(RECIPROCAL_FACTORIALS + 16, 1, 27, S, S.sign != 0, T);
    multiplyWide(S, T, A);
    A.lo |= 1;
  } else if (A.kind == Kind.FINITE) {
    if (isOne(A) && A.sign) A.exp = -1;
    if (!resultSuppressed(control)) raise(PE);
  }
  return finish(dst, A, control);
}

/** Leaves atanh(numerator / denominator) * 2 / ln 2 in r, for quotients up to 3 - sqrt(8). */
function logOfQuotient(numerator: Real, denominator: Real, r: Real): void {
  divideWide(numerator, denominator, R);
  multiplyWide(R, R, T);
  series(RECIPROCAL_ODDS, 1, 22, T, false, r);
  multiplyWide(R, r, r);
  setFinite(T, 0, 1, TWO_LOG2E_HI, TWO_LOG2E_LO);
  multiplyWide(r, T, r);
}

/** The upper half of sqrt(2)'s significand. */
const ROOT2: u64 = 0xb504_f333_f9de_6484;

/** Leaves log2(x) in S for a positive x other than a power of two. */
function log2(x: Real): void {
  const above = x.hi > ROOT2;
  const exponent = x.exp + i32(above);
  x.exp = above ? -1 : 0;
  // log2(m) from (m - 1) / (m + 1)
  setFinite(S, 1, 0, INTEGER_BIT, 0);
  add(x, S, T, Rounding.NEAREST);
  S.sign = 0;
  add(x, S, S, Rounding.NEAREST);
  setFinite(R, T.sign, T.exp, T.hi, T.lo);
  logOfQuotient(R, S, S);
  if (exponent == 0) return;
  setInteger(T, u32(exponent < 0), u64(exponent < 0 ? -exponent : exponent));
  T.lo = 0;
  add(S, T, S, Rounding.NEAREST);
}

/** FYL2X: b * log2(a). */
export function f80_yl2x(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  if (A.kind != Kind.ZERO && A.sign) {
    setInvalid(R);
    return finish(dst, R, control);
  }
  const one = A.kind == Kind.FINITE && A.exp == 0 && A.hi == INTEGER_BIT;
  const negative = A.kind == Kind.ZERO || (A.kind == Kind.FINITE && A.exp < 0);
  return scaledLog(dst, one ? Kind.ZERO : A.kind == Kind.FINITE ? Kind.FINITE : Kind.INFINITE, u32(negative), control);
}

/** b * L, L being log2(a) of which kind and sign are known already. */
function scaledLog(dst: usize, kind: Kind, sign: u32, control: u32): u32 {
  const resultSign = sign ^ B.sign;
  if (kind == Kind.ZERO ? B.kind == Kind.INFINITE : kind == Kind.INFINITE && B.kind == Kind.ZERO) setInvalid(R);
  else if (kind == Kind.INFINITE && A.kind == Kind.ZERO && B.kind == Kind.FINITE) {
    raise(ZE);
    setInfinite(R, resultSign);
  } else {
    raise(A.denormal | B.denormal);
    if (kind == Kind.INFINITE || B.kind == Kind.INFINITE) setInfinite(R, resultSign);
    else if (kind == Kind.ZERO || B.kind == Kind.ZERO) setZero(R, resultSign);
    else if (A.hi == INTEGER_BIT && A.lo == 0) {
      setInteger(S, sign, u64(A.exp < 0 ? -A.exp : A.exp));
      multiplyWide(S, B, R);
      // Hardware calls an exact product inexact too.
      if (!resultSuppressed(control)) raise(R.exp < 1 - BIAS ? UE | PE : PE);
    } else {
      log2(A);
      multiplyWide(S, B, R);
      R.lo |= 1;
    }
  }
  return finish(dst, R, control);
}

/** FYL2XP1: b * log2(a + 1), meant for |a| < 1 - sqrt(1/2). */
export function f80_yl2xp1(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  if (A.kind == Kind.FINITE && A.exp < -2 && B.kind == Kind.FINITE) {
    raise(A.denormal | B.denormal);
    setFinite(S, 0, 1, INTEGER_BIT, 0);
    add(A, S, S, Rounding.NEAREST);
    setFinite(T, A.sign, A.exp, A.hi, 0);
    logOfQuotient(T, S, S);
    multiplyWide(S, B, R);
    R.lo |= 1;
    return finish(dst, R, control);
  }
  if (A.sign && A.kind == Kind.INFINITE) {
    setInvalid(R);
    return finish(dst, R, control);
  }
  const kind = A.kind;
  const sign = A.sign;
  if (sign && kind == Kind.FINITE && A.exp >= 0 && B.kind == Kind.FINITE) {
    // Undefined in the SDM from -1 downwards; A stays, as on hardware.
    raise(A.denormal | B.denormal);
    if (!resultSuppressed(control)) raise(PE);
    return finish(dst, A, control);
  }
  if (kind == Kind.FINITE && B.kind == Kind.FINITE) {
    setFinite(S, 0, 0, INTEGER_BIT, 0);
    add(A, S, A, Rounding.NEAREST);
  }
  return scaledLog(dst, kind, sign, control);
}

function isOne(r: Real): bool {
  return r.exp == 0 && r.hi == INTEGER_BIT;
}
