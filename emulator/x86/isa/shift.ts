import { i32, i64, i64c, select, type I64 } from '../../wasm/expr';
import { signed } from '../flags';
import { define, type Definition, type Meaning } from '../definition';
import { RCX, type Operand, type Size, type Stage } from '../stage';
import { unsigned } from './arithmetic';

/**
 * Shifts and rotates. A count of 0 (after masking) leaves everything as it was, flags included.
 * OF is defined for counts of 1 only; for other counts processors compute it the same way, and so do we.
 */
interface ShiftInput {
  readonly s: Stage;
  readonly size: Size;
  /** Operand, zero-extended. */
  readonly a: I64;
  /** Count after masking to 5 or 6 bits, not 0. */
  readonly n: I64;
}
interface ShiftResult {
  readonly r: I64;
  /** 0 or 1 each. */
  readonly cf: I64;
  readonly of: I64;
  /** Rotates leave SF, ZF, AF and PF. */
  readonly rotate?: boolean;
}
type ShiftRule = (input: ShiftInput) => ShiftResult;

const one = i64c(1);
const bitAt = (value: I64, at: I64): I64 => i64.and(i64.shrU(value, at), one);
const topBit = (value: I64, size: Size): I64 => bitAt(value, i64c(size - 1));

function apply(s: Stage, to: Operand, count: I64, rule: ShiftRule): void {
  const size = to.size as Size;
  const a = s.f.let(s.readForUpdate(to));
  const n = s.f.let(i64.and(count, i64c(size === 64 ? 63 : 31)));
  s.f.if(
    i64.eqz(n),
    // A 32-bit register is still written, which clears its upper half.
    () => (to.kind === 'memory' ? undefined : s.write(to, a)),
    () => {
      const { r, cf, of, rotate } = rule({ s, size, a, n });
      const result = s.f.let(r);
      const carry = s.f.let(cf);
      const overflow = s.f.let(of);
      s.write(to, result);
      const top = i64.or(i64.shl(carry, i64c(63)), i64.shl(i64.xor(carry, overflow), i64c(62)));
      if (rotate) {
        const old = s.flags();
        s.setFlags({ result: old.result, carries: i64.or(i64.and(old.carries, i64c((1n << 62n) - 1n)), top) });
      } else s.setFlags({ result: signed(result, size), carries: top });
    },
  );
}

/** A shift by 64 or more yields 0, unlike in WebAssembly. */
const shiftLeft = (a: I64, n: I64): I64 => select(i64.gtU(n, i64c(63)), i64c(0), i64.shl(a, n));

const shl: ShiftRule = ({ s, size, a, n }) => {
  const wide = s.f.let(i64.shl(a, n));
  const r = s.f.let(unsigned(wide, size));
  // Bit `size` of the unbounded result; for 64 bits, bit 64 - n of the operand.
  const cf = s.f.let(size === 64 ? bitAt(a, i64.sub(i64c(64), n)) : bitAt(wide, i64c(size)));
  return { r, cf, of: i64.xor(topBit(r, size), cf) };
};
const shr: ShiftRule = ({ s, size, a, n }) => {
  const r = s.f.let(i64.shrU(a, n));
  // OF: the top two bits of the value before the last single shift differ from what is left.
  return { r, cf: bitAt(a, i64.sub(n, one)), of: topBit(i64.shrU(a, i64.sub(n, one)), size) };
};
const sar: ShiftRule = ({ s, size, a, n }) => {
  const wide = s.f.let(signed(a, size));
  return { r: unsigned(i64.shrS(wide, n), size), cf: i64.and(i64.shrS(wide, i64.sub(n, one)), one), of: i64c(0) };
};
const rol: ShiftRule = ({ s, size, a, n }) => {
  const r = s.f.let(size === 64 ? i64.rotl(a, n) : rotate(s, a, n, size));
  const cf = s.f.let(i64.and(r, one));
  return { r, cf, of: i64.xor(topBit(r, size), cf), rotate: true };
};
const ror: ShiftRule = ({ s, size, a, n }) => {
  const left = s.f.let(i64.and(i64.sub(i64c(size), n), i64c(size - 1)));
  const r = s.f.let(size === 64 ? i64.rotr(a, n) : rotate(s, a, left, size));
  const cf = s.f.let(topBit(r, size));
  return { r, cf, of: i64.xor(cf, bitAt(r, i64c(size - 2))), rotate: true };
};
/** Rotates `size` < 64 bits left; the count is taken modulo the size. */
function rotate(s: Stage, a: I64, n: I64, size: Size): I64 {
  const m = s.f.let(i64.and(n, i64c(size - 1)));
  return unsigned(i64.or(i64.shl(a, m), i64.shrU(a, i64.sub(i64c(size), m))), size);
}

/** Rotates through carry turn `size + 1` bits, the carry being the top one. */
function countThroughCarry(s: Stage, n: I64, size: Size): I64 {
  return size >= 32 ? n : s.f.let(i64.remU(n, i64c(size + 1)));
}
const rcl: ShiftRule = ({ s, size, a, n }) => {
  const m = countThroughCarry(s, n, size);
  const carry = s.f.let(s.carry());
  const low = i64.or(i64.shl(carry, i64.sub(m, one)), shiftRight(a, i64.sub(i64c(size + 1), m)));
  const r = s.f.let(select(i64.eqz(m), a, unsigned(i64.or(i64.shl(a, m), low), size)));
  const cf = s.f.let(select(i64.eqz(m), carry, bitAt(a, i64.sub(i64c(size), m))));
  return { r, cf, of: i64.xor(topBit(r, size), cf), rotate: true };
};
const rcr: ShiftRule = ({ s, size, a, n }) => {
  const m = countThroughCarry(s, n, size);
  const carry = s.f.let(s.carry());
  const high = i64.or(i64.shl(carry, i64.sub(i64c(size), m)), shiftLeft(a, i64.sub(i64c(size + 1), m)));
  const r = s.f.let(select(i64.eqz(m), a, unsigned(i64.or(i64.shrU(a, m), high), size)));
  const cf = s.f.let(select(i64.eqz(m), carry, bitAt(a, i64.sub(m, one))));
  return { r, cf, of: i64.xor(topBit(r, size), bitAt(r, i64c(size - 2))), rotate: true };
};
function shiftRight(a: I64, n: I64): I64 {
  return select(i64.gtU(n, i64c(63)), i64c(0), i64.shrU(a, n));
}

const byImmediate =
  (rule: ShiftRule): Meaning =>
  (s, to, count) =>
    apply(s, to!, s.read(count!), rule);
const byOne =
  (rule: ShiftRule): Meaning =>
  (s, to) =>
    apply(s, to!, one, rule);
const byCl =
  (rule: ShiftRule): Meaning =>
  (s, to) =>
    apply(s, to!, s.getRegister(RCX, 8), rule);

const group = (name: string, digit: number, rule: ShiftRule): readonly Definition[] => [
  define(name, [`C0 /${digit} Eb,Ib`, `C1 /${digit} Ev,Ib`], byImmediate(rule)),
  define(`${name}1`, [`D0 /${digit} Eb`, `D1 /${digit} Ev`], byOne(rule)),
  define(`${name}cl`, [`D2 /${digit} Eb`, `D3 /${digit} Ev`], byCl(rule)),
];

/** SHLD and SHRD; for 16 bits and counts above 16 the result follows the three-operand chain a:b:a. */
const double =
  (left: boolean, count: (s: Stage, o?: Operand) => I64): Meaning =>
  (s, to, from, by) => {
    const size = to!.size as Size;
    const b = s.f.let(s.read(from!));
    apply(s, to!, count(s, by), ({ a, n }) => {
      const rest = s.f.let(i64.sub(i64c(size), n));
      if (size === 16) {
        // 48 bits hold every case: a:b:a turned by up to 31.
        const chain = left ? i64.or(i64.or(i64.shl(a, i64c(32)), i64.shl(b, i64c(16))), a) : i64.or(i64.or(i64.shl(a, i64c(32)), i64.shl(b, i64c(16))), a);
        const c = s.f.let(chain);
        const r = s.f.let(unsigned(left ? i64.shrU(i64.shl(c, n), i64c(32)) : i64.shrU(c, n), 16));
        const cf = left ? bitAt(c, i64.sub(i64c(48), n)) : bitAt(c, i64.sub(n, one));
        return { r, cf, of: i64.xor(topBit(r, size), topBit(a, size)) };
      }
      const r = s.f.let(left ? unsigned(i64.or(i64.shl(a, n), i64.shrU(b, rest)), size) : unsigned(i64.or(i64.shrU(a, n), i64.shl(b, rest)), size));
      const cf = left ? bitAt(a, rest) : bitAt(a, i64.sub(n, one));
      return { r, cf, of: i64.xor(topBit(r, size), topBit(a, size)) };
    });
  };
const immediate = (s: Stage, o?: Operand) => s.read(o!);
const cl = (s: Stage) => s.getRegister(RCX, 8);

/** Bit tests: a register bit offset reaches beyond the operand in memory (SDM, BT). */
const bitTest =
  (change: ((a: I64, mask: I64) => I64) | undefined, isImmediate: boolean): Meaning =>
  (s, to, from) => {
    const size = to!.size as Size;
    const offset = s.f.let(s.read(from!));
    const n = s.f.let(i64.and(offset, i64c(size - 1)));
    const finish = (a: I64, write: (value: I64) => void) => {
      const bit = s.f.let(bitAt(a, n));
      if (change) write(change(a, i64.shl(one, n)));
      const { result, carries } = s.flags();
      const flip = i64.xor(i64.shrU(carries, i64c(63)), bit);
      s.setFlags({ result, carries: i64.xor(carries, i64.rotr(i64.mul(flip, i64c(3)), i64c(2))) });
    };
    if (to!.kind === 'memory' && !isImmediate) {
      const unit = i64.shrS(signed(offset, size), i64c(Math.log2(size)));
      const place = s.memoryAt(to!, i64.mul(unit, i64c(size / 8)));
      finish(s.f.let(change ? s.readForUpdate(place) : s.read(place)), (value) => s.write(place, value));
    } else finish(s.f.let(change ? s.readForUpdate(to!) : s.read(to!)), (value) => s.write(to!, value));
  };
const set = (a: I64, mask: I64) => i64.or(a, mask);
const clear = (a: I64, mask: I64) => i64.and(a, i64.xor(mask, i64c(-1)));
const complement = (a: I64, mask: I64) => i64.xor(a, mask);
const bitTests = (name: string, digit: number, opcode: string, change?: (a: I64, mask: I64) => I64): readonly Definition[] => {
  const lock = change ? ' : lock' : '';
  return [define(name, [`0F ${opcode} /r Ev,Gv${lock}`], bitTest(change, false)), define(`${name}i`, [`0F BA /${digit} Ev,Ib${lock}`], bitTest(change, true))];
};

/** BSF and BSR leave the destination where the source is 0, as all processors do. */
const bitScan =
  (forward: boolean): Meaning =>
  (s, to, from) => {
    const size = to!.size as Size;
    const a = s.f.let(s.read(from!));
    const zero = s.f.let(i64.eqz(a));
    s.f.if(i32.eqz(zero), () => s.write(to!, forward ? i64.ctz(a) : i64.sub(i64c(63), i64.clz(a))));
    s.setFlags({ result: signed(a, size), carries: i64c(0) });
  };

export const shifts: readonly Definition[] = [
  ...group('rol', 0, rol),
  ...group('ror', 1, ror),
  ...group('rcl', 2, rcl),
  ...group('rcr', 3, rcr),
  ...group('shl', 4, shl),
  ...group('shr', 5, shr),
  ...group('sal', 6, shl),
  ...group('sar', 7, sar),
  define('shld', ['0F A4 /r Ev,Gv,Ib'], double(true, immediate)),
  define('shldcl', ['0F A5 /r Ev,Gv'], double(true, cl)),
  define('shrd', ['0F AC /r Ev,Gv,Ib'], double(false, immediate)),
  define('shrdcl', ['0F AD /r Ev,Gv'], double(false, cl)),
  ...bitTests('bt', 4, 'A3'),
  ...bitTests('bts', 5, 'AB', set),
  ...bitTests('btr', 6, 'B3', clear),
  ...bitTests('btc', 7, 'BB', complement),
  define('bsf', ['0F BC /r Gv,Ev'], bitScan(true)),
  define('bsr', ['0F BD /r Gv,Ev'], bitScan(false)),
];
