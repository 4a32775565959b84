/** Vector registers as typed lanes, and x87's 80-bit numbers as decimal ones. */
import type { StateNode } from '../../emulator/machine/api';
import { littleEndian } from './format';

/** A part of a node that has no children of its own. */
export interface Lane extends StateNode {
  readonly lane: { readonly offset: number; readonly size: number; readonly float: boolean };
}

const SHAPES = [
  { name: 'f32x4', size: 4, float: true, signed: false },
  { name: 'f64x2', size: 8, float: true, signed: false },
  { name: 'u8x16', size: 1, float: false, signed: false },
  { name: 'u16x8', size: 2, float: false, signed: false },
  { name: 'i32x4', size: 4, float: false, signed: true },
  { name: 'u32x4', size: 4, float: false, signed: false },
  { name: 'u64x2', size: 8, float: false, signed: false },
] as const;

const bytesOf = (node: StateNode): Uint8Array | undefined => {
  if (node.value instanceof Uint8Array) return node.value;
  if (typeof node.value !== 'bigint' || node.width !== 128) return undefined;
  const value = node.value;
  return Uint8Array.from({ length: 16 }, (_, index) => Number((value >> BigInt(index * 8)) & 0xffn));
};

/** Sign, exponent and explicit integer bit (SDM 1, 4.2.2) as the nearest double. */
export function extended(bytes: Uint8Array): number {
  const significand = littleEndian(bytes.subarray(0, 8));
  const top = bytes[8]! | (bytes[9]! << 8);
  const sign = top & 0x8000 ? -1 : 1;
  const exponent = top & 0x7fff;
  if (exponent === 0x7fff) return BigInt.asUintN(63, significand) === 0n ? sign * Infinity : NaN;
  if (significand === 0n) return sign * 0;
  // 2^(exponent - 16383 - 63) overflows a double's exponent range in one step.
  const scale = exponent - 16383 - 63;
  return sign * Number(significand) * 2 ** Math.max(scale, -1000) * (scale < -1000 ? 2 ** (scale + 1000) : 1);
}

const HUGE = 4096;

function lanes(bytes: Uint8Array, writable: boolean): StateNode[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return SHAPES.map(({ name, size, float, signed }) => ({
    name,
    children: Array.from({ length: bytes.length / size }, (_, index): Lane => {
      const offset = index * size;
      const bits = littleEndian(bytes.subarray(offset, offset + size));
      const value = float ? (size === 4 ? view.getFloat32(offset, true) : view.getFloat64(offset, true)) : signed ? BigInt.asIntN(size * 8, bits) : bits;
      return {
        name: `[${index}]`,
        value: float ? String(value) : value,
        ...(!float && !signed && { width: size * 8 }),
        writable,
        lane: { offset, size, float },
      };
    }),
  }));
}

/** The parts of a node: those it has, or those that follow from its value. */
export function partsOf(node: StateNode): readonly StateNode[] {
  if (node.children && node.children.length > 0) return node.children;
  const bytes = bytesOf(node);
  if (!bytes) return [];
  if (bytes.length === 16) return lanes(bytes, node.writable === true);
  if (bytes.length === 10) {
    return [
      { name: 'value', value: String(extended(bytes)) },
      { name: 'significand', value: littleEndian(bytes.subarray(0, 8)), width: 64 },
      { name: 'exponent', value: (bytes[8]! | (bytes[9]! << 8)) & 0x7fff, width: 15 },
      { name: 'sign', value: bytes[9]! >> 7, width: 1 },
    ];
  }
  return Array.from({ length: Math.min(bytes.length, HUGE) }, (_, index) => ({ name: `[${index}]`, value: BigInt(bytes[index]!), width: 8 }));
}

export const isLane = (node: StateNode): node is Lane => 'lane' in node;

/** The whole register with one lane replaced, as a number. */
export function withLane(node: StateNode, { lane }: Lane, text: string, integer: bigint): bigint {
  const bytes = Uint8Array.from(bytesOf(node) ?? new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  if (lane.float) {
    if (lane.size === 4) view.setFloat32(lane.offset, Number(text), true);
    else view.setFloat64(lane.offset, Number(text), true);
  } else {
    for (let index = 0; index < lane.size; index++) bytes[lane.offset + index] = Number((integer >> BigInt(index * 8)) & 0xffn);
  }
  return littleEndian(bytes);
}
