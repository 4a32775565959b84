import assert from 'node:assert/strict';
import { LegacyRoute } from '../../../../emulator/machine/legacyroute';

describe('LegacyRoute', () => {
  it('gives the input what the chip asserts, except while the HPET has replaced it', () => {
    let level = false;
    const route = new LegacyRoute({ set: (to) => void (level = to) });
    route.chip.set(true);
    assert.equal(level, true);
    route.replace(true);
    assert.equal(level, false, 'cut off');
    route.chip.set(false);
    route.chip.set(true);
    assert.equal(level, false);
    route.replace(false);
    assert.equal(level, true, 'as the chip has it now');
    route.replace(true);
    route.chip.set(false);
    route.replace(false);
    assert.equal(level, false);
  });
});
