import assert from 'node:assert/strict';
import { ZF } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { UNUSABLE } from '../../../../../emulator/x86/vcpu';
import { accessOf, CODE0, CODE3, context, DATA0, DATA3, describe8, execute, type FakeContext, GDT, gpr, segmentPlace, TASK } from './fake-context';

const RAX = 0;
const SPARE = 0x48;

/** MOV Sreg, AX. */
function move(ctx: FakeContext, number: number, selector: number): string | undefined {
  ctx.vcpu.setGpr(RAX, BigInt(selector));
  return execute(ctx, 'movtosreg', { size: 2, places: [segmentPlace(number), gpr(RAX)] });
}
function run(ctx: FakeContext, name: string, selector: number): string | undefined {
  ctx.vcpu.setGpr(RAX, BigInt(selector));
  return execute(ctx, name, { size: 2, places: [gpr(RAX), gpr(RAX)] });
}

describe('Loading data segments', () => {
  it('takes base, limit and attributes from the descriptor, and marks it accessed', () => {
    const ctx = context('protected');
    describe8(ctx, SPARE, 0x12345678, 0xabcde, 0x92, 0x8);
    assert.equal(move(ctx, layout.DS, SPARE), undefined);
    assert.deepEqual(ctx.vcpu.segment(layout.DS), { selector: SPARE, base: 0x12345678n, limit: 0xabcdefff, attributes: 0x8093 });
    assert.equal(accessOf(ctx, SPARE), 0x93);
  });

  it('faults with the selector', () => {
    const ctx = context('protected');
    const cases: [number, number, number | undefined, string][] = [
      [layout.DS, 0x100, undefined, '13(100)'], // beyond the limit
      [layout.DS, SPARE | 4, 0x93, '13(4c)'], // no LDT
      [layout.DS, SPARE, 0x13, '11(48)'], // not present
      [layout.SS, SPARE, 0x13, '12(48)'],
      [layout.DS, SPARE, 0x99, '13(48)'], // code that can't be read
      [layout.DS, SPARE, 0x89, '13(48)'], // a TSS
      [layout.SS, SPARE, 0x91, '13(48)'], // read-only stack
      [layout.SS, SPARE, 0xf3, '13(48)'], // another DPL
      [layout.SS, SPARE | 3, 0x93, '13(48)'], // another RPL
      [layout.SS, 0, undefined, '13(0)'],
      [layout.CS, SPARE, 0x9b, '6'],
    ];
    const before = ctx.vcpu.segment(layout.DS);
    for (const [number, selector, access, fault] of cases) {
      if (access !== undefined) describe8(ctx, SPARE, 0, 0xfffff, access, 0xc);
      assert.equal(move(ctx, number, selector), fault, `${number} ${selector.toString(16)} ${access?.toString(16)}`);
    }
    assert.deepEqual(ctx.vcpu.segment(layout.DS), before);
  });

  it('privilege counts for data, not for conforming code', () => {
    const ctx = context('protected', 3);
    assert.equal(move(ctx, layout.DS, DATA0), '13(10)');
    assert.equal(move(ctx, layout.DS, DATA3), undefined);
    describe8(ctx, SPARE, 0, 0xfffff, 0x9f, 0xc);
    assert.equal(move(ctx, layout.DS, SPARE), undefined);
  });

  it('null makes a data segment unusable, and SS only in 64-bit mode at privileges 0–2', () => {
    const ctx = context('long');
    assert.equal(move(ctx, layout.ES, 2), undefined);
    assert.ok(ctx.vcpu.attributes(layout.ES) & UNUSABLE);
    assert.equal(move(ctx, layout.SS, 0), undefined);
    assert.equal(move(ctx, layout.SS, 1), '13(0)');
    assert.equal(move(context('long', 3), layout.SS, 3), '13(0)');
  });

  it('loading SS, and nothing else, holds interrupts back', () => {
    const ctx = context('protected');
    move(ctx, layout.DS, DATA0);
    assert.equal(ctx.vcpu.u64(layout.SHADOW_COUNT), 0n);
    move(ctx, layout.SS, DATA0);
    assert.equal(ctx.vcpu.u64(layout.SHADOW_COUNT), ctx.count());
  });

  it('a fault of POP leaves the stack pointer', () => {
    const ctx = context('protected');
    ctx.write(0x8000n, 4, 0x100n);
    assert.equal(execute(ctx, 'popds'), '13(100)');
    assert.equal(ctx.vcpu.gpr(4), 0x8000n);
    ctx.write(0x8000n, 4, BigInt(DATA0));
    assert.equal(execute(ctx, 'popds'), undefined);
    assert.equal(ctx.vcpu.gpr(4), 0x8004n);
  });

  it('real mode: the base is 16 times the selector, the limit stays', () => {
    const ctx = context('real');
    ctx.vcpu.setSegment(layout.DS, { selector: 0, base: 0n, limit: 0xffffffff, attributes: 0xc093 });
    move(ctx, layout.DS, 0x1234);
    assert.deepEqual(ctx.vcpu.segment(layout.DS), { selector: 0x1234, base: 0x12340n, limit: 0xffffffff, attributes: 0xc093 });
  });
});

describe('LTR and LLDT', () => {
  it('LTR wants an available TSS in the GDT, and marks it busy', () => {
    const ctx = context('protected');
    describe8(ctx, TASK, 0x3000, 0x67, 0x89);
    assert.deepEqual([run(ctx, 'ltr', 0), run(ctx, 'ltr', TASK | 4), run(ctx, 'ltr', DATA0)], ['13(0)', '13(34)', '13(10)']);
    assert.equal(run(ctx, 'ltr', TASK), undefined);
    assert.equal(accessOf(ctx, TASK), 0x8b);
    assert.deepEqual(ctx.vcpu.segment(layout.TR), { selector: TASK, base: 0x3000n, limit: 0x67, attributes: 0x8b });
    assert.equal(run(ctx, 'ltr', TASK), '13(30)', 'busy');
  });

  it('long mode: 16-byte descriptors, canonical bases, no 16-bit TSS', () => {
    const ctx = context('long');
    describe8(ctx, TASK, 0x3000, 0x67, 0x81);
    assert.equal(run(ctx, 'ltr', TASK), '13(30)');
    describe8(ctx, TASK, 0x3000, 0x67, 0x89);
    ctx.write(BigInt(GDT + TASK + 8), 8, 0x8000n);
    assert.equal(run(ctx, 'ltr', TASK), '13(30)', 'not canonical');
    ctx.write(BigInt(GDT + TASK + 8), 8, 0xffff8000n | (1n << 40n));
    assert.equal(run(ctx, 'ltr', TASK), '13(30)', 'type of the second half');
    ctx.write(BigInt(GDT + TASK + 8), 8, 0xffff8000n);
    assert.equal(run(ctx, 'ltr', TASK), undefined);
    assert.equal(ctx.vcpu.segment(layout.TR).base, 0xffff800000003000n);
    ctx.vcpu.setU32(layout.GDTR_LIMIT, TASK + 7);
    describe8(ctx, TASK, 0x3000, 0x67, 0x89);
    assert.equal(run(ctx, 'ltr', TASK), '13(30)', 'cut by the limit');
  });

  it('LLDT takes an LDT or null; selectors with TI then come from it', () => {
    const ctx = context('protected');
    assert.equal(run(ctx, 'lldt', DATA0), '13(10)');
    describe8(ctx, TASK, GDT, 0xff, 0x02);
    assert.equal(run(ctx, 'lldt', TASK), '11(30)');
    describe8(ctx, TASK, GDT, 0xff, 0x82);
    assert.equal(run(ctx, 'lldt', TASK), undefined);
    assert.equal(move(ctx, layout.DS, DATA0 | 4), undefined);
    assert.equal(run(ctx, 'lldt', 0), undefined);
    assert.equal(move(ctx, layout.DS, DATA0 | 4), '13(14)');
  });

  it('need protected mode and privilege 0', () => {
    assert.equal(run(context('real'), 'ltr', TASK), '6');
    assert.equal(run(context('protected', 3), 'ltr', TASK), '13(0)');
    assert.equal(run(context('protected', 3), 'lldt', 0), '13(0)');
  });
});

describe('Looking at descriptors', () => {
  const zero = (ctx: FakeContext) => (ctx.vcpu.rflags & ZF) !== 0n;

  it('LAR and LSL answer only for what is visible', () => {
    const ctx = context('protected', 3);
    describe8(ctx, SPARE, 0, 0x12345, 0xf3, 0x8);
    const ask = (name: string, selector: number) => {
      ctx.vcpu.setGpr(RAX, BigInt(selector));
      assert.equal(execute(ctx, name, { places: [gpr(1), gpr(RAX)] }), undefined);
      return zero(ctx) ? ctx.vcpu.gpr(1) : undefined;
    };
    assert.equal(ask('lsl', SPARE), 0x12345fffn);
    assert.equal(ask('lar', SPARE), 0x81f300n);
    for (const selector of [0, 0x100, DATA0]) assert.equal(ask('lsl', selector), undefined);
    describe8(ctx, SPARE, 0, 0, 0xec, 0);
    assert.equal(ask('lsl', SPARE), undefined, 'a gate has no limit');
    assert.equal(ask('lar', SPARE), 0xec00n);
  });

  it('VERR and VERW', () => {
    const ctx = context('protected', 3);
    const verify = (name: string, selector: number) => {
      assert.equal(run(ctx, name, selector), undefined);
      return zero(ctx);
    };
    assert.deepEqual([verify('verr', DATA3), verify('verw', DATA3)], [true, true]);
    assert.deepEqual([verify('verr', CODE3), verify('verw', CODE3)], [true, false]);
    assert.deepEqual([verify('verr', CODE0), verify('verw', DATA0), verify('verr', 0)], [false, false, false]);
  });

  it('ARPL raises the RPL', () => {
    const ctx = context('protected', 3);
    ctx.vcpu.setGpr(0, 0x10n);
    ctx.vcpu.setGpr(1, 0x3n);
    execute(ctx, 'arpl', { size: 2, places: [gpr(0), gpr(1)] });
    assert.deepEqual([ctx.vcpu.gpr(0), zero(ctx)], [0x13n, true]);
    execute(ctx, 'arpl', { size: 2, places: [gpr(0), gpr(1)] });
    assert.deepEqual([ctx.vcpu.gpr(0), zero(ctx)], [0x13n, false]);
  });
});

describe('Descriptor tables', () => {
  it('LGDT and SGDT, with 24-bit bases for 16-bit operands', () => {
    const ctx = context('protected');
    ctx.write(0x4000n, 2, 0x1237n);
    ctx.write(0x4002n, 4, 0x89abcdefn);
    assert.equal(execute(ctx, 'lgdt', { size: 4, memory: 0x4000 }), undefined);
    assert.deepEqual([ctx.vcpu.u64(layout.GDTR_BASE), ctx.vcpu.u32(layout.GDTR_LIMIT)], [0x89abcdefn, 0x1237]);
    execute(ctx, 'sgdt', { size: 4, memory: 0x4100 });
    assert.deepEqual([ctx.read(0x4100n, 2), ctx.read(0x4102n, 4)], [0x1237n, 0x89abcdefn]);
    execute(ctx, 'lgdt', { size: 2, memory: 0x4000 });
    assert.equal(ctx.vcpu.u64(layout.GDTR_BASE), 0xabcdefn);
  });
  it('LIDT of a base that is not canonical faults', () => {
    const ctx = context('long');
    ctx.write(0x4002n, 8, 1n << 47n);
    assert.equal(execute(ctx, 'lidt', { size: 8, memory: 0x4000 }), '13(0)');
  });
  it('SGDT writes nothing where it faults', () => {
    const ctx = context('protected');
    ctx.absent.add(5);
    ctx.write(0x4ffen, 2, 0x5555n);
    assert.equal(execute(ctx, 'sgdt', { size: 4, memory: 0x4ffe }), '14(2)');
    assert.equal(ctx.read(0x4ffen, 2), 0x5555n);
  });
});
