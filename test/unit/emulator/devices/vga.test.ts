import assert from 'node:assert/strict';
import { VgaBench } from './vgabench';

describe('VGA ports', () => {
  it('keep the bits that exist of indexed registers', () => {
    const vga = new VgaBench().start();
    for (let index = 0; index < 0x20; index++) for (const port of [0x3c4, 0x3ce, 0x3d4]) vga.set(port, index, 0xff);
    const file = (port: number, count: number): number[] => Array.from({ length: count }, (_, index) => vga.get(port, index));
    assert.deepEqual(file(0x3c4, 5), [0x03, 0x3d, 0x0f, 0x3f, 0x0e]);
    assert.deepEqual(file(0x3ce, 10), [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0]);
    assert.equal(vga.get(0x3d4, 0x18), 0xff);
    assert.equal(vga.get(0x3d4, 0x19), 0);
  });

  it('protect CR00 to CR07, but not line compare', () => {
    const vga = new VgaBench().start();
    vga.set(0x3d4, 0, 0x5f);
    vga.set(0x3d4, 7, 0x00);
    vga.set(0x3d4, 0x11, 0x80);
    vga.set(0x3d4, 0, 0);
    vga.set(0x3d4, 7, 0xff);
    vga.set(0x3d4, 8, 0x11);
    assert.deepEqual([vga.get(0x3d4, 0), vga.get(0x3d4, 7), vga.get(0x3d4, 8)], [0x5f, 0x10, 0x11]);
  });

  it('have the CRTC at 3Bx or 3Dx, by the miscellaneous output register', () => {
    const vga = new VgaBench();
    vga.out(0x3c2, 0x02);
    vga.set(0x3b4, 0x0e, 0x12);
    assert.deepEqual([vga.in(0x3b5), vga.in(0x3d5), vga.in(0x3cc)], [0x12, 0xff, 0x02]);
    vga.out(0x3c2, 0x03);
    assert.deepEqual([vga.in(0x3b5), vga.in(0x3d5), vga.in(0x3cc)], [0xff, 0x12, 0x03]);
    assert.equal(vga.in(0x3ba), 0xff);
  });

  it('take index and data of the attribute controller in turn; status 1 starts again', () => {
    const vga = new VgaBench().start();
    vga.in(0x3da);
    for (const value of [0x03, 0x2a, 0x11]) vga.out(0x3c0, value);
    vga.in(0x3da);
    vga.out(0x3c0, 0x03);
    assert.deepEqual([vga.in(0x3c0), vga.in(0x3c1)], [0x03, 0x2a]);
    vga.out(0x3c0, 0xff);
    assert.equal(vga.in(0x3c1), 0x3f);
  });

  it('write colors of the DAC in threes, and read them', () => {
    const vga = new VgaBench();
    vga.out(0x3c8, 254);
    for (const value of [1, 2, 3, 0xff, 5, 6, 7, 8]) vga.out(0x3c9, value);
    assert.equal(vga.in(0x3c7), 0);
    vga.out(0x3c7, 254);
    assert.equal(vga.in(0x3c7), 3);
    assert.deepEqual(Array.from({ length: 9 }, () => vga.in(0x3c9)), [1, 2, 3, 0x3f, 5, 6, 0, 0, 0], 'a color without blue is none yet'); // prettier-ignore
    assert.equal(vga.in(0x3c8), 1);
    vga.out(0x3c6, 0x0f);
    assert.equal(vga.in(0x3c6), 0x0f);
  });

  it('show the beam in status 1 by virtual time', () => {
    const vga = new VgaBench().start();
    // 640 by 480 at 25.175 MHz: 800 dots a line, 525 lines, retrace in lines 490 and 491.
    const registers: [number, number][] = [[0, 0x5f], [1, 0x4f], [6, 0x0b], [7, 0x3e], [0x10, 0xea], [0x11, 0x8c], [0x12, 0xdf]]; // prettier-ignore
    for (const [index, value] of registers) vga.set(0x3d4, index, value);
    vga.set(0x3c4, 1, 1);
    vga.out(0x3c2, 0xe3);
    const line = (800 * 1e9) / 25_175_000;
    const at = (lines: number): number => {
      vga.now = Math.round(lines * line);
      return vga.in(0x3da);
    };
    assert.deepEqual([0.1, 0.79, 0.81, 479.5, 480.1, 489.9, 490.1, 491.9, 492.1, 525.1].map(at), [0, 0, 1, 0, 1, 1, 9, 9, 1, 0]);
    assert.equal(at(525 * 1000 + 490.5), 9);
  });

  it('answer with ones where no register is', () => {
    const vga = new VgaBench().start();
    for (const port of [0x3cb, 0x3cd, 0x3d0, 0x3d8, 0x3df]) assert.equal(vga.in(port), 0xff);
    vga.out(0x3d8, 0);
  });
});
