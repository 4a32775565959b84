import assert from 'node:assert/strict';
import { IF, VM } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { CODE0, context, DATA0, execute, gateAt, IDT, TASK } from './fake-context';

describe('Software interrupts', () => {
  it('INT n needs the privilege of its gate, INT1 does not', () => {
    const ctx = context('protected', 3);
    ctx.vcpu.setSegment(layout.TR, { selector: TASK, base: 0x3000n, limit: 0x67, attributes: 0x8b });
    ctx.write(0x3004n, 4, 0x7000n);
    ctx.write(0x3008n, 4, BigInt(DATA0));
    gateAt(ctx, IDT + 0x80 * 8, CODE0, 0x700, 0x8e);
    gateAt(ctx, IDT + 8, CODE0, 0x710, 0x8e);
    assert.equal(execute(ctx, 'int', { immediate: 0x80n }), '13(402)');
    gateAt(ctx, IDT + 0x80 * 8, CODE0, 0x700, 0xee);
    assert.equal(execute(ctx, 'int', { immediate: 0x80n }), undefined);
    assert.deepEqual([ctx.vcpu.rip, ctx.vcpu.cpl, ctx.vcpu.gpr(4)], [0x700n, 0, 0x7000n - 20n]);
    ctx.vcpu.cpl = 3;
    assert.equal(execute(ctx, 'int1'), undefined);
    assert.equal(ctx.vcpu.rip, 0x710n);
  });

  it('INT n in virtual-8086 mode needs IOPL 3', () => {
    const ctx = context('protected', 3);
    ctx.vcpu.rflags = 2n | VM;
    assert.equal(execute(ctx, 'int', { immediate: 0x80n }), '13(0)');
  });

  it('INTO only with OF, and real mode takes 16-bit vectors', () => {
    const ctx = context('real');
    ctx.vcpu.setU64(layout.IDTR_BASE, 0n);
    ctx.write(16n, 4, 0x20000100n);
    assert.equal(execute(ctx, 'into'), undefined);
    assert.equal(ctx.vcpu.rip, 0x5000n);
    ctx.vcpu.rflags |= 0xa00n;
    assert.equal(execute(ctx, 'into'), undefined);
    assert.deepEqual([ctx.vcpu.rip, ctx.vcpu.segment(layout.CS).base, ctx.vcpu.rflags & IF], [0x100n, 0x20000n, 0n]);
    assert.equal(ctx.read(0x7ffen, 2) & 0xa00n, 0xa00n);
  });
});
