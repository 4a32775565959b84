import assert from 'node:assert/strict';
import { Frequency } from '../../../../emulator/devices/frequency';
import { random } from './context';

describe('Frequency', () => {
  it('is exact at every time and frequency', () => {
    const next = random(7);
    for (const hertz of [32768, 1193182, 3579545, 100_000_000, 128 * 1024 * 1024, 2_400_000_000, 0xffffffff]) {
      const clock = new Frequency(hertz);
      for (let i = 0; i < 2000; i++) {
        const ns = i < 20 ? i : next(2 ** 21) * 2 ** 32 + next(2 ** 32);
        const exact = (BigInt(ns) * BigInt(hertz)) / 1_000_000_000n;
        if (exact > 2n ** 53n) continue;
        const ticks = clock.ticksAt(ns);
        assert.equal(BigInt(ticks), exact);
        const at = clock.nsAt(ticks + 1);
        assert.ok(clock.ticksAt(at) >= ticks + 1 && clock.ticksAt(at - 1) <= ticks, `${hertz} ${ns}`);
      }
    }
  });
});
