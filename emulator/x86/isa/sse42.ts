import { i32, i64, i64c, type I32 } from '../../wasm/expr';
import { i64x2 } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import { unpackFlags } from '../flags';
import { SCRATCH } from '../layout';
import { RAX, RCX, RDX, type Size, type Stage } from '../stage';
import { byteImmediate, packed, unaligned } from './vector-operands';

/** Operands at SCRATCH, lengths, aggregation and flags; yields IntRes2 and the control byte. */
function compare(s: Stage, operands: Parameters<Meaning>[1][], explicit: Size | undefined): { result: I32; control: I32 } {
  const { f } = s;
  const [to, from, immediate] = operands as [Parameters<Meaning>[1], Parameters<Meaning>[1], Parameters<Meaning>[1]];
  const b = unaligned(s, from!);
  const a = f.let(s.readVector(to!));
  const control = byteImmediate(s, immediate!);
  f.store('v128', i32.const(SCRATCH), 0, a);
  f.store('v128', i32.const(SCRATCH), 16, b);
  const length = (second: 0 | 1): I32 => {
    if (explicit === undefined) return f.let(s.helper('implicitLength', i32.const(second), control));
    const value = s.getRegister(second ? RDX : RAX, explicit);
    return f.let(s.helper('explicitLength', explicit === 64 ? value : i64.extend32S(value), control));
  };
  const [length1, length2] = [length(0), length(1)];
  const result = f.let(s.helper('aggregate', length1, length2, control));
  const count = f.let(i32.shrU(i32.const(16), i32.and(control, i32.const(1))));
  const bit = (condition: I32, at: number) => i64.shl(i64.extendI32U(condition), i64c(at));
  const carry = bit(i32.ne(result, i32.const(0)), 0);
  const zero = bit(i32.ltU(length2, count), 6);
  const sign = bit(i32.ltU(length1, count), 7);
  const overflow = bit(i32.and(result, i32.const(1)), 11);
  const flags = f.let(i64.or(i64.or(carry, zero), i64.or(sign, overflow)));
  s.setFlags(unpackFlags(flags));
  return { result, control };
}

/** PCMPxSTRI: an index in ECX. */
const index =
  (explicit?: Size): Meaning =>
  (s, ...operands) => {
    const { result, control } = compare(s, operands, explicit);
    s.setRegister(RCX, 64, i64.extendI32U(s.helper('resultIndex', result, control)));
  };

/** PCMPxSTRM: a mask in XMM0. */
const mask =
  (explicit?: Size): Meaning =>
  (s, ...operands) => {
    const { result, control } = compare(s, operands, explicit);
    const half = (high: 0 | 1) => s.f.let(s.helper64('resultMask', result, control, i32.const(high)));
    s.setVector(0, i64x2.of(half(0), half(1)));
  };

const crc32: Meaning = (s, to, from) => {
  const value = s.f.let(s.read(from!));
  const crc = i32.wrap(s.read(to!));
  s.write(to!, i64.extendI32U(s.f.let(s.helper('crc32c', crc, value, i32.const(from!.size / 8)))));
};

const SSE42 = 'sse4.2';

/** String comparisons, checksums and the 64-bit comparison of SSE4.2. */
export const sse42: readonly Definition[] = [
  define('pcmpestrm', ['66 0F 3A 60 /r Vx,Wx,Ib : w0'], mask(32), SSE42),
  define('pcmpestrm64', ['66 0F 3A 60 /r Vx,Wx,Ib : w1'], mask(64), SSE42),
  define('pcmpestri', ['66 0F 3A 61 /r Vx,Wx,Ib : w0'], index(32), SSE42),
  define('pcmpestri64', ['66 0F 3A 61 /r Vx,Wx,Ib : w1'], index(64), SSE42),
  define('pcmpistrm', ['66 0F 3A 62 /r Vx,Wx,Ib'], mask(), SSE42),
  define('pcmpistri', ['66 0F 3A 63 /r Vx,Wx,Ib'], index(), SSE42),
  define('pcmpgtq', ['66 0F 38 37 /r Vx,Wx'], packed(i64x2.gtS), SSE42),
  define('crc32', ['F2 0F 38 F0 /r Gy,Eb', 'F2 0F 38 F1 /r Gy,Ev'], crc32, SSE42),
];
