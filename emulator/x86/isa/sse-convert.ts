import { i32, i64, i64c, type I32, type I64, type V128 } from '../../wasm/expr';
import { bits128, i32x4, i64x2 } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import type { Operand, Stage } from '../stage';
import { compute, laneOf, replaceLane, withExceptions, type Precision } from './float-operands';
import { enterMmx, lowQuad, source, unaligned } from './vector-operands';

/** CVTSI2SS and the like: the low lane from a general register or memory of 32 or 64 bits. */
const fromInteger =
  (p: Precision): Meaning =>
  (s, to, from) => {
    const value = s.f.let(s.read(from!));
    const a = s.f.let(s.readVector(to!));
    s.writeVector(
      to!,
      replaceLane(
        p,
        a,
        0,
        withExceptions(s, (mxcsr) => integerToFloat(s, p, value, from!.size, mxcsr)),
      ),
    );
  };

const integerToFloat = (s: Stage, p: Precision, value: I64, bits: number, mxcsr: I32): I32 | I64 =>
  bits === 64 ? compute(s, p, `${p}_from_i64`, value, mxcsr) : compute(s, p, `${p}_from_i32`, i32.wrap(value), mxcsr);

/** CVTSS2SI, CVTTSS2SI: to a general register of 32 or 64 bits. */
const toInteger =
  (p: Precision, how: '' | '_truncate'): Meaning =>
  (s, to, from) => {
    const b = unaligned(s, from!);
    const value = withExceptions(s, (mxcsr) =>
      to!.size === 64
        ? s.f.let(s.helper64(`${p}_to_i64${how}`, laneOf(p, b, 0), mxcsr))
        : s.f.let(i64.extendI32U(s.helper(`${p}_to_i32${how}`, laneOf(p, b, 0), mxcsr))),
    );
    s.write(to!, value);
  };

const dword = (v: V128, lane: number): I32 => i32x4.extract(v, lane) as I32;

/** Lanes made one by one, above them zeros or what was there. */
function build(s: Stage, from: V128, lanes: readonly ((mxcsr: I32) => (v: V128) => V128)[]): V128 {
  return withExceptions(s, (mxcsr) => lanes.reduce<V128>((v, lane) => s.f.let(lane(mxcsr)(v)), from));
}

type Convert = (s: Stage, b: V128, lane: number, mxcsr: I32) => I32 | I64;
const packedInto =
  (count: number, width: 32 | 64, convert: Convert, read: (s: Stage, o: Operand) => V128): Meaning =>
  (s, to, from) => {
    const b = read(s, from!);
    const lanes = Array.from({ length: count }, (_, i) => (mxcsr: I32) => {
      const bits = convert(s, b, i, mxcsr);
      return (v: V128): V128 => (width === 32 ? i32x4.replace(v, i, bits as I32) : i64x2.replace(v, i, bits as I64));
    });
    s.writeVector(to!, build(s, bits128.zero, lanes));
  };

const singleToInteger =
  (how: '' | '_truncate'): Convert =>
  (s, b, i, mxcsr) =>
    s.f.let(s.helper(`f32_to_i32${how}`, dword(b, i), mxcsr));
const doubleToInteger =
  (how: '' | '_truncate'): Convert =>
  (s, b, i, mxcsr) =>
    s.f.let(s.helper(`f64_to_i32${how}`, i64x2.extract(b, i), mxcsr));
const integerToSingle: Convert = (s, b, i, mxcsr) => s.f.let(s.helper('f32_from_i32', dword(b, i), mxcsr));
const integerToDouble: Convert = (s, b, i, mxcsr) => s.f.let(s.helper64('f64_from_i32', dword(b, i), mxcsr));
const singleToDouble: Convert = (s, b, i, mxcsr) => s.f.let(s.helper64('f32_to_f64', dword(b, i), mxcsr));
const doubleToSingle: Convert = (s, b, i, mxcsr) => s.f.let(s.helper('f64_to_f32', i64x2.extract(b, i), mxcsr));

/** CVTSS2SD, CVTSD2SS: the low lane; the others stay. */
const scalar =
  (p: Precision, convert: Convert): Meaning =>
  (s, to, from) => {
    const b = unaligned(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(
      to!,
      replaceLane(
        p,
        a,
        0,
        withExceptions(s, (mxcsr) => convert(s, b, 0, mxcsr)),
      ),
    );
  };

// ── MMX registers ──────────────────────────────────────────────────────────────────────────

/** CVTPI2PS: both dwords into the low half. */
const mmxToSingle: Meaning = (s, to, from) => {
  const b = s.f.let(i64x2.of(s.read(from!), i64c(0)));
  if (from!.kind === 'mmx') enterMmx(s);
  const a = s.f.let(s.readVector(to!));
  const lane = (i: number) => (mxcsr: I32) => {
    const bits = integerToSingle(s, b, i, mxcsr) as I32;
    return (v: V128): V128 => i32x4.replace(v, i, bits);
  };
  s.writeVector(to!, build(s, a, [lane(0), lane(1)]));
};
/** CVTPI2PD: exact. */
const mmxToDouble: Meaning = (s, to, from) => {
  const b = s.f.let(i64x2.of(s.read(from!), i64c(0)));
  if (from!.kind === 'mmx') enterMmx(s);
  const lane = (i: number) => (mxcsr: I32) => {
    const bits = integerToDouble(s, b, i, mxcsr) as I64;
    return (v: V128): V128 => i64x2.replace(v, i, bits);
  };
  s.writeVector(to!, build(s, bits128.zero, [lane(0), lane(1)]));
};
const toMmx =
  (convert: Convert, read: (s: Stage, o: Operand) => V128): Meaning =>
  (s, to, from) => {
    const b = read(s, from!);
    enterMmx(s);
    const lane = (i: number) => (mxcsr: I32) => {
      const bits = convert(s, b, i, mxcsr) as I32;
      return (v: V128): V128 => i32x4.replace(v, i, bits);
    };
    s.write(to!, lowQuad(build(s, bits128.zero, [lane(0), lane(1)])));
  };

/** Conversions between integers, binary32 and binary64. */
export const sseConversions: readonly Definition[] = [
  define('cvtsi2ss', ['F3 0F 2A /r Vx,Ey'], fromInteger('f32'), 'sse'),
  define('cvtsi2sd', ['F2 0F 2A /r Vx,Ey'], fromInteger('f64'), 'sse2'),
  define('cvttss2si', ['F3 0F 2C /r Gy,Wd'], toInteger('f32', '_truncate'), 'sse'),
  define('cvttsd2si', ['F2 0F 2C /r Gy,Wq'], toInteger('f64', '_truncate'), 'sse2'),
  define('cvtss2si', ['F3 0F 2D /r Gy,Wd'], toInteger('f32', ''), 'sse'),
  define('cvtsd2si', ['F2 0F 2D /r Gy,Wq'], toInteger('f64', ''), 'sse2'),
  define('cvtss2sd', ['F3 0F 5A /r Vx,Wd'], scalar('f64', singleToDouble), 'sse2'),
  define('cvtsd2ss', ['F2 0F 5A /r Vx,Wq'], scalar('f32', doubleToSingle), 'sse2'),
  define('cvtps2pd', ['NP 0F 5A /r Vx,Wq'], packedInto(2, 64, singleToDouble, unaligned), 'sse2'),
  define('cvtpd2ps', ['66 0F 5A /r Vx,Wx'], packedInto(2, 32, doubleToSingle, source), 'sse2'),
  define('cvtdq2ps', ['NP 0F 5B /r Vx,Wx'], packedInto(4, 32, integerToSingle, source), 'sse2'),
  define('cvtps2dq', ['66 0F 5B /r Vx,Wx'], packedInto(4, 32, singleToInteger(''), source), 'sse2'),
  define('cvttps2dq', ['F3 0F 5B /r Vx,Wx'], packedInto(4, 32, singleToInteger('_truncate'), source), 'sse2'),
  define('cvtdq2pd', ['F3 0F E6 /r Vx,Wq'], packedInto(2, 64, integerToDouble, unaligned), 'sse2'),
  define('cvtpd2dq', ['F2 0F E6 /r Vx,Wx'], packedInto(2, 32, doubleToInteger(''), source), 'sse2'),
  define('cvttpd2dq', ['66 0F E6 /r Vx,Wx'], packedInto(2, 32, doubleToInteger('_truncate'), source), 'sse2'),
  define('cvtpi2ps', ['NP 0F 2A /r Vx,Qq'], mmxToSingle, 'sse'),
  define('cvtpi2pd', ['66 0F 2A /r Vx,Qq'], mmxToDouble, 'sse2'),
  define('cvttps2pi', ['NP 0F 2C /r Pq,Wq'], toMmx(singleToInteger('_truncate'), unaligned), 'sse'),
  define('cvttpd2pi', ['66 0F 2C /r Pq,Wx'], toMmx(doubleToInteger('_truncate'), source), 'sse2'),
  define('cvtps2pi', ['NP 0F 2D /r Pq,Wq'], toMmx(singleToInteger(''), unaligned), 'sse'),
  define('cvtpd2pi', ['66 0F 2D /r Pq,Wx'], toMmx(doubleToInteger(''), source), 'sse2'),
];
