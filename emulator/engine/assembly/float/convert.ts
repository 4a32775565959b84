/** Conversions between x87 registers and the memory formats. Returned flags and `control` are as in f80.ts. */
import { resultSuppressed, roundToInteger } from './arithmetic';
import { A, flags, IE, INTEGER_BIT, Kind, OE, PE, R, raise, Rounding, setFlags, setInteger, UE } from './core';
import { C1, isNumber, MAX_BIASED, OPERAND_DENORMAL, pack80, roundingOf, SIGN, store80, unpack80 } from './extended';
import { defaultNaN, infinity, pack, precision, quiet, signBit, unpack } from './ieee';

/** Widens exactly; NaNs keep their payload and stay signalling. True for a denormal. */
function widen<T>(dst: usize, x: T): bool {
  unpack<T>(x, A, false);
  if (isNumber(A)) pack80(dst, A, 64, 0x3f);
  else store80(dst, x & signBit<T>() ? SIGN | MAX_BIASED : MAX_BIASED, INTEGER_BIT | (u64(x) << (64 - precision<T>())));
  return A.denormal != 0;
}

/** A memory operand for arithmetic: the result is to be added to the `control` of the operation it is `b` of. */
export function f80_widen_f32(dst: usize, x: u32): u32 {
  return widen<u32>(dst, x) ? OPERAND_DENORMAL : 0;
}

export function f80_widen_f64(dst: usize, x: u64): u32 {
  return widen<u64>(dst, x) ? OPERAND_DENORMAL : 0;
}

function loadAs<T>(dst: usize, x: T, control: u32): u32 {
  setFlags(0);
  unpack<T>(x, A, false);
  if (A.kind == Kind.SNAN) raise(IE);
  if (isNumber(A)) raise(A.denormal);
  if (!resultSuppressed(control)) widen<T>(dst, A.kind == Kind.SNAN ? quiet<T>(x) : x);
  return flags();
}

/** FLD m32fp. */
export function f80_load_f32(dst: usize, x: u32, control: u32): u32 {
  return loadAs<u32>(dst, x, control);
}

/** FLD m64fp. */
export function f80_load_f64(dst: usize, x: u64, control: u32): u32 {
  return loadAs<u64>(dst, x, control);
}

/** FILD, and the integer operands of arithmetic; always exact. */
export function f80_from_i64(dst: usize, value: i64): void {
  setInteger(R, u32(value < 0), u64(value < 0 ? -value : value));
  pack80(dst, R, 64, 0x3f);
}

/** Stores T at dst unless an exception that keeps memory unchanged (all but PE) is unmasked. */
function storeAs<T>(dst: usize, a: usize, control: u32): u32 {
  setFlags(0);
  unpack80(a, A);
  let c1: u32 = 0;
  let bits: T;
  if (isNumber(A)) {
    A.up = 0;
    bits = pack<T>(A, roundingOf(control), control, false);
    if (A.up) c1 = C1;
  } else {
    if (A.kind != Kind.QNAN) raise(IE);
    bits = A.kind == Kind.UNSUPPORTED ? defaultNaN<T>() : narrow<T>(a);
  }
  const unmasked = flags() & ~control & (IE | OE | UE);
  if (unmasked) return flags() & ~PE;
  store<T>(dst, bits);
  return flags() | c1;
}

function narrow<T>(a: usize): T {
  const payload = ((load<u64>(a) & ~INTEGER_BIT) >> (64 - precision<T>())) as T;
  return quiet<T>((load<u16>(a, 8) & SIGN ? signBit<T>() : (0 as T)) | infinity<T>() | payload);
}

/** FST m32fp: stores four bytes at dst, unless IE, OE or UE comes out unmasked. */
export function f80_store_f32(dst: usize, a: usize, control: u32): u32 {
  return storeAs<u32>(dst, a, control);
}

/** FST m64fp: stores eight bytes. */
export function f80_store_f64(dst: usize, a: usize, control: u32): u32 {
  return storeAs<u64>(dst, a, control);
}

/** Rounds to an integer of at most `limit` + sign ; raises IE when it doesn't fit. */
function toInteger(a: usize, limit: u64, mode: Rounding): u64 {
  setFlags(0);
  unpack80(a, A);
  A.up = 0;
  if (A.kind == Kind.ZERO) return 0;
  if (A.kind == Kind.FINITE && A.exp <= 63) {
    const magnitude = roundToInteger(A, mode);
    if (magnitude <= limit) return magnitude;
  }
  setFlags(IE);
  A.up = 0;
  return 0;
}

/**
 * FIST and FISTTP (truncate = 1) to `bits` = 16, 32 or 64: stores a sign-extended i64 at dst, unless IE is unmasked.
 */
export function f80_store_int(dst: usize, a: usize, bits: u32, truncate: u32, control: u32): u32 {
  const negative = u64(load<u16>(a, 8) >> 15);
  const limit: u64 = (1 << u64(bits - 1)) - 1 + negative;
  const magnitude = toInteger(a, limit, truncate ? Rounding.ZERO : roundingOf(control));
  if (resultSuppressed(control)) return flags();
  if (flags() & IE) store<i64>(dst, i64.MIN_VALUE >> (64 - bits));
  else store<i64>(dst, negative ? -i64(magnitude) : i64(magnitude));
  return flags() | (A.up ? C1 : 0);
}

/** Digits of a packed BCD number, two a byte from the lowest; its sign is bit 7 of the tenth byte. */
const BCD_BYTES: u32 = 9;
const BCD_LIMIT: u64 = 999_999_999_999_999_999;

/** FBLD from the ten bytes at src. Digits above 9 are undefined in the SDM; they count as they are. */
export function f80_load_bcd(dst: usize, src: usize): void {
  let value: u64 = 0;
  for (let i = BCD_BYTES; i-- > 0;) {
    const pair = load<u8>(src + i);
    value = value * 100 + u64(pair >> 4) * 10 + u64(pair & 15);
  }
  setInteger(R, load<u8>(src, 9) >> 7, value);
  pack80(dst, R, 64, 0x3f);
}

/** FBSTP to the ten bytes at dst, unless IE is unmasked. */
export function f80_store_bcd(dst: usize, a: usize, control: u32): u32 {
  const sign: u32 = load<u16>(a, 8) & SIGN;
  let magnitude = toInteger(a, BCD_LIMIT, roundingOf(control));
  if (resultSuppressed(control)) return flags();
  if (flags() & IE) {
    // The packed BCD indefinite.
    store80(dst, 0xffff, 0xc000_0000_0000_0000);
    return flags();
  }
  for (let i: u32 = 0; i < BCD_BYTES; i++) {
    const pair = u32(magnitude % 100);
    magnitude /= 100;
    store<u8>(dst + i, ((pair / 10) << 4) | (pair % 10));
  }
  store<u8>(dst, sign >> 8, 9);
  return flags() | (A.up ? C1 : 0);
}
