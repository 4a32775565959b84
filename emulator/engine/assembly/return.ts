// IRETQ, IRETD, SYSRETQ and SYSEXIT, the usual case (x86/system/return.ts has the others).
import {
  CS, DECODE_MODE, DR, DS, EFER, EFLAGS, ES, FS, GPR, GS, MODE_64, MSR_STAR, MSR_SYSENTER_CS, NMI_BLOCKED, RIP, SEG_ATTR, SEG_SELECTOR,
  SS, WATCHES,
} from '../../x86/layout';
import {
  attributesOf, descriptor, flat32, flatCode, flatStack, FLAG_IF, FLAG_RF, HELD, ordinary, PLAIN, plainCode, plainRead, segmentAt, setArithmetic, setPrivilege,
  setSegment, spansAll, UNUSABLE,
} from './privilege';
import { interruptible } from './interrupt';
import { canonical } from './paging';

const RSP = GPR + 32;
const DR7_ENABLED: u64 = 0xff;

/** An outer return takes away segments of a more privileged level: none may be there. */
function keepsData(segment: u32, rpl: u32): bool {
  const attributes = load<u32>(segmentAt(segment) + SEG_ATTR);
  return (attributes & UNUSABLE) != 0 || ((attributes >> 5) & 3) >= rpl;
}

function keepsAllData(rpl: u32): bool {
  return keepsData(ES, rpl) && keepsData(DS, rpl) && keepsData(FS, rpl) && keepsData(GS, rpl);
}

/** RF counts for the next instruction only if it could meet a breakpoint. */
@inline
function plainFlags(flags: u64): bool {
  return !(flags & ~(PLAIN | FLAG_RF)) && (!(flags & FLAG_RF) || !(load<u64>(DR + 56) & DR7_ENABLED));
}

function setFlags(flags: u64, before: u64): void {
  setArithmetic(flags);
  store<u64>(EFLAGS, (flags & HELD) | 2);
  if (flags & FLAG_IF && !(before & FLAG_IF)) interruptible();
}

/** IRETQ: 1 where it is done and RIP is set; 0 where nothing has happened. */
export function quickReturn(): u32 {
  if (!ordinary() || !(load<u32>(DECODE_MODE) & MODE_64) || load<u32>(NMI_BLOCKED) || load<u32>(WATCHES)) return 0;
  const flags = load<u64>(EFLAGS);
  const frame = plainRead(load<u64>(RSP), 40, 0);
  if (!frame) return 0;
  const rip = load<u64>(frame);
  const cs = load<u16>(frame + 8) as u32;
  const newFlags = load<u64>(frame + 16);
  const ss = load<u16>(frame + 32) as u32;
  const rpl = cs & 3;
  if (!canonical(rip) || !plainFlags(newFlags) || (rpl != 0 && rpl != 3) || (ss & 3) != rpl) return 0;
  const code = plainCode(cs, rpl);
  if (!code) return 0;
  let stack: u32 = UNUSABLE | (rpl << 5);
  let limit: u32 = 0;
  if (ss & 0xfffc) {
    const d = descriptor(ss);
    stack = attributesOf(d);
    // Present, accessed, writable data, expanding up, in pages from 0 to 4 GiB.
    if ((stack & 0x809f) != 0x8093 || ((stack >> 5) & 3) != rpl || !spansAll(d)) return 0;
    limit = 0xffffffff;
  } else if (rpl == 3) return 0;
  if (rpl && !keepsAllData(rpl)) return 0;

  store<u64>(RSP, load<u64>(frame + 24));
  setSegment(SS, ss, limit, stack);
  setSegment(CS, cs, 0xffffffff, code);
  store<u64>(RIP, rip);
  if (rpl) setPrivilege(rpl);
  setFlags(newFlags, flags);
  return 1;
}

/** IRETD from privilege 0 with flat segments, inside it or to a program, likewise. */
export function quickReturnFlat(): u32 {
  if (!ordinary() || !flat32() || load<u32>(NMI_BLOCKED) || load<u32>(WATCHES)) return 0;
  const flags = load<u64>(EFLAGS);
  const stack = load<u32>(RSP);
  let frame = plainRead(stack as u64, 12, 0);
  if (!frame) return 0;
  const cs = load<u16>(frame + 4) as u32;
  const newFlags = load<u32>(frame + 8) as u64;
  const rpl = cs & 3;
  if (!plainFlags(newFlags) || (rpl != 0 && rpl != 3)) return 0;
  const code = flatCode(cs, rpl);
  if (!code) return 0;
  if (rpl) {
    frame = plainRead(stack as u64, 20, 0);
    if (!frame || !keepsAllData(rpl)) return 0;
    const ss = load<u16>(frame + 16) as u32;
    const attributes = flatStack(ss, rpl);
    if (!attributes) return 0;
    setSegment(SS, ss, 0xffffffff, attributes);
    store<u64>(RSP, load<u32>(frame + 12) as u64);
  } else store<u64>(RSP, (stack + 12) as u64);

  setSegment(CS, cs, 0xffffffff, code);
  store<u64>(RIP, load<u32>(frame) as u64);
  if (rpl) setPrivilege(rpl);
  setFlags(newFlags, flags);
  return 1;
}

const EFER_SCE: u64 = 1;
/** Flags that SYSRET takes from R11. */
const SYSRET_FLAGS: u64 = 0x3c7fd7;

/** SYSRETQ, likewise. */
export function quickSysret(): u32 {
  if (!ordinary() || !(load<u32>(DECODE_MODE) & MODE_64) || !(load<u64>(EFER) & EFER_SCE)) return 0;
  const rip = load<u64>(GPR + 8);
  const newFlags = (load<u64>(GPR + 88) & SYSRET_FLAGS) | 2;
  if (!canonical(rip) || newFlags & ~PLAIN) return 0;
  const base = (load<u64>(MSR_STAR) >> 48) as u32;
  setSegment(CS, (base + 16) | 3, 0xffffffff, 0xa0fb);
  setSegment(SS, (base + 8) | 3, 0xffffffff, 0xc0f3);
  store<u64>(RIP, rip);
  setPrivilege(3);
  setFlags(newFlags, load<u64>(EFLAGS));
  return 1;
}

/** SYSEXIT to 32-bit code, likewise. */
export function quickSysexit(): u32 {
  const cs = load<u32>(MSR_SYSENTER_CS) & 0xfffc;
  if (!ordinary() || !flat32() || !cs) return 0;
  setSegment(CS, (cs + 16) | 3, 0xffffffff, 0xc0fb);
  setSegment(SS, (cs + 24) | 3, 0xffffffff, 0xc0f3);
  store<u64>(RSP, load<u32>(GPR + 8) as u64);
  store<u64>(RIP, load<u32>(GPR + 16) as u64);
  setPrivilege(3);
  return 1;
}
