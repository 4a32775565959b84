import assert from 'node:assert/strict';
import { PmTimer } from '../../../../emulator/devices/pmtimer';
import { TestContext } from './context';

describe('PmTimer', () => {
  it('counts 3.579545 MHz of virtual time', () => {
    const context = new TestContext();
    const timer = new PmTimer(context);
    context.time = 1e9;
    assert.equal(timer.portRead(0x408, 4), 3579545);
    assert.equal(timer.portRead(0x408, 2), 3579545 & 0xffff);
    assert.equal(timer.portRead(0x40a, 1), 3579545 >> 16);
    timer.portWrite();
    assert.equal(timer.portRead(0x408, 4), 3579545);
    context.time = 2000e9;
    assert.equal(timer.portRead(0x408, 4), (2000 * 3579545) % 2 ** 32);
  });

  it('wraps at 24 bits, and knows when its highest bit changes', () => {
    const context = new TestContext();
    const timer = new PmTimer(context, { width: 24 });
    const carry = timer.nextCarry(0);
    context.time = carry - 1;
    assert.equal(timer.value(), 0x7fffff);
    assert.equal(timer.carries(carry - 1), 0);
    context.time = carry;
    assert.equal(timer.value(), 0x800000);
    assert.equal(timer.carries(carry), 1);
    context.time = timer.nextCarry(carry);
    assert.equal(timer.value(), 0);
  });
});
