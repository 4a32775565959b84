import type { Definition } from '../definition';
import { onStack } from './x87-operands';

/** The functions are numbered as in assembly/x87/transcendental.ts. */
export const x87Transcendental: readonly Definition[] = [
  onStack('f2xm1', ['D9 F0'], 'x87_function', 0),
  onStack('fsin', ['D9 FE'], 'x87_function', 1),
  onStack('fcos', ['D9 FF'], 'x87_function', 2),
  onStack('fyl2x', ['D9 F1'], 'x87_function_pop', 3),
  onStack('fyl2xp1', ['D9 F9'], 'x87_function_pop', 4),
  onStack('fpatan', ['D9 F3'], 'x87_function_pop', 5),
  onStack('fptan', ['D9 F2'], 'x87_function_push', 6),
  onStack('fsincos', ['D9 FB'], 'x87_function_push', 7),
];
