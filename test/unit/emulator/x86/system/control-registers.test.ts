import assert from 'node:assert/strict';
import * as layout from '../../../../../emulator/x86/layout';
import { context, execute, type FakeContext, gpr } from './fake-context';

const RAX = 0;
const DR = (n: number) => layout.DR + n * 8;

function write(ctx: FakeContext, register: number, value: bigint): string | undefined {
  ctx.vcpu.setGpr(RAX, value);
  return execute(ctx, 'movtocr', { size: ctx.vcpu.mode64 ? 8 : 4, places: [register, gpr(RAX)] });
}
function writeDebug(ctx: FakeContext, number: number, value: bigint): string | undefined {
  ctx.vcpu.setGpr(RAX, value);
  return execute(ctx, 'movtodr', { size: ctx.vcpu.mode64 ? 8 : 4, places: [DR(number), gpr(RAX)] });
}
const GP0 = '13(0)';

describe('MOV to and from control registers', () => {
  it('needs privilege 0', () => {
    const ctx = context('protected', 3);
    assert.equal(write(ctx, layout.CR0, 0x11n), GP0);
    assert.equal(execute(ctx, 'movfromcr', { places: [gpr(0), layout.CR0] }), GP0);
    assert.equal(execute(ctx, 'clts'), GP0);
  });

  it('refuses paging without protection, and NW without CD', () => {
    const ctx = context('real');
    assert.equal(write(ctx, layout.CR0, 0x80000000n), GP0);
    assert.equal(write(ctx, layout.CR0, 0x20000000n), GP0);
    assert.equal(ctx.vcpu.cr0, 0n);
    assert.equal(write(ctx, layout.CR0, 0x60000001n), undefined);
    assert.equal(ctx.vcpu.cr0, 0x60000011n, 'ET is always set');
  });

  it('refuses CR4 bits of features that there are not', () => {
    const ctx = context('protected');
    for (const bit of [0, 1, 11, 12, 13, 14, 17, 22, 31]) assert.equal(write(ctx, layout.CR4, 1n << BigInt(bit)), GP0, `bit ${bit}`);
    assert.equal(write(ctx, layout.CR4, 0x3507fcn), undefined);
  });

  it('enters long mode with paging, only with PAE and from a segment without L', () => {
    const ctx = context('protected');
    const { vcpu } = ctx;
    vcpu.setU64(layout.EFER, 0x100n);
    assert.equal(write(ctx, layout.CR0, 0x80000011n), GP0, 'without PAE');
    vcpu.setU64(layout.CR4, 0x20n);
    const code = vcpu.segment(layout.CS);
    vcpu.setSegment(layout.CS, { ...code, attributes: code.attributes | 0x2000 });
    assert.equal(write(ctx, layout.CR0, 0x80000011n), GP0, 'with CS.L');
    vcpu.setSegment(layout.CS, code);
    vcpu.setSegment(layout.TR, { selector: 0x30, base: 0n, limit: 0x67, attributes: 0x83 });
    assert.equal(write(ctx, layout.CR0, 0x80000011n), GP0, 'with a 16-bit TSS');
    vcpu.setSegment(layout.TR, { selector: 0x30, base: 0n, limit: 0x67, attributes: 0x8b });
    assert.equal(vcpu.longMode, false);
    assert.equal(write(ctx, layout.CR0, 0x80000011n), undefined);
    assert.equal(vcpu.longMode, true);
    assert.ok(ctx.flushes > 0);
    assert.equal(write(ctx, layout.CR4, 0n), GP0, 'PAE stays');
    assert.equal(write(ctx, layout.CR0, 0x11n), undefined, 'compatibility mode may turn paging off');
    assert.equal(vcpu.longMode, false);
  });

  it('keeps paging in 64-bit mode, and the upper halves zero', () => {
    const ctx = context('long');
    assert.equal(write(ctx, layout.CR0, 0x11n), GP0);
    assert.equal(write(ctx, layout.CR0, 0x180000011n), GP0);
    assert.equal(write(ctx, layout.CR3, 1n << 46n), GP0);
    assert.equal(write(ctx, layout.CR3, (1n << 46n) - 0x1000n), undefined);
    assert.equal(write(ctx, layout.CR8, 16n), GP0);
    assert.equal(write(ctx, layout.CR8, 15n), undefined);
    assert.equal(ctx.priority, 15);
  });

  it('refuses PAE paging over entries with reserved bits, at each register that starts it', () => {
    const TABLE = 0x3000;
    const paging = 0x80000011n;
    const bad = [0x3n, 0x5n, 0x21n, 0x101n, 1n | (1n << 46n), 1n | (1n << 63n)];
    for (const entry of bad) {
      const ctx = context('protected');
      ctx.memory.setBigUint64(TABLE + 24, entry, true);
      assert.equal(write(ctx, layout.CR3, BigInt(TABLE)), undefined, 'no paging yet');
      assert.equal(write(ctx, layout.CR4, 0x20n), undefined, 'no paging yet');
      assert.equal(write(ctx, layout.CR0, paging), GP0, entry.toString(16));
      assert.equal(ctx.vcpu.cr0 >> 31n, 0n);
      ctx.memory.setBigUint64(TABLE + 24, entry & ~1n, true);
      assert.equal(write(ctx, layout.CR0, paging), undefined, 'an entry that is not present has no reserved bits');
      ctx.memory.setBigUint64(TABLE + 24, entry, true);
      assert.equal(write(ctx, layout.CR3, BigInt(TABLE | 0x18)), GP0);
      assert.equal(write(ctx, layout.CR4, 0xa0n), GP0);
      assert.equal(ctx.vcpu.u64(layout.CR3), BigInt(TABLE));
      assert.equal(ctx.vcpu.cr4, 0x20n);
    }
    const ctx = context('protected');
    for (let index = 0; index < 4; index++) ctx.memory.setBigUint64(TABLE + index * 8, 0xe19n | 0x4000n, true);
    assert.equal(write(ctx, layout.CR3, BigInt(TABLE)), undefined);
    assert.equal(write(ctx, layout.CR4, 0x20n), undefined);
    assert.equal(write(ctx, layout.CR0, paging), undefined, 'PWT, PCD and ignored bits are allowed');
  });

  it('LMSW sets PE and does not clear it', () => {
    const ctx = context('real');
    for (const [value, cr0] of [
      [0xfff1n, 0x11n],
      [0n, 0x11n],
      [0xen, 0x1fn],
    ] as const) {
      ctx.vcpu.setGpr(RAX, value);
      assert.equal(execute(ctx, 'lmsw', { size: 2, places: [gpr(RAX)] }), undefined);
      assert.equal(ctx.vcpu.cr0, cr0);
    }
  });
});

describe('MOV to and from debug registers', () => {
  it('DR4 and DR5 are DR6 and DR7, unless CR4.DE is set', () => {
    const ctx = context('protected');
    assert.equal(writeDebug(ctx, 5, 0xdfffn), undefined);
    assert.equal(ctx.vcpu.u64(DR(7)), 0x7ffn);
    ctx.vcpu.setU64(layout.CR4, 8n);
    assert.equal(writeDebug(ctx, 4, 0n), '6');
  });

  it('has fixed bits', () => {
    const ctx = context('long');
    assert.equal(writeDebug(ctx, 6, 0n), undefined);
    assert.equal(ctx.vcpu.u64(DR(6)), 0xffff0ff0n);
    assert.equal(writeDebug(ctx, 7, 0n), undefined);
    assert.equal(ctx.vcpu.u64(DR(7)), 0x400n);
    assert.equal(writeDebug(ctx, 6, 1n << 32n), GP0);
    assert.equal(writeDebug(ctx, 0, 1n << 32n), undefined);
  });

  it('GD makes every access a debug exception, once', () => {
    const ctx = context('protected');
    writeDebug(ctx, 7, 0x2000n);
    assert.equal(execute(ctx, 'movfromdr', { places: [gpr(RAX), DR(0)] }), '1');
    assert.ok(ctx.vcpu.u32(DR(6)) & 0x2000, 'BD');
    assert.equal(execute(ctx, 'movfromdr', { places: [gpr(RAX), DR(0)] }), undefined);
  });
});

describe('INVPCID', () => {
  const run = (type: bigint, pcid: bigint, address = 0n) => {
    const ctx = context('long');
    ctx.vcpu.setGpr(RAX, type);
    ctx.write(0x4000n, 8, pcid);
    ctx.write(0x4008n, 8, address);
    return execute(ctx, 'invpcid', { size: 8, places: [gpr(RAX)], memory: 0x4000 });
  };
  it('checks its type and descriptor', () => {
    assert.deepEqual([run(0n, 0n), run(2n, 0n), run(2n, 5n), run(3n, 0n)], [undefined, undefined, undefined, undefined]);
    assert.deepEqual([run(4n, 0n), run(1n, 1n), run(2n, 0x1000n), run(0n, 0n, 1n << 47n)], [GP0, GP0, GP0, GP0]);
  });
});
