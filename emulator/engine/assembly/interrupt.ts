// When interrupts may be taken. The host is asked only if something may have changed since it said that none is pending.
import {
  BUDGET, DECODE_MODE, EFLAGS, GPR, MODE_64, MODE_FLAT, MODE_STACK32, NMI_PENDING, PENDING_DEBUG, QUIET, SHADOW_COUNT, SLICE_END, WATCHES,
} from '../../x86/layout';
import { FLAG_IF, goOn, HELD, ordinary, PLAIN, plainRead, setArithmetic } from './privilege';

/** An interrupt may be pending that IF has held back. */
@external("host", "interruptible")
declare function hostInterruptible(): void;

/** IF was set. */
export function interruptible(): void {
  if (!load<u32>(QUIET)) hostInterruptible();
}

/** Whether an interrupt could come as soon as IF is set. */
@inline
function expectant(): bool {
  return !load<u32>(QUIET) || load<u32>(NMI_PENDING) != 0 || load<u32>(PENDING_DEBUG) != 0;
}

/** STI at a record, in flat code at privilege 0: 1 where it is done and RIP is behind it. */
export function quickSti(record: u32): u32 {
  if (!ordinary() || expectant()) return 0;
  const flags = load<u64>(EFLAGS);
  if (!(flags & FLAG_IF)) store<i64>(SHADOW_COUNT, (load<f64>(SLICE_END) as i64) - (load<i32>(BUDGET) as i64));
  store<u64>(EFLAGS, flags | FLAG_IF);
  goOn(record);
  return 1;
}

/** Flags that POPF changes at privilege 0: CF PF AF ZF SF TF IF DF OF IOPL NT AC ID. */
const POPPED: u64 = 0x247fd5;
const RSP = GPR + 32;

/** POPF of 64 bits, or of 32 in flat segments, likewise. */
export function quickPopf(record: u32): u32 {
  const mode = load<u32>(DECODE_MODE);
  const wide = (mode & MODE_64) != 0;
  if (!wide && (mode & (MODE_FLAT | MODE_STACK32)) != (MODE_FLAT | MODE_STACK32)) return 0;
  if (!ordinary() || load<u32>(WATCHES)) return 0;
  const stack: u64 = wide ? load<u64>(RSP) : (load<u32>(RSP) as u64);
  const frame = plainRead(stack, wide ? 8 : 4, 0);
  if (!frame) return 0;
  const popped = (wide ? load<u64>(frame) : (load<u32>(frame) as u64)) & POPPED;
  if (popped & ~PLAIN || (popped & FLAG_IF && expectant())) return 0;
  setArithmetic(popped);
  store<u64>(EFLAGS, (popped & HELD) | 2);
  store<u64>(RSP, wide ? stack + 8 : ((stack as u32) + 4) as u64);
  goOn(record);
  return 1;
}
