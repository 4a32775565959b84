/** Packing and unpacking of binary32 (T = u32) and binary64 (T = u64), and the NaN rules of SSE. */
import { round } from './arithmetic';
import { DE, IE, INTEGER_BIT, Kind, QUIET_BIT, raise, Real, Rounding, setFinite, setZero } from './core';

export function precision<T>(): u64 {
  return sizeof<T>() == 4 ? 24 : 53;
}

export function bias<T>(): i32 {
  return sizeof<T>() == 4 ? 127 : 1023;
}

export function signBit<T>(): T {
  return (1 as T) << ((sizeof<T>() * 8 - 1) as T);
}

export function infinity<T>(): T {
  return sizeof<T>() == 4 ? (0x7f80_0000 as T) : (0x7ff0_0000_0000_0000 as T);
}

function quietBit<T>(): T {
  return sizeof<T>() == 4 ? (0x0040_0000 as T) : (0x0008_0000_0000_0000 as T);
}

/** The "QNaN floating-point indefinite" (SDM vol. 1, table 4-3). */
export function defaultNaN<T>(): T {
  return signBit<T>() | infinity<T>() | quietBit<T>();
}

export function isNaN<T>(x: T): bool {
  return (x & ~signBit<T>()) > infinity<T>();
}

export function isSignalling<T>(x: T): bool {
  return isNaN<T>(x) && !(x & quietBit<T>());
}

export function quiet<T>(x: T): T {
  return x | quietBit<T>();
}

/** The result for operands of which one at least is a NaN: the first one, quieted (SDM vol. 1, table 4-7). */
export function propagate<T>(a: T, b: T): T {
  if (isSignalling<T>(a) || isSignalling<T>(b)) raise(IE);
  return quiet<T>(isNaN<T>(a) ? a : b);
}

/** Takes x apart; with zeroDenormals (MXCSR.DAZ) a denormal is a zero of the same sign. */
export function unpack<T>(x: T, r: Real, zeroDenormals: bool): void {
  const maxBiased = bias<T>() * 2 + 1;
  const fraction: u64 = (u64(x) << (64 - precision<T>())) & ~INTEGER_BIT;
  const biased = i32(x >> ((precision<T>() - 1) as T)) & maxBiased;
  const sign = u32(x >> ((sizeof<T>() * 8 - 1) as T));
  r.denormal = 0;
  if (biased == maxBiased) {
    r.sign = sign;
    r.kind = fraction == 0 ? Kind.INFINITE : fraction & QUIET_BIT ? Kind.QNAN : Kind.SNAN;
  } else if (biased != 0) {
    setFinite(r, sign, biased - bias<T>(), INTEGER_BIT | fraction, 0);
  } else if (fraction == 0 || zeroDenormals) {
    setZero(r, sign);
  } else {
    const shift = clz(fraction);
    setFinite(r, sign, 1 - bias<T>() - i32(shift), fraction << shift, 0);
    r.denormal = DE;
  }
}

/** Rounds r into the format. */
export function pack<T>(r: Real, mode: Rounding, masks: u32, flushToZero: bool): T {
  if (r.kind == Kind.QNAN) return defaultNaN<T>();
  const sign: T = r.sign ? signBit<T>() : (0 as T);
  if (r.kind == Kind.ZERO) return sign;
  if (r.kind == Kind.INFINITE) return sign | infinity<T>();
  round(r, precision<T>(), 1 - bias<T>(), bias<T>(), mode, masks, flushToZero);
  const fraction = ((r.hi & ~INTEGER_BIT) >> (64 - precision<T>())) as T;
  return sign | ((r.biased as T) << ((precision<T>() - 1) as T)) | fraction;
}

/** NaN payload changes between formats keep the leading fraction bits. */
export function narrowNaN(x: u64): u32 {
  return quiet<u32>((u32(x >> 32) & signBit<u32>()) | infinity<u32>() | (u32(x >> 29) & 0x003f_ffff));
}

export function widenNaN(x: u32): u64 {
  return quiet<u64>((u64(x & signBit<u32>()) << 32) | infinity<u64>() | (u64(x & 0x003f_ffff) << 29));
}
