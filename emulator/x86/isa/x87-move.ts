import { i32 } from '../../wasm/expr';
import type { Definition, Meaning } from '../definition';
import { boolean, FORMAT, memoryValue, onStack, storedHigh, storedLow, x87, type Format } from './x87-operands';

const load =
  (format: Format): Meaning =>
  (s, from) =>
    s.run('x87_load', s.record(), i32.const(FORMAT[format]), memoryValue(s, from!, format), i32.const(0));

const loadTenBytes =
  (format: Format): Meaning =>
  (s, from) => {
    const { low, high } = s.readExtended(from!);
    s.run('x87_load', s.record(), i32.const(FORMAT[format]), low, i32.wrap(high));
  };

/** The value is made first, then written, which may fault; status and stack change last. Memory that an exception saves is checked still. */
const store =
  (format: Format, pops: boolean, truncate = false): Meaning =>
  (s, to) => {
    const { size } = to!;
    s.f.if(
      s.helper('x87_store', i32.const(FORMAT[format]), i32.const(size), boolean(truncate)),
      () => (size === 80 ? s.writeExtended(to!, storedLow(), storedHigh()) : s.write(to!, storedLow())),
      () => s.f.drop(s.readForUpdate({ ...to! })),
    );
    s.run('x87_stored', s.record(), boolean(pops));
  };

/** FCMOVcc: condition codes B, E, BE, U and their opposites. */
const moveIf = (name: string, encoding: string, code: number): Definition => x87(name, [encoding], (s) => s.run('x87_move_if', s.record(), s.condition(code)));

export const x87Moves: readonly Definition[] = [
  x87('fld', ['D9 /0 Md : mem'], load('single')),
  x87('fldd', ['DD /0 Mq : mem'], load('double')),
  x87('fldx', ['DB /5 Mt : mem'], loadTenBytes('extended')),
  x87('fild', ['DF /0 Mw : mem', 'DB /0 Md : mem', 'DF /5 Mq : mem'], load('integer')),
  x87('fbld', ['DF /4 Mt : mem'], loadTenBytes('decimal')),
  x87('fst', ['D9 /2 Md : mem'], store('single', false)),
  x87('fstd', ['DD /2 Mq : mem'], store('double', false)),
  x87('fstp', ['D9 /3 Md : mem'], store('single', true)),
  x87('fstpd', ['DD /3 Mq : mem'], store('double', true)),
  x87('fstpx', ['DB /7 Mt : mem'], store('extended', true)),
  x87('fist', ['DF /2 Mw : mem', 'DB /2 Md : mem'], store('integer', false)),
  x87('fistp', ['DF /3 Mw : mem', 'DB /3 Md : mem', 'DF /7 Mq : mem'], store('integer', true)),
  x87('fisttp', ['DF /1 Mw : mem', 'DB /1 Md : mem', 'DD /1 Mq : mem'], store('integer', true, true)),
  x87('fbstp', ['DF /6 Mt : mem'], store('decimal', true)),

  onStack('fldr', ['D9 /0 : mod3'], 'x87_load_register'),
  onStack('fstr', ['DD /2 : mod3'], 'x87_store_register', 0),
  // DF D0+i and DF D8+i, DD C8+i and DF C8+i are aliases that the manual leaves out and processors have.
  onStack('fstpr', ['DD /3 : mod3', 'DF /2 : mod3', 'DF /3 : mod3'], 'x87_store_register', 1),
  onStack('fstpnce', ['D9 /3 : mod3'], 'x87_store_unchecked'),
  onStack('fxch', ['D9 /1 : mod3', 'DD /1 : mod3', 'DF /1 : mod3'], 'x87_exchange'),
  ...['D9 E8', 'D9 E9', 'D9 EA', 'D9 EB', 'D9 EC', 'D9 ED', 'D9 EE'].map((encoding, i) =>
    onStack(['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'][i]!, [encoding], 'x87_load_constant'),
  ),
  moveIf('fcmovb', 'DA /0 : mod3', 0x2),
  moveIf('fcmove', 'DA /1 : mod3', 0x4),
  moveIf('fcmovbe', 'DA /2 : mod3', 0x6),
  moveIf('fcmovu', 'DA /3 : mod3', 0xa),
  moveIf('fcmovnb', 'DB /0 : mod3', 0x3),
  moveIf('fcmovne', 'DB /1 : mod3', 0x5),
  moveIf('fcmovnbe', 'DB /2 : mod3', 0x7),
  moveIf('fcmovnu', 'DB /3 : mod3', 0xb),
  onStack('fchs', ['D9 E0'], 'x87_sign'),
  onStack('fabs', ['D9 E1'], 'x87_sign'),
  onStack('fnop', ['D9 D0'], 'x87_rotate', 0),
  onStack('fdecstp', ['D9 F6'], 'x87_rotate', -1),
  onStack('fincstp', ['D9 F7'], 'x87_rotate', 1),
  onStack('ffree', ['DD /0 : mod3'], 'x87_free', 0),
  onStack('ffreep', ['DF /0 : mod3'], 'x87_free', 1),
];
