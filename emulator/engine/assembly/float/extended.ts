/**
 * The x87 register format in memory: a u64 significand with explicit integer bit, then a u16 with sign and exponent
 * (ten bytes; only those are touched). `control` arguments are the x87 control word.
 */
import { resultSuppressed, round } from './arithmetic';
import { A, B, DE, flags, IE, INTEGER_BIT, Kind, QUIET_BIT, raise, Real, Rounding, setFinite, setFlags, setInfinite, setZero } from './core';

// Condition codes, as in the status word (SDM vol. 1, 8.1.3).
export const C0: u32 = 1 << 8;
export const C1: u32 = 1 << 9;
export const C2: u32 = 1 << 10;
export const C3: u32 = 1 << 14;

/** Above the control word: the memory operand that was widened for this operation was a denormal. */
export const OPERAND_DENORMAL: u32 = 1 << 16;

export const BIAS: i32 = 16383;
export const MAX_BIASED: u32 = 0x7fff;
export const SIGN: u32 = 0x8000;

const PC_SHIFT: u32 = 8;
const RC_SHIFT: u32 = 10;

export function roundingOf(control: u32): Rounding {
  return ((control >> RC_SHIFT) & 3) as Rounding;
}

/** Bits of precision that PC selects; the reserved value 1 acts as extended. */
export function precisionOf(control: u32): u64 {
  const pc = (control >> PC_SHIFT) & 3;
  return pc == 0 ? 24 : pc == 2 ? 53 : 64;
}

export function store80(dst: usize, signExponent: u32, significand: u64): void {
  store<u64>(dst, significand);
  store<u16>(dst, u16(signExponent), 8);
}

export function storeDefaultNaN(dst: usize): void {
  store80(dst, SIGN | MAX_BIASED, INTEGER_BIT | QUIET_BIT);
}

export function unpack80(at: usize, r: Real): void {
  const significand = load<u64>(at);
  const signExponent = u32(load<u16>(at, 8));
  const biased = signExponent & MAX_BIASED;
  const sign = signExponent >> 15;
  r.denormal = 0;
  if (biased == 0) {
    if (significand == 0) return setZero(r, sign);
    const shift = clz(significand);
    setFinite(r, sign, 1 - BIAS - i32(shift), significand << shift, 0);
    r.denormal = DE;
    return;
  }
  if (!(significand & INTEGER_BIT)) r.kind = Kind.UNSUPPORTED;
  else if (biased != MAX_BIASED) setFinite(r, sign, i32(biased) - BIAS, significand, 0);
  else if (significand == INTEGER_BIT) setInfinite(r, sign);
  else r.kind = significand & QUIET_BIT ? Kind.QNAN : Kind.SNAN;
}

/** Rounds r and stores it; returns C1. */
export function pack80(dst: usize, r: Real, precision: u64, control: u32): u32 {
  const sign = r.sign << 15;
  switch (r.kind) {
    case Kind.ZERO:
      store80(dst, sign, 0);
      return 0;
    case Kind.FINITE:
      round(r, precision, 1 - BIAS, BIAS, roundingOf(control), control, false);
      store80(dst, sign | u32(r.biased), r.hi);
      return r.up ? C1 : 0;
    case Kind.INFINITE:
      store80(dst, sign | MAX_BIASED, INTEGER_BIT);
      return 0;
    default:
      storeDefaultNaN(dst);
      return 0;
  }
}

/** Stores a result unless an unmasked exception forbids it; returns exceptions and C1 as in the status word. */
export function deliver(dst: usize, r: Real, precision: u64, control: u32): u32 {
  if (resultSuppressed(control)) return flags();
  const c1 = pack80(dst, r, precision, control);
  return flags() | c1;
}

export function isNumber(r: Real): bool {
  return r.kind < Kind.QNAN;
}

/** Whether a register holds a number: no NaN, no unsupported encoding. */
export function isNumber80(at: usize): bool {
  const significand = load<u64>(at);
  const biased = u32(load<u16>(at, 8)) & MAX_BIASED;
  if (biased != 0 && !(significand & INTEGER_BIT)) return false;
  return biased != MAX_BIASED || significand == INTEGER_BIT;
}

/** Unpacks both operands; false when one is no number. */
export function operands(a: usize, b: usize, control: u32): bool {
  setFlags(0);
  unpack80(a, A);
  unpack80(b, B);
  // A denormal from memory is a normal register by now.
  if (control & OPERAND_DENORMAL) B.denormal = DE;
  return isNumber(A) && isNumber(B);
}

export function operand(a: usize): bool {
  setFlags(0);
  unpack80(a, A);
  return isNumber(A);
}

/**
 * The result for operands of which one at least is no number: the QNaN before an SNaN, the larger significand,
 * the positive one (SDM vol. 1, table 4-7); unsupported encodings are invalid.
 */
export function propagate80(dst: usize, a: Real, at: usize, b: Real, bt: usize, control: u32): u32 {
  if (a.kind > Kind.QNAN || b.kind > Kind.QNAN) raise(IE);
  if (resultSuppressed(control)) return flags();
  if (a.kind == Kind.UNSUPPORTED || b.kind == Kind.UNSUPPORTED) storeDefaultNaN(dst);
  else {
    const from = chooseNaN(a, at, b, bt);
    store80(dst, u32(load<u16>(from, 8)), load<u64>(from) | QUIET_BIT);
  }
  return flags();
}

function chooseNaN(a: Real, at: usize, b: Real, bt: usize): usize {
  if (isNumber(b)) return at;
  if (isNumber(a)) return bt;
  if (a.kind != b.kind) return a.kind == Kind.QNAN ? at : bt;
  const aSignificand = load<u64>(at);
  const bSignificand = load<u64>(bt);
  if (aSignificand != bSignificand) return aSignificand > bSignificand ? at : bt;
  return load<u16>(at, 8) & SIGN ? bt : at;
}
