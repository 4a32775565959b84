/** Where the host's floating-point arithmetic would not do. Results and flags are those of a processor (AMD EPYC). */
import assert from 'node:assert/strict';
import type { Tier } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine } from '../../engine/bare';

/** Rounding to nearest, all masked, PE set: the host's arithmetic is used where it gives the same. */
const PLAIN = 0x1fa0;
const [UE, ZE, DE] = [0x10, 0x04, 0x02];

interface Case {
  readonly what: string;
  /** `op xmm0, xmm1` */
  readonly code: string;
  readonly a: bigint;
  readonly b: bigint;
  readonly result: bigint;
  readonly raised: number;
}

const [MULSD, MULPD, MULSS, MULPS] = ['f20f59c1', '660f59c1', 'f30f59c1', '0f59c1'];
const CASES: readonly Case[] = [
  ...[MULSD, MULPD].map((code) => ({
    what: 'a product that is tiny, and rounded up to the least normal number',
    code,
    a: 0x3fefffffffffffffn,
    b: 0x0010000000000000n,
    result: 0x0010000000000000n,
    raised: UE,
  })),
  ...[MULSS, MULPS].map((code) => ({
    what: 'the same in single precision',
    code,
    a: 0x3f7fffffn,
    b: 0x00800000n,
    result: 0x00800000n,
    raised: UE,
  })),
  { what: 'a product that is the least normal number', code: MULSD, a: 0x3fe0000000000000n, b: 0x0020000000000000n, result: 0x0010000000000000n, raised: 0 },
  { what: 'a denormal operand', code: 'f20f58c1', a: 0x3ff0000000000000n, b: 1n, result: 0x3ff0000000000000n, raised: DE },
  { what: 'a division by zero', code: 'f20f5ec1', a: 0x3ff0000000000000n, b: 0n, result: 0x7ff0000000000000n, raised: ZE },
  { what: 'nothing by infinity', code: 'f20f5ec1', a: 0n, b: 0x7ff0000000000000n, result: 0n, raised: 0 },
  { what: 'a quotient by infinity', code: 'f20f5ec1', a: 0x3ff0000000000000n, b: 0xfff0000000000000n, result: 1n << 63n, raised: 0 },
];

describe('quick floating point', () => {
  for (const { what, code, a, b, result, raised } of CASES)
    for (const tier of ['generic', 'region'] as const satisfies readonly Tier[])
      it(`${what}: ${code}, ${tier}`, async () => {
        // Twice: compiled code has run it by then.
        const { vcpu, ...engine } = await start(`${code}f4`, tier);
        vcpu.setU64(layout.XMM, a);
        vcpu.setU64(layout.XMM + 16, b);
        vcpu.setU32(layout.MXCSR, PLAIN);
        engine.run();
        assert.deepEqual([vcpu.u64(layout.XMM).toString(16), vcpu.u32(layout.MXCSR)], [result.toString(16), PLAIN | raised]);
      });
});

async function start(code: string, tier: Tier) {
  const engine = await bareEngine(code, {}, tier);
  return { vcpu: engine.vcpu, run: () => engine.run(100) };
}
