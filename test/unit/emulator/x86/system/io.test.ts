import assert from 'node:assert/strict';
import * as layout from '../../../../../emulator/x86/layout';
import { portDenied } from '../../../../../emulator/x86/system/io';
import { context, execute, type FakeContext, gpr } from './fake-context';

const TSS = 0x8000;
const MAP = 0x68;
const GP0 = '13(0)';

/** A vCPU at a privilege, with a TSS whose bitmap starts behind its fixed part and covers ports 0 to `ports` - 1. */
function withMap(cpl: 0 | 3, { iopl = 0, ports = 0x400, type = 0xb } = {}): FakeContext {
  const ctx = context('protected', cpl);
  ctx.memory.setUint16(TSS + 102, MAP, true);
  ctx.vcpu.setSegment(layout.TR, { selector: 0x30, base: BigInt(TSS), limit: MAP + ports / 8, attributes: 0x80 | type });
  ctx.memory.setUint8(TSS + MAP + ports / 8, 0xff);
  ctx.vcpu.systemFlags = (ctx.vcpu.systemFlags & ~0x3000n) | (BigInt(iopl) << 12n);
  return ctx;
}
const deny = (ctx: FakeContext, port: number): void =>
  ctx.memory.setUint8(TSS + MAP + (port >> 3), ctx.memory.getUint8(TSS + MAP + (port >> 3)) | (1 << (port & 7)));

describe('Ports and the I/O permission bitmap', () => {
  it('lets privilege up to IOPL pass whatever the map says', () => {
    for (const [cpl, iopl] of [
      [0, 0],
      [3, 3],
    ] as const) {
      const ctx = withMap(cpl, { iopl });
      deny(ctx, 0x60);
      assert.equal(portDenied(ctx, 0x60, 1), false);
    }
  });

  it('asks for every bit of an access, across bytes of the map', () => {
    const ctx = withMap(3);
    deny(ctx, 0x68);
    assert.equal(portDenied(ctx, 0x67, 1), false);
    assert.equal(portDenied(ctx, 0x67, 2), true, 'the second port lies in the next byte');
    assert.equal(portDenied(ctx, 0x65, 2), false);
    assert.equal(portDenied(ctx, 0x65, 4), true);
    assert.equal(portDenied(ctx, 0x64, 4), false);
    assert.equal(portDenied(ctx, 0x68, 1), true);
    assert.equal(portDenied(ctx, 0x69, 4), false);
  });

  it('denies ports behind the limit of the TSS, and all of them without a 32-bit TSS', () => {
    const ctx = withMap(3, { ports: 0x100 });
    assert.equal(portDenied(ctx, 0xff, 1), false);
    assert.equal(portDenied(ctx, 0xff, 2), true, 'the byte behind the map is all ones');
    assert.equal(portDenied(ctx, 0x100, 1), true);
    assert.equal(portDenied(ctx, 0xffff, 1), true);
    assert.equal(portDenied(withMap(3, { type: 3 }), 0x60, 1), true);
    const short = withMap(3);
    short.vcpu.setSegment(layout.TR, { ...short.vcpu.segment(layout.TR), limit: 0x66 });
    assert.equal(portDenied(short, 0, 1), true);
  });

  it('virtual-8086 mode goes by the map alone', () => {
    const ctx = context('protected', 3);
    ctx.memory.setUint16(TSS + 102, MAP, true);
    ctx.vcpu.setSegment(layout.TR, { selector: 0x30, base: BigInt(TSS), limit: MAP + 0x80, attributes: 0x8b });
    ctx.vcpu.systemFlags |= 0x23000n;
    deny(ctx, 0x21);
    assert.equal(portDenied(ctx, 0x20, 1), false);
    assert.equal(portDenied(ctx, 0x21, 1), true);
  });

  it('a denied instruction reaches no port', () => {
    const ctx = withMap(3);
    deny(ctx, 0x70);
    ctx.vcpu.setGpr(2, 0x70n);
    assert.equal(execute(ctx, 'indx', { size: 1, places: [gpr(0), gpr(2)] }), GP0);
    assert.equal(execute(ctx, 'outimm', { size: 1, places: [0, gpr(0)], immediate: 0x70n }), GP0);
    assert.deepEqual(ctx.ports, []);
    assert.equal(execute(ctx, 'indx', { size: 1, places: [gpr(0), gpr(2)] }), GP0);
    ctx.vcpu.setGpr(2, 0x71n);
    assert.equal(execute(ctx, 'indx', { size: 1, places: [gpr(0), gpr(2)] }), undefined);
    assert.deepEqual(ctx.ports, ['r71/1']);
  });
});
