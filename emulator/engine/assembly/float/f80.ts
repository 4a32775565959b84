/**
 * Basic x87 instructions on registers in memory. All return exceptions and condition codes as in the status word;
 * when an unmasked IE, DE or ZE is among them nothing has been stored. `dst` may be an operand.
 */
import { add, compare, divide, multiply, resultSuppressed, roundToInteger, squareRoot } from './arithmetic';
import { A, B, flags, IE, Kind, R, raise, Real, setInteger, setZero } from './core';
import { C0, C1, C2, C3, deliver, operand, operands, precisionOf, propagate80, roundingOf, unpack80 } from './extended';

export function f80_add(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  add(A, B, R, roundingOf(control));
  return deliver(dst, R, precisionOf(control), control);
}

/** a - b. For FSUBR of a widened memory operand see f80_subr. */
export function f80_sub(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  B.sign ^= 1;
  add(A, B, R, roundingOf(control));
  return deliver(dst, R, precisionOf(control), control);
}

/** b - a. */
export function f80_subr(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  A.sign ^= 1;
  add(B, A, R, roundingOf(control));
  return deliver(dst, R, precisionOf(control), control);
}

export function f80_mul(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  multiply(A, B, R);
  return deliver(dst, R, precisionOf(control), control);
}

/** a / b. */
export function f80_div(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  divide(A, B, R);
  return deliver(dst, R, precisionOf(control), control);
}

/** b / a. */
export function f80_divr(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  divide(B, A, R);
  return deliver(dst, R, precisionOf(control), control);
}

export function f80_sqrt(dst: usize, a: usize, control: u32): u32 {
  if (!operand(a)) return propagate80(dst, A, a, A, a, control);
  squareRoot(A, R);
  return deliver(dst, R, precisionOf(control), control);
}

/** FRNDINT. */
export function f80_round(dst: usize, a: usize, control: u32): u32 {
  if (!operand(a)) return propagate80(dst, A, a, A, a, control);
  raise(A.denormal);
  if (A.kind != Kind.FINITE || A.exp >= 63) return deliver(dst, A, 64, control);
  if (resultSuppressed(control)) return flags();
  setInteger(R, A.sign, roundToInteger(A, roundingOf(control)));
  return deliver(dst, R, 64, control) | (A.up ? C1 : 0);
}

/** FCOM (quiet = 0) and FUCOM (quiet = 1): C3, C2 and C0. */
export function f80_compare(a: usize, b: usize, control: u32, quiet: u32): u32 {
  if (operands(a, b, control)) return ordered(A, B);
  if (!quiet || A.kind > Kind.QNAN || B.kind > Kind.QNAN) raise(IE);
  return flags() | C3 | C2 | C0;
}

/** FTST. */
export function f80_test(a: usize): u32 {
  setZero(B, 0);
  B.denormal = 0;
  if (operand(a)) return ordered(A, B);
  raise(IE);
  return flags() | C3 | C2 | C0;
}

function ordered(a: Real, b: Real): u32 {
  raise(a.denormal | b.denormal);
  const order = compare(a, b);
  return flags() | (order < 0 ? C0 : order == 0 ? C3 : 0);
}

/** FXAM of a register that isn't empty: its class in C3, C2, C0 and its sign in C1. */
export function f80_examine(a: usize): u32 {
  unpack80(a, A);
  const sign = load<u16>(a, 8) >> 15 ? C1 : 0;
  if (A.denormal) return sign | C3 | C2;
  switch (A.kind) {
    case Kind.ZERO:
      return sign | C3;
    case Kind.FINITE:
      return sign | C2;
    case Kind.INFINITE:
      return sign | C2 | C0;
    case Kind.UNSUPPORTED:
      return sign;
    default:
      return sign | C0;
  }
}
