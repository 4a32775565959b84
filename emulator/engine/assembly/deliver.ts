// Exceptions, interrupts and system calls in 64-bit mode and in flat segments, the usual case (x86/system/deliver.ts and return.ts have the others).
import {
  BUDGET, CODE_PAGE, CPL, CR0, CR2, CS, DECODE_MODE, EFER, EFLAGS, EXIT_REASON, FAULT_ADDRESS, FAULT_CODE, FAULT_HAS_CODE, FAULT_VECTOR, GPR, HEARD,
  IDTR_BASE, IDTR_LIMIT, LEAVE_FAULT, MODE_64, MSR_LSTAR, MSR_SFMASK, MSR_STAR, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, PAGE_CODE, PAGE_FLAGS,
  PAGE_ROM, PAGE_TABLE, PAGE_WATCHED, PENDING_DEBUG, REC_IMM, REC_OFFSET, RIP, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SS, TR, WATCHES,
} from '../../x86/layout';
import {
  arithmetic, flat32, flatCode, flatStack, FLAG_IF, FLAG_RF, goOn, HELD, PLAIN, plainCode, plainRead, segmentAt, setArithmetic, setPrivilege, setSegment,
  unheard, UNUSABLE,
} from './privilege';
import { canonical, IMPLICIT, WRITE } from './paging';

const RSP = GPR + 32;
const PAGE_FAULT: u32 = 14;
const MATH_FAULT: u32 = 16;
const CR0_NE: u64 = 1 << 5;
const LOOKED_AT: u32 = PAGE_CODE | PAGE_TABLE | PAGE_ROM | PAGE_WATCHED;

@external("host", "exception")
declare function hostException(vector: u32, hasCode: u32, code: u32): void;

/** The exception of the exit record: 1 where it is delivered and RIP is its handler; 0 where nothing has happened. */
export function quickDeliver(): u32 {
  const vector = load<u32>(FAULT_VECTOR);
  const code = load<u32>(FAULT_CODE);
  const hasCode = load<u32>(FAULT_HAS_CODE);
  const address = load<u64>(FAULT_ADDRESS);
  if (deliverPlain(vector, code, hasCode, address, FLAG_RF, 0)) {
    store<u32>(EXIT_REASON, 0);
    // A delivery takes a position, as an instruction does.
    store<i32>(BUDGET, load<i32>(BUDGET) - 1);
    hostException(vector, hasCode, code);
    return 1;
  }
  // Tables that are not there have left faults of their own.
  store<u32>(EXIT_REASON, LEAVE_FAULT);
  store<u32>(FAULT_VECTOR, vector);
  store<u32>(FAULT_CODE, code);
  store<u32>(FAULT_HAS_CODE, hasCode);
  store<u64>(FAULT_ADDRESS, address);
  return 0;
}

/** An interrupt of the board: 1 where it is delivered and RIP is its handler; 0 where nothing has happened. */
export function quickInterrupt(vector: u32): u32 {
  if (deliverPlain(vector, 0, 0, 0, 0, 0)) return 1;
  store<u32>(EXIT_REASON, 0);
  return 0;
}

/** INT n at a record, likewise. */
export function quickInt(record: u32): u32 {
  if (!unheard()) return 0;
  goOn(record);
  return deliverPlain(load<u8>(record + REC_IMM), 0, 0, 0, 0, load<u32>(CPL)) ? 1 : 0;
}

/** `resume` is FLAG_RF where the event is a fault: the instruction is run again. The gate is to be open to a privilege. */
function deliverPlain(vector: u32, errorCode: u32, hasCode: u32, address: u64, resume: u64, privilege: u32): bool {
  if (load<u32>(PENDING_DEBUG) || load<u32>(WATCHES) || load<u64>(EFLAGS) & ~PLAIN) return false;
  if (resume) {
    // Without CR0.NE it is for the board (WasmEngine.floatError).
    if (vector == 1 || (vector == MATH_FAULT && !(load<u64>(CR0) & CR0_NE))) return false;
  }
  const mode = load<u32>(DECODE_MODE);
  const delivered = mode & MODE_64 ? deliverLong(vector, errorCode, hasCode, resume, privilege) : deliverFlat(vector, errorCode, hasCode, resume, privilege);
  if (delivered && resume && vector == PAGE_FAULT) store<u64>(CR2, address);
  return delivered;
}

/** Host address of a frame on a handler's stack, or 0. */
function frameAt(top: u64, size: u32): u32 {
  const frame = plainRead(top, size, IMPLICIT | WRITE);
  return frame && !(load<u8>(PAGE_FLAGS + (frame >> 12)) & LOOKED_AT) ? frame : 0;
}

function enter(code: u32, selector: u32, offset: u64, trap: bool): void {
  const cpl = load<u32>(CPL);
  setSegment(CS, selector & 0xfffc, 0xffffffff, code);
  store<u64>(RIP, offset);
  if (!trap) store<u64>(EFLAGS, load<u64>(EFLAGS) & ~FLAG_IF);
  if (cpl) setPrivilege(0);
}

function deliverLong(vector: u32, errorCode: u32, hasCode: u32, resume: u64, privilege: u32): bool {
  if (vector * 16 + 15 > load<u32>(IDTR_LIMIT)) return false;
  const gate = plainRead(load<u64>(IDTR_BASE) + ((vector * 16) as u64), 16, IMPLICIT);
  if (!gate) return false;
  const high = load<u32>(gate + 4);
  // A present 64-bit gate, interrupt or trap, without a stack of its own.
  if ((high & 0x9e07) != 0x8e00 || ((high >> 13) & 3) < privilege) return false;
  const offset = (load<u16>(gate) as u64) | ((high & 0xffff0000) as u64) | ((load<u32>(gate + 8) as u64) << 32);
  const selector = load<u16>(gate + 2) as u32;
  const code = plainCode(selector, 0);
  if (!code) return false;
  const cpl = load<u32>(CPL);
  let stack = load<u64>(RSP);
  if (cpl) {
    const tr = segmentAt(TR);
    if (load<u32>(tr + SEG_LIMIT) < 11) return false;
    const pointer = plainRead(load<u64>(tr + SEG_BASE) + 4, 8, IMPLICIT);
    if (!pointer) return false;
    stack = load<u64>(pointer);
  }
  if (!canonical(stack)) return false;
  const size: u32 = hasCode ? 48 : 40;
  const top = (stack & ~15) - (size as u64);
  let at = frameAt(top, size);
  if (!at) return false;

  if (hasCode) {
    store<u64>(at, errorCode as u64);
    at += 8;
  }
  store<u64>(at, load<u64>(RIP));
  store<u64>(at + 8, load<u16>(segmentAt(CS) + SEG_SELECTOR) as u64);
  store<u64>(at + 16, load<u64>(EFLAGS) | arithmetic() | resume | 2);
  store<u64>(at + 24, load<u64>(RSP));
  store<u64>(at + 32, load<u16>(segmentAt(SS) + SEG_SELECTOR) as u64);
  if (cpl) setSegment(SS, 0, 0, UNUSABLE);
  store<u64>(RSP, top);
  enter(code, selector, offset, (high & 0x100) != 0);
  return true;
}

/** Type bit of a 32-bit TSS. */
const TSS_WIDE: u32 = 8;

function deliverFlat(vector: u32, errorCode: u32, hasCode: u32, resume: u64, privilege: u32): bool {
  if (!flat32() || vector * 8 + 7 > load<u32>(IDTR_LIMIT)) return false;
  const gate = plainRead(load<u64>(IDTR_BASE) + ((vector * 8) as u64), 8, IMPLICIT);
  if (!gate) return false;
  const high = load<u32>(gate + 4);
  // A present 32-bit gate, interrupt or trap.
  if ((high & 0x9e00) != 0x8e00 || ((high >> 13) & 3) < privilege) return false;
  const selector = load<u16>(gate + 2) as u32;
  const code = flatCode(selector, 0);
  if (!code) return false;
  const cpl = load<u32>(CPL);
  let stack = load<u32>(RSP);
  let ss: u32 = 0;
  let attributes: u32 = 0;
  if (cpl) {
    const tr = segmentAt(TR);
    if (!(load<u32>(tr + SEG_ATTR) & TSS_WIDE) || load<u32>(tr + SEG_LIMIT) < 9) return false;
    const pointer = plainRead(load<u64>(tr + SEG_BASE) + 4, 6, IMPLICIT);
    if (!pointer) return false;
    stack = load<u32>(pointer);
    ss = load<u16>(pointer + 4);
    attributes = flatStack(ss, 0);
    if (!attributes) return false;
  }
  const size: u32 = (cpl ? 20 : 12) + (hasCode ? 4 : 0);
  const top = stack - size;
  let at = frameAt(top as u64, size);
  if (!at) return false;

  if (hasCode) {
    store<u32>(at, errorCode);
    at += 4;
  }
  store<u32>(at, load<u32>(RIP));
  store<u32>(at + 4, load<u16>(segmentAt(CS) + SEG_SELECTOR) as u32);
  store<u32>(at + 8, (load<u64>(EFLAGS) | arithmetic() | resume | 2) as u32);
  if (cpl) {
    store<u32>(at + 12, load<u32>(RSP));
    store<u32>(at + 16, load<u16>(segmentAt(SS) + SEG_SELECTOR) as u32);
    setSegment(SS, ss, 0xffffffff, attributes);
  }
  store<u64>(RSP, top as u64);
  enter(code, selector, ((high & 0xffff0000) | (load<u16>(gate) as u32)) as u64, (high & 0x100) != 0);
  return true;
}

const EFER_SCE: u64 = 1;

/** SYSCALL at a record: 1 where it is done and RIP is its target. */
export function quickSyscall(record: u32): u32 {
  const flags = load<u64>(EFLAGS);
  if (!(load<u32>(DECODE_MODE) & MODE_64) || !(load<u64>(EFER) & EFER_SCE) || flags & ~PLAIN || load<u32>(HEARD)) return 0;
  const field = load<u16>(record + REC_OFFSET) as u64;
  const whole = flags | arithmetic() | 2;
  store<u64>(GPR + 8, load<u64>(CODE_PAGE) + (field & 0xfff) + (field >> 12));
  store<u64>(GPR + 88, whole);
  store<u64>(RIP, load<u64>(MSR_LSTAR));
  const kept = whole & ~load<u64>(MSR_SFMASK);
  setArithmetic(kept);
  store<u64>(EFLAGS, (kept & HELD) | 2);
  const cs = ((load<u64>(MSR_STAR) >> 32) as u32) & 0xfffc;
  setSegment(CS, cs, 0xffffffff, 0xa09b);
  setSegment(SS, (cs + 8) & 0xffff, 0xffffffff, 0xc093);
  setPrivilege(0);
  return 1;
}

/** SYSENTER of 32-bit code: 1 where it is done and RIP is its target. */
export function quickSysenter(): u32 {
  const cs = load<u32>(MSR_SYSENTER_CS) & 0xfffc;
  if (!unheard() || !flat32() || !cs) return 0;
  store<u64>(EFLAGS, load<u64>(EFLAGS) & ~FLAG_IF);
  setSegment(CS, cs, 0xffffffff, 0xc09b);
  setSegment(SS, cs + 8, 0xffffffff, 0xc093);
  store<u64>(RSP, load<u32>(MSR_SYSENTER_ESP) as u64);
  store<u64>(RIP, load<u32>(MSR_SYSENTER_EIP) as u64);
  setPrivilege(0);
  return 1;
}
