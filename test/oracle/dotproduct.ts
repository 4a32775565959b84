/** The NaNs that DPPS and DPPD give where their sums are made in another order (see vendors.ts). */
import { FX } from './fxstate';
import type { Step } from './intel';
import { endOf, type OracleResult } from './oracle';

const DENORMALS_ARE_ZEROS = 0x40;

/** One of the two formats: everything is kept as its bits. */
interface Format {
  readonly bytes: 4 | 8;
  readonly infinity: bigint;
  readonly quiet: bigint;
  readonly indefinite: bigint;
  readonly sign: bigint;
}
const SINGLE: Format = { bytes: 4, infinity: 0x7f800000n, quiet: 0x400000n, indefinite: 0xffc00000n, sign: 0x80000000n };
const DOUBLE: Format = { bytes: 8, infinity: 0x7ffn << 52n, quiet: 1n << 51n, indefinite: 0xfff8n << 48n, sign: 1n << 63n };

const field = new DataView(new ArrayBuffer(8));
function valueOf(bits: bigint, { bytes }: Format): number {
  field.setBigUint64(0, bits);
  return bytes === 8 ? field.getFloat64(0) : field.getFloat32(4);
}
function bitsOf(value: number, { bytes }: Format): bigint {
  if (bytes === 8) field.setFloat64(0, value);
  else field.setFloat32(0, value);
  return bytes === 8 ? field.getBigUint64(0) : BigInt(field.getUint32(0));
}

const isNan = (bits: bigint, { sign, infinity }: Format): boolean => (bits & (sign - 1n)) > infinity;

/** An operation on two operands: of two NaNs the first, made quiet (SDM volume 1, table 4-7). */
function combine(x: bigint, y: bigint, format: Format, operation: (a: number, b: number) => number): bigint {
  if (isNan(x, format)) return x | format.quiet;
  if (isNan(y, format)) return y | format.quiet;
  const result = operation(valueOf(x, format), valueOf(y, format));
  return Number.isNaN(result) ? format.indefinite : bitsOf(result, format);
}

export function dotProductNan({ one, run }: Step, ours: OracleResult): OracleResult | null {
  const { code } = one;
  const at = code.findIndex((byte, i) => byte === 0x0f && code[i + 1] === 0x3a && (code[i + 2]! & 0xfe) === 0x40);
  const completed = ours.rip >= endOf(one) - 1n; // whether int3, a trap or a fetch from the next page ended the case
  if (!/^Dpp[sd]$/.test(one.instructions[0]!.verdict.mnemonic) || !completed || at < 0) return null;
  const format = code[at + 2] === 0x40 ? SINGLE : DOUBLE;
  const rex = one.mode === 64 && code[at - 1]! >> 4 === 4 ? code[at - 1]! : 0;
  const base = FX.xmm + 16 * (((code[at + 3]! >> 3) & 7) | (rex & 4 ? 8 : 0));
  const immediate = code.at(-1)!;
  // The second operand, by MOVDQA; two bytes shorter, so that it ends at the same place.
  const load = Uint8Array.from([...code.subarray(0, at), 0x0f, 0x6f, ...code.subarray(at + 3, -1)]);
  const loaded = run({ ...one, code: load, codeOffset: one.codeOffset + 2 }).fx;
  const flat = (new DataView(one.fx.buffer, one.fx.byteOffset).getUint32(FX.mxcsr, true) & DENORMALS_ARE_ZEROS) !== 0;
  const element = (fx: Uint8Array, i: number): bigint => {
    const view = new DataView(fx.buffer, fx.byteOffset + base + format.bytes * i);
    const bits = format.bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
    return flat && (bits & format.infinity) === 0n ? bits & format.sign : bits;
  };
  const product = (i: number): bigint => ((immediate >> (4 + i)) & 1 ? combine(element(one.fx, i), element(loaded, i), format, (a, b) => a * b) : 0n);
  const sum = (x: bigint, y: bigint): bigint => combine(x, y, format, (a, b) => a + b);
  const pair = (i: number): bigint => sum(product(i ^ 1), product(i));
  const result = (i: number): bigint => (format === DOUBLE ? sum(product(i), product(i ^ 1)) : sum(pair(i), pair(i ^ 2)));
  const fx = ours.fx.slice();
  for (let i = 0; i < 16 / format.bytes; i++) {
    if (!isNan(element(fx, i), format)) continue;
    const view = new DataView(fx.buffer, base + format.bytes * i);
    if (format === DOUBLE) view.setBigUint64(0, result(i), true);
    else view.setUint32(0, Number(result(i)), true);
  }
  return { ...ours, fx };
}
