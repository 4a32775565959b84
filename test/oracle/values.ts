/** Values at which instructions change their mind, mixed with random ones. */
import { DATA_SIZE, STACK_SIZE } from './layout';
import { DEFAULT_FCW, DEFAULT_MXCSR, defaultFx, FX } from './fxstate';
import type { Random } from './random';

const EDGES64: readonly bigint[] = [8n, 16n, 32n, 64n]
  .flatMap((bits) => [(1n << bits) - 1n, 1n << (bits - 1n), (1n << (bits - 1n)) - 1n, (1n << (bits - 1n)) + 1n])
  .concat([0n, 1n, 2n, 3n, 10n, 15n, 16n, 31n, 32n, 33n, 63n, 64n, 65n, 99n, 0x100n, 0x10000n, 0x100000000n])
  .flatMap((value) => [value, -value, ~value])
  .map((value) => BigInt.asUintN(64, value));

export function integer(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return random.pick(EDGES64);
  if (kind === 3) return BigInt(random.below(256));
  if (kind === 4) return BigInt(random.u32());
  if (kind === 5) return 1n << BigInt(random.below(64));
  return random.u64();
}

const FLOAT32 = [
  ...[0, 1, 0x007fffff, 0x00800000, 0x3f800000, 0x3f000000, 0x40490fdb, 0x4b000000, 0x4effffff, 0x4f000000],
  ...[0x5f000000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fbfffff, 0x7fc00000, 0x7fffffff, 0x3f7fffff, 0x3fc00000],
];
const FLOAT64 = [
  ...[0n, 1n, 0x000fffffffffffffn, 0x0010000000000000n, 0x3ff0000000000000n, 0x3fe0000000000000n],
  ...[0x400921fb54442d18n, 0x41dfffffffc00000n, 0x41e0000000000000n, 0x43dfffffffffffffn, 0x43e0000000000000n],
  ...[0x47efffffe0000000n, 0x36a0000000000000n, 0x3810000000000000n, 0x7fefffffffffffffn, 0x7ff0000000000000n],
  ...[0x7ff0000000000001n, 0x7ff8000000000000n, 0x7fffffffffffffffn, 0x3ff8000000000000n, 0x4004000000000000n],
];

export function float32(random: Random): number {
  const sign = random.chance(50) ? 0x80000000 : 0;
  if (random.chance(50)) return (random.pick(FLOAT32) | sign) >>> 0;
  if (random.chance(50)) return ((random.between(100, 150) << 23) | (random.u32() >>> 9) | sign) >>> 0; // of ordinary size
  return random.u32();
}

export function float64(random: Random): bigint {
  const sign = random.chance(50) ? 1n << 63n : 0n;
  if (random.chance(50)) return random.pick(FLOAT64) | sign;
  if (random.chance(50)) return (BigInt(random.between(990, 1060)) << 52n) | (random.u64() >> 12n) | sign;
  return random.u64();
}

/** Sign and exponent, and significand, of an 80-bit value; pseudo-denormals, unnormals and infinities included. */
export function float80(random: Random): { exponent: number; significand: bigint } {
  const sign = random.chance(50) ? 0x8000 : 0;
  const exponent =
    random.below(4) === 0 ? random.pick([0, 1, 0x3ffe, 0x3fff, 0x4000, 0x403e, 0x403f, 0x7ffe, 0x7fff]) : random.between(0x3fff - 70, 0x3fff + 70);
  const integerBit = random.chance(95) ? 1n << 63n : 0n;
  const fraction = random.chance(40) ? random.pick([0n, 1n, 1n << 62n, (1n << 62n) - 1n, (1n << 63n) - 1n, 0x400n]) : random.u64();
  return { exponent: exponent | sign, significand: BigInt.asUintN(63, fraction) | integerBit };
}

/** A lane pair of 16 bytes: integers or floats. */
function vector(random: Random, view: DataView, at: number): void {
  const kind = random.below(4);
  if (kind === 0) for (let lane = 0; lane < 4; lane++) view.setUint32(at + 4 * lane, float32(random), true);
  else for (let lane = 0; lane < 2; lane++) view.setBigUint64(at + 8 * lane, kind === 1 ? float64(random) : integer(random), true);
}

/** x87, MMX and SSE state. In most cases exceptions are masked and rounding is to nearest. */
export function fxState(random: Random): Uint8Array {
  const fx = defaultFx();
  const view = new DataView(fx.buffer);
  const usual = random.chance(70);
  view.setUint16(FX.fcw, usual ? DEFAULT_FCW : controlWord(random), true);
  view.setUint32(FX.mxcsr, usual ? DEFAULT_MXCSR : mxcsr(random), true);
  const conditions = random.u32() & 0x4700;
  const exceptions = random.chance(20) ? random.u32() & 0x7f : 0;
  const pending = exceptions & ~view.getUint16(FX.fcw, true) & 0x3f ? 0x8080 : 0;
  view.setUint16(FX.fsw, conditions | (random.below(8) << 11) | exceptions | pending, true);
  view.setUint8(FX.ftw, random.chance(60) ? 0xff : random.chance(50) ? 0 : random.below(256));
  for (let i = 0; i < 8; i++) {
    const { exponent, significand } = float80(random);
    view.setBigUint64(FX.st + 16 * i, significand, true);
    view.setUint16(FX.st + 16 * i + 8, exponent, true);
  }
  for (let i = 0; i < 16; i++) vector(random, view, FX.xmm + 16 * i);
  return fx;
}

function controlWord(random: Random): number {
  const precision = random.pick([0, 2, 3]) << 8;
  const masks = random.chance(80) ? 0x3f : random.u32() & 0x3f;
  return 0x40 | masks | precision | (random.below(4) << 10);
}

function mxcsr(random: Random): number {
  const masks = random.chance(80) ? 0x1f80 : random.u32() & 0x1f80;
  const modes = (random.below(4) << 13) | (random.chance(20) ? 0x8000 : 0) | (random.chance(20) ? 0x40 : 0);
  return masks | modes | (random.chance(30) ? random.u32() & 0x3f : 0);
}

export interface MemoryImage {
  readonly data: Uint8Array;
  readonly stack: Uint8Array;
}

/** What DATA and STACK hold: a mixture of everything above. */
export function memoryImage(random: Random): MemoryImage {
  const fill = (size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < size; at += 16) {
      if (random.chance(20)) {
        const { exponent, significand } = float80(random);
        view.setBigUint64(at, significand, true);
        view.setUint16(at + 8, exponent, true);
        view.setUint32(at + 10, random.u32(), true);
      } else vector(random, view, at);
    }
    return bytes;
  };
  return { data: fill(DATA_SIZE), stack: fill(STACK_SIZE) };
}
