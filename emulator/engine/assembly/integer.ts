// 128-bit quotients.
let quotient: u64 = 0;
let remainder: u64 = 0;

/** Quotient and remainder of high:low by divisor; 1 where the quotient needs more than 64 bits. */
export function divideUnsigned128(high: u64, low: u64, divisor: u64): i32 {
  if (high >= divisor) return 1;
  if (high == 0) {
    quotient = low / divisor;
    remainder = low - quotient * divisor;
    return 0;
  }
  // Knuth's algorithm D with two 32-bit digits.
  const shift = clz(divisor);
  const d = divisor << shift;
  const dh = d >> 32;
  const dl = d & 0xffffffff;
  const nh = shift ? (high << shift) | (low >> (64 - shift)) : high;
  const nl = low << shift;
  const q1 = digit(nh, nl >> 32, dh, dl, d);
  const rest = ((nh << 32) | (nl >> 32)) - q1 * d;
  const q0 = digit(rest, nl & 0xffffffff, dh, dl, d);
  quotient = (q1 << 32) | q0;
  remainder = (((rest << 32) | (nl & 0xffffffff)) - q0 * d) >> shift;
  return 0;
}

/** One digit of (n·2^32 + next) / d. */
function digit(n: u64, next: u64, dh: u64, dl: u64, d: u64): u64 {
  let q = n / dh;
  let r = n - q * dh;
  while (q >> 32 || q * dl > ((r << 32) | next)) {
    q--;
    r += dh;
    if (r >> 32) break;
  }
  return q;
}

export function divideSigned128(high: u64, low: u64, divisor: i64): i32 {
  const negativeDividend = (high as i64) < 0;
  let h = high;
  let l = low;
  if (negativeDividend) {
    l = ~l + 1;
    h = ~h + (l == 0 ? 1 : 0);
  }
  const d = (divisor < 0 ? -divisor : divisor) as u64;
  if (divideUnsigned128(h, l, d)) return 1;
  const negative = negativeDividend != divisor < 0;
  if (negative ? quotient > 0x8000000000000000 : quotient > 0x7fffffffffffffff) return 1;
  if (negative) quotient = ~quotient + 1;
  if (negativeDividend) remainder = ~remainder + 1;
  return 0;
}

export function quotient128(): u64 {
  return quotient;
}
export function remainder128(): u64 {
  return remainder;
}
