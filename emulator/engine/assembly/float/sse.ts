/**
 * Scalar SSE arithmetic for T = u32 (binary32) and T = u64 (binary64). Exceptions are added to FLOAT_FLAGS;
 * the result is meaningless when an unmasked exception comes out of sseExceptions().
 */
import { add, compare, divide, multiply, roundToInteger, squareRoot } from './arithmetic';
import { A, B, BEFORE_RESULT, flags, IE, Kind, R, raise, Real, Rounding, setFlags, setInteger } from './core';
import { isNaN, isSignalling, pack, propagate, signBit, unpack } from './ieee';

// MXCSR (SDM vol. 1, 10.2.3); exception flags are bits 0-5, their masks bits 7-12.
const DAZ: u32 = 1 << 6;
const MASK_SHIFT: u32 = 7;
const RC_SHIFT: u32 = 13;
const FTZ: u32 = 1 << 15;

export function sseRounding(mxcsr: u32): Rounding {
  return ((mxcsr >> RC_SHIFT) & 3) as Rounding;
}

export function load2<T>(a: T, b: T, mxcsr: u32): bool {
  unpack<T>(a, A, (mxcsr & DAZ) != 0);
  unpack<T>(b, B, (mxcsr & DAZ) != 0);
  return A.kind < Kind.QNAN && B.kind < Kind.QNAN;
}

export function load1<T>(a: T, mxcsr: u32): bool {
  unpack<T>(a, A, (mxcsr & DAZ) != 0);
  return A.kind < Kind.QNAN;
}

function result<T>(mxcsr: u32): T {
  return packAs<T>(R, mxcsr);
}

export function packAs<T>(r: Real, mxcsr: u32): T {
  return pack<T>(r, sseRounding(mxcsr), mxcsr >> MASK_SHIFT, (mxcsr & FTZ) != 0);
}

export function sseAdd<T>(a: T, b: T, mxcsr: u32): T {
  if (!load2<T>(a, b, mxcsr)) return propagate<T>(a, b);
  add(A, B, R, sseRounding(mxcsr));
  return result<T>(mxcsr);
}

export function sseSubtract<T>(a: T, b: T, mxcsr: u32): T {
  if (!load2<T>(a, b, mxcsr)) return propagate<T>(a, b);
  B.sign ^= 1;
  add(A, B, R, sseRounding(mxcsr));
  return result<T>(mxcsr);
}

export function sseMultiply<T>(a: T, b: T, mxcsr: u32): T {
  if (!load2<T>(a, b, mxcsr)) return propagate<T>(a, b);
  multiply(A, B, R);
  return result<T>(mxcsr);
}

export function sseDivide<T>(a: T, b: T, mxcsr: u32): T {
  if (!load2<T>(a, b, mxcsr)) return propagate<T>(a, b);
  divide(A, B, R);
  return result<T>(mxcsr);
}

export function sseSquareRoot<T>(a: T, mxcsr: u32): T {
  if (!load1<T>(a, mxcsr)) return propagate<T>(a, a);
  squareRoot(A, R);
  return result<T>(mxcsr);
}

/** MINSS and the like: the second operand for any NaN and for two zeros. */
export function sseMinMax<T>(a: T, b: T, mxcsr: u32, wanted: i32): T {
  if (!load2<T>(a, b, mxcsr)) {
    raise(IE);
    return B.kind == Kind.ZERO ? b & signBit<T>() : b;
  }
  raise(A.denormal | B.denormal);
  if (compare(A, B) == wanted) return A.kind == Kind.ZERO ? a & signBit<T>() : a;
  return B.kind == Kind.ZERO ? b & signBit<T>() : b;
}

/** Outcome of a comparison: 1 less, 2 equal, 4 greater, 8 unordered; quiet NaNs raise IE only when signalling. */
function relation<T>(a: T, b: T, mxcsr: u32, signalling: bool): u32 {
  if (!load2<T>(a, b, mxcsr)) {
    if (signalling || isSignalling<T>(a) || isSignalling<T>(b)) raise(IE);
    return 8;
  }
  raise(A.denormal | B.denormal);
  return 1 << (compare(A, B) + 1);
}

/** CMPSS predicates 0-7: EQ LT LE UNORD NEQ NLT NLE ORD; all ones or zero. */
export function sseCompare<T>(a: T, b: T, predicate: u32, mxcsr: u32): T {
  const signalling = (predicate & 3) == 1 || (predicate & 3) == 2;
  const outcome = relation<T>(a, b, mxcsr, signalling);
  const base = predicate & 3;
  const holds = base == 0 ? outcome == 2 : base == 1 ? outcome == 1 : base == 2 ? outcome <= 2 : outcome == 8;
  return holds != predicate >= 4 ? ~(0 as T) : (0 as T);
}

/** COMISS / UCOMISS: EFLAGS ZF (bit 6), PF (bit 2) and CF (bit 0). */
export function sseOrder<T>(a: T, b: T, mxcsr: u32, signalling: bool): u32 {
  const outcome = relation<T>(a, b, mxcsr, signalling);
  if (outcome == 8) return 0x45;
  return outcome == 2 ? 0x40 : u32(outcome == 1);
}

/** ROUNDSS: imm bits 0-1 rounding control, bit 2 use MXCSR.RC, bit 3 suppress the precision exception. */
export function sseRound<T>(a: T, imm: u32, mxcsr: u32): T {
  if (!load1<T>(a, mxcsr)) return propagate<T>(a, a);
  if (A.kind == Kind.ZERO) return a & signBit<T>();
  if (A.kind == Kind.INFINITE || A.exp >= 63) return a;
  const before = flags();
  const mode = imm & 4 ? sseRounding(mxcsr) : ((imm & 3) as Rounding);
  setInteger(R, A.sign, roundToInteger(A, mode));
  if (imm & 8) setFlags(before);
  return result<T>(mxcsr);
}

/** CVTSS2SI and the like: an integer of `bits` bits, or the integer indefinite (only the sign bit set). */
export function sseToInteger<T>(a: T, bits: u64, mode: Rounding, mxcsr: u32): i64 {
  const indefinite = i64.MIN_VALUE >> (64 - bits);
  load1<T>(a, mxcsr);
  if (A.kind == Kind.ZERO) return 0;
  if (A.kind != Kind.FINITE || A.exp > 63) {
    raise(IE);
    return indefinite;
  }
  const before = flags();
  const magnitude = roundToInteger(A, mode);
  if (magnitude > (1 << (bits - 1)) - u64(!A.sign)) {
    setFlags(before | IE);
    return indefinite;
  }
  return A.sign ? -i64(magnitude) : i64(magnitude);
}

/** CVTSI2SS and the like. */
export function sseFromInteger<T>(value: i64, mxcsr: u32): T {
  setInteger(R, u32(value < 0), u64(value < 0 ? -value : value));
  return result<T>(mxcsr);
}

/**
 * What an SSE instruction adds to MXCSR, after all its lanes: an unmasked exception that is found before
 * the computation hides those found after it (SDM vol. 1, 11.5.2-11.5.3). #XM if it has a bit that isn't masked.
 */
export function sseExceptions(mxcsr: u32): u32 {
  const raised = flags() & 0x3f;
  return raised & BEFORE_RESULT & ~(mxcsr >> MASK_SHIFT) ? raised & BEFORE_RESULT : raised;
}
