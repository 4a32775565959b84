// When interrupts may be taken. The host is asked only if something may have changed since it said that none is pending.
import {
  BUDGET, CODE_PAGE, DECODE_MODE, EFLAGS, CPL, MODE_64, MODE_FLAT, NMI_PENDING, PENDING_DEBUG, QUIET, REC_OFFSET, RIP, SHADOW_COUNT, SLICE_END,
} from '../../x86/layout';
import { FLAG_IF, PLAIN } from './privilege';

/** An interrupt may be pending that IF has held back. */
@external("host", "interruptible")
declare function hostInterruptible(): void;

/** IF was set. */
export function interruptible(): void {
  if (!load<u32>(QUIET)) hostInterruptible();
}

/** STI at a record, in flat code at privilege 0: 1 where it is done and RIP is behind it. */
export function quickSti(record: u32): u32 {
  const flags = load<u64>(EFLAGS);
  if (!load<u32>(QUIET) || !(load<u32>(DECODE_MODE) & (MODE_64 | MODE_FLAT)) || load<u32>(CPL) || flags & ~PLAIN) return 0;
  if (load<u32>(NMI_PENDING) || load<u32>(PENDING_DEBUG)) return 0;
  if (!(flags & FLAG_IF)) store<i64>(SHADOW_COUNT, (load<f64>(SLICE_END) as i64) - (load<i32>(BUDGET) as i64));
  store<u64>(EFLAGS, flags | FLAG_IF);
  const field = load<u16>(record + REC_OFFSET) as u64;
  store<u64>(RIP, load<u64>(CODE_PAGE) + (field & 0xfff) + (field >> 12));
  return 1;
}
