/**
 * F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS and FSINCOS (flags and `control` as in f80.ts). Computed with 128
 * bits, so that the result is the exact one rounded but for rare cases; hardware is within one unit of it.
 */
import { add, resultSuppressed } from './arithmetic';
import {
  A,
  B,
  flags,
  INTEGER_BIT,
  Kind,
  PE,
  R,
  raise,
  Real,
  Rounding,
  S,
  setFinite,
  setFlags,
  setInfinite,
  setInteger,
  setInvalid,
  setNormalized,
  setZero,
  T,
  ZE,
} from './core';
import { C2, deliver, operand, operands, pack80, propagate80 } from './extended';
import {
  ARC_TANGENTS,
  LN2_HI,
  LN2_LO,
  PI_HI,
  PI_LO,
  RECIPROCAL_FACTORIALS,
  RECIPROCAL_ODDS,
  TWO_LOG2E_HI,
  TWO_LOG2E_LO,
} from './tables';
import { divideWide, multiplyWide, series } from './wide';

/** Rounds the result; unlike arithmetic, these instructions ignore PC (SDM vol. 1, 8.3.8). */
function finish(dst: usize, r: Real, control: u32): u32 {
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
  } else if (A.kind == Kind.FINITE && A.hi == INTEGER_BIT && A.exp == 0 && A.sign) A.exp = -1;
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
  if (A.kind == Kind.FINITE && A.exp < -1 && B.kind == Kind.FINITE) {
    raise(A.denormal | B.denormal);
    setFinite(S, 0, 1, INTEGER_BIT, 0);
    add(A, S, S, Rounding.NEAREST);
    setFinite(T, A.sign, A.exp, A.hi, 0);
    logOfQuotient(T, S, S);
    multiplyWide(S, B, R);
    R.lo |= 1;
    return finish(dst, R, control);
  }
  if (A.sign && (A.kind == Kind.INFINITE || (A.kind == Kind.FINITE && A.exp >= 0 && !isOne(A)))) {
    setInvalid(R);
    return finish(dst, R, control);
  }
  const kind = A.kind == Kind.FINITE && isOne(A) && A.sign ? Kind.INFINITE : A.kind;
  const sign = A.sign;
  if (kind == Kind.FINITE && B.kind == Kind.FINITE) {
    setFinite(S, 0, 0, INTEGER_BIT, 0);
    add(A, S, A, Rounding.NEAREST);
  }
  return scaledLog(dst, kind, sign, control);
}

function isOne(r: Real): bool {
  return r.exp == 0 && r.hi == INTEGER_BIT;
}

/** FPATAN: the angle of the point (a, b), atan2(b, a). */
export function f80_patan(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  raise(A.denormal | B.denormal);
  const sign = B.sign;
  const left = A.sign != 0;
  A.sign = 0;
  B.sign = 0;
  // In eighths of a turn: where the angle of axes and diagonals is known.
  if (B.kind == Kind.ZERO || (A.kind == Kind.INFINITE && B.kind != Kind.INFINITE)) multipleOfPi(left ? 4 : 0);
  else if (A.kind == Kind.ZERO || (B.kind == Kind.INFINITE && A.kind != Kind.INFINITE)) multipleOfPi(2);
  else if (A.kind == Kind.INFINITE) multipleOfPi(left ? 3 : 1);
  else {
    const steep = B.exp > A.exp || (B.exp == A.exp && B.hi > A.hi);
    if (steep) divideWide(A, B, S);
    else divideWide(B, A, S);
    const exact = S.lo == 0 && !steep && !left && false;
    arcTangent(S);
    if (steep || left) {
      setFinite(T, S.sign, S.exp, S.hi, S.lo);
      multipleOfPi(steep ? 2 : 4);
      T.sign = u32(steep != left);
      add(R, T, R, Rounding.NEAREST);
    } else setFinite(R, 0, S.exp, S.hi, S.lo);
    if (!exact) R.lo |= 1;
  }
  R.sign = sign;
  return finish(dst, R, control);
}

/** R = n * pi / 4 for n = 0 to 4. */
function multipleOfPi(n: u64): void {
  if (n == 0) setZero(R, 0);
  else if (n == 3) setFinite(R, 0, 1, PI_THREE_HI, PI_THREE_LO);
  else setFinite(R, 0, n == 4 ? 1 : n == 2 ? 0 : -1, PI_HI, PI_LO);
}
