import { i32, i64, i64c } from '../../wasm/expr';
import { define, type Definition, type Meaning } from '../definition';
import { CR0, FPU_CONTROL, FPU_CS, FPU_DS, FPU_DP, FPU_IP, FPU_OPCODE, FPU_STATUS, FPU_TAGS } from '../layout';
import { RAX, type Stage } from '../stage';

const X87 = 'x87';
const DEFAULT_CONTROL = 0x37f;
const EXCEPTIONS = 0x3f;
/** ES and B: an exception that is not masked is waiting. */
const SUMMARY = 0x8080;

/** CR0.MP and CR0.TS: together they make WAIT fault. */
const MP_TS = 0xa;
const DEVICE_NOT_AVAILABLE = 7;
const MATH_FAULT = 16;

const status = (s: Stage) => s.getState('u16', FPU_STATUS);

/** Instructions that wait raise #MF first where an exception is pending (SDM vol. 1, 8.7.1). */
export function raisePending(s: Stage): void {
  s.faultIf(i32.wrap(i64.and(status(s), i64c(0x80))), MATH_FAULT);
}

/** A meaning behind that check. */
export const waiting =
  (meaning: Meaning): Meaning =>
  (s, ...operands) => {
    raisePending(s);
    meaning(s, ...operands);
  };

/** Sets ES and B by the exceptions and the masks. */
function summarise(s: Stage): void {
  const bits = s.f.let(status(s));
  const open = i64.and(i64.and(bits, i64.xor(s.getState('u16', FPU_CONTROL), i64c(-1))), i64c(EXCEPTIONS));
  const without = i64.and(bits, i64c(~SUMMARY & 0xffff));
  s.f.if(
    i64.eqz(open),
    () => s.setState('u16', FPU_STATUS, without),
    () => s.setState('u16', FPU_STATUS, i64.or(bits, i64c(SUMMARY))),
  );
}

/** Control and status words. */
export const x87Control: readonly Definition[] = [
  define('fninit', ['DB E3'], (s) => {
    s.setState('u16', FPU_CONTROL, i64c(DEFAULT_CONTROL));
    s.setState('u16', FPU_STATUS, i64c(0));
    s.setState('u8', FPU_TAGS, i64c(0));
    s.setState('u16', FPU_OPCODE, i64c(0));
    s.setState('u64', FPU_IP, i64c(0));
    s.setState('u64', FPU_DP, i64c(0));
    s.setState('u16', FPU_CS, i64c(0));
    s.setState('u16', FPU_DS, i64c(0));
  }, X87),
  // WAIT looks at MP and TS, not at EM; it is no x87 instruction to the decoder.
  define('wait', ['9B'], (s) => {
    const { f } = s;
    const taskSwitched = f.let(i64.and(s.getState('u64', CR0), i64c(MP_TS)));
    s.faultIf(i64.eq(taskSwitched, i64c(MP_TS)), DEVICE_NOT_AVAILABLE);
    raisePending(s);
  }),
  // FENI, FDISI and FSETPM of older processors do nothing.
  define('fneni', ['DB E0', 'DB E1', 'DB E4'], () => undefined, X87),
  define('fnclex', ['DB E2'], (s) => s.setState('u16', FPU_STATUS, i64.and(status(s), i64c(0x7f00))), X87),
  define('fnstsw', ['DD /7 Mw : mem'], (s, to) => s.write(to!, status(s)), X87),
  define('fnstswax', ['DF E0'], (s) => s.setRegister(RAX, 16, status(s)), X87),
  define('fnstcw', ['D9 /7 Mw : mem'], (s, to) => s.write(to!, s.getState('u16', FPU_CONTROL)), X87),
  define('fldcw', ['D9 /5 Mw : mem'], waiting((s, from) => {
    // Bit 6 reads as 1.
    s.setState('u16', FPU_CONTROL, i64.or(i64.and(s.read(from!), i64c(0x1f3f)), i64c(0x40)));
    summarise(s);
  }), X87),
]; // prettier-ignore
