import assert from 'node:assert/strict';
import type { Timeline } from '../../../adapter/protocol/guest';
import { moved, pixelOf, positionAt, shownTime, ticks, timeOf, wholeOf, zoomed } from '../../../media/timeline/scale';

const checkpoint = (position: number, time: number, branch?: number) => ({
  id: position,
  position,
  time,
  bytes: 0,
  kept: false,
  ...(branch !== undefined && { branch }),
});
const TIMELINE: Timeline = {
  running: false,
  position: 2000, time: 3000, oldest: 0, newest: 4000, newestTime: 7000, events: [], branches: [],
  checkpoints: [checkpoint(0, 0), checkpoint(1000, 1000), checkpoint(9000, 1500, 1)],
}; // prettier-ignore

describe('scale of the timeline', () => {
  it('puts times on pixels and back', () => {
    const range = { from: 1000, to: 3000 };
    assert.equal(pixelOf(1500, range, 400), 100);
    assert.equal(timeOf(100, range, 400), 1500);
  });

  it('knows positions between those of the current branch, and goes on beyond them', () => {
    assert.equal(positionAt(TIMELINE, 500), 500);
    assert.equal(positionAt(TIMELINE, 2000), 1500);
    assert.equal(positionAt(TIMELINE, 5000), 3000);
    assert.equal(positionAt(TIMELINE, 9000), 5000);
    assert.equal(positionAt({ ...TIMELINE, position: 4000, time: 7000 }, 10_000), 4000 + 1500, 'at the newest place');
    assert.equal(positionAt({ ...TIMELINE, checkpoints: [], position: 0, time: 0, newest: 0, newestTime: 0 }, 99), 0, 'nothing is known');
  });

  it('zooms around a time, within the whole', () => {
    const whole = wholeOf(TIMELINE);
    assert.deepEqual([whole.from, whole.to > 7000], [0, true]);
    const near = zoomed({ from: 0, to: 8000 }, 0.5, 4000, { from: 0, to: 8000 });
    assert.deepEqual(near, { from: 2000, to: 6000 });
    assert.deepEqual(zoomed(near, 4, 4000, { from: 0, to: 8000 }), { from: 0, to: 8000 });
    assert.deepEqual(moved(near, 5000, { from: 0, to: 8000 }), { from: 4000, to: 8000 });
    assert.deepEqual(moved(near, -5000, { from: 0, to: 8000 }), { from: 0, to: 4000 });
  });

  it('marks round times', () => {
    assert.deepEqual(ticks({ from: 0, to: 1000 }, 500, 90), [0, 200, 400, 600, 800]);
    assert.deepEqual([shownTime(1.5e9, 1e8), shownTime(2_500_000, 1e5), shownTime(1500, 100)], ['1.5 s', '2.5 ms', '1.5 µs']);
  });
});
