import assert from 'node:assert/strict';
import type { Tier } from '../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import { bareEngine, CODE, put, write64 } from './bare';

const [RAX, RCX, RDX, RBX, RSI] = [0, 1, 2, 3, 6] as const;
/** A loop whose second instruction starts here and ends in the next page. */
const START = CODE + 0xffc;
/** nop; nop; inc rax; jmp back. The third byte of the increment, at CODE + 0x1000, says which register it is. */
const LOOP = '90 90 48 ff c0 eb f9';
const [INC_RAX, INC_RCX, INC_RDX] = ['c0', 'c1', 'c2'] as const;
const LENGTH = 4;

/** Linear pages that are mapped one by one, by the table at TABLE: far beyond the host's memory. */
const ALIAS = 0x3fc00000;
const TABLE = 0x4000;
const entry = (physical: number): bigint => BigInt(physical) | 0x67n;

/** Pages from ALIAS on are these of memory. */
function mapAlias(engine: WasmEngine, ...pages: readonly number[]): void {
  write64(engine, 0x3000 + (ALIAS >> 21) * 8, entry(TABLE));
  pages.forEach((page, index) => write64(engine, TABLE + index * 8, entry(page)));
}

async function looping(tier: Tier): Promise<WasmEngine> {
  const engine = await bareEngine('90', {}, tier);
  put(engine, START, LOOP);
  engine.vcpu.setGpr(RDX, 0n);
  engine.vcpu.rip = BigInt(START);
  return engine;
}
const counts = ({ vcpu }: WasmEngine): readonly bigint[] => [RAX, RCX, RDX].map((register) => vcpu.gpr(register));

for (const tier of ['generic', 'auto', 'region'] as const)
  describe(`An instruction that goes on in the next page, tier ${tier}`, () => {
    it('changes with its bytes in that page', async () => {
      const engine = await looping(tier);
      engine.run(100 * LENGTH);
      for (const byte of [INC_RCX, INC_RDX]) {
        put(engine, CODE + 0x1000, byte);
        engine.run(100 * LENGTH);
      }
      assert.deepEqual(counts(engine), [100n, 100n, 100n]);
    });

    it('changes with its bytes in its own page', async () => {
      const engine = await looping(tier);
      engine.run(100 * LENGTH);
      put(engine, CODE + 0xffe, '49'); // inc r8
      engine.run(100 * LENGTH);
      assert.deepEqual([engine.vcpu.gpr(RAX), engine.vcpu.gpr(8)], [100n, 100n]);
    });

    it('writes to its own bytes there', async () => {
      const engine = await bareEngine('90', {}, tier);
      // mov [rip - 4], ecx: its displacement's own bytes, which stay what they are; inc rax; jmp back
      put(engine, CODE + 0xffd, '89 0d fc ff ff ff 48 ff c0 eb f5');
      engine.vcpu.setGpr(RCX, 0xfffffffcn);
      engine.vcpu.rip = BigInt(CODE + 0xffd);
      engine.run(50 * 3);
      assert.equal(engine.vcpu.gpr(RAX), 50n);
      // From the next round on it is mov [rip - 10], ecx.
      engine.vcpu.setGpr(RCX, 0xfffffff6n);
      engine.run(50 * 3);
      const bytes = new Uint8Array(10);
      engine.physicalRead(CODE + 0xff9, bytes);
      assert.equal(Buffer.from(bytes).toString('hex'), 'f6ffffff890df6ffffff');
      assert.equal(engine.vcpu.gpr(RAX), 100n);
    });

    it('is what the page after each of its own linear pages makes of it', async () => {
      const engine = await looping(tier);
      mapAlias(engine, CODE, CODE + 0x5000);
      // Back and forth: jmp rsi behind the increment of RAX, jmp rbx behind that of RCX.
      put(engine, CODE + 0x1000, `${INC_RAX} ff e6`);
      put(engine, CODE + 0x5000, `${INC_RCX} ff e3`);
      engine.vcpu.setGpr(RSI, BigInt(ALIAS + (START - CODE)));
      engine.vcpu.setGpr(RBX, BigInt(START));
      engine.run(200 * LENGTH);
      assert.deepEqual(counts(engine), [100n, 100n, 0n]);
    });

    it('is not taken from another linear page for what leads to it', async () => {
      const engine = await looping(tier);
      mapAlias(engine, CODE, CODE + 0x5000);
      put(engine, CODE + 0x1000, `${INC_RAX} eb fb`); // back to itself
      put(engine, CODE + 0x5000, `${INC_RCX} eb f9`);
      engine.vcpu.rip = BigInt(CODE + 0xffe);
      engine.run(100 * 2);
      engine.vcpu.rip = BigInt(ALIAS + (START - CODE));
      engine.run(100 * LENGTH);
      assert.deepEqual(counts(engine), [100n, 100n, 0n]);
    });

    it('is what the page is that comes next now', async () => {
      const engine = await looping(tier);
      mapAlias(engine, CODE, CODE + 0x1000);
      put(engine, CODE + 0x5000, `${INC_RCX} eb f9`);
      engine.vcpu.rip = BigInt(ALIAS + (START - CODE));
      for (const page of [CODE + 0x1000, CODE + 0x5000, CODE + 0x1000]) {
        write64(engine, TABLE + 8, entry(page));
        engine.run(50 * LENGTH);
      }
      assert.deepEqual(counts(engine), [100n, 50n, 0n]);
    });

    it('is led to by a jump that led to others before it, and after it', async () => {
      const engine = await bareEngine('e9 f9 0f 00 00', {}, tier); // jmp to CODE + 0xffe
      engine.vcpu.setGpr(RDX, 0n);
      engine.vcpu.rip = BigInt(ALIAS);
      mapAlias(engine, CODE, CODE + 0x1000);
      const variants = ['48 ff c0 e9 fa ef ff ff', '90 90 48 ff c1 e9 f8 ef ff ff'] as const; // inc rax, over the end; nop, nop, inc rcx; each with a jump back
      for (const [round, variant] of [0, 1, 0, 1, 0].entries()) {
        put(engine, CODE + 0xffe, variants[variant]!);
        engine.run(30 * (variant === 0 ? 3 : 5));
        assert.equal(engine.vcpu.rip, BigInt(ALIAS), `round ${round}`);
        // What changes beside it takes links back.
        put(engine, CODE + 0x80, '90');
      }
      assert.deepEqual(counts(engine), [90n, 60n, 0n]);
    });

    if (tier === 'region')
      it('is compiled with what is around it', async () => {
        const engine = await looping(tier);
        engine.run(10_000);
        assert.ok(engine.compiledInstructions > 9_000, `${engine.compiledInstructions} of 10000`);
      });
  });
