import assert from 'node:assert/strict';
import * as layout from '../../../../../emulator/x86/layout';
import { CODE0, CODE3, CODE64, context, DATA0, DATA3, describe8, execute, type FakeContext, flat, gateAt, GDT, TASK } from './fake-context';

const GATE = 0x40;
const SPARE = 0x48;
const far = (selector: number, offset: number): bigint => BigInt(offset) | (BigInt(selector) << 32n);
const stack = (ctx: FakeContext, size: 2 | 4 | 8, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number(ctx.read((ctx.vcpu.segment(layout.SS).base + ctx.vcpu.gpr(4) + BigInt(i * size)) & 0xffffffffn, size)));
const where = (ctx: FakeContext) => [ctx.vcpu.selector(layout.CS), Number(ctx.vcpu.rip), ctx.vcpu.cpl];

/** A 32-bit TSS at 0x3000 whose privilege-0 stack is DATA0:0x7000. */
function withTask(ctx: FakeContext): FakeContext {
  ctx.vcpu.setSegment(layout.TR, { selector: TASK, base: 0x3000n, limit: 0x67, attributes: 0x8b });
  ctx.write(0x3004n, 4, 0x7000n);
  ctx.write(0x3008n, 4, BigInt(DATA0));
  return ctx;
}

describe('Far CALL, JMP and RET', () => {
  it('real mode: CS:IP of 16 bits', () => {
    const ctx = context('real');
    ctx.vcpu.setSegment(layout.CS, { selector: 0x100, base: 0x1000n, limit: 0xffff, attributes: 0x9b });
    assert.equal(execute(ctx, 'callf', { size: 2, immediate: far(0x2000, 0x34) }), undefined);
    assert.deepEqual([where(ctx), ctx.vcpu.segment(layout.CS).base], [[0x2000, 0x34, 0], 0x20000n]);
    assert.deepEqual(stack(ctx, 2, 2), [0x5000, 0x100]);
    assert.equal(execute(ctx, 'retf', { size: 2, immediate: 4n }), undefined);
    assert.deepEqual([where(ctx), ctx.vcpu.gpr(4)], [[0x100, 0x5000, 0], 0x8004n]);
    assert.equal(execute(ctx, 'jmpf', { size: 4, immediate: far(0, 0x10000) }), '13(0)', 'beyond the limit');
  });

  it('protected mode: the descriptor decides', () => {
    const ctx = context('protected', 3);
    const jump = (selector: number, offset = 0) => execute(ctx, 'jmpf', { immediate: far(selector, offset) });
    assert.deepEqual([jump(0), jump(0x100), jump(DATA3), jump(CODE0)], ['13(0)', '13(100)', '13(20)', '13(8)']);
    describe8(ctx, SPARE, 0, 0xff, 0x1b, 0x4);
    assert.equal(jump(SPARE), '13(48)', 'DPL is checked before presence');
    describe8(ctx, SPARE, 0, 0xff, 0x1e, 0x4);
    assert.equal(jump(SPARE), '11(48)');
    describe8(ctx, SPARE, 0x20000, 0xff, 0x9e, 0x4);
    assert.equal(jump(SPARE, 0x100), '13(0)');
    assert.equal(jump(SPARE, 0xff), undefined);
    // Conforming: the privilege stays and shows in CS.
    assert.deepEqual([where(ctx), ctx.vcpu.segment(layout.CS).base], [[SPARE | 3, 0xff, 3], 0x20000n]);
  });

  it('CALL through a gate of the same privilege uses the gate, not the offset', () => {
    const ctx = context('protected');
    gateAt(ctx, GDT + GATE, CODE0, 0x12345678, 0x8c, 3);
    assert.equal(execute(ctx, 'callf', { size: 2, immediate: far(GATE, 0xffff) }), undefined);
    assert.deepEqual(where(ctx), [CODE0, 0x12345678, 0]);
    assert.deepEqual(stack(ctx, 4, 2), [0x5000, CODE0]);
  });

  it('CALL through a gate to an inner privilege copies parameters, and RET goes back', () => {
    const ctx = withTask(context('protected', 3));
    gateAt(ctx, GDT + GATE, CODE0, 0x600, 0xec, 2);
    ctx.write(0x8000n, 4, 0x11n);
    ctx.write(0x8004n, 4, 0x22n);
    assert.equal(execute(ctx, 'callf', { immediate: far(GATE | 3, 0) }), undefined);
    assert.deepEqual(where(ctx), [CODE0, 0x600, 0]);
    assert.equal(ctx.vcpu.selector(layout.SS), DATA0);
    assert.deepEqual(stack(ctx, 4, 6), [0x5000, CODE3, 0x11, 0x22, 0x8000, DATA3]);
    ctx.vcpu.setSegment(layout.DS, flat(DATA0, 0, false));
    assert.equal(execute(ctx, 'retf', { immediate: 8n }), undefined);
    assert.deepEqual([where(ctx), ctx.vcpu.selector(layout.SS), ctx.vcpu.gpr(4)], [[CODE3, 0x5000, 3], DATA3, 0x8008n]);
    assert.equal(ctx.vcpu.selector(layout.DS), 0, 'segments of the inner privilege are taken away');
  });

  it('a fault on the way leaves everything as it was', () => {
    const ctx = withTask(context('protected', 3));
    const call = () => execute(ctx, 'callf', { immediate: far(GATE, 0) });
    gateAt(ctx, GDT + GATE, CODE0, 0x600, 0x8c);
    assert.equal(call(), '13(40)', 'DPL of the gate');
    gateAt(ctx, GDT + GATE, CODE0, 0x600, 0x6c);
    assert.equal(call(), '11(40)');
    gateAt(ctx, GDT + GATE, DATA0, 0x600, 0xec);
    assert.equal(call(), '13(10)');
    gateAt(ctx, GDT + GATE, CODE0, 0x600, 0xec);
    ctx.write(0x3008n, 4, BigInt(DATA3));
    assert.equal(call(), '10(20)', 'the stack of the TSS');
    ctx.write(0x3008n, 4, BigInt(DATA0));
    ctx.absent.add(6);
    assert.equal(call(), '14(2)');
    assert.deepEqual([where(ctx), ctx.vcpu.selector(layout.SS), ctx.vcpu.gpr(4)], [[CODE3, 0x5000, 3], DATA3, 0x8000n]);
  });

  it('JMP through a gate keeps the privilege', () => {
    const ctx = withTask(context('protected', 3));
    gateAt(ctx, GDT + GATE, CODE0, 0x600, 0xec);
    assert.equal(execute(ctx, 'jmpf', { immediate: far(GATE, 0) }), '13(8)');
    gateAt(ctx, GDT + GATE, CODE3, 0x600, 0xec);
    assert.equal(execute(ctx, 'jmpf', { immediate: far(GATE, 0) }), undefined);
    assert.deepEqual(where(ctx), [CODE3, 0x600, 3]);
  });

  it('long mode: 64-bit gates, null SS inside, RET of 64 bits back', () => {
    const ctx = context('long', 3);
    describe8(ctx, CODE3, 0, 0xfffff, 0xfb, 0xa);
    ctx.vcpu.setSegment(layout.TR, { selector: TASK, base: 0x3000n, limit: 0x67, attributes: 0x8b });
    ctx.write(0x3004n, 8, 0x7000n);
    gateAt(ctx, GDT + GATE, CODE64, 0x600, 0xec);
    ctx.write(BigInt(GDT + GATE + 8), 8, 0xffff8000n);
    ctx.write(0x4000n, 8, 0n);
    ctx.write(0x4004n, 2, BigInt(GATE | 3));
    assert.equal(execute(ctx, 'callfi', { size: 4, memory: 0x4000 }), undefined);
    assert.deepEqual([ctx.vcpu.rip, ctx.vcpu.cpl, ctx.vcpu.selector(layout.SS)], [0xffff800000000600n, 0, 0]);
    assert.deepEqual(stack(ctx, 8, 4), [0x5000, CODE3, 0x8000, DATA3]);
    assert.equal(execute(ctx, 'retf', { size: 8 }), undefined);
    assert.deepEqual([where(ctx), ctx.vcpu.gpr(4)], [[CODE3, 0x5000, 3], 0x8000n]);
  });

  it('long mode refuses 16-bit gates, tasks, and code with L and D', () => {
    const ctx = context('long');
    const jump = (access: number, flags = 0) => {
      describe8(ctx, SPARE, 0, 0xfffff, access, flags);
      ctx.write(0x4000n, 8, BigInt(SPARE) << 32n);
      return execute(ctx, 'jmpfi', { size: 4, memory: 0x4000 });
    };
    assert.deepEqual([jump(0x84), jump(0x89), jump(0x85), jump(0x9b, 0xe)], ['13(48)', '13(48)', '13(48)', '13(48)']);
    assert.equal(jump(0x9b, 0xa), undefined);
  });
});
