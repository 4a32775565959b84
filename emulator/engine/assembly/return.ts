// IRET of 64-bit mode where nothing is out of the ordinary: to 64-bit code with flat segments, and no change of flags
// that the run loop has to know of. Everything else is x86/system/return.ts, which says what is checked and why.
import {
  CONTEXT, CPL, CS, DECODE_MODE, DS, EFLAGS, ES, EXIT_REASON, FLAG_CARRIES, FLAG_RESULT, FS, GDTR_BASE, GDTR_LIMIT, GENERATION, GPR, GS, MODE_64,
  MODE_USER, NMI_BLOCKED, RIP, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_SIZE, SEGMENTS, SS, TLB, TLB_SET, WATCHES,
} from '../../x86/layout';
import { canonical, DEVICE, IMPLICIT, translate } from './paging';

/** An interrupt may be pending that IF has held back. */
@external("host", "interruptible")
declare function hostInterruptible(): void;

const RSP = GPR + 32;
const UNUSABLE: u32 = 0x10000;
const FLAG_IF: u64 = 1 << 9;
const ARITHMETIC: u64 = 0x8d5;
/** Flags that may be set on either side of a plain return. */
const PLAIN: u64 = ARITHMETIC | FLAG_IF | 2;

/** Host address of `size` bytes in one page, or 0 where the long way has to look. */
function plainRead(linear: u64, size: u32, access: i32): u32 {
  if (!canonical(linear) || ((linear as u32) & 0xfff) + size > 0x1000) return 0;
  const host = translate(linear, access);
  if (host > DEVICE) return host;
  store<u32>(EXIT_REASON, 0);
  return 0;
}

/** A descriptor of the GDT, or 0. */
function descriptor(selector: u32): u64 {
  if (selector & 4 || !(selector & 0xfff8) || (selector | 7) > load<u32>(GDTR_LIMIT)) return 0;
  const host = plainRead(load<u64>(GDTR_BASE) + ((selector & 0xfff8) as u64), 8, IMPLICIT);
  return host ? load<u64>(host) : 0;
}

@inline
function at(segment: u32): u32 {
  return SEGMENTS + segment * SEGMENT_SIZE;
}

/** Bits 8–15 and 20–23 of a descriptor's upper half, as SEG_ATTR has them. */
@inline
function attributesOf(d: u64): u32 {
  return ((d >> 40) as u32) & 0xf0ff;
}

/** An outer return takes away segments of a more privileged level: none may be there. */
function keepsData(segment: u32, rpl: u32): bool {
  const attributes = load<u32>(at(segment) + SEG_ATTR);
  return (attributes & UNUSABLE) != 0 || ((attributes >> 5) & 3) >= rpl;
}

function setSegment(segment: u32, selector: u32, limit: u32, attributes: u32): void {
  store<u16>(at(segment) + SEG_SELECTOR, selector as u16);
  store<u64>(at(segment) + SEG_BASE, 0);
  store<u32>(at(segment) + SEG_LIMIT, limit);
  store<u32>(at(segment) + SEG_ATTR, attributes);
}

/** The two values that stand for arithmetic flags (x86/flags.ts). */
function setArithmetic(flags: u64): void {
  const cf = flags & 1;
  const overflow = (flags >> 11) & 1;
  const zf = (flags >> 6) & 1;
  store<u64>(FLAG_RESULT, zf ^ 1);
  store<u64>(FLAG_CARRIES, (cf << 63) | ((cf ^ overflow) << 62) | ((zf ^ ((flags >> 2) & 1)) << 8) | (((flags >> 4) & 1) << 3) | ((flags >> 7) & 1));
}

/** IRETQ: 1 where it is done and RIP is set; 0 where nothing has happened. */
export function quickReturn(): u32 {
  const mode = load<u32>(DECODE_MODE);
  const flags = load<u64>(EFLAGS);
  if (!(mode & MODE_64) || load<u32>(CPL) != 0 || load<u32>(NMI_BLOCKED) || load<u32>(WATCHES) || flags & ~PLAIN) return 0;
  const frame = plainRead(load<u64>(RSP), 40, 0);
  if (!frame) return 0;
  const rip = load<u64>(frame);
  const cs = load<u16>(frame + 8) as u32;
  const newFlags = load<u64>(frame + 16);
  const ss = load<u16>(frame + 32) as u32;
  const rpl = cs & 3;
  if (!canonical(rip) || newFlags & ~PLAIN || (rpl != 0 && rpl != 3) || (ss & 3) != rpl) return 0;
  // Present, accessed, non-conforming 64-bit code of that privilege.
  const code = attributesOf(descriptor(cs));
  if ((code & 0x609d) != 0x2099 || ((code >> 5) & 3) != rpl) return 0;
  let stack: u32 = UNUSABLE | (rpl << 5);
  let limit: u32 = 0;
  if (ss & 0xfffc) {
    const d = descriptor(ss);
    stack = attributesOf(d);
    // Present, accessed, writable data, expanding up, in pages from 0 to 4 GiB.
    if ((stack & 0x809f) != 0x8093 || ((stack >> 5) & 3) != rpl || (d & 0xff0000ffffffffff) != 0xffff || ((d >> 48) & 0xf) != 0xf) return 0;
    limit = 0xffffffff;
  } else if (rpl == 3) return 0;
  if (rpl && !(keepsData(ES, rpl) && keepsData(DS, rpl) && keepsData(FS, rpl) && keepsData(GS, rpl))) return 0;

  setArithmetic(newFlags);
  store<u64>(EFLAGS, (newFlags & FLAG_IF) | 2);
  store<u64>(RSP, load<u64>(frame + 24));
  setSegment(SS, ss, limit, stack);
  setSegment(CS, cs, 0xffffffff, code);
  store<u64>(RIP, rip);
  if (rpl) {
    store<u32>(CPL, rpl);
    const user = mode | MODE_USER;
    store<u32>(DECODE_MODE, user);
    store<u32>(CONTEXT, (load<u32>(GENERATION) << 8) | user);
    store<u32>(TLB_SET, TLB);
  }
  if (newFlags & FLAG_IF && !(flags & FLAG_IF)) hostInterruptible();
  return 1;
}
