/** How numbers and bytes look. */
import type { StateNode } from '../../emulator/machine/api';

export type Radix = 10 | 16;

export const hex = (value: bigint | number, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`;
/** An address, with as many digits as the address space has. */
export const address = (value: bigint, bits = 64): string => hex(value, bits / 4);

export function numberText(value: bigint | number, width: number | undefined, radix: Radix): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(value);
  if (radix === 10 || width === undefined) return String(value);
  if (value < 0) return String(value);
  if (width < 4 && value < 10) return String(value);
  return hex(value, Math.ceil(width / 4));
}

/** Bytes as pairs of digits; long ones are cut. */
export function bytesText(bytes: Uint8Array, most = 32): string {
  const shown = [...bytes.subarray(0, most)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > most ? `${shown} … (${bytes.length} bytes)` : shown || '(empty)';
}

/** A child of one bit. */
const isFlag = (node: StateNode): boolean =>
  node.width === 1 && (typeof node.value === 'bigint' || typeof node.value === 'number' || typeof node.value === 'boolean');

/** The names of the flags that are set, for a register of bits. */
function flagsText(children: readonly StateNode[]): string {
  const set = children.filter((child) => isFlag(child) && Number(child.value) !== 0).map(({ name }) => name);
  return set.length > 0 ? ` [${set.join(' ')}]` : '';
}

/** A few numbers under a name of their own, such as a segment's parts, in one line. */
function summary(children: readonly StateNode[], radix: Radix): string {
  if (children.length === 0 || children.length > 4 || !children.every(({ value }) => typeof value === 'bigint')) return '';
  return children.map(({ name, value, width }) => `${name}=${numberText(value as bigint, width, radix)}`).join(' ');
}

export function nodeText(node: StateNode, radix: Radix): string {
  const { value, width, children } = node;
  switch (typeof value) {
    case 'undefined':
      return summary(children ?? [], radix);
    case 'string':
      return value;
    case 'boolean':
      return String(value);
    case 'bigint':
    case 'number':
      return numberText(value, width, radix) + (children && children.length <= 64 ? flagsText(children) : '');
    case 'object':
      return bytesText(value);
  }
}

/** Bytes, least significant first, as one number. */
export const littleEndian = (bytes: Uint8Array): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

export function toBytes(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(index * 8)) & 0xffn));
}

export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Virtual time, as seconds. */
export const seconds = (nanoseconds: number): string => `${(nanoseconds / 1e9).toFixed(6)} s`;
