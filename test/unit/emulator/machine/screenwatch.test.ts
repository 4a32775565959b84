import assert from 'node:assert/strict';
import type { Frame } from '../../../../emulator/machine/api';
import { showsImage } from '../../../../emulator/machine/screenwatch';

const frame = (width: number, height: number, dot: (x: number, y: number) => readonly [number, number, number, number?]): Frame => ({
  width,
  height,
  rgba: Uint8Array.from(Array.from({ length: width * height }, (_, i) => dot(i % width, Math.floor(i / width))).flatMap(([r, g, b, a = 255]) => [r, g, b, a])),
});
const pattern = (x: number, y: number): [number, number, number] => [(x * 40) & 0xff, (y * 60) & 0xff, (x ^ y) & 0xff];
const SCREEN = frame(40, 30, pattern);
const part = (left: number, top: number, change = 0): Frame =>
  frame(5, 4, (x, y) => pattern(x + left, y + top).map((value) => value + change) as [number, number, number]);
const shows = (image: Frame, more: { at?: { x: number; y: number }; tolerance?: number; percent?: number } = {}): boolean =>
  showsImage(SCREEN, { kind: 'image', image, tolerance: 0, percent: 0, ...more });

describe('an image on the screen', () => {
  it('is found anywhere, or only at its place', () => {
    for (const [x, y] of [
      [0, 0],
      [7, 9],
      [35, 26],
    ] as const) {
      // prettier-ignore
      assert.ok(shows(part(x, y)));
      assert.ok(shows(part(x, y), { at: { x, y } }));
    }
    assert.ok(!shows(part(7, 9), { at: { x: 8, y: 9 } }));
    assert.ok(!shows(part(7, 9), { at: { x: 38, y: 9 } }), 'beyond the edge');
    assert.ok(!shows(frame(5, 4, () => [1, 2, 3])));
    assert.ok(!shows(frame(41, 30, pattern)), 'larger than the screen');
    assert.ok(shows(SCREEN));
  });

  it('with colors that are a little different, and dots that are quite', () => {
    const at = { x: 2, y: 2 };
    assert.ok(!shows(part(2, 2, 3), { at }));
    assert.ok(shows(part(2, 2, 3), { at, tolerance: 3 }));
    const spoilt = frame(5, 4, (x, y) => (x === 3 && y === 1 ? [255, 255, 255] : pattern(x + 2, y + 2)));
    assert.ok(!shows(spoilt, { at, percent: 4 }));
    assert.ok(shows(spoilt, { at, percent: 5 }));
  });

  it('but for its transparent dots', () => {
    assert.ok(
      shows(
        frame(5, 4, (x, y) => (x < 4 ? [9, 9, 9, 0] : pattern(x + 6, y + 6))),
        { at: { x: 6, y: 6 } },
      ),
    );
  });
});
