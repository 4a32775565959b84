// x87 arithmetic and comparisons on the register stack.
import { FPR, FPU_STATUS, FPU_TAGS } from '../../../x86/layout';
import { f80_from_i64, f80_widen_f32, f80_widen_f64 } from '../float/convert';
import { f80_add, f80_compare, f80_div, f80_divr, f80_examine, f80_mul, f80_round, f80_sqrt, f80_sub, f80_subr, f80_test } from '../float/f80';
import { IE } from '../float/core';
import { C0, C1, C2, C3, isNumber80, SIGN } from '../float/extended';
import { isUsual, quickAdd, quickDivide, quickMultiply, UNUSUAL } from '../float/quick80';
import { f80_rem } from '../float/remainder';
import { f80_extract, f80_scale } from '../float/scale';
import { Format } from './move';
import {
  canPush, conclude, control, isEmpty, note, operandNumber, pop, push, setIndefinite, st, stackFault, status, suppressed, TOP_SHIFT, UNDERFLOW,
} from './stack';

/** Operations as ModRM.reg of D8 encodes them; 2 and 3 are comparisons. */
const enum Operation {
  ADD = 0,
  MULTIPLY = 1,
  SUBTRACT = 4,
  SUBTRACT_REVERSED = 5,
  DIVIDE = 6,
  DIVIDE_REVERSED = 7,
}

const ORDER: u32 = C3 | C2 | C1 | C0;
const UNORDERED: u32 = C3 | C2 | C0;
const OPERAND = memory.data(16, 8);

/** The usual case; UNUSUAL for all others. */
function quick(operation: Operation, to: usize, a: usize, b: usize): u32 {
  switch (operation) {
    case Operation.ADD:
      return quickAdd(to, a, b, 0);
    case Operation.MULTIPLY:
      return quickMultiply(to, a, b);
    case Operation.SUBTRACT:
      return quickAdd(to, a, b, SIGN);
    case Operation.SUBTRACT_REVERSED:
      return quickAdd(to, a, b, SIGN << 16);
    case Operation.DIVIDE:
      return quickDivide(to, a, b);
    default:
      return quickDivide(to, b, a);
  }
}

function operate(operation: Operation, to: usize, a: usize, b: usize, control: u32): u32 {
  if (isUsual(a, b, control)) {
    const result = quick(operation, to, a, b);
    if (result != UNUSUAL) return result;
  }
  switch (operation) {
    case Operation.ADD:
      return f80_add(to, a, b, control);
    case Operation.MULTIPLY:
      return f80_mul(to, a, b, control);
    case Operation.SUBTRACT:
      return f80_sub(to, a, b, control);
    case Operation.SUBTRACT_REVERSED:
      return f80_subr(to, a, b, control);
    case Operation.DIVIDE:
      return f80_div(to, a, b, control);
    default:
      return f80_divr(to, a, b, control);
  }
}

/** ST(0) operation ST(i), the result in ST(target). */
function binary(operation: Operation, i: i32, target: i32, pops: bool): void {
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackFault(UNDERFLOW)) return;
    setIndefinite(target);
  } else {
    const result = operate(operation, st(target), st(0), st(i), control());
    conclude(result, C1);
    if (suppressed(result)) return;
  }
  if (pops) pop();
}

/** The usual case of `binary`: the status word is read and written once. False where nothing was done. */
function quickBinary(operation: Operation, i: i32, other: u32, pops: u32): bool {
  const bits = status();
  const top = (bits >> TOP_SHIFT) & 7;
  const index = (top + i) & 7;
  const tags = load<u8>(FPU_TAGS) as u32;
  const a: usize = FPR + top * 16;
  const b: usize = FPR + index * 16;
  if (!((tags >> top) & (tags >> index) & 1) || !isUsual(a, b, control())) return false;
  const result = quick(operation, other ? b : a, a, b);
  if (result == UNUSUAL) return false;
  let after = (bits & ~C1) | result;
  if (pops) {
    store<u8>(FPU_TAGS, tags & ~(1 << top));
    after = (after & ~(7 << TOP_SHIFT)) | (((top + 1) & 7) << TOP_SHIFT);
  }
  store<u16>(FPU_STATUS, after);
  return true;
}

/** FADD … FDIVR of ST(0) and ST(i); `other` where the result goes to ST(i). */
export function x87_arithmetic(record: u32, operation: Operation, other: u32, pops: u32): void {
  note(record);
  const i = operandNumber(record);
  if (!quickBinary(operation, i, other, pops)) binary(operation, i, other ? i : 0, pops != 0);
}

/** Widens a memory operand; yields what is to be added to the control word. */
function widen(format: Format, value: u64): u32 {
  if (format == Format.SINGLE) return f80_widen_f32(OPERAND, value as u32);
  if (format == Format.DOUBLE) return f80_widen_f64(OPERAND, value);
  f80_from_i64(OPERAND, value);
  return 0;
}

/** The same with a memory operand. */
export function x87_arithmetic_memory(record: u32, operation: Operation, format: Format, value: u64): void {
  note(record);
  if (isEmpty(0)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    return;
  }
  const top = st(0);
  const extra = widen(format, value);
  conclude(operate(operation, top, top, OPERAND, control() | extra), C1);
}

/** Exceptions and order of ST(0) and ST(i). */
function order(i: i32, quiet: u32): u32 {
  if (isEmpty(0) || isEmpty(i)) return UNDERFLOW | UNORDERED;
  return f80_compare(st(0), st(i), control(), quiet);
}

/** Takes an order into the status word, and pops unless an unmasked exception forbids it. */
function concludeOrder(result: u32, pops: u32): void {
  conclude(result, ORDER);
  if (suppressed(result)) return;
  for (; pops; pops--) pop();
}

/** FCOM, FCOMP, FCOMPP, FUCOM, FUCOMP, FUCOMPP. */
export function x87_compare(record: u32, quiet: u32, pops: u32): void {
  note(record);
  concludeOrder(order(operandNumber(record), quiet), pops);
}

/** FCOM, FCOMP, FICOM, FICOMP of memory. */
export function x87_compare_memory(record: u32, format: Format, value: u64, pops: u32): void {
  note(record);
  if (isEmpty(0)) return concludeOrder(UNDERFLOW | UNORDERED, pops);
  const extra = widen(format, value);
  concludeOrder(f80_compare(st(0), OPERAND, control() | extra, 0), pops);
}

/** FCOMI and FUCOMI: yields C3, C2 and C0 for ZF, PF and CF. C1 changes by an underflow only. */
export function x87_compare_flags(record: u32, quiet: u32, pops: u32): u32 {
  note(record);
  const result = order(operandNumber(record), quiet);
  conclude(result, (result & UNDERFLOW) == UNDERFLOW ? C1 : 0);
  if (pops && !suppressed(result)) pop();
  return result & UNORDERED;
}

/** FTST. */
export function x87_test(record: u32): void {
  note(record);
  concludeOrder(isEmpty(0) ? UNDERFLOW | UNORDERED : f80_test(st(0)), 0);
}

/** FXAM: an empty register is C3 and C0, with its sign. */
export function x87_examine(record: u32): void {
  note(record);
  const at = st(0);
  conclude(isEmpty(0) ? C3 | C0 | (load<u16>(at, 8) >> 15 ? C1 : 0) : f80_examine(at), ORDER);
}

// ── Operations of the top of the stack ──────────────────────────────────────────────────────

/** FSQRT (root = 1) and FRNDINT. */
export function x87_unary(record: u32, root: u32): void {
  note(record);
  if (isEmpty(0)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    return;
  }
  const top = st(0);
  conclude(root ? f80_sqrt(top, top, control()) : f80_round(top, top, control()), C1);
}

export function x87_scale(record: u32): void {
  note(record);
  if (isEmpty(0) || isEmpty(1)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    return;
  }
  conclude(f80_scale(st(0), st(0), st(1), control()), C1);
}

/** FPREM and FPREM1. */
export function x87_remainder(record: u32, nearest: u32): void {
  note(record);
  if (isEmpty(0) || isEmpty(1)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    conclude(0, C2);
    return;
  }
  const numbers = isNumber80(st(0)) && isNumber80(st(1));
  const result = f80_rem(st(0), st(0), st(1), nearest, control());
  // Without a quotient C0 and C3 stay as they were.
  conclude(result, numbers && !(result & IE) && !suppressed(result) ? ORDER : C1 | C2);
}

/** Whether an instruction that replaces ST(0) and pushes may go on; gives the answer to a stack fault where not. */
export function canReplaceAndPush(): bool {
  if (!isEmpty(0)) {
    if (isEmpty(-1)) return true;
    if (!canPush()) {
      if (control() & IE) setIndefinite(1);
      return false;
    }
  }
  if (stackFault(UNDERFLOW)) {
    setIndefinite(0);
    push();
    setIndefinite(0);
  }
  return false;
}

/** FXTRACT: the exponent in ST(0)'s place, then the significand on top. */
export function x87_extract(record: u32): void {
  note(record);
  if (!canReplaceAndPush()) return;
  const result = f80_extract(st(0), st(-1), st(0), control());
  conclude(result, C1);
  if (!suppressed(result)) push();
}
