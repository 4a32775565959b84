// x87 loads, stores, exchanges and stack management. Stores come in two steps, as memory may fault in between.
import { FLOAT_RESULT, FLOAT_STATUS } from '../../../x86/layout';
import { f80_from_i64, f80_load_bcd, f80_load_f32, f80_load_f64, f80_store_bcd, f80_store_f32, f80_store_f64, f80_store_int } from '../float/convert';
import { DE, IE, OE, UE } from '../float/core';
import { C1, SIGN, store80, storeDefaultNaN } from '../float/extended';
import { f80_constant } from '../float/scale';
import { canPush, conclude, control, fill, free, isEmpty, note, operandNumber, pop, push, rotate, setIndefinite, st, stackFault, UNDERFLOW } from './stack';

/** Memory formats, as isa/x87-move.ts and isa/x87-arithmetic.ts number them. */
export const enum Format {
  SINGLE = 0,
  DOUBLE = 1,
  INTEGER = 2, // i16, i32 and i64 come sign-extended
  EXTENDED = 3,
  DECIMAL = 4,
}

const BYTES10 = memory.data(16, 8);

/** FLD and FILD of memory, FLD m80 and FBLD: `low` and `high` are its bytes. */
export function x87_load(record: u32, format: Format, low: u64, high: u32): void {
  note(record);
  if (!canPush()) return;
  const to = st(-1);
  let result: u32 = 0;
  // A denormal is loaded even where its exception is not masked.
  const masks = control() | DE;
  switch (format) {
    case Format.SINGLE:
      result = f80_load_f32(to, low as u32, masks);
      break;
    case Format.DOUBLE:
      result = f80_load_f64(to, low, masks);
      break;
    case Format.INTEGER:
      f80_from_i64(to, low);
      break;
    case Format.EXTENDED:
      store80(to, high, low);
      break;
    default:
      store80(BYTES10, high, low);
      f80_load_bcd(to, BYTES10);
  }
  conclude(result, C1);
  if (!(result & ~control() & IE)) push();
}

/** FLD ST(i). */
export function x87_load_register(record: u32): void {
  note(record);
  const i = operandNumber(record);
  if (isEmpty(i)) {
    if (!stackFault(UNDERFLOW)) return;
    push();
    setIndefinite(0);
    return;
  }
  if (!canPush()) return;
  const from = st(i);
  store80(st(-1), load<u16>(from, 8), load<u64>(from));
  conclude(0, C1);
  push();
}

/** FLD1 … FLDZ. */
export function x87_load_constant(record: u32): void {
  note(record);
  if (!canPush()) return;
  f80_constant(st(-1), operandNumber(record), control());
  conclude(0, C1);
  push();
}

/** Puts what is to be stored at FLOAT_RESULT; false where an unmasked exception keeps memory as it is. */
export function x87_store(format: Format, bits: u32, truncate: u32): bool {
  let result: u32;
  if (isEmpty(0)) {
    result = UNDERFLOW;
    storeIndefinite(format, bits);
  } else {
    const from = st(0);
    switch (format) {
      case Format.SINGLE:
        result = f80_store_f32(FLOAT_RESULT, from, control());
        break;
      case Format.DOUBLE:
        result = f80_store_f64(FLOAT_RESULT, from, control());
        break;
      case Format.INTEGER:
        result = f80_store_int(FLOAT_RESULT, from, bits, truncate, control());
        break;
      case Format.EXTENDED:
        store80(FLOAT_RESULT, load<u16>(from, 8), load<u64>(from));
        result = 0;
        break;
      default:
        result = f80_store_bcd(FLOAT_RESULT, from, control());
    }
  }
  store<u32>(FLOAT_STATUS, result);
  return stores(result);
}

/** Whether a store with such exceptions changes memory and the stack. */
function stores(result: u32): bool {
  return !(result & ~control() & (IE | OE | UE));
}

function storeIndefinite(format: Format, bits: u32): void {
  switch (format) {
    case Format.SINGLE:
      return store<u32>(FLOAT_RESULT, 0xffc0_0000);
    case Format.DOUBLE:
      return store<u64>(FLOAT_RESULT, 0xfff8_0000_0000_0000);
    case Format.INTEGER:
      return store<i64>(FLOAT_RESULT, i64.MIN_VALUE >> (64 - bits));
    case Format.EXTENDED:
      return storeDefaultNaN(FLOAT_RESULT);
    default:
      return store80(FLOAT_RESULT, 0xffff, 0xc000_0000_0000_0000);
  }
}

/** The rest of a store, after memory has been written. */
export function x87_stored(record: u32, pops: u32): void {
  note(record);
  const result = load<u32>(FLOAT_STATUS);
  conclude(result, C1);
  if (pops && stores(result)) pop();
}

/** FST ST(i) and FSTP ST(i). */
export function x87_store_register(record: u32, pops: u32): void {
  note(record);
  const i = operandNumber(record);
  if (isEmpty(0)) {
    if (!stackFault(UNDERFLOW)) return;
    setIndefinite(i);
  } else {
    const from = st(0);
    store80(st(i), load<u16>(from, 8), load<u64>(from));
    fill(i);
    conclude(0, C1);
  }
  if (pops) pop();
}

/** FSTPNCE: FSTP ST(i) that only pops an empty register. */
export function x87_store_unchecked(record: u32): void {
  if (!isEmpty(0)) return x87_store_register(record, 1);
  note(record);
  conclude(0, C1);
  pop();
}

export function x87_exchange(record: u32): void {
  note(record);
  const i = operandNumber(record);
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackFault(UNDERFLOW)) return;
    if (isEmpty(0)) setIndefinite(0);
    if (isEmpty(i)) setIndefinite(i);
  } else conclude(0, C1);
  const a = st(0);
  const b = st(i);
  const significand = load<u64>(a);
  const signExponent = load<u16>(a, 8);
  store80(a, load<u16>(b, 8), load<u64>(b));
  store80(b, signExponent, significand);
}

/** FCMOVcc. */
export function x87_move_if(record: u32, condition: u32): void {
  note(record);
  const i = operandNumber(record);
  if (isEmpty(0) || isEmpty(i)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    return;
  }
  if (!condition) return;
  const from = st(i);
  store80(st(0), load<u16>(from, 8), load<u64>(from));
}

/** FCHS (D9 E0) and FABS (D9 E1). */
export function x87_sign(record: u32): void {
  note(record);
  if (isEmpty(0)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    return;
  }
  const at = st(0);
  const bits = load<u16>(at, 8);
  store<u16>(at, operandNumber(record) ? bits & ~(SIGN as u16) : bits ^ (SIGN as u16), 8);
  conclude(0, C1);
}

/** FINCSTP (by = 1), FDECSTP (-1), FNOP (0). */
export function x87_rotate(record: u32, by: i32): void {
  note(record);
  if (!by) return;
  conclude(0, C1);
  rotate(by);
}

/** FFREE ST(i), and FFREEP. */
export function x87_free(record: u32, pops: u32): void {
  note(record);
  free(operandNumber(record));
  conclude(0, C1);
  if (pops) pop();
}
