/** Scalar SSE operations by name. Operands and results are bit patterns; `mxcsr` gives modes and masks. */
import { A, IE, raise, Rounding } from './core';
import { isSignalling, narrowNaN, widenNaN } from './ieee';
import {
  load1,
  packAs,
  sseAdd,
  sseCompare,
  sseDivide,
  sseExceptions,
  sseFromInteger,
  sseMinMax,
  sseMultiply,
  sseOrder,
  sseRound,
  sseRounding,
  sseSquareRoot,
  sseSubtract,
  sseToInteger,
} from './sse';

export { sseExceptions as sse_exceptions };

// binary32

export function f32_add(a: u32, b: u32, mxcsr: u32): u32 {
  return sseAdd<u32>(a, b, mxcsr);
}

export function f32_sub(a: u32, b: u32, mxcsr: u32): u32 {
  return sseSubtract<u32>(a, b, mxcsr);
}

export function f32_mul(a: u32, b: u32, mxcsr: u32): u32 {
  return sseMultiply<u32>(a, b, mxcsr);
}

export function f32_div(a: u32, b: u32, mxcsr: u32): u32 {
  return sseDivide<u32>(a, b, mxcsr);
}

export function f32_sqrt(a: u32, mxcsr: u32): u32 {
  return sseSquareRoot<u32>(a, mxcsr);
}

export function f32_min(a: u32, b: u32, mxcsr: u32): u32 {
  return sseMinMax<u32>(a, b, mxcsr, -1);
}

export function f32_max(a: u32, b: u32, mxcsr: u32): u32 {
  return sseMinMax<u32>(a, b, mxcsr, 1);
}

/** CMPxx with predicate 0-7: all ones or zero. */
export function f32_cmp(a: u32, b: u32, predicate: u32, mxcsr: u32): u32 {
  return sseCompare<u32>(a, b, predicate, mxcsr);
}

/** COMISx: ZF, PF and CF at their places in EFLAGS (the other flags become 0). */
export function f32_comi(a: u32, b: u32, mxcsr: u32): u32 {
  return sseOrder<u32>(a, b, mxcsr, true);
}

export function f32_ucomi(a: u32, b: u32, mxcsr: u32): u32 {
  return sseOrder<u32>(a, b, mxcsr, false);
}

/** ROUNDxx with its immediate. */
export function f32_round(a: u32, imm: u32, mxcsr: u32): u32 {
  return sseRound<u32>(a, imm, mxcsr);
}

export function f32_from_i64(value: i64, mxcsr: u32): u32 {
  return sseFromInteger<u32>(value, mxcsr);
}

export function f32_from_i32(value: i32, mxcsr: u32): u32 {
  return sseFromInteger<u32>(value, mxcsr);
}

export function f32_to_i32(a: u32, mxcsr: u32): i32 {
  return i32(sseToInteger<u32>(a, 32, sseRounding(mxcsr), mxcsr));
}

export function f32_to_i32_truncate(a: u32, mxcsr: u32): i32 {
  return i32(sseToInteger<u32>(a, 32, Rounding.ZERO, mxcsr));
}

export function f32_to_i64(a: u32, mxcsr: u32): i64 {
  return sseToInteger<u32>(a, 64, sseRounding(mxcsr), mxcsr);
}

export function f32_to_i64_truncate(a: u32, mxcsr: u32): i64 {
  return sseToInteger<u32>(a, 64, Rounding.ZERO, mxcsr);
}

// binary64

export function f64_add(a: u64, b: u64, mxcsr: u32): u64 {
  return sseAdd<u64>(a, b, mxcsr);
}

export function f64_sub(a: u64, b: u64, mxcsr: u32): u64 {
  return sseSubtract<u64>(a, b, mxcsr);
}

export function f64_mul(a: u64, b: u64, mxcsr: u32): u64 {
  return sseMultiply<u64>(a, b, mxcsr);
}

export function f64_div(a: u64, b: u64, mxcsr: u32): u64 {
  return sseDivide<u64>(a, b, mxcsr);
}

export function f64_sqrt(a: u64, mxcsr: u32): u64 {
  return sseSquareRoot<u64>(a, mxcsr);
}

export function f64_min(a: u64, b: u64, mxcsr: u32): u64 {
  return sseMinMax<u64>(a, b, mxcsr, -1);
}

export function f64_max(a: u64, b: u64, mxcsr: u32): u64 {
  return sseMinMax<u64>(a, b, mxcsr, 1);
}

/** CMPxx with predicate 0-7: all ones or zero. */
export function f64_cmp(a: u64, b: u64, predicate: u32, mxcsr: u32): u64 {
  return sseCompare<u64>(a, b, predicate, mxcsr);
}

/** COMISx: ZF, PF and CF at their places in EFLAGS (the other flags become 0). */
export function f64_comi(a: u64, b: u64, mxcsr: u32): u32 {
  return sseOrder<u64>(a, b, mxcsr, true);
}

export function f64_ucomi(a: u64, b: u64, mxcsr: u32): u32 {
  return sseOrder<u64>(a, b, mxcsr, false);
}

/** ROUNDxx with its immediate. */
export function f64_round(a: u64, imm: u32, mxcsr: u32): u64 {
  return sseRound<u64>(a, imm, mxcsr);
}

export function f64_from_i64(value: i64, mxcsr: u32): u64 {
  return sseFromInteger<u64>(value, mxcsr);
}

export function f64_from_i32(value: i32, mxcsr: u32): u64 {
  return sseFromInteger<u64>(value, mxcsr);
}

export function f64_to_i32(a: u64, mxcsr: u32): i32 {
  return i32(sseToInteger<u64>(a, 32, sseRounding(mxcsr), mxcsr));
}

export function f64_to_i32_truncate(a: u64, mxcsr: u32): i32 {
  return i32(sseToInteger<u64>(a, 32, Rounding.ZERO, mxcsr));
}

export function f64_to_i64(a: u64, mxcsr: u32): i64 {
  return sseToInteger<u64>(a, 64, sseRounding(mxcsr), mxcsr);
}

export function f64_to_i64_truncate(a: u64, mxcsr: u32): i64 {
  return sseToInteger<u64>(a, 64, Rounding.ZERO, mxcsr);
}

// Between the two

export function f64_to_f32(a: u64, mxcsr: u32): u32 {
  if (load1<u64>(a, mxcsr)) {
    raise(A.denormal);
    return packAs<u32>(A, mxcsr);
  }
  if (isSignalling<u64>(a)) raise(IE);
  return narrowNaN(a);
}

export function f32_to_f64(a: u32, mxcsr: u32): u64 {
  if (load1<u32>(a, mxcsr)) {
    raise(A.denormal);
    return packAs<u64>(A, mxcsr);
  }
  if (isSignalling<u32>(a)) raise(IE);
  return widenNaN(a);
}
