import assert from 'node:assert/strict';
import { KEYS } from '../../../emulator/devices/scancodes';
import { CHORDS } from '../../../media/display/chords';
import { isSharp, SCALES, scaleName, sizeOf } from '../../../media/display/scale';

describe('scale of the display', () => {
  it('fits, or has pixels of a size', () => {
    assert.deepEqual(sizeOf('fit', { width: 640, height: 480 }), ['100%', '100%']);
    assert.deepEqual(sizeOf(1.5, { width: 640, height: 480 }), ['960px', '720px']);
    assert.deepEqual(sizeOf(2, { width: 0, height: 0 }), ['100%', '100%'], 'no picture yet');
    assert.deepEqual(SCALES.filter(isSharp), [1, 2, 3, 4]);
    assert.equal(SCALES.map(scaleName).join(), 'Fit,50 %,75 %,1:1,125 %,150 %,200 %,300 %,400 %');
  });
});

describe('chords of the display', () => {
  it('are keys that the keyboard has, each chord once', () => {
    const all = CHORDS.flat();
    for (const { name, codes } of all) for (const code of codes) assert.ok(KEYS[code], `${name}: ${code}`);
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  });
});
