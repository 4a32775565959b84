import assert from 'node:assert/strict';
import { Exit } from '../../../../emulator/engine/engine';
import * as layout from '../../../../emulator/x86/layout';
import { bareEngine, CODE, STACK } from './bare';

const RSP = 4;
/** What POPF takes at privilege 0: all but reserved bits, RF, VM, VIF and VIP. */
const TAKEN = 0x247fd5n;

describe('POPF at privilege 0', () => {
  const arithmetic = [0n, 0x8d5n, 1n, 0x44n, 0x80n, 0x801n, 0x94n, 0x10n];
  const others = [0n, 0x200n, 0x400n, 0x3000n, 0x4000n, 0x40000n, 0x200000n, 0xffff_ffff_0018_0000n, 0x10000n];
  for (const before of [0x202n, 0x8d7n, 0x40002n])
    it(`takes what was pushed, flags 0x${before.toString(16)} before`, async () => {
      for (const some of arithmetic)
        for (const other of others) {
          const engine = await prepared(some | other);
          engine.vcpu.rflags = before;
          assert.equal(engine.run(1), Exit.Budget);
          assert.equal(engine.vcpu.rflags, ((some | other) & TAKEN) | 2n, `0x${(some | other).toString(16)}`);
          assert.deepEqual([engine.vcpu.rip, engine.vcpu.gpr(RSP)], [BigInt(CODE + 1), BigInt(STACK)]);
        }
    });

  it('lets an interrupt in that has waited', async () => {
    let pending = false;
    const engine = await prepared(0x202n, { interruptPending: () => pending, acknowledgeInterrupt: () => 0x40 });
    engine.vcpu.rflags = 2n;
    pending = true;
    assert.equal(engine.run(100), Exit.Shutdown, 'there is no IDT');
    assert.equal(engine.count(), 1);
  });

  it('takes AC away, which had opened user memory', async () => {
    const engine = await prepared(2n);
    engine.vcpu.setU64(layout.CR4, engine.vcpu.cr4 | (1n << 21n)); // SMAP
    engine.vcpu.rflags = 0x40002n;
    engine.modeChanged();
    const open = engine.vcpu.u32(layout.TLB_SET);
    engine.run(1);
    assert.notEqual(engine.vcpu.u32(layout.TLB_SET), open);
  });

  it('sets TF for the instruction after it', async () => {
    const engine = await prepared(0x102n);
    assert.equal(engine.run(100), Exit.Shutdown, 'there is no IDT');
    assert.equal(engine.count(), 2);
  });
});

/** popf; nop; jmp $, with a word on the stack. */
async function prepared(pushed: bigint, host: Parameters<typeof bareEngine>[1] = {}): ReturnType<typeof bareEngine> {
  const engine = await bareEngine('9d 90 eb fe', host, 'generic');
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, pushed, true);
  engine.physicalWrite(STACK - 8, bytes);
  engine.vcpu.setGpr(RSP, BigInt(STACK - 8));
  engine.vcpu.setU64(layout.RIP, BigInt(CODE));
  return engine;
}
