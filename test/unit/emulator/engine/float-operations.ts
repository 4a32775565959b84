/** How each instruction of float-oracle.c maps to a float helper, and the comparison of their results. */

import type { Extended, FloatChoice, FloatOutcome } from '../../../oracle/vendors';

/** What the helper module exports, called by name; addresses and u32s are numbers, u64s are bigints. */
export type FloatModule = Record<string, (...args: (number | bigint)[]) => number | bigint>;

// One record of the oracle (struct record).
const RECORD = 80;
const CONTROL = 0;
const FLAGS = 4;
const IMMEDIATE = 8;
const OPERAND_A = 16;
const OPERAND_B = 32;
const RESULT = 48;
const RESULT2 = 64;

const TRAPPED = 0x80000000;
const FLOAT_FLAGS = 0x3c0;
// Where a record is copied in the helper's memory, and where results and a widened operand go.
const AT = 0x1000;
const DST = 0x1100;
const DST2 = 0x1110;
const WIDE = 0x1120;

/** The record and the helper module, as one operation sees them. */
interface Call {
  readonly helpers: FloatModule;
  readonly memory: DataView;
  readonly control: number;
  readonly immediate: number;
}

interface Operation {
  /** Stores results at DST and DST2; returns the flags (undefined for SSE, whose flags are in memory). */
  readonly run: (call: Call) => number | undefined;
  /** Bytes to compare of the two results, and the mask of status word bits. */
  readonly sizes: readonly [number, number];
  readonly mask: number;
  /** Difference allowed in units of the last place. */
  readonly ulps: number;
  readonly x87: boolean;
}

const A = AT + OPERAND_A;
const B = AT + OPERAND_B;

type Width = 'f32' | 'f64';

const argument = (call: Call, width: Width | 'i32' | 'i64', at: number): number | bigint =>
  width === 'f32' || width === 'i32' ? call.memory.getUint32(at, true) : call.memory.getBigUint64(at, true);

const keep = (call: Call, at: number, value: number | bigint): undefined => {
  if (typeof value === 'bigint') call.memory.setBigUint64(at, BigInt.asUintN(64, value), true);
  else call.memory.setUint32(at, value >>> 0, true);
  return undefined;
};

const SSE_MASK = 0x3f;
const FSW_MASK = 0x477f; // C3, C2, C0 are added where an instruction defines them
const C1 = 0x200;
const BEFORE_RESULT = 7; // IE, DE and ZE suppress the result when unmasked

function sse(size: number, run: (call: Call) => undefined, at: 0 | 1 = 0): Operation {
  return { run, sizes: at === 0 ? [size, 0] : [0, size], mask: SSE_MASK, ulps: 0, x87: false };
}

function x87(run: (call: Call) => number, size = 10, mask = 0x3f | C1, size2 = 0, ulps = 0): Operation {
  return { run: (call) => run(call), sizes: [size, size2], mask, ulps, x87: true };
}

function sseOperations(f: Width): Record<string, Operation> {
  const size = f === 'f32' ? 4 : 8;
  const table: Record<string, Operation> = {};
  const define = (name: string, run: (name: string, call: Call) => number | bigint, bytes = size, at: 0 | 1 = 0): void => {
    table[`${f}_${name}`] = sse(bytes, (call) => keep(call, at === 0 ? DST : DST2, run(`${f}_${name}`, call)), at);
  };
  for (const name of ['add', 'sub', 'mul', 'div', 'min', 'max']) define(name, (n, c) => c.helpers[n]!(argument(c, f, A), argument(c, f, B), c.control));
  define('sqrt', (n, c) => c.helpers[n]!(argument(c, f, A), c.control));
  define('cmp', (n, c) => c.helpers[n]!(argument(c, f, A), argument(c, f, B), c.immediate % 8, c.control));
  define('round', (n, c) => c.helpers[n]!(argument(c, f, A), c.immediate % 13, c.control));
  for (const name of ['to_i32', 'to_i32_truncate']) define(name, (n, c) => c.helpers[n]!(argument(c, f, A), c.control), 4, 1);
  for (const name of ['to_i64', 'to_i64_truncate']) define(name, (n, c) => c.helpers[n]!(argument(c, f, A), c.control), 8, 1);
  for (const name of ['from_i32', 'from_i64'] as const) define(name, (n, c) => c.helpers[n]!(argument(c, name === 'from_i32' ? 'i32' : 'i64', A), c.control));
  // EFLAGS of the host are in bits 16-23 of its flags.
  for (const name of ['comi', 'ucomi'])
    table[`${f}_${name}`] = {
      ...sse(0, (c) => keep(c, DST2, c.helpers[`${f}_${name}`]!(argument(c, f, A), argument(c, f, B), c.control))),
      mask: SSE_MASK | 0x450000,
    };
  return table;
}

function x87Arithmetic(name: string): Record<string, Operation> {
  const widened = (width: Width): Operation =>
    x87((c) => {
      const extra = c.helpers[`f80_widen_${width}`]!(WIDE, argument(c, width, B)) as number;
      return c.helpers[name]!(DST, A, WIDE, c.control | extra) as number;
    });
  return {
    [name]: x87((c) => c.helpers[name]!(DST, A, B, c.control) as number),
    [`${name}_m32`]: widened('f32'),
    [`${name}_m64`]: widened('f64'),
  };
}

const C2 = 0x400;
const approximate = (run: (call: Call) => number, size2 = 0): Operation => x87(run, 10, 0x3f | C2, size2, 1);

const unary = (name: string, ulps = 0): Record<string, Operation> => ({
  [name]: x87((c) => c.helpers[name]!(DST, A, c.control) as number, 10, ulps ? 0x3f | C2 : 0x3f | C1, 0, ulps),
});

const storeInteger = (bits: 16 | 32 | 64, truncate: 0 | 1): Operation =>
  x87((c) => c.helpers['f80_store_int']!(DST, A, bits, truncate, c.control) as number, bits / 8);

export const operations: Readonly<Record<string, Operation>> = {
  ...sseOperations('f32'),
  ...sseOperations('f64'),
  f64_to_f32: sse(4, (c) => keep(c, DST, c.helpers['f64_to_f32']!(argument(c, 'f64', A), c.control))),
  f32_to_f64: sse(8, (c) => keep(c, DST, c.helpers['f32_to_f64']!(argument(c, 'f32', A), c.control))),
  ...['f80_add', 'f80_sub', 'f80_subr', 'f80_mul', 'f80_div', 'f80_divr'].reduce<Record<string, Operation>>(
    (all, name) => ({ ...all, ...x87Arithmetic(name) }),
    {},
  ),
  ...unary('f80_sqrt'),
  ...unary('f80_round'),
  f80_compare: x87((c) => c.helpers['f80_compare']!(A, B, c.control, 0) as number, 0, FSW_MASK),
  f80_compare_quiet: x87((c) => c.helpers['f80_compare']!(A, B, c.control, 1) as number, 0, FSW_MASK),
  f80_compare_m64: x87(
    (c) => {
      const extra = c.helpers['f80_widen_f64']!(WIDE, argument(c, 'f64', B)) as number;
      return c.helpers['f80_compare']!(A, WIDE, c.control | extra, 0) as number;
    },
    0,
    FSW_MASK,
  ),
  f80_test: x87((c) => c.helpers['f80_test']!(A) as number, 0, FSW_MASK),
  f80_examine: x87((c) => c.helpers['f80_examine']!(A) as number, 0, FSW_MASK | C1),
  f80_load_f32: x87((c) => c.helpers['f80_load_f32']!(DST, argument(c, 'f32', A), c.control) as number),
  f80_load_f64: x87((c) => c.helpers['f80_load_f64']!(DST, argument(c, 'f64', A), c.control) as number),
  f80_from_i64: x87((c) => {
    c.helpers['f80_from_i64']!(DST, argument(c, 'i64', A));
    return 0;
  }),
  f80_load_bcd: x87((c) => {
    c.helpers['f80_load_bcd']!(DST, A);
    return 0;
  }),
  f80_store_f32: x87((c) => c.helpers['f80_store_f32']!(DST, A, c.control) as number, 4),
  f80_store_f64: x87((c) => c.helpers['f80_store_f64']!(DST, A, c.control) as number, 8),
  f80_store_i16: storeInteger(16, 0),
  f80_store_i32: storeInteger(32, 0),
  f80_store_i64: storeInteger(64, 0),
  f80_store_i16_truncate: storeInteger(16, 1),
  f80_store_i32_truncate: storeInteger(32, 1),
  f80_store_i64_truncate: storeInteger(64, 1),
  f80_store_bcd: x87((c) => c.helpers['f80_store_bcd']!(DST, A, c.control) as number),
  f80_extract: x87((c) => c.helpers['f80_extract']!(DST2, DST, A, c.control) as number, 10, 0x3f | C1, 10),
  f80_scale: x87((c) => c.helpers['f80_scale']!(DST, A, B, c.control) as number),
  f80_rem_truncate: x87((c) => c.helpers['f80_rem']!(DST, A, B, 0, c.control) as number, 10, FSW_MASK | C1),
  f80_rem_nearest: x87((c) => c.helpers['f80_rem']!(DST, A, B, 1, c.control) as number, 10, FSW_MASK | C1),
  f80_constant: x87((c) => {
    c.helpers['f80_constant']!(DST, c.immediate % 7, c.control);
    return 0;
  }),
  // The host's results are within one unit in the last place of the exact ones, and may differ in C1 and UE there.
  ...unary('f80_2xm1', 1),
  ...unary('f80_sin', 1),
  ...unary('f80_cos', 1),
  f80_yl2x: approximate((c) => c.helpers['f80_yl2x']!(DST, A, B, c.control) as number),
  f80_yl2xp1: approximate((c) => c.helpers['f80_yl2xp1']!(DST, A, B, c.control) as number),
  f80_patan: approximate((c) => c.helpers['f80_patan']!(DST, A, B, c.control) as number),
  f80_ptan: approximate((c) => c.helpers['f80_ptan']!(DST2, DST, A, c.control) as number, 10),
  f80_sincos: approximate((c) => c.helpers['f80_sincos']!(DST2, DST, A, c.control) as number, 10),
};

const hex = (view: DataView, at: number, size: number): string =>
  Array.from({ length: size }, (_, i) =>
    view
      .getUint8(at + size - 1 - i)
      .toString(16)
      .padStart(2, '0'),
  ).join('');

/** The signed distance of two extended numbers in units of the last place, or infinite when they aren't comparable. */
function ulpsApart(a: DataView, at: number, b: DataView, bt: number): number {
  // Denormals have the exponent of the smallest normal numbers.
  const exponent = (view: DataView, from: number): number => {
    const field = view.getUint16(from + 8, true);
    return field & 0x7fff ? field : field + 1;
  };
  const top = exponent(a, at) - exponent(b, bt);
  const difference = a.getBigUint64(at, true) - b.getBigUint64(bt, true) + (BigInt(top) << 63n);
  return Math.abs(top) > 1 ? Infinity : Math.abs(Number(difference));
}

const extended = (view: DataView, at: number): Extended => ({ exponent: view.getUint16(at + 8, true), significand: view.getBigUint64(at, true) });

/** Runs the helper on every record of the oracle; the report shows the first few differences that are no `choices`. */
export function compareWithHost(
  name: string,
  helpers: FloatModule,
  wasmMemory: WebAssembly.Memory,
  records: Buffer,
  choices: readonly FloatChoice[],
): { differences: number; report: string } {
  const operation = operations[name]!;
  const memory = new DataView(wasmMemory.buffer);
  const bytes = new Uint8Array(wasmMemory.buffer);
  const host = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const report: string[] = [];
  const open = choices.filter((choice) => choice.operations.test(name));
  let differences = 0;
  for (let at = 0; at < records.length; at += RECORD) {
    bytes.set(records.subarray(at, at + RECORD), AT);
    bytes.fill(0xcc, DST, DST2 + 16);
    memory.setUint32(FLOAT_FLAGS, 0, true);
    const control = host.getUint32(at + CONTROL, true);
    const immediate = host.getUint32(at + IMMEDIATE, true);
    const hostFlags = host.getUint32(at + FLAGS, true);
    let ours = operation.run({ helpers, memory, control, immediate });
    let stored = true;
    if (ours === undefined) {
      ours = helpers['sse_exceptions']!(control) as number;
      if (ours & ~(control >> 7)) {
        ours |= TRAPPED;
        stored = false;
      } else if (operation.mask >>> 16) ours |= memory.getUint32(DST2, true) << 16;
    }
    const exceptions = (ours ^ hostFlags) & operation.mask;
    const near: boolean[] = [];
    let same = exceptions === 0;
    if (!operation.x87) same &&= ((ours ^ hostFlags) & TRAPPED) === 0;
    else if (ours & ~control & BEFORE_RESULT) {
      // The host keeps its registers; we store nothing.
      stored = false;
      for (let i = 0; i < 32; i++) same &&= memory.getUint8(DST + i) === 0xcc;
    } else if (operation.ulps > 0 && ours & C2) {
      // An angle out of range: nothing has been computed.
      stored = false;
      for (let i = 0; i < 32; i++) same &&= memory.getUint8(DST + i) === 0xcc;
    }
    for (const [from, to, size] of [
      [at + RESULT, DST, operation.sizes[0]],
      [at + RESULT2, DST2, operation.sizes[1]],
    ] as const) {
      if (!stored || size === 0) continue;
      let equal = true;
      for (let i = 0; i < size; i++) if (host.getUint8(from + i) !== memory.getUint8(to + i)) equal = false;
      near.push(equal || (operation.ulps > 0 && ulpsApart(host, from, memory, to) <= operation.ulps));
      if (!near.at(-1)) same = false;
    }
    if (same) continue;
    const outcome = (flags: number, view: DataView, result: number, result2: number): FloatOutcome => ({
      exceptions: flags & operation.mask & 0x3f,
      results: operation.sizes[1] === 0 ? [extended(view, result)] : [extended(view, result), extended(view, result2)],
    });
    const one = {
      ...{ control, alike: (exceptions & ~0x3f) === 0, near, a: extended(host, at + OPERAND_A), b: extended(host, at + OPERAND_B) },
      processor: outcome(hostFlags, host, at + RESULT, at + RESULT2),
      ours: outcome(ours, memory, DST, DST2),
    };
    if (open.some((choice) => choice.agrees(one))) continue;
    if (differences++ < 6)
      report.push(
        `${name} control=${control.toString(16)} imm=${immediate} a=${hex(host, at + OPERAND_A, 10)} b=${hex(host, at + OPERAND_B, 10)}\n` +
          `  host ${hex(host, at + RESULT, 10)} ${hex(host, at + RESULT2, 10)} flags=${(hostFlags >>> 0).toString(16)}\n` +
          `  ours ${hex(memory, DST, 10)} ${hex(memory, DST2, 10)} flags=${(ours >>> 0).toString(16)}`,
      );
  }
  return { differences, report: `${differences} differences\n${report.join('\n')}` };
}
