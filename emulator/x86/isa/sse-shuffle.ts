import { i32, i64, i64c, select, type I32, type I64, type V128 } from '../../wasm/expr';
import type { FunctionBuilder } from '../../wasm/function';
import { bits128, i16x8, i32x4, i64x2, i8x16, shuffleLanes } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import type { Operand, Size, Stage } from '../stage';
import { byteImmediate, highQuad, interleave, lowQuad, packed, source } from './vector-operands';

// Shuffles by an immediate. Where the immediate is known they are one shuffle of constant lanes;
// where it comes from a record, the byte indices of a swizzle are computed from it.

const repeat = (count: number, value: number): number[] => Array<number>(count).fill(value);
const positions = i8x16.const(...Array.from({ length: 16 }, (_, i) => i));

/** Two-bit field `i` of an immediate. */
const field = (immediate: number, i: number): number => (immediate >> (2 * i)) & 3;

/**
 * Two-bit fields of the immediate spread over 16-bit lanes: multiplied by 4^(3-i), field i stands at bit 6.
 * `factors` gives 4^(3-i) for each lane, or 0 for a lane that is to hold 0.
 */
const spread = (immediate: I32, factors: readonly number[]): V128 =>
  bits128.and(i16x8.shrU(i16x8.mul(i16x8.splat(immediate), i16x8.const(...factors)), i32.const(6)), i16x8.const(...repeat(8, 3)));

/** PSHUFD, and either operand of SHUFPS. */
function permuteDwords(v: V128, immediate: I32): V128 {
  if (immediate.value !== undefined) {
    const known = immediate.value;
    return shuffleLanes(
      v,
      v,
      [0, 1, 2, 3].map((i) => field(known, i)),
    );
  }
  const selectors = i16x8.mul(spread(immediate, [64, 64, 16, 16, 4, 4, 1, 1]), i16x8.const(...repeat(8, 0x0404)));
  const bytes = i16x8.const(...[0, 1, 2, 3].flatMap(() => [0x0100, 0x0302]));
  return i8x16.swizzle(v, i16x8.add(selectors, bytes));
}

/** PSHUFLW, PSHUFHW: four words from word `first` on; the others stay. */
function permuteWords(v: V128, immediate: I32, first: 0 | 4): V128 {
  const lanes = [0, 1, 2, 3, 4, 5, 6, 7];
  const inside = (i: number) => i >= first && i < first + 4;
  if (immediate.value !== undefined) {
    const known = immediate.value;
    return shuffleLanes(
      v,
      v,
      lanes.map((i) => (inside(i) ? first + field(known, i - first) : i)),
    );
  }
  const factors = lanes.map((i) => (inside(i) ? 4 ** (3 - (i - first)) : 0));
  const selectors = i16x8.mul(spread(immediate, factors), i16x8.const(...repeat(8, 0x0202)));
  const starts = lanes.map((i) => (inside(i) ? first : i)).map((word) => 2 * word + ((2 * word + 1) << 8));
  return i8x16.swizzle(v, i16x8.add(selectors, i16x8.const(...starts)));
}

const permute =
  (operation: (v: V128, immediate: I32) => V128): Meaning =>
  (s, to, from, immediate) => {
    const v = source(s, from!);
    s.writeVector(to!, operation(v, byteImmediate(s, immediate!)));
  };

const pshufw: Meaning = (s, to, from, immediate) => {
  const v = i64x2.splat(s.read(from!));
  s.write(to!, lowQuad(permuteWords(s.f.let(v), byteImmediate(s, immediate!), 0)));
};

const shufps: Meaning = (s, to, from, immediate) => {
  const b = source(s, from!);
  const a = s.f.let(s.readVector(to!));
  const n = byteImmediate(s, immediate!);
  if (n.value !== undefined) {
    const known = n.value;
    s.writeVector(
      to!,
      shuffleLanes(
        a,
        b,
        [0, 1, 2, 3].map((i) => field(known, i) + (i < 2 ? 0 : 4)),
      ),
    );
  } else s.writeVector(to!, shuffleLanes(permuteDwords(a, n), permuteDwords(b, n), [0, 1, 6, 7]));
};

const shufpd: Meaning = (s, to, from, immediate) => {
  const b = source(s, from!);
  const a = s.f.let(s.readVector(to!));
  const n = byteImmediate(s, immediate!);
  const half = (v: V128, bit: number) => select(i32.and(n, i32.const(bit)), highQuad(v), lowQuad(v));
  s.writeVector(to!, i64x2.of(half(a, 1), half(b, 2)));
};

/** PALIGNR: bytes from position `count` on of the pair high:low. Indices outside give 0. */
export function alignRight(f: FunctionBuilder, high: V128, low: V128, count: I32): V128 {
  const limited = select(i32.gtU(count, i32.const(32)), i32.const(32), count);
  const indices = f.let(i8x16.add(positions, i8x16.splat(limited)));
  const inHigh = i8x16.sub(indices, i8x16.const(...repeat(16, 16)));
  return bits128.or(i8x16.swizzle(low, indices), i8x16.swizzle(high, inHigh));
}

const palignr: Meaning = (s, to, from, immediate) => {
  const low = source(s, from!);
  const high = s.f.let(s.readVector(to!));
  s.writeVector(to!, alignRight(s.f, high, low, byteImmediate(s, immediate!)));
};
const palignrMmx: Meaning = (s, to, from, immediate) => {
  const low = s.f.let(s.read(from!));
  const pair = i64x2.of(low, s.read(to!));
  s.write(to!, lowQuad(alignRight(s.f, bits128.zero, s.f.let(pair), byteImmediate(s, immediate!))));
};

// ── One lane by an immediate ───────────────────────────────────────────────────────────────

/** Lane `index` (taken modulo the number of lanes), zero-extended. */
export function extractLane(f: FunctionBuilder, v: V128, bits: Size, index: I32): I64 {
  const perQuad = 64 / bits;
  const x = f.let(v);
  const quad = select(i32.and(index, i32.const(perQuad)), highQuad(x), lowQuad(x));
  return bits === 64 ? quad : laneOfQuad(quad, bits, index);
}

function laneOfQuad(quad: I64, bits: Size, index: I32): I64 {
  const within = i32.and(index, i32.const(64 / bits - 1));
  const shifted = i64.shrU(quad, i64.mul(i64.extendI32U(within), i64c(bits)));
  return i64.and(shifted, i64c((1n << BigInt(bits)) - 1n));
}

/** The vector with lane `index` (taken modulo the number of lanes) replaced. */
export function insertLane(v: V128, bits: Size, index: I32, value: I64): V128 {
  const count = 128 / bits;
  const wanted = i32.and(index, i32.const(count - 1));
  const order = Array.from({ length: count }, (_, i) => i);
  const low = i32.wrap(value);
  switch (bits) {
    case 8:
      return bits128.select(i8x16.splat(low), v, i8x16.eq(i8x16.const(...order), i8x16.splat(wanted)));
    case 16:
      return bits128.select(i16x8.splat(low), v, i16x8.eq(i16x8.const(...order), i16x8.splat(wanted)));
    case 32:
      return bits128.select(i32x4.splat(low), v, i32x4.eq(i32x4.const(...order), i32x4.splat(wanted)));
    case 64:
      return bits128.select(i64x2.splat(value), v, i64x2.eq(i64x2.of(i64c(0), i64c(1)), i64x2.splat(i64.extendI32U(wanted))));
  }
}

/** PEXTRB and the like, to a general register or memory; registers are zero-extended. */
export const extract =
  (lane: (s: Stage) => Size): Meaning =>
  (s, to, from, immediate) =>
    s.write(to!, extractLane(s.f, s.readVector(from!), lane(s), byteImmediate(s, immediate!)));

/** PINSRB and the like. */
export const insert =
  (lane: (s: Stage, from: Operand) => Size): Meaning =>
  (s, to, from, immediate) => {
    const value = s.f.let(s.read(from!));
    s.writeVector(to!, insertLane(s.readVector(to!), lane(s, from!), byteImmediate(s, immediate!), value));
  };

const extractWordMmx: Meaning = (s, to, from, immediate) => s.write(to!, laneOfQuad(s.read(from!), 16, byteImmediate(s, immediate!)));

const insertWordMmx: Meaning = (s, to, from, immediate) => {
  const { f } = s;
  const value = f.let(i64.and(s.read(from!), i64c(0xffff)));
  const index = i32.and(byteImmediate(s, immediate!), i32.const(3));
  const shift = f.let(i64.shl(i64.extendI32U(index), i64c(4)));
  const kept = i64.and(s.read(to!), i64.xor(i64.shl(i64c(0xffff), shift), i64c(-1)));
  s.write(to!, i64.or(kept, i64.shl(value, shift)));
};

/** Shuffles, inserts and extracts of SSE, SSE2 and SSSE3. */
export const sseShuffles: readonly Definition[] = [
  define('pshufd', ['66 0F 70 /r Vx,Wx,Ib'], permute(permuteDwords), 'sse2'),
  define(
    'pshuflw',
    ['F2 0F 70 /r Vx,Wx,Ib'],
    permute((v, n) => permuteWords(v, n, 0)),
    'sse2',
  ),
  define(
    'pshufhw',
    ['F3 0F 70 /r Vx,Wx,Ib'],
    permute((v, n) => permuteWords(v, n, 4)),
    'sse2',
  ),
  define('pshufw', ['NP 0F 70 /r Pq,Qq,Ib'], pshufw, 'sse'),
  define('shufps', ['NP 0F C6 /r Vx,Wx,Ib'], shufps, 'sse'),
  define('shufpd', ['66 0F C6 /r Vx,Wx,Ib'], shufpd, 'sse2'),
  define('unpcklps', ['NP 0F 14 /r Vx,Wx'], packed(interleave(4, false)), 'sse'),
  define('unpcklpd', ['66 0F 14 /r Vx,Wx'], packed(interleave(2, false)), 'sse2'),
  define('unpckhps', ['NP 0F 15 /r Vx,Wx'], packed(interleave(4, true)), 'sse'),
  define('unpckhpd', ['66 0F 15 /r Vx,Wx'], packed(interleave(2, true)), 'sse2'),
  define('palignr', ['66 0F 3A 0F /r Vx,Wx,Ib'], palignr, 'ssse3'),
  define('palignr', ['NP 0F 3A 0F /r Pq,Qq,Ib'], palignrMmx, 'ssse3'),
  define(
    'pextrw',
    ['66 0F C5 /r Gd,Ux,Ib : mod3'],
    extract(() => 16),
    'sse2',
  ),
  define('pextrw', ['NP 0F C5 /r Gd,Nq,Ib : mod3'], extractWordMmx, 'sse'),
  define(
    'pinsrw',
    ['66 0F C4 /r Vx,Rd,Ib : mod3', '66 0F C4 /r Vx,Mw,Ib : mem'],
    insert(() => 16),
    'sse2',
  ),
  define('pinsrw', ['NP 0F C4 /r Pq,Rd,Ib : mod3', 'NP 0F C4 /r Pq,Mw,Ib : mem'], insertWordMmx, 'sse'),
];
