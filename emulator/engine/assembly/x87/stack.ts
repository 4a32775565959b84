// The x87 registers as a stack, exceptions, and what is kept of the last instruction (SDM volume 1, chapter 8).
import {
  CODE_PAGE, CS, DECODE_MODE, FPR, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE, FPU_STATUS, FPU_TAGS, MODE_64, REC_IMM, REC_MEM,
  REC_OFFSET, SEG_BASE, SEG_SELECTOR, SEGMENT_SIZE, SEGMENTS,
} from '../../../x86/layout';
import { BEFORE_RESULT, IE } from '../float/core';
import { C1, storeDefaultNaN } from '../float/extended';
import { effectiveOffset } from '../segment';

/** Stack fault, and the two bits that say that an unmasked exception is pending. */
const STACK_FAULT: u32 = 1 << 6;
const SUMMARY: u32 = 0x8080;
const EXCEPTIONS: u32 = 0x3f;
export const TOP_SHIFT: u32 = 11;
const RECORD_HAS_MEMORY: u32 = 8;

export const UNDERFLOW: u32 = IE | STACK_FAULT;
export const OVERFLOW: u32 = IE | STACK_FAULT | C1;

@inline
export function control(): u32 {
  return load<u16>(FPU_CONTROL);
}

@inline
export function status(): u32 {
  return load<u16>(FPU_STATUS);
}

/** Number of the physical register that ST(i) is; -1 is the one that a push takes. */
@inline
function physical(i: i32): u32 {
  return ((status() >> TOP_SHIFT) + (i as u32)) & 7;
}

/** Address of ST(i). */
@inline
export function st(i: i32): usize {
  return FPR + physical(i) * 16;
}

@inline
export function isEmpty(i: i32): bool {
  return !((load<u8>(FPU_TAGS) >> (physical(i) as u8)) & 1);
}

export function fill(i: i32): void {
  store<u8>(FPU_TAGS, load<u8>(FPU_TAGS) | (1 << (physical(i) as u8)));
}

export function free(i: i32): void {
  store<u8>(FPU_TAGS, load<u8>(FPU_TAGS) & ~(1 << (physical(i) as u8)));
}

/** Turns the stack: TOP += by. */
export function rotate(by: i32): void {
  const bits = status();
  const top = (bits >> TOP_SHIFT) + (by as u32);
  store<u16>(FPU_STATUS, (bits & ~(7 << TOP_SHIFT)) | ((top & 7) << TOP_SHIFT));
}

/** Makes the register before ST(0) the top. */
export function push(): void {
  rotate(-1);
  fill(0);
}

export function pop(): void {
  free(0);
  rotate(1);
}

/** ST(i) of a register form, from its opcode. */
@inline
export function operandNumber(record: u32): i32 {
  return load<u8>(record + REC_IMM) & 7;
}

/** Keeps opcode, address and operand of a non-control instruction (SDM volume 1, 8.1.8 and 8.1.9). */
export function note(record: u32): void {
  const code = SEGMENTS + CS * SEGMENT_SIZE;
  const linear = load<u64>(CODE_PAGE) + ((load<u16>(record + REC_OFFSET) & 0xfff) as u64);
  const wide = (load<u32>(DECODE_MODE) & MODE_64) != 0;
  store<u16>(FPU_OPCODE, load<u16>(record + REC_IMM) & 0x7ff);
  store<u64>(FPU_IP, wide ? linear : (linear - load<u64>(code + SEG_BASE)) & 0xffffffff);
  store<u16>(FPU_CS, load<u16>(code + SEG_SELECTOR));
  const memory = load<u8>(record + REC_MEM) as u32;
  if (!(memory & RECORD_HAS_MEMORY)) return;
  store<u64>(FPU_DP, effectiveOffset(record) & (wide ? -1 : 0xffffffff));
  store<u16>(FPU_DS, load<u16>(SEGMENTS + (memory & 7) * SEGMENT_SIZE + SEG_SELECTOR));
}

/** Takes exceptions and conditions of an operation into the status word, `conditions` being those that it defines. */
export function conclude(result: u32, conditions: u32): void {
  let bits = (status() & ~conditions) | (result & (EXCEPTIONS | STACK_FAULT | conditions));
  if (result & ~control() & EXCEPTIONS) bits |= SUMMARY;
  store<u16>(FPU_STATUS, bits);
}

/** Whether an unmasked exception keeps an operation from changing registers. */
export function suppressed(result: u32): bool {
  return (result & ~control() & BEFORE_RESULT) != 0;
}

/** Reports a stack fault; true where it is masked, so that the indefinite takes the result's place. */
export function stackFault(fault: u32): bool {
  conclude(fault, C1);
  return (control() & IE) != 0;
}

/** The indefinite in ST(i), the masked answer to a stack fault. */
export function setIndefinite(i: i32): void {
  storeDefaultNaN(st(i));
  fill(i);
}

/** Whether a push has room; reports the overflow and gives the masked answer where it has none. */
export function canPush(): bool {
  if (isEmpty(-1)) return true;
  if (stackFault(OVERFLOW)) {
    push();
    setIndefinite(0);
  }
  return false;
}
