/** FSCALE, FXTRACT and the constants (flags and `control` as in f80.ts). */
import { A, Kind, B, R, raise, Rounding, setInfinite, setInteger, setInvalid, setZero, ZE } from './core';
import { deliver, operand, operands, propagate80, roundingOf, store80 } from './extended';

/** Beyond this every scaled number over- or underflows. */
const SCALE_LIMIT: i32 = 0x10000;

/** FSCALE: a * 2^b for b rounded towards zero. */
export function f80_scale(dst: usize, a: usize, b: usize, control: u32): u32 {
  if (!operands(a, b, control)) return propagate80(dst, A, a, B, b, control);
  if (B.kind == Kind.INFINITE) {
    if (A.kind == (B.sign ? Kind.INFINITE : Kind.ZERO)) setInvalid(A);
    else {
      raise(A.denormal);
      if (B.sign) setZero(A, A.sign);
      else setInfinite(A, A.sign);
    }
    return deliver(dst, A, 64, control);
  }
  raise(A.denormal | B.denormal);
  if (A.kind == Kind.FINITE && B.kind == Kind.FINITE && B.exp >= 0) {
    const power = B.exp > 16 ? SCALE_LIMIT : i32(B.hi >> u64(63 - B.exp));
    A.exp += B.sign ? -power : power;
  }
  return deliver(dst, A, 64, control);
}

/** FXTRACT: the unbiased exponent and the significand with exponent 0. */
export function f80_extract(exponent: usize, significand: usize, a: usize, control: u32): u32 {
  if (!operand(a)) {
    propagate80(exponent, A, a, A, a, control);
    return propagate80(significand, A, a, A, a, control);
  }
  raise(A.denormal);
  switch (A.kind) {
    case Kind.ZERO:
      raise(ZE);
      setInfinite(R, 1);
      break;
    case Kind.INFINITE:
      setInfinite(R, 0);
      break;
    default:
      setInteger(R, u32(A.exp < 0), u64(A.exp < 0 ? -A.exp : A.exp));
      A.exp = 0;
      break;
  }
  deliver(exponent, R, 64, control);
  return deliver(significand, A, 64, control);
}

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, by the low three bits of their opcodes D9 E8-EE. */
export function f80_constant(dst: usize, index: u32, control: u32): void {
  const mode = roundingOf(control);
  // Significands rounded down; those of FLDL2E, FLDPI, FLDLG2 and FLDLN2 are nearer to the value above.
  switch (index) {
    case 0:
      return store80(dst, 0x3fff, 0x8000_0000_0000_0000);
    case 1:
      return store80(dst, 0x4000, 0xd49a_784b_cd1b_8afe + u64(mode == Rounding.UP));
    case 2:
      return store80(dst, 0x3fff, 0xb8aa_3b29_5c17_f0bb + nearestOrUp(mode));
    case 3:
      return store80(dst, 0x4000, 0xc90f_daa2_2168_c234 + nearestOrUp(mode));
    case 4:
      return store80(dst, 0x3ffd, 0x9a20_9a84_fbcf_f798 + nearestOrUp(mode));
    case 5:
      return store80(dst, 0x3ffe, 0xb172_17f7_d1cf_79ab + nearestOrUp(mode));
    default:
      return store80(dst, 0, 0);
  }
}

function nearestOrUp(mode: Rounding): u64 {
  return u64(mode == Rounding.UP || mode == Rounding.NEAREST);
}
