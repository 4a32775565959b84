// The transcendental x87 instructions on the register stack.
import { C1, C2 } from '../float/extended';
import { f80_2xm1, f80_yl2x, f80_yl2xp1 } from '../float/transcendental';
import { f80_cos, f80_patan, f80_ptan, f80_sin, f80_sincos } from '../float/trigonometric';
import { canReplaceAndPush } from './arithmetic';
import { conclude, control, isEmpty, note, pop, push, setIndefinite, st, stackFault, suppressed, UNDERFLOW } from './stack';

/** Functions, as isa/x87-transcendental.ts numbers them. */
const enum Function {
  POWER = 0,
  SINE = 1,
  COSINE = 2,
  LOGARITHM = 3,
  LOGARITHM_OF_NEXT = 4,
  ARC_TANGENT = 5,
  TANGENT = 6,
  BOTH = 7,
}

/** F2XM1, FSIN, FCOS: ST(0) becomes the result. */
export function x87_function(record: u32, which: Function): void {
  note(record);
  const conditions = which == Function.POWER ? C1 : C1 | C2;
  if (isEmpty(0)) {
    if (stackFault(UNDERFLOW)) setIndefinite(0);
    conclude(0, conditions & C2);
    return;
  }
  const top = st(0);
  const result = which == Function.POWER ? f80_2xm1(top, top, control()) : which == Function.SINE ? f80_sin(top, top, control()) : f80_cos(top, top, control());
  conclude(result, conditions);
}

/** FYL2X, FYL2XP1, FPATAN: ST(1) becomes the result, and ST(0) is popped. */
export function x87_function_pop(record: u32, which: Function): void {
  note(record);
  if (isEmpty(0) || isEmpty(1)) {
    if (!stackFault(UNDERFLOW)) return;
    setIndefinite(1);
  } else {
    const a = st(0);
    const b = st(1);
    const result =
      which == Function.ARC_TANGENT
        ? f80_patan(b, a, b, control())
        : which == Function.LOGARITHM
          ? f80_yl2x(b, a, b, control())
          : f80_yl2xp1(b, a, b, control());
    conclude(result, C1);
    if (suppressed(result)) return;
  }
  pop();
}

/** FPTAN and FSINCOS: ST(0) becomes one result, and another is pushed. */
export function x87_function_push(record: u32, which: Function): void {
  note(record);
  if (!canReplaceAndPush()) {
    conclude(0, C2);
    return;
  }
  const top = st(0);
  const result = which == Function.TANGENT ? f80_ptan(top, st(-1), top, control()) : f80_sincos(top, st(-1), top, control());
  conclude(result, C1 | C2);
  if (!(result & C2) && !suppressed(result)) push();
}
