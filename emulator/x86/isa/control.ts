import { i32, i64, i64c, type I32 } from '../../wasm/expr';
import { CONDITIONS } from '../flags';
import { define, type Definition, type Meaning } from '../definition';
import { RBP, RCX, RSP, type Stage, type StringOperation } from '../stage';

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

const push: Meaning = (s, from) => s.push(s.size, s.f.let(s.read(from!)));

/** PUSH of an immediate: sign-extended to the operand size. */
const popInto: Meaning = (s, to) => {
  const { value, commit } = s.pop(s.size);
  commit();
  s.write(to!, value);
};

/** POP to memory: the address is computed with the stack pointer already moved, yet a fault must leave it. */
const popMemory: Meaning = (s, to) => {
  const { value, commit } = s.pop(s.size);
  const old = s.f.let(s.getRegister(RSP, 64));
  commit();
  s.write(s.restoring(to!, RSP, old), value);
};

const callRelative: Meaning = (s, to) => {
  s.push(s.size, s.nextIp());
  s.jumpRelative(to!);
};
const callIndirect: Meaning = (s, to) => {
  const target = s.f.let(s.read(to!));
  s.push(s.size, s.nextIp());
  s.jump(target);
};
const ret: Meaning = (s, extra) => {
  const { value, commit } = s.pop(s.size);
  commit();
  if (extra) s.adjustStack(s.read(extra));
  s.jump(value);
};

const leave: Meaning = (s) => {
  // Read through rBP first; nothing changes before that has succeeded.
  const { value, commit } = s.popFrom(RBP, s.size);
  commit();
  s.setRegister(RBP, s.size, value);
};

/** LOOP and JCXZ count in rCX of the address size. */
const counting =
  (decrement: boolean, also?: (s: Stage) => I32): Meaning =>
  (s, to) => {
    const mask = s.f.let(s.addressMask());
    const old = s.f.let(s.getRegister(RCX, 64));
    if (!decrement) {
      s.branchRelative(i64.eqz(i64.and(old, mask)), to!);
      return;
    }
    const count = s.f.let(i64.and(i64.sub(old, i64c(1)), mask));
    // A 16-bit count leaves the upper bits; a 32-bit one clears them.
    s.f.if(
      i64.eq(mask, i64c(0xffff)),
      () => s.setRegister(RCX, 16, count),
      () => s.setRegister(RCX, 64, count),
    );
    const more = i32.eqz(i64.eqz(count));
    s.branchRelative(also ? i32.and(more, also(s)) : more, to!);
  };

const strings = (name: StringOperation, byte: number): Definition =>
  define(name, [`${hex(byte)} : b string rep ends`, `${hex(byte + 1)} : v string rep ends`], (s) => s.string(name));

export const control: readonly Definition[] = [
  define('push', ['50+r Zv : o64 kind', 'FF /6 Ev : o64 kind', '68 Iz : o64 kind', '6A Ibs : v o64 kind'], push),
  define('pop', ['58+r Zv : o64 kind', '8F /0 Ev : o64 kind mod3'], popInto),
  define('popmem', ['8F /0 Ev : o64 kind mem pops'], popMemory),
  define('jmp', ['E9 Jz : near ends kind', 'EB Jb : v near ends kind'], (s, to) => s.jumpRelative(to!)),
  define('jmpi', ['FF /4 Ev : near ends kind'], (s, to) => s.jump(s.f.let(s.read(to!)))),
  define('call', ['E8 Jz : near ends kind'], callRelative),
  define('calli', ['FF /2 Ev : near ends kind'], callIndirect),
  define('ret', ['C3 : v near ends kind', 'C2 Iw : v near ends kind'], ret),
  define('leave', ['C9 : v o64 kind'], leave),
  ...CONDITIONS.map((cc, code) =>
    define(`j${cc}`, [`${hex(0x70 + code)} Jb : v near ends kind`, `0F ${hex(0x80 + code)} Jz : near ends kind`], (s, to) =>
      s.branchRelative(s.condition(code), to!),
    ),
  ),
  define(
    'loopne',
    ['E0 Jb : v near ends kind'],
    counting(true, (s) => s.condition(5)),
  ),
  define(
    'loope',
    ['E1 Jb : v near ends kind'],
    counting(true, (s) => s.condition(4)),
  ),
  define('loop', ['E2 Jb : v near ends kind'], counting(true)),
  define('jcxz', ['E3 Jb : v near ends kind'], counting(false)),
  strings('movs', 0xa4),
  strings('stos', 0xaa),
  strings('lods', 0xac),
  strings('scas', 0xae),
  strings('cmps', 0xa6),
  strings('ins', 0x6c),
  strings('outs', 0x6e),
];
