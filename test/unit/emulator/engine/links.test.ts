import assert from 'node:assert/strict';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import { bareEngine, CODE, put, write64 } from './bare';

/** Linear pages that are mapped one by one, by the table at TABLE. */
const ALIAS = 0x2000000;
const TABLE = 0x4000;
const RBX = 3;
const [RAX, RCX, RDX, RSI, RDI] = [0, 1, 2, 6, 7] as const;

const entry = (physical: number): bigint => BigInt(physical) | 0x7n;

/** Pages from ALIAS on are these of memory. */
function mapAlias(engine: WasmEngine, ...pages: readonly number[]): void {
  write64(engine, 0x3000 + (ALIAS >> 21) * 8, entry(TABLE));
  pages.forEach((page, index) => write64(engine, TABLE + index * 8, entry(page)));
}

/** jmp to the start of the next page. */
const JUMP = 'e9 fb 0f 00 00';

for (const tier of ['generic', 'auto', 'region'] as const)
  describe(`Jumps into another page, tier ${tier}`, () => {
    it('lead to what lies behind each of the places that a page of code is mapped at', async () => {
      const engine = await bareEngine(JUMP, {}, tier);
      mapAlias(engine, CODE, CODE + 0x2000);
      put(engine, CODE + 0x1000, '48 ff c0 ff e6'); // inc rax; jmp rsi
      put(engine, CODE + 0x2000, '48 ff c1 ff e7'); // inc rcx; jmp rdi
      engine.vcpu.setGpr(RSI, BigInt(ALIAS));
      engine.vcpu.setGpr(RDI, BigInt(CODE));
      engine.run(600);
      assert.deepEqual([engine.vcpu.gpr(RAX), engine.vcpu.gpr(RCX)], [100n, 100n]);
    });

    it('lead to the page that is mapped now', async () => {
      const engine = await bareEngine('90', {}, tier);
      mapAlias(engine, CODE, CODE + 0x1000);
      put(engine, CODE, '48 89 13  48 87 ca  e9 f5 0f 00 00'); // mov [rbx], rdx; xchg rdx, rcx; jmp
      put(engine, CODE + 0x1000, '48 ff c0 ff e6'); // inc rax; jmp rsi
      put(engine, CODE + 0x2000, '48 ff c7 ff e6'); // inc rdi; jmp rsi
      const { vcpu } = engine;
      vcpu.setGpr(RBX, BigInt(TABLE + 8));
      vcpu.setGpr(RDX, entry(CODE + 0x2000));
      vcpu.setGpr(RCX, entry(CODE + 0x1000));
      vcpu.setGpr(RSI, BigInt(ALIAS));
      vcpu.rip = BigInt(ALIAS);
      engine.run(1000);
      assert.deepEqual([vcpu.gpr(RAX), vcpu.gpr(RDI)], [100n, 100n]);
    });

    it('lead to code that has changed', async () => {
      const engine = await bareEngine(JUMP, {}, tier);
      put(engine, CODE + 0x1000, '48 ff c0  e9 f8 ef ff ff'); // inc rax; jmp back
      engine.run(300);
      put(engine, CODE + 0x1000, '48 ff c1'); // inc rcx
      engine.run(300);
      assert.deepEqual([engine.vcpu.gpr(RAX), engine.vcpu.gpr(RCX)], [100n, 100n]);
    });
  });
