import { i32, i64, i64c, select, type I64 } from '../../wasm/expr';
import { carriesOf, signed } from '../flags';
import { define, type Definition, type Meaning } from '../definition';
import { RAX, RDX, type Operand, type Size, type Stage } from '../stage';

/** Zero-extends the low `size` bits. */
export function unsigned(value: I64, size: Size): I64 {
  return size === 64 ? value : i64.and(value, i64c((1n << BigInt(size)) - 1n));
}

const not = (a: I64) => i64.xor(a, i64c(-1));

export function flagsOfLogic(s: Stage, r: I64, size: Size): void {
  s.setSum({ operation: 'sub', a: r, b: i64c(0), result: r, size, whole: true });
}

/** CF becomes `carry` (0 or 1); all else stays. OF = CF ^ bit 62, so both bits flip together. */
export function setCarry(s: Stage, carry: I64): void {
  const { result, carries } = s.flags();
  const flip = i64.xor(i64.shrU(carries, i64c(63)), carry);
  s.setFlags({ result, carries: i64.xor(carries, i64.rotr(i64.mul(flip, i64c(3)), i64c(2))) });
}

/** A result and the flags that go with it, which are emitted after the result is written. */
interface Outcome {
  readonly value: I64;
  flags(): void;
}
type Operation = (s: Stage, a: I64, b: I64, size: Size) => Outcome;

const binary =
  (operation: Operation, writes: boolean): Meaning =>
  (s, to, from) => {
    const size = to!.size as Size;
    const a = s.f.let(writes ? s.readForUpdate(to!) : s.read(to!));
    const b = s.f.let(s.read(from!));
    const outcome = operation(s, a, b, size);
    if (writes) s.write(to!, outcome.value);
    outcome.flags();
  };

const adding =
  (carry: boolean): Operation =>
  (s, a, b, size) => {
    const sum = i64.add(a, b);
    const value = s.f.let(carry ? i64.add(sum, s.carry()) : sum);
    return { value, flags: () => s.setSum({ operation: 'add', a, b, result: value, size, whole: !carry }) };
  };
const subtracting =
  (borrow: boolean): Operation =>
  (s, a, b, size) => {
    const difference = i64.sub(a, b);
    const value = s.f.let(borrow ? i64.sub(difference, s.carry()) : difference);
    return {
      value,
      flags: () => s.setSum({ operation: 'sub', a, b, result: value, size, whole: !borrow }),
    };
  };
const logic =
  (f: (a: I64, b: I64) => I64): Operation =>
  (s, a, b, size) => {
    const value = s.f.let(f(a, b));
    return { value, flags: () => flagsOfLogic(s, value, size) };
  };

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

/** The eight operations of the first opcode rows, each at base + 0…5 and in group 1. */
const groupOne: readonly [name: string, operation: Operation, write: boolean][] = [
  ['add', adding(false), true],
  ['or', logic(i64.or), true],
  ['adc', adding(true), true],
  ['sbb', subtracting(true), true],
  ['and', logic(i64.and), true],
  ['sub', subtracting(false), true],
  ['xor', logic(i64.xor), true],
  ['cmp', subtracting(false), false],
];

const incDec =
  (change: 1 | -1): Meaning =>
  (s, to) => {
    const size = to!.size as Size;
    const a = s.f.let(s.readForUpdate(to!));
    const one = i64c(1);
    const r = s.f.let(change === 1 ? i64.add(a, one) : i64.sub(a, one));
    const vector = change === 1 ? i64.or(i64.and(a, one), i64.and(i64.or(a, one), not(r))) : i64.or(i64.and(not(a), one), i64.and(i64.or(not(a), one), r));
    // CF stays: move it into bit 63 and keep bit 62 = CF ^ OF.
    const fresh = s.f.let(carriesOf(vector, size, (value) => s.f.let(value)));
    const old = s.flags().carries;
    const flip = i64.rotr(i64.shrU(i64.xor(old, fresh), i64c(63)), i64c(1));
    const carries = s.f.let(i64.xor(fresh, i64.or(flip, i64.shrU(flip, i64c(1)))));
    s.write(to!, r);
    s.setFlags({ result: signed(r, size), carries });
  };

const neg: Meaning = (s, to) => {
  const size = to!.size as Size;
  const b = s.f.let(s.readForUpdate(to!));
  const r = s.f.let(i64.sub(i64c(0), b));
  s.write(to!, r);
  s.setSum({ operation: 'sub', a: i64c(0), b, result: r, size, whole: true });
};

/** Multiplications set CF = OF = "the high half matters"; the rest as current processors leave it. */
function flagsOfMultiply(s: Stage, low: I64, overflowed: I64, size: Size): void {
  // CF at bit 63; OF = CF needs bit 62 = 0.
  s.setFlags({ result: signed(low, size), carries: i64.shl(overflowed, i64c(63)) });
}

const low32 = (value: I64): I64 => i64.and(value, i64c(0xffffffffn));
const high32 = (value: I64): I64 => i64.shrU(value, i64c(32));

/** The upper half of a product of 128 bits; without a call, so that it costs nothing where nobody looks at it. */
function multiplyHigh(s: Stage, a: I64, b: I64, isSigned: boolean): I64 {
  const { f } = s;
  const [al, ah, bl, bh] = [low32(a), high32(a), low32(b), high32(b)].map((part) => f.let(part)) as [I64, I64, I64, I64];
  const middle = f.let(i64.add(i64.mul(ah, bl), high32(i64.mul(al, bl))));
  const other = i64.add(i64.mul(al, bh), low32(middle));
  const high = i64.add(i64.add(i64.mul(ah, bh), high32(middle)), high32(other));
  if (!isSigned) return f.let(high);
  const correction = i64.add(i64.and(i64.shrS(a, i64c(63)), b), i64.and(i64.shrS(b, i64c(63)), a));
  return f.let(i64.sub(high, correction));
}

const multiplyWide =
  (isSigned: boolean): Meaning =>
  (s, from) => {
    const size = from!.size as Size;
    const b = s.f.let(s.read(from!));
    const a = s.f.let(s.getRegister(RAX, size));
    if (size === 64) {
      const low = s.f.let(i64.mul(a, b));
      const high = multiplyHigh(s, a, b, isSigned);
      s.setRegister(RAX, 64, low);
      s.setRegister(RDX, 64, high);
      const expected = isSigned ? i64.shrS(low, i64c(63)) : i64c(0);
      flagsOfMultiply(s, low, i64.extendI32U(i64.ne(high, expected)), size);
      return;
    }
    const product = s.f.let(isSigned ? i64.mul(signed(a, size), signed(b, size)) : i64.mul(a, b));
    if (size === 8) s.setRegister(RAX, 16, product);
    else {
      s.setRegister(RAX, size, product);
      s.setRegister(RDX, size, i64.shrU(product, i64c(size)));
    }
    const fits = isSigned ? i64.eq(signed(product, size), product) : i64.eq(unsigned(product, size), product);
    flagsOfMultiply(s, product, i64.extendI32U(i32.eqz(fits)), size);
  };

/** IMUL with two or three operands. */
function multiplyInto(s: Stage, to: Operand, a: I64, b: I64): void {
  const size = to.size as Size;
  if (size === 64) {
    const x = s.f.let(a);
    const y = s.f.let(b);
    const low = s.f.let(i64.mul(x, y));
    const high = multiplyHigh(s, x, y, true);
    s.write(to, low);
    flagsOfMultiply(s, low, i64.extendI32U(i64.ne(high, i64.shrS(low, i64c(63)))), size);
    return;
  }
  const [x, y] = [s.f.let(a), s.f.let(b)];
  // The lower half is the same without signs: extending them only for flags takes them off the way of the result.
  s.write(to, i64.mul(x, y));
  const product = s.f.let(i64.mul(signed(x, size), signed(y, size)));
  flagsOfMultiply(s, product, i64.extendI32U(i64.ne(signed(product, size), product)), size);
}

const DIVIDE_ERROR = 0;

const divide =
  (isSigned: boolean): Meaning =>
  (s, from) => {
    const size = from!.size as Size;
    const divisor = s.f.let(s.read(from!));
    s.faultIf(i64.eqz(divisor), DIVIDE_ERROR);
    if (size === 64) {
      // Quotient and remainder of 128 bits by 64; not 0 where the quotient does not fit.
      s.faultIf(s.helper(isSigned ? 'divideSigned128' : 'divideUnsigned128', s.getRegister(RDX, 64), s.getRegister(RAX, 64), divisor), DIVIDE_ERROR);
      s.setRegister(RAX, 64, s.helper64('quotient128'));
      s.setRegister(RDX, 64, s.helper64('remainder128'));
      return;
    }
    const dividend = s.f.let(size === 8 ? s.getRegister(RAX, 16) : i64.or(i64.shl(s.getRegister(RDX, size), i64c(size)), s.getRegister(RAX, size)));
    let q: I64;
    let r: I64;
    if (isSigned) {
      const n = s.f.let(size === 32 ? dividend : signed(dividend, (size * 2) as Size));
      const d = s.f.let(signed(divisor, size));
      // The one quotient that i64.div_s traps on.
      if (size === 32) s.faultIf(i32.and(i64.eq(n, i64c(-(1n << 63n))), i64.eq(d, i64c(-1))), DIVIDE_ERROR);
      q = s.f.let(i64.divS(n, d));
      r = s.f.let(i64.sub(n, i64.mul(q, d)));
      s.faultIf(i64.ne(signed(q, size), q), DIVIDE_ERROR);
    } else {
      q = s.f.let(i64.divU(dividend, divisor));
      r = s.f.let(i64.sub(dividend, i64.mul(q, divisor)));
      s.faultIf(i64.ne(i64.shrU(q, i64c(size)), i64c(0)), DIVIDE_ERROR);
    }
    if (size === 8) s.setRegister(RAX, 16, i64.or(i64.and(q, i64c(0xff)), i64.shl(i64.and(r, i64c(0xff)), i64c(8))));
    else {
      s.setRegister(RAX, size, q);
      s.setRegister(RDX, size, r);
    }
  };

const compareExchange: Meaning = (s, to, from) => {
  const size = to!.size as Size;
  const old = s.f.let(s.readForUpdate(to!));
  const expected = s.f.let(s.getRegister(RAX, size));
  const r = s.f.let(i64.sub(expected, old));
  const equal = s.f.let(i64.eq(expected, old));
  // The destination is written in both cases (SDM, CMPXCHG); a 32-bit one is zero-extended only on success.
  if (to!.kind === 'memory') s.write(to!, select(equal, s.read(from!), old));
  else s.f.if(equal, () => s.write(to!, s.read(from!)));
  s.f.if(i32.eqz(equal), () => s.setRegister(RAX, size, old));
  s.setSum({ operation: 'sub', a: expected, b: old, result: r, size, whole: true });
};

/** POPCNT: ZF says whether the source was 0; the other flags are cleared. */
const populationCount: Meaning = (s, to, from) => {
  const value = s.f.let(s.read(from!));
  const none = s.f.let(i64.extendI32U(i64.eqz(value)));
  s.write(to!, i64.popcnt(value));
  s.setFlags({ result: i64.xor(none, i64c(1)), carries: i64.shl(none, i64c(8)) });
};

export const arithmetic: readonly Definition[] = [
  define('popcnt', ['F3 0F B8 /r Gv,Ev'], populationCount, 'popcnt'),
  ...groupOne.map(([name, operation, write], index) => {
    const lock = write ? ' : lock' : '';
    const base = index * 8;
    return define(
      name,
      [
        `${hex(base)} /r Eb,Gb${lock}`,
        `${hex(base + 1)} /r Ev,Gv${lock}`,
        `${hex(base + 2)} /r Gb,Eb`,
        `${hex(base + 3)} /r Gv,Ev`,
        `${hex(base + 4)} AL,Ib`,
        `${hex(base + 5)} rAX,Iz`,
        `80 /${index} Eb,Ib${lock}`,
        `81 /${index} Ev,Iz${lock}`,
        `82 /${index} Eb,Ib${lock || ' :'} i64`,
        `83 /${index} Ev,Ibs${lock}`,
      ],
      binary(operation, write),
    );
  }),
  define(
    'test',
    ['84 /r Eb,Gb', '85 /r Ev,Gv', 'A8 AL,Ib', 'A9 rAX,Iz', 'F6 /0 Eb,Ib', 'F6 /1 Eb,Ib', 'F7 /0 Ev,Iz', 'F7 /1 Ev,Iz'],
    binary(logic(i64.and), false),
  ),
  define('inc', ['FE /0 Eb : lock', 'FF /0 Ev : lock', '40+r Zv : i64'], incDec(1)),
  define('dec', ['FE /1 Eb : lock', 'FF /1 Ev : lock', '48+r Zv : i64'], incDec(-1)),
  define('not', ['F6 /2 Eb : lock', 'F7 /2 Ev : lock'], (s, to) => s.write(to!, not(s.readForUpdate(to!)))),
  define('neg', ['F6 /3 Eb : lock', 'F7 /3 Ev : lock'], neg),
  define('mul', ['F6 /4 Eb', 'F7 /4 Ev'], multiplyWide(false)),
  define('imul', ['F6 /5 Eb', 'F7 /5 Ev'], multiplyWide(true)),
  define('imul2', ['0F AF /r Gv,Ev'], (s, to, from) => multiplyInto(s, to!, s.f.let(s.read(to!)), s.f.let(s.read(from!)))),
  define('imul3', ['69 /r Gv,Ev,Iz', '6B /r Gv,Ev,Ibs'], (s, to, a, b) => multiplyInto(s, to!, s.f.let(s.read(a!)), s.read(b!))),
  define('div', ['F6 /6 Eb', 'F7 /6 Ev'], divide(false)),
  define('idiv', ['F6 /7 Eb', 'F7 /7 Ev'], divide(true)),
  define('xadd', ['0F C0 /r Eb,Gb : lock', '0F C1 /r Ev,Gv : lock'], (s, to, from) => {
    const size = to!.size as Size;
    const a = s.f.let(s.readForUpdate(to!));
    const b = s.f.let(s.read(from!));
    const r = s.f.let(i64.add(a, b));
    // With the same register twice the sum is what stays (SDM, XADD).
    if (to!.kind === 'memory') {
      s.write(to!, r);
      s.write(from!, a);
    } else {
      s.write(from!, a);
      s.write(to!, r);
    }
    s.setSum({ operation: 'add', a, b, result: r, size, whole: true });
  }),
  define('cmpxchg', ['0F B0 /r Eb,Gb : lock', '0F B1 /r Ev,Gv : lock'], compareExchange),
];
