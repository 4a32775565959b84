import assert from 'node:assert/strict';
import { AC, ID, IF, IOPL, NT, RF, TF, VIF, VIP, VM } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { context, execute, type FakeContext } from './fake-context';

/** POPF of `value`; yields the flags after it. */
function pop(ctx: FakeContext, value: bigint, size: 2 | 4 | 8 = 4): bigint {
  ctx.write(BigInt(ctx.vcpu.gpr(4)), size, value);
  assert.equal(execute(ctx, 'popf', { size }), undefined);
  return ctx.vcpu.rflags;
}
const ALL = 0xffffffffn;

describe('POPF', () => {
  it('changes IF and IOPL at privilege 0, never VM, VIF and VIP; RF becomes 0', () => {
    const ctx = context('protected', 0);
    ctx.vcpu.rflags |= RF;
    const flags = pop(ctx, ALL);
    assert.equal(flags & (IF | IOPL | NT | TF | AC | ID), IF | IOPL | NT | TF | AC | ID);
    assert.equal(flags & (VM | VIF | VIP | RF), 0n);
    assert.equal(ctx.vcpu.gpr(4), 0x8004n);
    assert.equal(pop(ctx, 0n) & ~2n, 0n);
  });

  it('leaves IOPL outside of privilege 0, and IF beyond IOPL', () => {
    const ctx = context('protected', 3);
    assert.equal(pop(ctx, ALL) & (IF | IOPL), 0n);
    ctx.vcpu.rflags = 2n | IF;
    assert.equal(pop(ctx, 0n) & (IF | IOPL), IF, 'no fault either');
    ctx.vcpu.rflags = 2n | IOPL;
    assert.equal(pop(ctx, IF) & (IF | IOPL), IF | IOPL);
  });

  it('leaves the upper half with 16 bits', () => {
    const ctx = context('protected', 0);
    ctx.vcpu.rflags = 2n | AC | ID;
    assert.equal(pop(ctx, 0n, 2), 2n | AC | ID);
    assert.equal(ctx.vcpu.gpr(4), 0x8002n);
  });

  it('faults in virtual-8086 mode below IOPL 3', () => {
    const ctx = context('protected', 3);
    ctx.vcpu.rflags = 2n | VM;
    assert.equal(execute(ctx, 'popf', { size: 2 }), '13(0)');
    ctx.vcpu.rflags = 2n | VM | IOPL;
    assert.equal(pop(ctx, IF, 2) & (IF | IOPL | VM), IF | IOPL | VM);
    assert.equal(pop(ctx, 0n, 2) & (IF | IOPL | VM), IOPL | VM);
  });
});

describe('STI and HLT', () => {
  it('STI holds interrupts back for one instruction, only where IF was clear', () => {
    const ctx = context('protected', 0);
    assert.equal(execute(ctx, 'sti'), undefined);
    assert.equal(ctx.vcpu.rflags & IF, IF);
    assert.equal(ctx.vcpu.u64(layout.SHADOW_COUNT), ctx.count());
    ctx.vcpu.setU64(layout.SHADOW_COUNT, 0n);
    execute(ctx, 'sti');
    assert.equal(ctx.vcpu.u64(layout.SHADOW_COUNT), 0n);
  });
  it('need privilege', () => {
    const ctx = context('protected', 3);
    assert.equal(execute(ctx, 'sti'), '13(0)');
    assert.equal(execute(ctx, 'hlt'), '13(0)');
    ctx.vcpu.rflags |= IOPL;
    assert.equal(execute(ctx, 'sti'), undefined);
    assert.equal(ctx.halted, false);
  });
});
