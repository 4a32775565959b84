/** FPREM and FPREM1 (SDM vol. 2; flags and `control` as in f80.ts). */
import { add, resultSuppressed } from './arithmetic';
import { A, B, flags, Kind, R, raise, Rounding, setFinite, setInvalid, setZero } from './core';
import { C0, C1, C2, C3, deliver, operands, propagate80 } from './extended';

/** From this difference of the exponents on, one instruction takes 32 + difference mod 32 off it, as hardware does. */
const COMPLETE_BELOW: i32 = 64;

/**
 * The remainder of a / b for the quotient rounded towards zero (FPREM) or to nearest (FPREM1, nearest = 1), with the
 * quotient's low bits in C0, C3, C1; or C2 and a partial remainder.
 */
export function f80_rem(dst: usize, a: usize, b: usize, nearest: u32, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  if (A.kind == Kind.INFINITE || B.kind == Kind.ZERO) {
    setInvalid(R);
    return deliver(dst, R, 64, control);
  }
  raise(A.denormal | B.denormal);
  if (A.kind == Kind.ZERO || B.kind == Kind.INFINITE) return deliver(dst, A, 64, control);
  if (resultSuppressed(control)) return flags();
  const distance = A.exp - B.exp;
  if (distance >= COMPLETE_BELOW) {
    divideBits((distance & 31) | 32);
    return deliver(dst, R, 64, control) | C2;
  }
  const quotient = divideBits(distance);
  const condition = nearest ? toNearest(quotient) : u32(quotient);
  const exceptions = deliver(dst, R, 64, control);
  return exceptions | (condition & 4 ? C0 : 0) | (condition & 2 ? C3 : 0) | (condition & 1 ? C1 : 0);
}

/** Leaves A mod B * 2^(distance - steps) in R, with A's exponent reduced by `steps`; returns the quotient. */
function divideBits(steps: i32): u64 {
  if (steps < 0) {
    setFinite(R, A.sign, A.exp, A.hi, 0);
    return 0;
  }
  let quotient = u64(A.hi >= B.hi);
  let rest = quotient ? A.hi - B.hi : A.hi;
  for (let i = 0; i < steps; i++) {
    const over = rest >> 63 || rest << 1 >= B.hi;
    rest = (rest << 1) - (over ? B.hi : 0);
    quotient = (quotient << 1) | u64(over);
  }
  if (rest == 0) setZero(R, A.sign);
  else {
    const shift = clz(rest);
    setFinite(R, A.sign, A.exp - steps - i32(shift), rest << shift, 0);
  }
  return quotient;
}

/** Turns the remainder below B in R into the one nearest to zero; returns the quotient's low bits. */
function toNearest(quotient: u64): u32 {
  if (R.kind == Kind.ZERO || R.exp < B.exp - 1) return u32(quotient);
  const twice = R.exp == B.exp ? 1 : R.hi > B.hi ? 1 : R.hi == B.hi ? 0 : -1;
  if (twice < 0 || (twice == 0 && !(quotient & 1))) return u32(quotient);
  B.sign = R.sign ^ 1;
  add(R, B, R, Rounding.NEAREST);
  return u32(quotient) + 1;
}
