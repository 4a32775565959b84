import { i32, i64, i64c } from '../../wasm/expr';
import type { Definition, Meaning } from '../definition';
import { boolean, FORMAT, memoryValue, onStack, x87, type Format } from './x87-operands';
import { setCarryParityZero } from './vector-operands';

/** Operations by ModRM.reg of D8 and DC; 2 and 3 are comparisons. */
const OPERATIONS = { fadd: 0, fmul: 1, fsub: 4, fsubr: 5, fdiv: 6, fdivr: 7 } as const;

/** Memory operands: opcode, format and size letter. */
const MEMORY: readonly (readonly [opcode: string, format: Format, width: string])[] = [
  ['D8', 'single', 'd'],
  ['DA', 'integer', 'd'],
  ['DC', 'double', 'q'],
  ['DE', 'integer', 'w'],
];

/** Names are those of the manual, but that the double-precision form gets a letter. */
const memoryName = (name: string, opcode: string): string =>
  opcode === 'D8' ? name : opcode === 'DC' ? `${name}d` : name.replace('f', opcode === 'DA' ? 'fi' : 'fis');

const arithmetic =
  (operation: number, format: Format): Meaning =>
  (s, from) =>
    s.run('x87_arithmetic_memory', s.record(), i32.const(operation), i32.const(FORMAT[format]), memoryValue(s, from!, format));

const compare =
  (format: Format, pops: number): Meaning =>
  (s, from) =>
    s.run('x87_compare_memory', s.record(), i32.const(FORMAT[format]), memoryValue(s, from!, format), i32.const(pops));

const C0_BIT = 8n;
const C2_BIT = 10n;
const C3_BIT = 14n;

/** FCOMI and its kin: CF, PF, ZF; OF, SF and AF become 0. */
const compareFlags =
  (quiet: boolean, pops: boolean): Meaning =>
  (s) => {
    const order = s.f.let(s.helper('x87_compare_flags', s.record(), boolean(quiet), boolean(pops)));
    const wide = i64.extendI32U(order);
    const bit = (number: bigint) => i64.and(i64.shrU(wide, i64c(number)), i64c(1));
    setCarryParityZero(s, bit(C0_BIT), bit(C2_BIT), bit(C3_BIT));
  };

export const x87Arithmetic: readonly Definition[] = [
  ...Object.entries(OPERATIONS).flatMap(([name, code]) => [
    ...MEMORY.map(([opcode, format, width]) => x87(memoryName(name, opcode), [`${opcode} /${code} M${width} : mem`], arithmetic(code, format))),
    onStack(`${name}r0`, [`D8 /${code} : mod3`], 'x87_arithmetic', code, 0, 0),
    onStack(`${name}ri`, [`DC /${code} : mod3`], 'x87_arithmetic', code, 1, 0),
    onStack(`${name}p`, [`DE /${code} : mod3`], 'x87_arithmetic', code, 1, 1),
  ]),
  ...MEMORY.flatMap(([opcode, format, width]) => [
    x87(memoryName('fcom', opcode), [`${opcode} /2 M${width} : mem`], compare(format, 0)),
    x87(memoryName('fcomp', opcode), [`${opcode} /3 M${width} : mem`], compare(format, 1)),
  ]),
  // DC D0+i, DC D8+i and DE D0+i are aliases that the manual leaves out and processors have.
  onStack('fcomr', ['D8 /2 : mod3', 'DC /2 : mod3'], 'x87_compare', 0, 0),
  onStack('fcompr', ['D8 /3 : mod3', 'DC /3 : mod3', 'DE /2 : mod3'], 'x87_compare', 0, 1),
  onStack('fcompp', ['DE D9'], 'x87_compare', 0, 2),
  onStack('fucom', ['DD /4 : mod3'], 'x87_compare', 1, 0),
  onStack('fucomp', ['DD /5 : mod3'], 'x87_compare', 1, 1),
  onStack('fucompp', ['DA E9'], 'x87_compare', 1, 2),
  x87('fcomi', ['DB /6 : mod3'], compareFlags(false, false)),
  x87('fcomip', ['DF /6 : mod3'], compareFlags(false, true)),
  x87('fucomi', ['DB /5 : mod3'], compareFlags(true, false)),
  x87('fucomip', ['DF /5 : mod3'], compareFlags(true, true)),
  onStack('ftst', ['D9 E4'], 'x87_test'),
  onStack('fxam', ['D9 E5'], 'x87_examine'),
  onStack('fsqrt', ['D9 FA'], 'x87_unary', 1),
  onStack('frndint', ['D9 FC'], 'x87_unary', 0),
  onStack('fscale', ['D9 FD'], 'x87_scale'),
  onStack('fxtract', ['D9 F4'], 'x87_extract'),
  onStack('fprem', ['D9 F8'], 'x87_remainder', 0),
  onStack('fprem1', ['D9 F5'], 'x87_remainder', 1),
];
