import { i32, i64, i64c, type I32, type I64, type V128 } from '../../wasm/expr';
import type { FunctionBuilder } from '../../wasm/function';
import { i64x2, shuffleLanes } from '../../wasm/simd';
import type { Meaning } from '../definition';
import { FPU_STATUS, FPU_TAGS } from '../layout';
import type { Operand, Stage } from '../stage';

/** What a packed instruction computes; `a` (destination) and `b` (source) may be used any number of times. */
export type Packed = (a: V128, b: V128, f: FunctionBuilder) => V128;
/** A packed operation that needs no locals of its own. */
type Binary = (a: V128, b: V128) => V128;
export type Unary = (b: V128, f: FunctionBuilder) => V128;

/** A vector source; 16-byte memory operands must be aligned (SDM vol. 1, 4.1.1). */
export function source(s: Stage, o: Operand): V128 {
  if (o.size === 128) s.requireAligned(o);
  return s.f.let(s.readVector(o));
}

/** A vector source without alignment; only `o.size` bits of it mean anything. */
export const unaligned = (s: Stage, o: Operand): V128 => s.f.let(s.readVector(o));

/** The low 64 bits. */
export const lowQuad = (v: V128): I64 => i64x2.extract(v, 0);
export const highQuad = (v: V128): I64 => i64x2.extract(v, 1);

/** TOP becomes 0 and every tag valid, as in every MMX instruction; for those where that shows in spite of a fault. */
export function enterMmx(s: Stage): void {
  s.setState('u8', FPU_TAGS, i64c(0xff));
  s.setState('u16', FPU_STATUS, i64.and(s.getState('u16', FPU_STATUS), i64c(~0x3800n)));
}

/** An immediate byte, whatever it was extended to. */
export const byteImmediate = (s: Stage, o: Operand): I32 => {
  const value = i32.and(i32.wrap(s.read(o)), i32.const(0xff));
  return s.f.let(value);
};

export const packed =
  (operation: Packed): Meaning =>
  (s, to, from) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(to!, operation(a, b, s.f));
  };

export const unary =
  (operation: Unary): Meaning =>
  (s, to, from) =>
    s.writeVector(to!, operation(source(s, from!), s.f));

/** The MMX form of an operation on lanes: both halves hold the operand, the low half of the result counts. */
export const packedMmx =
  (operation: Packed): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const b = f.let(s.read(from!));
    const a = f.let(s.read(to!));
    s.write(to!, lowQuad(operation(f.let(i64x2.splat(a)), f.let(i64x2.splat(b)), f)));
  };

export const unaryMmx =
  (operation: Unary): Meaning =>
  (s, to, from) => {
    const { f } = s;
    s.write(to!, lowQuad(operation(f.let(i64x2.splat(f.let(s.read(from!)))), f)));
  };

/** The MMX form of an operation that takes the destination's lanes first, then the source's (packs, PHADD). */
export const joinedMmx =
  (operation: Packed): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const b = f.let(s.read(from!));
    const both = f.let(i64x2.of(s.read(to!), b));
    s.write(to!, lowQuad(operation(both, both, f)));
  };

/** The MMX form of an operation whose result is the high half of that on doubled operands (PUNPCKH). */
export const interleaveHighMmx =
  (interleaveLow: Packed): Meaning =>
  (s, to, from) => {
    const { f } = s;
    const b = f.let(s.read(from!));
    const a = f.let(s.read(to!));
    s.write(to!, highQuad(interleaveLow(f.let(i64x2.splat(a)), f.let(i64x2.splat(b)), f)));
  };

/** Alternates the low (or high) halves' lanes of both operands. */
export const interleave = (lanes: number, high: boolean): Binary => {
  const first = high ? lanes / 2 : 0;
  const order = Array.from({ length: lanes }, (_, i) => first + (i >> 1) + (i & 1 ? lanes : 0));
  return (a, b) => shuffleLanes(a, b, order);
};

/** Even or odd lanes of both operands, the first one's first. */
export const everyOther = (lanes: number, odd: 0 | 1): Binary => {
  const order = Array.from({ length: lanes }, (_, i) => 2 * i + odd);
  return (a, b) => shuffleLanes(a, b, order);
};

/** Sets CF, PF, ZF as given (i64 0 or 1) and clears AF, SF, OF; for the encoding see flags.ts. */
export function setCarryParityZero(s: Stage, carry: I64, parity: I64, zero: I64): void {
  const c = s.f.let(carry);
  const z = s.f.let(zero);
  const carries = i64.or(i64.or(i64.shl(c, i64c(63)), i64.shl(c, i64c(62))), i64.shl(i64.xor(z, parity), i64c(8)));
  s.setFlags({ result: i64.xor(z, i64c(1)), carries });
}
