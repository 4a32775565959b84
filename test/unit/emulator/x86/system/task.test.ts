import assert from 'node:assert/strict';
import { IF, IOPL, NT, VM } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { CR0_TS, SHUTDOWN, UNUSABLE } from '../../../../../emulator/x86/vcpu';
import { accessOf, CODE0, CODE3, context, DATA0, DATA3, describe8, execute, type FakeContext, gateAt, GDT, IDT, TASK } from './fake-context';
import { deliver, deliverException } from '../../../../../emulator/x86/system/deliver';
import { GuestException } from '../../../../../emulator/x86/system/exceptions';

const OLD = TASK;
const NEW = 0x38;
const GATE = 0x40;
const OLD_TSS = 0x3000;
const NEW_TSS = 0x4000;
const far = (selector: number): bigint => BigInt(selector) << 32n;

/** Two tasks: the running one at OLD, and one at privilege 3 that starts at 0x6000. */
function tasks(type: 'wide' | 'narrow' = 'wide'): FakeContext {
  const ctx = context('protected');
  describe8(ctx, OLD, OLD_TSS, 0x67, 0x8b);
  ctx.vcpu.setSegment(layout.TR, { selector: OLD, base: BigInt(OLD_TSS), limit: 0x67, attributes: 0x8b });
  gateAt(ctx, GDT + GATE, NEW, 0, 0x85);
  const put = (offset: number, value: number, size: 2 | 4) => ctx.write(BigInt(NEW_TSS + offset), size, BigInt(value));
  if (type === 'narrow') {
    describe8(ctx, NEW, NEW_TSS, 0x2b, 0x81);
    put(0x0e, 0x6000, 2);
    put(0x10, 0x202, 2);
    for (let i = 0; i < 8; i++) put(0x12 + i * 2, 0x100 + i, 2);
    [DATA3, CODE3, DATA3, DATA3].forEach((selector, i) => put(0x22 + i * 2, selector, 2));
    return ctx;
  }
  describe8(ctx, NEW, NEW_TSS, 0x67, 0x89);
  put(0x20, 0x6000, 4);
  put(0x24, 0x202, 4);
  for (let i = 0; i < 8; i++) put(0x28 + i * 4, 0x10000 + i, 4);
  [DATA3, CODE3, DATA3, DATA3, 0, DATA3].forEach((selector, i) => put(0x48 + i * 4, selector, 4));
  return ctx;
}
const where = (ctx: FakeContext) => [ctx.vcpu.selector(layout.CS), Number(ctx.vcpu.rip), ctx.vcpu.cpl, ctx.vcpu.selector(layout.TR)];
const inOld = [CODE0, 0x5000, 0, OLD];
const inNew = [CODE3, 0x6000, 3, NEW];

describe('Task switches', () => {
  for (const [how, selector] of [
    ['the TSS descriptor', NEW],
    ['a task gate', GATE],
  ] as const)
    it(`CALL by ${how}, and IRET back`, () => {
      const ctx = tasks();
      const { vcpu } = ctx;
      vcpu.setGpr(0, 0x77n);
      assert.equal(execute(ctx, 'callf', { immediate: far(selector) }), undefined);
      assert.deepEqual(where(ctx), inNew);
      assert.deepEqual([vcpu.gpr(0), vcpu.gpr(4), vcpu.gpr(7)], [0x10000n, 0x10004n, 0x10007n]);
      assert.deepEqual([vcpu.selector(layout.SS), vcpu.attributes(layout.FS) & UNUSABLE], [DATA3, UNUSABLE]);
      assert.equal(vcpu.rflags, 0x202n | NT);
      assert.ok(vcpu.cr0 & CR0_TS);
      assert.deepEqual([accessOf(ctx, OLD), accessOf(ctx, NEW)], [0x8b, 0x8b], 'both busy');
      assert.equal(ctx.read(BigInt(NEW_TSS), 2), BigInt(OLD));
      assert.deepEqual(
        [ctx.read(BigInt(OLD_TSS + 0x20), 4), ctx.read(BigInt(OLD_TSS + 0x28), 4), ctx.read(BigInt(OLD_TSS + 0x4c), 4)],
        [0x5000n, 0x77n, BigInt(CODE0)],
      );

      vcpu.setGpr(0, 0x99n);
      assert.equal(execute(ctx, 'iret'), undefined);
      assert.deepEqual(where(ctx), inOld);
      assert.deepEqual([vcpu.gpr(0), vcpu.gpr(4), vcpu.rflags], [0x77n, 0x8000n, 2n]);
      assert.deepEqual([accessOf(ctx, OLD), accessOf(ctx, NEW)], [0x8b, 0x89]);
      assert.equal(ctx.read(BigInt(NEW_TSS + 0x28), 4), 0x99n);
      assert.equal(ctx.read(BigInt(NEW_TSS + 0x24), 4), 0x202n, 'NT is cleared in the flags saved');
    });

  it('JMP does not nest', () => {
    const ctx = tasks();
    assert.equal(execute(ctx, 'jmpf', { immediate: far(NEW) }), undefined);
    assert.deepEqual(where(ctx), inNew);
    assert.deepEqual([ctx.vcpu.rflags & NT, accessOf(ctx, OLD), accessOf(ctx, NEW)], [0n, 0x89, 0x8b]);
  });

  it('a 16-bit TSS keeps the upper halves, and has no FS and GS', () => {
    const ctx = tasks('narrow');
    ctx.vcpu.setGpr(0, 0xaaaa5555n);
    assert.equal(execute(ctx, 'jmpf', { immediate: far(NEW) }), undefined);
    assert.deepEqual(where(ctx), inNew);
    assert.equal(ctx.vcpu.gpr(0), 0xaaaa0100n);
    assert.ok(ctx.vcpu.attributes(layout.GS) & UNUSABLE);
  });

  it('enters virtual-8086 mode', () => {
    const ctx = tasks();
    ctx.write(BigInt(NEW_TSS + 0x24), 4, VM | IOPL | IF | 2n);
    assert.equal(execute(ctx, 'jmpf', { immediate: far(NEW) }), undefined);
    assert.deepEqual([ctx.vcpu.cpl, ctx.vcpu.v86, ctx.vcpu.segment(layout.CS).base], [3, true, BigInt(CODE3 << 4)]);
  });

  it('refuses what is no available TSS, before anything changes', () => {
    const ctx = tasks();
    const call = (access: number, limit = 0x67) => {
      describe8(ctx, NEW, NEW_TSS, limit, access);
      const result = execute(ctx, 'callf', { immediate: far(NEW) });
      assert.deepEqual(where(ctx), inOld);
      return result;
    };
    assert.deepEqual([call(0x8b), call(0x09), call(0x89, 0x66)], ['13(38)', '11(38)', '10(38)']);
    describe8(ctx, NEW, NEW_TSS, 0x67, 0x89);
    ctx.absent.add(NEW_TSS >> 12);
    assert.equal(execute(ctx, 'callf', { immediate: far(NEW) }), '14(2)');
    assert.deepEqual([where(ctx), accessOf(ctx, NEW)], [inOld, 0x89]);
  });
});

describe('Task gates in the interrupt table', () => {
  it('an exception switches tasks, and pushes its error code there', () => {
    const ctx = tasks();
    gateAt(ctx, IDT + 13 * 8, NEW, 0, 0x85);
    assert.ok(deliverException(ctx, new GuestException(13, 0x50)));
    assert.deepEqual(where(ctx), inNew);
    assert.deepEqual([ctx.vcpu.gpr(4), ctx.read(0x10000n, 4)], [0x10000n, 0x50n]);
    assert.equal(ctx.read(BigInt(OLD_TSS + 0x24), 4) & 0x10000n, 0x10000n, 'RF in the flags of the old task');
  });

  it('INT n wants the privilege of the gate; external interrupts do not', () => {
    const ctx = tasks();
    ctx.vcpu.cpl = 3;
    gateAt(ctx, IDT + 0x30 * 8, NEW, 0, 0x85);
    assert.equal(execute(ctx, 'int', { immediate: 0x30n }), '13(182)');
    deliver(ctx, { vector: 0x30, kind: 'external' });
    assert.deepEqual(where(ctx), inNew);
  });

  it('a fault of the new task is delivered in the new task', () => {
    const ctx = tasks();
    // Its data segment is wrong; #TS goes to a handler at privilege 0, with a stack from the new TSS.
    ctx.write(BigInt(NEW_TSS + 0x54), 4, 0x100n);
    ctx.write(BigInt(NEW_TSS + 4), 4, 0x7000n);
    ctx.write(BigInt(NEW_TSS + 8), 4, BigInt(DATA0));
    gateAt(ctx, IDT + 10 * 8, CODE0, 0x600, 0x8e);
    assert.equal(execute(ctx, 'callf', { immediate: far(NEW) }), undefined);
    assert.deepEqual(where(ctx), [CODE0, 0x600, 0, NEW]);
    const frame = Array.from({ length: 3 }, (_, i) => Number(ctx.read(ctx.vcpu.gpr(4) + BigInt(i * 4), 4)));
    assert.deepEqual(frame, [0x100, 0x6000, CODE3]);
  });

  it('and shuts down where it can not be delivered', () => {
    const ctx = tasks();
    ctx.write(BigInt(NEW_TSS + 0x54), 4, 0x100n);
    assert.equal(execute(ctx, 'callf', { immediate: far(NEW) }), undefined);
    assert.equal(ctx.vcpu.u32(layout.ACTIVITY), SHUTDOWN);
  });
});
