import { i32, i64, i64c, select, type V128 } from '../../wasm/expr';
import { bits128, i16x8, i32x4, i64x2, i8x16 } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import { multiplyEvenS, smallestWord } from './packed-integer';
import { extract, insert, insertLane } from './sse-shuffle';
import { byteImmediate, highQuad, lowQuad, packed, setCarryParityZero, source, unaligned, unary, type Packed } from './vector-operands';

const SSE41 = 'sse4.1';

/** PTEST: ZF where no bit is in both, CF where the source has none beyond the destination's. */
const test: Meaning = (s, to, from) => {
  const b = source(s, from!);
  const a = s.f.let(s.readVector(to!));
  const none = (v: V128) => i64.extendI32U(i32.eqz(bits128.anyTrue(v)));
  setCarryParityZero(s, none(bits128.andnot(b, a)), i64c(0), none(bits128.and(a, b)));
};

/** PMOVSX, PMOVZX: as many low elements as fit. */
const widen =
  (extend: (v: V128) => V128): Meaning =>
  (s, to, from) =>
    s.writeVector(to!, extend(unaligned(s, from!)));
const widenings: readonly (readonly [suffix: string, opcode: number, source: string, signed: (v: V128) => V128, unsigned: (v: V128) => V128])[] = [
  ['bw', 0, 'Wq', i16x8.extendLowS, i16x8.extendLowU],
  ['bd', 1, 'Wd', (v) => i32x4.extendLowS(i16x8.extendLowS(v)), (v) => i32x4.extendLowU(i16x8.extendLowU(v))],
  ['bq', 2, 'Ww', (v) => i64x2.extendLowS(i32x4.extendLowS(i16x8.extendLowS(v))), (v) => i64x2.extendLowU(i32x4.extendLowU(i16x8.extendLowU(v)))],
  ['wd', 3, 'Wq', i32x4.extendLowS, i32x4.extendLowU],
  ['wq', 4, 'Wd', (v) => i64x2.extendLowS(i32x4.extendLowS(v)), (v) => i64x2.extendLowU(i32x4.extendLowU(v))],
  ['dq', 5, 'Wq', i64x2.extendLowS, i64x2.extendLowU],
];

const laneWise: readonly (readonly [opcode: string, name: string, operation: Packed])[] = [
  ['28', 'pmuldq', multiplyEvenS],
  ['29', 'pcmpeqq', i64x2.eq],
  ['2B', 'packusdw', i16x8.narrowU],
  ['38', 'pminsb', i8x16.minS],
  ['39', 'pminsd', i32x4.minS],
  ['3A', 'pminuw', i16x8.minU],
  ['3B', 'pminud', i32x4.minU],
  ['3C', 'pmaxsb', i8x16.maxS],
  ['3D', 'pmaxsd', i32x4.maxS],
  ['3E', 'pmaxuw', i16x8.maxU],
  ['3F', 'pmaxud', i32x4.maxU],
  ['40', 'pmulld', i32x4.mul],
];

/** BLENDPS and the like: lanes of the source where the immediate has ones. */
const blend =
  (select: (immediate: ReturnType<typeof byteImmediate>) => V128): Meaning =>
  (s, to, from, immediate) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(to!, bits128.select(b, a, s.f.let(select(byteImmediate(s, immediate!)))));
  };
const dwordBits =
  (...bits: [number, number, number, number]) =>
  (n: ReturnType<typeof byteImmediate>) =>
    i32x4.ne(bits128.and(i32x4.splat(n), i32x4.const(...bits)), bits128.zero);
const wordBits = (n: ReturnType<typeof byteImmediate>) => i16x8.ne(bits128.and(i16x8.splat(n), i16x8.const(1, 2, 4, 8, 16, 32, 64, 128)), bits128.zero);

/** BLENDVPS and the like: the sign bits of XMM0 choose. */
const blendVariable =
  (mask: (v: V128) => V128): Meaning =>
  (s, to, from) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(to!, bits128.select(b, a, s.f.let(mask(s.getVector(0)))));
  };

/** INSERTPS: bits 7–6 choose the source's lane (a register's), 5–4 the destination's, 3–0 what becomes 0. */
const insertSingle: Meaning = (s, to, from, immediate) => {
  const { f } = s;
  const b = unaligned(s, from!);
  const a = f.let(s.readVector(to!));
  const n = byteImmediate(s, immediate!);
  const wanted = f.let(i32.shrU(n, i32.const(6)));
  const quad = f.let(select(i32.and(wanted, i32.const(2)), highQuad(b), lowQuad(b)));
  const odd = i64.shrU(quad, i64c(32));
  const value = from!.kind === 'memory' ? lowQuad(b) : select(i32.and(wanted, i32.const(1)), odd, quad);
  const inserted = insertLane(a, 32, i32.and(i32.shrU(n, i32.const(4)), i32.const(3)), f.let(i64.and(value, i64c(0xffffffffn))));
  s.writeVector(to!, bits128.andnot(inserted, f.let(dwordBits(1, 2, 4, 8)(n))));
};

/** MPSADBW: eight sums of four absolute differences, over bytes of the destination that slide. */
const slidingDifferences: Meaning = (s, to, from, immediate) => {
  const { f } = s;
  const b = source(s, from!);
  const a = f.let(s.readVector(to!));
  const n = byteImmediate(s, immediate!);
  const start = f.let(i32.and(n, i32.const(4)));
  const block = f.let(i32.shl(i32.and(n, i32.const(3)), i32.const(2)));
  const positions = i8x16.const(...Array.from({ length: 16 }, (_, i) => i));
  let sum: V128 = bits128.zero;
  for (let j = 0; j < 4; j++) {
    const sliding = i16x8.extendLowU(i8x16.swizzle(a, i8x16.add(positions, i8x16.splat(i32.add(start, i32.const(j))))));
    const fixed = i16x8.extendLowU(i8x16.swizzle(b, i8x16.splat(i32.add(block, i32.const(j)))));
    sum = f.let(i16x8.add(sum, i16x8.abs(i16x8.sub(sliding, fixed))));
  }
  s.writeVector(to!, sum);
};

/** Packed integers, blends, inserts and extracts of SSE4.1; ROUND and DP are with the floating point. */
export const sse41: readonly Definition[] = [
  define('ptest', ['66 0F 38 17 /r Vx,Wx'], test, SSE41),
  ...widenings.flatMap(([suffix, opcode, from, signed, unsigned]) => [
    define(`pmovsx${suffix}`, [`66 0F 38 2${opcode} /r Vx,${from}`], widen(signed), SSE41),
    define(`pmovzx${suffix}`, [`66 0F 38 3${opcode} /r Vx,${from}`], widen(unsigned), SSE41),
  ]),
  ...laneWise.map(([opcode, name, operation]) => define(name, [`66 0F 38 ${opcode} /r Vx,Wx`], packed(operation), SSE41)),
  define('phminposuw', ['66 0F 38 41 /r Vx,Wx'], unary(smallestWord), SSE41),
  define(
    'pblendvb',
    ['66 0F 38 10 /r Vx,Wx'],
    blendVariable((v) => i8x16.ltS(v, bits128.zero)),
    SSE41,
  ),
  define(
    'blendvps',
    ['66 0F 38 14 /r Vx,Wx'],
    blendVariable((v) => i32x4.shrS(v, i32.const(31))),
    SSE41,
  ),
  define(
    'blendvpd',
    ['66 0F 38 15 /r Vx,Wx'],
    blendVariable((v) => i64x2.shrS(v, i32.const(63))),
    SSE41,
  ),
  define('blendps', ['66 0F 3A 0C /r Vx,Wx,Ib'], blend(dwordBits(1, 2, 4, 8)), SSE41),
  define('blendpd', ['66 0F 3A 0D /r Vx,Wx,Ib'], blend(dwordBits(1, 1, 2, 2)), SSE41),
  define('pblendw', ['66 0F 3A 0E /r Vx,Wx,Ib'], blend(wordBits), SSE41),
  define(
    'pextrb',
    ['66 0F 3A 14 /r Rd,Vx,Ib : mod3', '66 0F 3A 14 /r Mb,Vx,Ib : mem'],
    extract(() => 8),
    SSE41,
  ),
  define(
    'pextrwStore',
    ['66 0F 3A 15 /r Rd,Vx,Ib : mod3', '66 0F 3A 15 /r Mw,Vx,Ib : mem'],
    extract(() => 16),
    SSE41,
  ),
  define(
    'pextrd',
    ['66 0F 3A 16 /r Ey,Vx,Ib'],
    extract((s) => (s.size === 64 ? 64 : 32)),
    SSE41,
  ),
  define(
    'extractps',
    ['66 0F 3A 17 /r Ed,Vx,Ib'],
    extract(() => 32),
    SSE41,
  ),
  define(
    'pinsrb',
    ['66 0F 3A 20 /r Vx,Rd,Ib : mod3', '66 0F 3A 20 /r Vx,Mb,Ib : mem'],
    insert(() => 8),
    SSE41,
  ),
  define(
    'pinsrd',
    ['66 0F 3A 22 /r Vx,Ey,Ib'],
    insert((_, from) => (from.size === 64 ? 64 : 32)),
    SSE41,
  ),
  define('insertps', ['66 0F 3A 21 /r Vx,Wd,Ib'], insertSingle, SSE41),
  define('mpsadbw', ['66 0F 3A 42 /r Vx,Wx,Ib'], slidingDifferences, SSE41),
];
