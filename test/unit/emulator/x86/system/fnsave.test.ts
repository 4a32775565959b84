import assert from 'node:assert/strict';
import { Exit } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, DATA } from '../../engine/bare';

// fld1; fldz; fldpi
const LOAD = 'd9 e8  d9 ee  d9 eb';

describe('FNSAVE, FRSTOR, FNSTENV, FLDENV', () => {
  it('save the environment in 32-bit protected-mode form and mask all exceptions', async () => {
    const engine = await bareEngine(`${LOAD} d9 37`); // fnstenv [rdi]
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.vcpu.setU16(layout.FPU_CONTROL, 0x340);
    assert.equal(engine.run(4), Exit.Budget);
    const view = new DataView(engine.ram.buffer, engine.ram.byteOffset + DATA);
    assert.equal(view.getUint32(0, true), 0xffff0340);
    assert.equal(view.getUint16(4, true) >> 11, 5, 'TOP');
    // Registers 5 to 7: π valid, 0 zero, 1 valid; the others empty.
    assert.equal(view.getUint16(8, true), 0b00_01_00_11_11_11_11_11);
    assert.equal(engine.vcpu.u16(layout.FPU_CONTROL), 0x37f);
  });

  it('FNSAVE empties the FPU, FRSTOR brings everything back', async () => {
    const engine = await bareEngine(`${LOAD} dd 37 dd 27`); // fnsave [rdi]; frstor [rdi]
    const { vcpu } = engine;
    vcpu.setGpr(7, BigInt(DATA));
    engine.run(3);
    const registers = () => Array.from({ length: 8 }, (_, i) => [vcpu.u64(layout.FPR + 16 * i), vcpu.u16(layout.FPR + 16 * i + 8)]);
    const before = [registers(), vcpu.u16(layout.FPU_STATUS), vcpu.u16(layout.FPU_CONTROL), vcpu.view.getUint8(layout.FPU_TAGS)];
    engine.run(1);
    assert.deepEqual([vcpu.u16(layout.FPU_STATUS), vcpu.u16(layout.FPU_CONTROL), vcpu.view.getUint8(layout.FPU_TAGS)], [0, 0x37f, 0]);
    engine.run(1);
    assert.deepEqual([registers(), vcpu.u16(layout.FPU_STATUS), vcpu.u16(layout.FPU_CONTROL), vcpu.view.getUint8(layout.FPU_TAGS)], before);
  });

  it('a store that would fault part of the way stores nothing', async () => {
    const engine = await bareEngine(`${LOAD} dd 37`);
    engine.vcpu.setGpr(7, BigInt((32 << 20) - 50));
    engine.run(3);
    const control = engine.vcpu.u16(layout.FPU_CONTROL);
    assert.equal(engine.run(10), Exit.Shutdown, '#PF without a handler');
    assert.equal(engine.vcpu.u16(layout.FPU_CONTROL), control);
    assert.ok(engine.ram.subarray(-50).every((byte) => byte === 0));
  });
});
