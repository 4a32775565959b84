import { i32, i64, i64c, select, v128, type I32, type I64 } from '../../wasm/expr';
import { EFLAGS } from '../layout';
import { CONDITIONS, DF, OF, packFlags, signed, unpackFlags, ZF } from '../flags';
import { define, type Definition, type Meaning } from '../definition';
import { RAX, RBX, RCX, RDX, type Size, type Stage } from '../stage';
import { setCarry } from './arithmetic';

/** Register number 4 of byte size. */
const AH = 4;

const move: Meaning = (s, to, from) => s.write(to!, s.read(from!));

const extend =
  (isSigned: boolean): Meaning =>
  (s, to, from) => {
    const value = s.read(from!);
    s.write(to!, isSigned ? signed(value, from!.size as Size) : value);
  };

const exchange: Meaning = (s, to, from) => {
  const a = s.f.let(s.readForUpdate(to!));
  const b = s.f.let(s.read(from!));
  s.write(to!, b);
  s.write(from!, a);
};

/** Only ZF changes. */
function setZero(s: Stage, equal: I32): void {
  const flags = s.f.let(i64.or(i64.and(packFlags(s.flags()), i64c(~ZF)), i64.shl(i64.extendI32U(equal), i64c(6))));
  const { result, carries } = unpackFlags(flags);
  s.setFlags({ result: s.f.let(result), carries: s.f.let(carries) });
}

const pair = (s: Stage, high: number, low: number) => i64.or(i64.shl(s.getRegister(high, 32), i64c(32)), s.getRegister(low, 32));

const compareExchange8: Meaning = (s, to) => {
  const old = s.f.let(s.readForUpdate(to!));
  const equal = s.f.let(i64.eq(old, pair(s, RDX, RAX)));
  s.write(to!, select(equal, pair(s, RCX, RBX), old));
  s.f.if(i32.eqz(equal), () => {
    s.setRegister(RAX, 32, i64.and(old, i64c(0xffffffff)));
    s.setRegister(RDX, 32, i64.shrU(old, i64c(32)));
  });
  setZero(s, equal);
};

const lane = v128.extract('i64', 0x1d);
const vectorOf = (low: I64, high: I64) => v128.replace<'i64'>(0x1e)(v128.splat<'i64'>(0x12)(low), 1, high);

const compareExchange16: Meaning = (s, to) => {
  s.requireAligned(to!);
  const old = s.f.let(s.readVectorForUpdate(to!));
  const low = s.f.let(lane(old, 0));
  const high = s.f.let(lane(old, 1));
  const equal = s.f.let(i32.and(i64.eq(low, s.getRegister(RAX, 64)), i64.eq(high, s.getRegister(RDX, 64))));
  s.writeVector(to!, select(equal, vectorOf(s.getRegister(RBX, 64), s.getRegister(RCX, 64)), old));
  s.f.if(i32.eqz(equal), () => {
    s.setRegister(RAX, 64, low);
    s.setRegister(RDX, 64, high);
  });
  setZero(s, equal);
};

const byteSwap: Meaning = (s, to) => {
  const size = to!.size as Size;
  const v = s.f.let(s.read(to!));
  if (size === 16) {
    // Undefined by the manual; processors clear the register's low half.
    s.write(to!, i64c(0));
    return;
  }
  const swap32 = (x: typeof v) =>
    i64.or(
      i64.or(i64.shl(i64.and(x, i64c(0xff)), i64c(24)), i64.shl(i64.and(x, i64c(0xff00)), i64c(8))),
      i64.or(i64.and(i64.shrU(x, i64c(8)), i64c(0xff00)), i64.and(i64.shrU(x, i64c(24)), i64c(0xff))),
    );
  s.write(to!, size === 32 ? swap32(v) : i64.or(i64.shl(swap32(v), i64c(32)), swap32(s.f.let(i64.shrU(v, i64c(32))))));
};

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

export const moves: readonly Definition[] = [
  define(
    'mov',
    [
      '88 /r Eb,Gb',
      '89 /r Ev,Gv',
      '8A /r Gb,Eb',
      '8B /r Gv,Ev',
      'A0 AL,Ob',
      'A1 rAX,Ov',
      'A2 Ob,AL',
      'A3 Ov,rAX',
      'B0+r Zb,Ib',
      'B8+r Zv,Iv',
      'C6 /0 Eb,Ib',
      'C7 /0 Ev,Iz',
    ],
    move,
  ),
  define('movzx', ['0F B6 /r Gv,Eb', '0F B7 /r Gv,Ew'], extend(false)),
  define('movsx', ['0F BE /r Gv,Eb', '0F BF /r Gv,Ew'], extend(true)),
  define('movsxd', ['63 /r Gv,Ed : only64'], extend(true)),
  define('lea', ['8D /r Gv,M'], (s, to, from) => s.write(to!, s.effectiveAddress(from!))),
  define('xchg', ['86 /r Eb,Gb : lock', '87 /r Ev,Gv : lock', '90+r Zv,rAX'], exchange),
  define(
    'nop',
    ['90 : nop90', '0F 1F /r Ev', '0F 18 /r Ev', '0F 19 /r Ev', '0F 1A /r Ev', '0F 1B /r Ev', '0F 1C /r Ev', '0F 1D /r Ev', '0F 1E /r Ev', '0F 0D /r Ev : mem'],
    () => {},
  ),
  ...CONDITIONS.map((cc, code) =>
    define(`cmov${cc}`, [`0F ${hex(0x40 + code)} /r Gv,Ev`], (s, to, from) => {
      // The source is read, and may fault, in either case.
      const value = s.f.let(s.read(from!));
      s.write(to!, select(s.condition(code), value, s.read(to!)));
    }),
  ),
  ...CONDITIONS.map((cc, code) => define(`set${cc}`, [`0F ${hex(0x90 + code)} /r Eb`], (s, to) => s.write(to!, i64.extendI32U(s.condition(code))))),
  define('cbw', ['98 : v'], (s) => {
    const half = (s.size / 2) as Size;
    s.setRegister(RAX, s.size, signed(s.getRegister(RAX, half), half));
  }),
  define('cwd', ['99 : v'], (s) => s.setRegister(RDX, s.size, i64.shrS(signed(s.getRegister(RAX, s.size), s.size), i64c(63)))),
  define('bswap', ['0F C8+r Zv'], byteSwap),
  define('cmpxchg8b', ['0F C7 /1 Mq : lock mem w0'], compareExchange8),
  define('cmpxchg16b', ['0F C7 /1 Mx : lock mem w1'], compareExchange16, 'cx16'),
  define('xlat', ['D7 Bb'], (s, table) => {
    const linear = s.f.let(s.linearAddress(table!, s.getRegister(RAX, 8)));
    s.setRegister(RAX, 8, s.load(8, linear));
  }),
  define('lahf', ['9F'], (s) => s.setRegister(AH, 8, i64.or(i64.and(packFlags(s.flags()), i64c(0xd5)), i64c(2)))),
  define('sahf', ['9E'], (s) => {
    const kept = i64.and(packFlags(s.flags()), i64c(OF));
    const flags = s.f.let(i64.or(i64.and(s.getRegister(AH, 8), i64c(0xd5)), kept));
    const { result, carries } = unpackFlags(flags);
    s.setFlags({ result: s.f.let(result), carries: s.f.let(carries) });
  }),
  define('clc', ['F8'], (s) => setCarry(s, i64c(0))),
  define('stc', ['F9'], (s) => setCarry(s, i64c(1))),
  define('cmc', ['F5'], (s) => setCarry(s, i64.xor(s.carry(), i64c(1)))),
  define('cld', ['FC'], (s) => s.setState('u64', EFLAGS, i64.and(s.getState('u64', EFLAGS), i64c(~DF)))),
  define('std', ['FD'], (s) => s.setState('u64', EFLAGS, i64.or(s.getState('u64', EFLAGS), i64c(DF)))),
];
