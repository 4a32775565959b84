import { i32, i64, i64c, select, type I64 } from '../../wasm/expr';
import { bits128, i8x16, i16x8, i32x4, i64x2 } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import {
  applySign, horizontal, multiplyAddBytes, multiplyEvenU, multiplyHighS, multiplyHighU, multiplyRound, packedShifts,
  shiftBy, shuffleBytes, sumOfDifferences, type PackedShift,
} from './packed-integer'; // prettier-ignore
import {
  interleave, interleaveHighMmx, joinedMmx, lowQuad, packed, packedMmx, source, unary, unaryMmx, type Packed, type Unary,
} from './vector-operands'; // prettier-ignore

/** Opcode after 0F and name of what MMX and SSE2 have alike; lane by lane, so that either half stands alone. */
const laneWise: readonly [opcode: string, name: string, operation: Packed, mmx?: string][] = [
  ['64', 'pcmpgtb', i8x16.gtS],
  ['65', 'pcmpgtw', i16x8.gtS],
  ['66', 'pcmpgtd', i32x4.gtS],
  ['74', 'pcmpeqb', i8x16.eq],
  ['75', 'pcmpeqw', i16x8.eq],
  ['76', 'pcmpeqd', i32x4.eq],
  ['D4', 'paddq', i64x2.add, 'sse2'],
  ['D5', 'pmullw', i16x8.mul],
  ['D8', 'psubusb', i8x16.subSatU],
  ['D9', 'psubusw', i16x8.subSatU],
  ['DA', 'pminub', i8x16.minU, 'sse'],
  ['DB', 'pand', bits128.and],
  ['DC', 'paddusb', i8x16.addSatU],
  ['DD', 'paddusw', i16x8.addSatU],
  ['DE', 'pmaxub', i8x16.maxU, 'sse'],
  ['DF', 'pandn', (a, b) => bits128.andnot(b, a)],
  ['E0', 'pavgb', i8x16.avgrU, 'sse'],
  ['E3', 'pavgw', i16x8.avgrU, 'sse'],
  ['E4', 'pmulhuw', multiplyHighU, 'sse'],
  ['E5', 'pmulhw', multiplyHighS],
  ['E8', 'psubsb', i8x16.subSatS],
  ['E9', 'psubsw', i16x8.subSatS],
  ['EA', 'pminsw', i16x8.minS, 'sse'],
  ['EB', 'por', bits128.or],
  ['EC', 'paddsb', i8x16.addSatS],
  ['ED', 'paddsw', i16x8.addSatS],
  ['EE', 'pmaxsw', i16x8.maxS, 'sse'],
  ['EF', 'pxor', bits128.xor],
  ['F4', 'pmuludq', multiplyEvenU, 'sse2'],
  ['F5', 'pmaddwd', i32x4.dot],
  ['F6', 'psadbw', sumOfDifferences, 'sse'],
  ['F8', 'psubb', i8x16.sub],
  ['F9', 'psubw', i16x8.sub],
  ['FA', 'psubd', i32x4.sub],
  ['FB', 'psubq', i64x2.sub, 'sse2'],
  ['FC', 'paddb', i8x16.add],
  ['FD', 'paddw', i16x8.add],
  ['FE', 'paddd', i32x4.add],
];

/** SSSE3, after 0F 38, lane by lane. */
const laneWise38: readonly [opcode: string, name: string, operation: Packed][] = [
  ['04', 'pmaddubsw', multiplyAddBytes],
  ['08', 'psignb', applySign(i8x16)],
  ['09', 'psignw', applySign(i16x8)],
  ['0A', 'psignd', applySign(i32x4)],
  ['0B', 'pmulhrsw', multiplyRound],
];

const absolute: readonly [opcode: string, name: string, operation: Unary][] = [
  ['1C', 'pabsb', i8x16.abs],
  ['1D', 'pabsw', i16x8.abs],
  ['1E', 'pabsd', i32x4.abs],
];

/** Results from the destination's lanes first, then the source's. */
const joining: readonly [opcode: string, name: string, operation: Packed, feature: 'mmx' | 'ssse3'][] = [
  ['63', 'packsswb', i8x16.narrowS, 'mmx'],
  ['67', 'packuswb', i8x16.narrowU, 'mmx'],
  ['6B', 'packssdw', i16x8.narrowS, 'mmx'],
  ['38 01', 'phaddw', horizontal(8, i16x8.add), 'ssse3'],
  ['38 02', 'phaddd', horizontal(4, i32x4.add), 'ssse3'],
  ['38 03', 'phaddsw', horizontal(8, i16x8.addSatS), 'ssse3'],
  ['38 05', 'phsubw', horizontal(8, i16x8.sub), 'ssse3'],
  ['38 06', 'phsubd', horizontal(4, i32x4.sub), 'ssse3'],
  ['38 07', 'phsubsw', horizontal(8, i16x8.subSatS), 'ssse3'],
];

const interleaving: readonly [low: string, high: string, suffix: string, lanes: number][] = [
  ['60', '68', 'bw', 16],
  ['61', '69', 'wd', 8],
  ['62', '6A', 'dq', 4],
];

/** Shifts by the low 64 bits of the source, all of which count. */
const shiftByVector =
  (shift: PackedShift): Meaning =>
  (s, to, from) => {
    const count = s.f.let(lowQuad(source(s, from!)));
    s.writeVector(to!, shiftBy(shift, s.f.let(s.readVector(to!)), count));
  };
const immediateCount = (count: I64): I64 => i64.and(count, i64c(0xff));
const shiftByImmediate =
  (shift: PackedShift): Meaning =>
  (s, to, count) =>
    s.writeVector(to!, shiftBy(shift, s.f.let(s.readVector(to!)), s.f.let(immediateCount(s.read(count!)))));

const shiftMmx =
  (shift: PackedShift): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const value = f.let(s.read(from!));
    const count = f.let(from!.kind === 'immediate' ? immediateCount(value) : value);
    s.write(to!, lowQuad(shiftBy(shift, f.let(i64x2.splat(s.read(to!))), count)));
  };

/** Opcodes of a shift: by a vector, and by an immediate in groups 12–14. */
const shiftOpcodes: Readonly<Record<string, readonly [vector: string, group: string, digit: number]>> = {
  psrlw: ['D1', '71', 2],
  psraw: ['E1', '71', 4],
  psllw: ['F1', '71', 6],
  psrld: ['D2', '72', 2],
  psrad: ['E2', '72', 4],
  pslld: ['F2', '72', 6],
  psrlq: ['D3', '73', 2],
  psllq: ['F3', '73', 6],
};

/** PSRLDQ and PSLLDQ: bytes that come from outside the register are 0, and swizzle gives 0 for them. */
const shiftBytes =
  (direction: 1 | -1): Meaning =>
  (s, to, count) => {
    const wanted = s.f.let(i32.wrap(immediateCount(s.read(count!))));
    const distance = i8x16.splat(select(i32.gtU(wanted, i32.const(16)), i32.const(16), wanted));
    const positions = i8x16.const(...Array.from({ length: 16 }, (_, i) => i));
    const indices = direction > 0 ? i8x16.add(positions, distance) : i8x16.sub(positions, distance);
    s.writeVector(to!, i8x16.swizzle(s.readVector(to!), indices));
  };

/** Packed integer arithmetic, logic, shifts and interleaving of MMX, SSE2 and SSSE3. */
export const sseIntegers: readonly Definition[] = [
  ...laneWise.flatMap(([opcode, name, operation, mmx = 'mmx']) => [
    define(name, [`66 0F ${opcode} /r Vx,Wx`], packed(operation), 'sse2'),
    define(name, [`NP 0F ${opcode} /r Pq,Qq`], packedMmx(operation), mmx),
  ]),
  ...laneWise38.flatMap(([opcode, name, operation]) => [
    define(name, [`66 0F 38 ${opcode} /r Vx,Wx`], packed(operation), 'ssse3'),
    define(name, [`NP 0F 38 ${opcode} /r Pq,Qq`], packedMmx(operation), 'ssse3'),
  ]),
  ...absolute.flatMap(([opcode, name, operation]) => [
    define(name, [`66 0F 38 ${opcode} /r Vx,Wx`], unary(operation), 'ssse3'),
    define(name, [`NP 0F 38 ${opcode} /r Pq,Qq`], unaryMmx(operation), 'ssse3'),
  ]),
  ...joining.flatMap(([opcode, name, operation, feature]) => [
    define(name, [`66 0F ${opcode} /r Vx,Wx`], packed(operation), feature === 'mmx' ? 'sse2' : feature),
    define(name, [`NP 0F ${opcode} /r Pq,Qq`], joinedMmx(operation), feature),
  ]),
  define('pshufb', ['66 0F 38 00 /r Vx,Wx'], packed(shuffleBytes(16)), 'ssse3'),
  define('pshufb', ['NP 0F 38 00 /r Pq,Qq'], packedMmx(shuffleBytes(8)), 'ssse3'),
  ...interleaving.flatMap(([low, high, suffix, lanes]) => [
    define(`punpckl${suffix}`, [`66 0F ${low} /r Vx,Wx`], packed(interleave(lanes, false)), 'sse2'),
    define(`punpckh${suffix}`, [`66 0F ${high} /r Vx,Wx`], packed(interleave(lanes, true)), 'sse2'),
    define(`punpckl${suffix}`, [`NP 0F ${low} /r Pq,Qd`], packedMmx(interleave(lanes, false)), 'mmx'),
    define(`punpckh${suffix}`, [`NP 0F ${high} /r Pq,Qq`], interleaveHighMmx(interleave(lanes, false)), 'mmx'),
  ]),
  define('punpcklqdq', ['66 0F 6C /r Vx,Wx'], packed(interleave(2, false)), 'sse2'),
  define('punpckhqdq', ['66 0F 6D /r Vx,Wx'], packed(interleave(2, true)), 'sse2'),
  ...Object.entries(shiftOpcodes).flatMap(([name, [vector, group, digit]]) => {
    const shift = packedShifts[name]!;
    return [
      define(name, [`66 0F ${vector} /r Vx,Wx`], shiftByVector(shift), 'sse2'),
      define(name, [`66 0F ${group} /${digit} Ux,Ib : mod3`], shiftByImmediate(shift), 'sse2'),
      define(name, [`NP 0F ${vector} /r Pq,Qq`, `NP 0F ${group} /${digit} Nq,Ib : mod3`], shiftMmx(shift), 'mmx'),
    ];
  }),
  define('psrldq', ['66 0F 73 /3 Ux,Ib : mod3'], shiftBytes(1), 'sse2'),
  define('pslldq', ['66 0F 73 /7 Ux,Ib : mod3'], shiftBytes(-1), 'sse2'),
];
