import { i32, i64, i64c, type I32, type I64 } from '../wasm/expr';

/**
 * The arithmetic flags are kept as two values that instructions produce anyway:
 *   result   the result, sign-extended to 64 bits
 *   carries  bit 63  CF
 *            bit 62  CF ^ OF, the carry into the top bit
 *            bit 3   AF
 *            bits 8–15 flip the parity of the result's low byte
 *            bit 0   flips SF
 * Every condition is then a few operations, whatever produced the flags.
 */
export interface FlagValues {
  readonly result: I64;
  readonly carries: I64;
}

export const CF = 1n << 0n;
export const PF = 1n << 2n;
export const AF = 1n << 4n;
export const ZF = 1n << 6n;
export const SF = 1n << 7n;
export const TF = 1n << 8n;
export const IF = 1n << 9n;
export const DF = 1n << 10n;
export const OF = 1n << 11n;
export const IOPL = 3n << 12n;
export const NT = 1n << 14n;
export const RF = 1n << 16n;
export const VM = 1n << 17n;
export const AC = 1n << 18n;
export const VIF = 1n << 19n;
export const VIP = 1n << 20n;
export const ID = 1n << 21n;
export const ARITHMETIC = CF | PF | AF | ZF | SF | OF;

export const CARRY_BIT = 63n;
export const CARRY_MASK = 0xc000000000000008n;

export type FlagSize = 8 | 16 | 32 | 64;

/** `result` = `a` + `b` or `a` - `b`, of which the low `size` bits count. */
export interface FlagSum {
  readonly operation: 'add' | 'sub';
  readonly a: I64;
  readonly b: I64;
  readonly result: I64;
  readonly size: FlagSize;
  /** No carry or borrow came in: conditions may be found from the operands. */
  readonly whole: boolean;
}

/** Sign-extends the low `size` bits. */
export function signed(value: I64, size: FlagSize): I64 {
  switch (size) {
    case 8:
      return i64.extend8S(value);
    case 16:
      return i64.extend16S(value);
    case 32:
      return i64.extend32S(value);
    case 64:
      return value;
  }
}

const not = (a: I64): I64 => i64.xor(a, i64c(-1));

/**
 * Flag carries from the vector of carries out of each bit. `hold` evaluates what is used more than once. Without constants
 * that take more than 32 bits: the interpreter would keep them on its stack, and put them there for every block.
 */
export function carriesOf(vector: I64, size: FlagSize, hold: (value: I64) => I64): I64 {
  if (size === 64) return i64.rotr(i64.and(i64.rotl(vector, i64c(2)), i64c(0x23)), i64c(2));
  const v = hold(vector);
  const top = i64.rotr(i64.and(i64.shrU(v, i64c(size - 2)), i64c(3)), i64c(2));
  return i64.or(top, i64.and(v, i64c(8)));
}

/** Flag carries of a sum. */
export function sumCarries({ operation, a, b, result, size }: FlagSum, hold: (value: I64) => I64): I64 {
  const vector =
    operation === 'add' ? i64.or(i64.and(a, b), i64.and(i64.or(a, b), not(result))) : i64.or(i64.and(not(a), b), i64.and(i64.or(not(a), b), result));
  return carriesOf(vector, size, hold);
}

/** Flags that are clear but for CF and ZF (0 or 1), as after comparing floating-point numbers. */
export function orderFlags(carry: I32, zero: I32, hold: (value: I64) => I64): FlagValues {
  const [c, z] = [hold(i64.extendI32U(carry)), hold(i64.extendI32U(zero))];
  return { result: i64.xor(z, i64c(1)), carries: i64.or(i64.or(i64.shl(c, i64c(63)), i64.shl(c, i64c(62))), i64.shl(z, i64c(8))) };
}

/** Condition codes as in the low four bits of Jcc (SDM volume 1, appendix B). */
export const CONDITIONS = ['o', 'no', 'b', 'ae', 'z', 'nz', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const;

const negative = (value: I64): I32 => i64.ltS(value, i64c(0));
const sign = (f: FlagValues): I64 => i64.xor(f.result, i64.shl(f.carries, i64c(63)));
const overflow = (f: FlagValues): I64 => i64.xor(f.carries, i64.shl(f.carries, i64c(1)));
const parity = (f: FlagValues): I32 =>
  i32.and(i32.popcnt(i32.and(i32.xor(i32.wrap(f.result), i32.wrap(i64.shrU(f.carries, i64c(8)))), i32.const(0xff))), i32.const(1));

/** 1 where condition `code` (0–15) holds, else 0. `values` are used more than once: pass locals. */
export function condition(code: number, f: FlagValues): I32 {
  const base = ((): I32 => {
    switch (code >> 1) {
      case 0:
        return negative(overflow(f));
      case 1:
        return negative(f.carries);
      case 2:
        return i64.eqz(f.result);
      case 3:
        return i32.or(negative(f.carries), i64.eqz(f.result));
      case 4:
        return negative(sign(f));
      case 5:
        return i32.eqz(parity(f));
      case 6:
        return negative(i64.xor(sign(f), overflow(f)));
      default:
        return i32.or(negative(i64.xor(sign(f), overflow(f))), i64.eqz(f.result));
    }
  })();
  return code & 1 ? i32.eqz(base) : base;
}

const [LOW_CF, LOW_PF, LOW_AF, LOW_ZF, LOW_SF, LOW_OF] = [Number(CF), Number(PF), Number(AF), Number(ZF), Number(SF), Number(OF)];

/** RFLAGS bits CF PF AF ZF SF OF from the halves of the two values: interrupts and POPF ask often, and bigints cost. */
export function arithmeticFlags(resultLow: number, resultHigh: number, carriesLow: number, carriesHigh: number): number {
  let low = (resultLow ^ (carriesLow >>> 8)) & 0xff;
  low ^= low >> 4;
  low ^= low >> 2;
  low ^= low >> 1;
  const carry = carriesHigh >>> 31;
  return (
    (carry ? LOW_CF : 0) |
    (low & 1 ? 0 : LOW_PF) |
    (carriesLow & 8 ? LOW_AF : 0) |
    (resultLow === 0 && resultHigh === 0 ? LOW_ZF : 0) |
    ((resultHigh >>> 31) ^ (carriesLow & 1) ? LOW_SF : 0) |
    (carry ^ ((carriesHigh >>> 30) & 1) ? LOW_OF : 0)
  );
}

/** The same from whole values. */
export function toRflags(result: bigint, carries: bigint): bigint {
  const half = (value: bigint, shift: bigint): number => Number(BigInt.asUintN(32, value >> shift));
  return BigInt(arithmeticFlags(half(result, 0n), half(result, 32n), half(carries, 0n), half(carries, 32n)));
}

/** The two values that stand for given RFLAGS bits. */
export function fromRflags(flags: bigint): { result: bigint; carries: bigint } {
  const bits = Number(BigInt.asUintN(32, flags));
  const has = (flag: number): number => (bits & flag ? 1 : 0);
  const high = (has(LOW_CF) << 1) | (has(LOW_CF) ^ has(LOW_OF));
  const low = ((has(LOW_ZF) ^ has(LOW_PF)) << 8) | (has(LOW_AF) << 3) | has(LOW_SF);
  return { result: has(LOW_ZF) ? 0n : 1n, carries: (BigInt(high) << 62n) | BigInt(low) };
}

/** Emits RFLAGS bits CF PF AF ZF SF OF. */
export function packFlags(f: FlagValues): I64 {
  const at = (condition: I32, bit: number) => i64.shl(i64.extendI32U(condition), i64c(bit));
  const or = (...values: I64[]) => values.reduce((a, b) => i64.or(a, b));
  return or(
    i64.shrU(f.carries, i64c(63)),
    at(condition(10, f), 2),
    i64.shl(i64.and(f.carries, i64c(8)), i64c(1)),
    at(condition(4, f), 6),
    at(condition(8, f), 7),
    at(condition(0, f), 11),
  );
}

/** Emits the two values for RFLAGS bits; `flags` is used more than once. */
export function unpackFlags(flags: I64): FlagValues {
  const bit = (n: number) => i64.and(i64.shrU(flags, i64c(n)), i64c(1));
  const shifted = (value: I64, n: number) => i64.shl(value, i64c(n));
  const or = (...values: I64[]) => values.reduce((a, b) => i64.or(a, b));
  return {
    result: i64.xor(bit(6), i64c(1)),
    carries: or(shifted(bit(0), 63), shifted(i64.xor(bit(0), bit(11)), 62), shifted(i64.xor(bit(6), bit(2)), 8), shifted(bit(4), 3), bit(7)),
  };
}
