import assert from 'node:assert/strict';
import { Exit } from '../../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../../emulator/engine/wasm-engine';
import { IF } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, DATA, STACK } from '../../engine/bare';

const baseAt = (number: number) => layout.SEGMENTS + number * layout.SEGMENT_SIZE + layout.SEG_BASE;
function setCr4(engine: WasmEngine, bits: bigint): void {
  engine.vcpu.setU64(layout.CR4, engine.vcpu.cr4 | bits);
  engine.flush();
}
const FSGSBASE = 1n << 16n;
const SMAP = 1n << 21n;

describe('System instructions in code', () => {
  it('CLI and PUSHF', async () => {
    const engine = await bareEngine('9c  fa  9c  5b  58'); // pushf; cli; pushf; pop rbx; pop rax
    engine.vcpu.rflags = 2n | IF | 0x41n;
    engine.run(5);
    assert.deepEqual([engine.vcpu.gpr(0), engine.vcpu.gpr(3)], [2n | IF | 0x41n, 2n | 0x41n]);
  });

  it('SWAPGS', async () => {
    const engine = await bareEngine('0f 01 f8');
    const { vcpu } = engine;
    vcpu.setU64(layout.MSR_KERNEL_GS_BASE, 0x1234n);
    vcpu.setU64(baseAt(layout.GS), 0x5678n);
    engine.run(1);
    assert.deepEqual([vcpu.u64(baseAt(layout.GS)), vcpu.u64(layout.MSR_KERNEL_GS_BASE)], [0x1234n, 0x5678n]);
  });

  it('WRGSBASE and RDGSBASE, with FSGSBASE and canonical addresses only', async () => {
    const code = 'f3 48 0f ae d8  f3 48 0f ae cb'; // wrgsbase rax; rdgsbase rbx
    const engine = await bareEngine(code);
    engine.vcpu.setGpr(0, 0xffff800000001000n);
    setCr4(engine, FSGSBASE);
    engine.run(2);
    assert.equal(engine.vcpu.gpr(3), 0xffff800000001000n);
    for (const [bits, value] of [
      [0n, 0x1000n],
      [FSGSBASE, 1n << 47n],
    ] as const) {
      const faulting = await bareEngine(code);
      faulting.vcpu.setGpr(0, value);
      setCr4(faulting, bits);
      assert.equal(faulting.run(2), Exit.Shutdown); // no interrupt table
      assert.equal(faulting.vcpu.u64(baseAt(layout.GS)), 0n);
    }
  });

  it('STAC lets user pages be accessed under SMAP, CLAC forbids it', async () => {
    const engine = await bareEngine('0f 01 cb  8b 07  0f 01 ca  8b 1f'); // stac; mov eax, [rdi]; clac; mov ebx, [rdi]
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.vcpu.setU32(layout.IDTR_LIMIT, 0);
    setCr4(engine, SMAP);
    assert.equal(engine.run(3), Exit.Budget);
    assert.equal(engine.run(1), Exit.Shutdown);
    assert.deepEqual([engine.count(), engine.vcpu.u64(layout.CR2)], [4, BigInt(DATA)]);
  });

  it('MOV from CR4, CR8 and a segment; there is no CR9', async () => {
    const engine = await bareEngine('0f 20 e0  44 0f 20 c3  8c d9  44 0f 20 c8', { getTaskPriority: () => 7 });
    engine.vcpu.setGpr(1, 0xffffffffffffffffn);
    assert.equal(engine.run(3), Exit.Budget);
    assert.deepEqual([engine.vcpu.gpr(0), engine.vcpu.gpr(3), engine.vcpu.gpr(1)], [engine.vcpu.cr4, 7n, 0x18n]);
    assert.equal(engine.run(1), Exit.Shutdown);
  });

  it('an interrupt that waits is taken after the instruction that follows STI', async () => {
    let taken = 0;
    const engine = await bareEngine('fb  ff c0  ff c0  ff c0', { interruptPending: () => taken === 0, acknowledgeInterrupt: () => (taken++, 0x20) });
    engine.vcpu.setGpr(0, 0n);
    assert.equal(engine.run(10), Exit.Shutdown);
    assert.deepEqual([taken, engine.count(), engine.vcpu.gpr(0), engine.vcpu.gpr(4)], [1, 2, 1n, BigInt(STACK)]);
  });
});
