/** A writer of ACPI Machine Language: ACPI Specification 6.4, chapter 20. Every function returns encoded bytes. */
import { internalError } from '../../errors';

export type Aml = readonly number[];
/** A value: plain numbers and strings are constants, arrays are encoded terms. */
export type Value = number | bigint | string | Aml;

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
const EXTENDED = 0x5b;

/** Little-endian, `size` bytes. */
export function little(value: number | bigint, size: number): number[] {
  const big = BigInt(value);
  return Array.from({ length: size }, (_, i) => Number((big >> BigInt(8 * i)) & 0xffn));
}

/** Integer constant, in its shortest form (20.2.3). */
export function integer(value: number | bigint): Aml {
  if (value === 0 || value === 0n) return [0x00];
  if (value === 1 || value === 1n) return [0x01];
  if (value <= 0xff) return [0x0a, ...little(value, 1)];
  if (value <= 0xffff) return [0x0b, ...little(value, 2)];
  if (value <= 0xffffffff) return [0x0c, ...little(value, 4)];
  return [0x0e, ...little(value, 8)];
}

export const text = (value: string): Aml => [0x0d, ...ascii(value), 0x00];

const encode = (value: Value): Aml => (typeof value === 'string' ? text(value) : typeof value === 'object' ? value : integer(value));

/** NameString (20.2.2): segments of up to four characters, padded; `\` and `^` prefixes. */
export function name(path: string): Aml {
  const [, prefix, rest] = /^(\\?\^*)(.*)$/.exec(path)!;
  const segments = rest === '' ? [] : rest!.split('.');
  for (const segment of segments) if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw internalError('aml-name', `Bad AML name ${path}`);
  const body = segments.flatMap((segment) => ascii(segment.padEnd(4, '_')));
  const lead = segments.length === 0 ? [0x00] : segments.length === 1 ? [] : segments.length === 2 ? [0x2e] : [0x2f, segments.length];
  return [...ascii(prefix!), ...lead, ...body];
}

/** PkgLength counts itself (20.2.4). */
function packageLength(length: number): number[] {
  if (length + 1 < 0x40) return [length + 1];
  const extra = length + 2 < 0x1000 ? 1 : length + 3 < 0x100000 ? 2 : 3;
  const total = length + 1 + extra;
  return [(extra << 6) | (total & 0x0f), ...little(total >>> 4, extra)];
}

const withLength = (opcode: readonly number[], ...parts: readonly Aml[]): Aml => {
  const body = parts.flat();
  return [...opcode, ...packageLength(body.length), ...body];
};

export const define = (path: string, value: Value): Aml => [0x08, ...name(path), ...encode(value)];
export const scope = (path: string, ...terms: readonly Aml[]): Aml => withLength([0x10], name(path), ...terms);
export const device = (path: string, ...terms: readonly Aml[]): Aml => withLength([EXTENDED, 0x82], name(path), ...terms);
export const pack = (...elements: readonly Value[]): Aml => withLength([0x12], [elements.length], ...elements.map(encode));
export const buffer = (bytes: Aml): Aml => withLength([0x11], integer(bytes.length), bytes);
/** Methods are serialized: they may create named fields. */
export const method = (path: string, parameters: number, ...terms: readonly Aml[]): Aml => withLength([0x14], name(path), [parameters | 0x08], ...terms);

/** Operation region in PCI configuration space. */
export const pciConfigRegion = (path: string, offset: number, length: number): Aml => [
  EXTENDED,
  0x80,
  ...name(path),
  0x02,
  ...integer(offset),
  ...integer(length),
];

export interface RegionByte {
  readonly name: string;
  readonly offset: number;
}
/** Byte-wide fields of a region, in ascending order; the gaps are reserved (20.2.5.2). */
export function byteFields(region: string, fields: readonly RegionByte[]): Aml {
  const BYTE_ACCESS = 0x01;
  let at = 0;
  const elements = fields.flatMap((field) => {
    const gap = field.offset - at;
    at = field.offset + 1;
    return [...(gap > 0 ? [0x00, ...fieldLength(gap * 8)] : []), ...name(field.name), ...fieldLength(8)];
  });
  return withLength([EXTENDED, 0x81], name(region), [BYTE_ACCESS], elements);
}
/** Lengths of fields look like PkgLength, but don't count themselves. */
const fieldLength = (bits: number): number[] => (bits < 0x40 ? [bits] : [0x40 | (bits & 0x0f), ...little(bits >>> 4, 1)]);

export const local = (index: number): Aml => [0x60 + index];
export const argument = (index: number): Aml => [0x68 + index];
export const store = (value: Value, target: Aml): Aml => [0x70, ...encode(value), ...target];
const NO_TARGET = 0x00;
export const and = (a: Value, b: Value): Aml => [0x7b, ...encode(a), ...encode(b), NO_TARGET];
export const shiftLeft = (a: Value, b: Value): Aml => [0x79, ...encode(a), ...encode(b), NO_TARGET];
export const subtract = (a: Value, b: Value): Aml => [0x74, ...encode(a), ...encode(b), NO_TARGET];
export const lowestSetBit = (value: Value): Aml => [0x82, ...encode(value), NO_TARGET];
export const wordField = (source: Aml, index: number, path: string): Aml => [0x8b, ...source, ...integer(index), ...name(path)];
export const returns = (value: Value): Aml => [0xa4, ...encode(value)];
export const when = (condition: Value, then: readonly Aml[], otherwise: readonly Aml[] = []): Aml => [
  ...withLength([0xa0], encode(condition), ...then),
  ...(otherwise.length > 0 ? withLength([0xa1], ...otherwise) : []),
];

/** EISA identity such as PNP0A03, compressed to a doubleword (19.3.4). */
export function eisaId(id: string): Aml {
  const letter = (i: number): number => id.charCodeAt(i) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = parseInt(id.slice(3), 16);
  return [0x0c, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}
