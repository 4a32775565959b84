// What the short ways of system instructions have in common, where nothing is out of the ordinary: flat segments, and
// no flags that the run loop has to know of. Anything else is the work of x86/system, which says what is checked and why.
import {
  CODE_PAGE, CPL, DECODE_MODE, EFER, EFLAGS, EXIT_REASON, FLAG_CARRIES, FLAG_RESULT, GDTR_BASE, GDTR_LIMIT, HEARD, MODE_64, MODE_CODE32, MODE_FLAT,
  MODE_STACK32, MODE_USER, REC_OFFSET, RIP, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_SIZE, SEGMENTS, TLB, TLB_SET, TLB_SET_SIZE,
} from '../../x86/layout';
import { canonical, DEVICE, IMPLICIT, translate } from './paging';
import { deriveContext } from './tlb';

export const UNUSABLE: u32 = 0x10000;
export const FLAG_IF: u64 = 1 << 9;
export const FLAG_RF: u64 = 1 << 16;
/** Nothing but a sign that there is CPUID; Linux leaves it set in 32-bit mode. */
const FLAG_ID: u64 = 1 << 21;
const ARITHMETIC: u64 = 0x8d5;
/** Flags that may be set on either side. */
export const PLAIN: u64 = ARITHMETIC | FLAG_IF | FLAG_ID | 2;
/** Those of them that EFLAGS holds itself. */
export const HELD: u64 = FLAG_IF | FLAG_ID;

/** Whether a system instruction of any privilege may take its short way: in flat code, and nobody hears of it. */
export function unheard(): bool {
  return (load<u32>(DECODE_MODE) & (MODE_64 | MODE_FLAT)) != 0 && !load<u32>(HEARD) && !(load<u64>(EFLAGS) & ~PLAIN);
}

/** The same at privilege 0. */
export function ordinary(): bool {
  return unheard() && !load<u32>(CPL);
}

const FLAT: u32 = MODE_FLAT | MODE_CODE32 | MODE_STACK32;
const EFER_LMA: u64 = 0x400;

/** Whether code and stack are flat segments of 32 bits, and not those of compatibility mode. */
export function flat32(): bool {
  return (load<u32>(DECODE_MODE) & FLAT) == FLAT && !(load<u64>(EFER) & EFER_LMA);
}

/** RIP is behind a record, in flat code. */
export function goOn(record: u32): void {
  const field = load<u16>(record + REC_OFFSET) as u64;
  const next = load<u64>(CODE_PAGE) + (field & 0xfff) + (field >> 12);
  store<u64>(RIP, load<u32>(DECODE_MODE) & MODE_64 ? next : next & 0xffffffff);
}

/** Host address of `size` bytes in one page, or 0 where the long way has to look. */
export function plainRead(linear: u64, size: u32, access: i32): u32 {
  if (!canonical(linear) || ((linear as u32) & 0xfff) + size > 0x1000) return 0;
  const host = translate(linear, access);
  if (host > DEVICE) return host;
  store<u32>(EXIT_REASON, 0);
  return 0;
}

/** A descriptor of the GDT, or 0. */
export function descriptor(selector: u32): u64 {
  if (selector & 4 || !(selector & 0xfff8) || (selector | 7) > load<u32>(GDTR_LIMIT)) return 0;
  const host = plainRead(load<u64>(GDTR_BASE) + ((selector & 0xfff8) as u64), 8, IMPLICIT);
  return host ? load<u64>(host) : 0;
}

/** Bits 8–15 and 20–23 of a descriptor's upper half, as SEG_ATTR has them. */
@inline
export function attributesOf(d: u64): u32 {
  return ((d >> 40) as u32) & 0xf0ff;
}

/** Attributes of present, accessed, non-conforming 64-bit code of a privilege; 0 where it is anything else. */
export function plainCode(selector: u32, privilege: u32): u32 {
  const code = attributesOf(descriptor(selector));
  return (code & 0x609d) == 0x2099 && ((code >> 5) & 3) == privilege ? code : 0;
}

/** Whether a descriptor's segment is all of 4 GiB, in pages. */
@inline
export function spansAll(d: u64): bool {
  return (d & 0xff8f00ffffffffff) == 0x008f00000000ffff;
}

/** Attributes of present, accessed, non-conforming 32-bit code of a privilege with base 0 and limit 4 GiB; 0 where it is anything else. */
export function flatCode(selector: u32, privilege: u32): u32 {
  const d = descriptor(selector);
  const code = attributesOf(d);
  return (code & 0xe09d) == 0xc099 && ((code >> 5) & 3) == privilege && spansAll(d) ? code : 0;
}

/** The same for a 32-bit stack: present, accessed, writable data that expands up. */
export function flatStack(selector: u32, privilege: u32): u32 {
  const d = descriptor(selector);
  const stack = attributesOf(d);
  return (selector & 3) == privilege && (stack & 0xc09f) == 0xc093 && ((stack >> 5) & 3) == privilege && spansAll(d) ? stack : 0;
}

@inline
export function segmentAt(segment: u32): u32 {
  return SEGMENTS + segment * SEGMENT_SIZE;
}

export function setSegment(segment: u32, selector: u32, limit: u32, attributes: u32, base: u64 = 0): void {
  const at = segmentAt(segment);
  store<u16>(at + SEG_SELECTOR, selector as u16);
  store<u64>(at + SEG_BASE, base);
  store<u32>(at + SEG_LIMIT, limit);
  store<u32>(at + SEG_ATTR, attributes);
}

/** The arithmetic flags as they lie in RFLAGS (x86/flags.ts). */
export function arithmetic(): u64 {
  const result = load<u64>(FLAG_RESULT);
  const carries = load<u64>(FLAG_CARRIES);
  const carry = carries >> 63;
  const parity = (popcnt((result ^ (carries >> 8)) & 0xff) & 1) ^ 1;
  const zero = (result == 0 ? 1 : 0) as u64;
  const sign = (result >> 63) ^ (carries & 1);
  const overflow = carry ^ ((carries >> 62) & 1);
  return carry | (parity << 2) | (((carries >> 3) & 1) << 4) | (zero << 6) | (sign << 7) | (overflow << 11);
}

export function setArithmetic(flags: u64): void {
  const carry = flags & 1;
  const overflow = (flags >> 11) & 1;
  const zero = (flags >> 6) & 1;
  store<u64>(FLAG_RESULT, zero ^ 1);
  store<u64>(FLAG_CARRIES, (carry << 63) | ((carry ^ overflow) << 62) | ((zero ^ ((flags >> 2) & 1)) << 8) | (((flags >> 4) & 1) << 3) | ((flags >> 7) & 1));
}

/** What follows from the privilege, EFLAGS.AC being 0 (engine/mode.ts). */
export function setPrivilege(cpl: u32): void {
  const mode = (load<u32>(DECODE_MODE) & ~MODE_USER) | (cpl == 3 ? MODE_USER : 0);
  store<u32>(CPL, cpl);
  store<u32>(DECODE_MODE, mode);
  deriveContext();
  store<u32>(TLB_SET, cpl == 3 ? TLB : TLB + TLB_SET_SIZE);
}
