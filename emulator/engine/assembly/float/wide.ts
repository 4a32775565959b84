/** Arithmetic on finite numbers with all 128 bits of significand, to within a few units of the last one. */
import { INTEGER_BIT, mulHigh, Real, setFinite, setNormalized } from './core';

/** The upper 128 bits of the product of fixed-point numbers, less at most two units; the result of wideProduct(). */
let productHi: u64 = 0;
let productLo: u64 = 0;

function wideProduct(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  const cross = mulHigh(aHi, bLo);
  const low = aHi * bHi + cross;
  const lower = low + mulHigh(aLo, bHi);
  productHi = mulHigh(aHi, bHi) + u64(low < cross) + u64(lower < low);
  productLo = lower;
}

export function multiplyWide(a: Real, b: Real, r: Real): void {
  wideProduct(a.hi, a.lo, b.hi, b.lo);
  setNormalized(r, a.sign ^ b.sign, a.exp + b.exp + 1, productHi, productLo);
}

export function divideWide(a: Real, b: Real, r: Real): void {
  const bHi = b.hi;
  const bLo = b.lo;
  let hi = a.hi;
  let lo = a.lo;
  const less = hi < bHi || (hi == bHi && lo < bLo);
  if (!less) {
    hi -= bHi + u64(lo < bLo);
    lo -= bLo;
  }
  let quotientHi: u64 = 0;
  let quotientLo = u64(!less);
  for (let i = less ? 128 : 127; i > 0; i--) {
    const carry = hi & INTEGER_BIT;
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    const over = carry != 0 || hi > bHi || (hi == bHi && lo >= bLo);
    if (over) {
      hi -= bHi + u64(lo < bLo);
      lo -= bLo;
    }
    quotientHi = (quotientHi << 1) | (quotientLo >> 63);
    quotientLo = (quotientLo << 1) | u64(over);
  }
  setFinite(r, a.sign ^ b.sign, a.exp - b.exp - i32(less), quotientHi, quotientLo | u64((hi | lo) != 0));
}

/**
 * The sum over k < terms of coefficient[k * stride] * z^k, the odd powers subtracted when `alternate`, for the
 * magnitude z = |x| or x^2 (given as a number) below 1. The coefficients are a table of tables.ts and fall. A z too
 * small to matter still makes the result inexact, in the right direction.
 */
export function series(table: usize, stride: usize, terms: usize, z: Real, alternate: bool, r: Real): void {
  const shift = u64(-1 - z.exp);
  const zHi: u64 = shift < 64 ? z.hi >> shift : 0;
  const zLo: u64 = shift == 0 ? z.lo : shift < 64 ? (z.lo >> shift) | (z.hi << (64 - shift)) : shift < 128 ? z.hi >> (shift - 64) : 0;
  const step = stride * 16;
  let at = table + (terms - 1) * step;
  let hi = load<u64>(at);
  let lo = load<u64>(at, 8);
  while (at != table) {
    at -= step;
    wideProduct(zHi, zLo, hi, lo);
    const cHi = load<u64>(at);
    const cLo = load<u64>(at, 8);
    const term = productLo | u64(at == table);
    if (alternate) {
      lo = cLo - term;
      hi = cHi - productHi - u64(cLo < term);
    } else {
      lo = cLo + term;
      hi = cHi + productHi + u64(lo < term);
    }
  }
  setNormalized(r, 0, 0, hi, lo);
}
