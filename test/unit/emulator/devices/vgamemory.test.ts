import assert from 'node:assert/strict';
import { VgaBench } from './vgabench';

/** All planes at A0000, sequential, every bit written. */
function planar(): VgaBench {
  const vga = new VgaBench().start();
  vga.set(0x3c4, 2, 0x0f);
  vga.set(0x3c4, 4, 0x06);
  vga.set(0x3ce, 6, 0x05);
  vga.set(0x3ce, 8, 0xff);
  return vga;
}
const latched = (vga: VgaBench, ...planes: number[]): void => {
  vga.memory.bytes.set(planes, 4 * 0x100);
  vga.window.mmioRead(0x100, 1);
};

describe('VGA memory', () => {
  it('answers where the memory map says, while it is enabled', () => {
    const vga = planar();
    const answers = (): boolean[] => [0x00000, 0x0ffff, 0x10000, 0x17fff, 0x18000, 0x1ffff].map((at) => vga.window.mmioRead(at, 1) === 0x5a);
    vga.memory.bytes.fill(0x5a);
    const maps = [0x00, 0x04, 0x08, 0x0c].map((map) => {
      vga.set(0x3ce, 6, map | 1);
      return answers();
    });
    assert.deepEqual(maps[0], [true, true, true, true, true, true]);
    assert.deepEqual(maps[1], [true, true, false, false, false, false]);
    assert.deepEqual(maps[2], [false, false, true, true, false, false]);
    assert.deepEqual(maps[3], [false, false, false, false, true, true]);
    vga.out(0x3c2, 0x21);
    assert.deepEqual(answers(), [false, false, false, false, false, false]);
  });

  it('write mode 0: rotation, set/reset, functions, bit mask, map mask', () => {
    const vga = planar();
    vga.set(0x3ce, 3, 3); // rotates right by 3
    vga.window.mmioWrite(0, 1, 0b1000_0101);
    assert.deepEqual(vga.planes(0), [0xb0, 0xb0, 0xb0, 0xb0]);
    vga.set(0x3ce, 3, 0);
    vga.set(0x3ce, 0, 0b0101);
    vga.set(0x3ce, 1, 0b0011);
    vga.window.mmioWrite(1, 1, 0x3c);
    assert.deepEqual(vga.planes(1), [0xff, 0x00, 0x3c, 0x3c], 'planes 0 and 1 take set/reset');
    vga.set(0x3ce, 1, 0);
    for (const [fn, expected] of [
      [1, [0x08, 0x34, 0x00, 0x3c]],
      [2, [0x3e, 0x3d, 0x3c, 0xff]],
      [3, [0x36, 0x09, 0x3c, 0xc3]],
    ] as const) {
      vga.set(0x3ce, 3, fn << 3);
      latched(vga, 0x0a, 0x35, 0x00, 0xff);
      vga.window.mmioWrite(2, 1, 0x3c);
      assert.deepEqual(vga.planes(2), expected);
    }
    vga.set(0x3ce, 3, 0);
    vga.set(0x3ce, 8, 0x0f);
    vga.set(0x3c4, 2, 0x06);
    latched(vga, 0x11, 0x22, 0x33, 0x44);
    vga.window.mmioWrite(3, 1, 0xee);
    assert.deepEqual(vga.planes(3), [0, 0x2e, 0x3e, 0]);
  });

  it('write mode 1 stores the latches', () => {
    const vga = planar();
    vga.set(0x3ce, 5, 1);
    vga.set(0x3ce, 8, 0);
    latched(vga, 1, 2, 3, 4);
    vga.window.mmioWrite(9, 1, 0xff);
    assert.deepEqual(vga.planes(9), [1, 2, 3, 4]);
  });

  it('write mode 2 makes planes of the four bits', () => {
    const vga = planar();
    vga.set(0x3ce, 5, 2);
    vga.set(0x3ce, 8, 0xf0);
    latched(vga, 0x12, 0x34, 0x56, 0x78);
    vga.window.mmioWrite(9, 1, 0b1010);
    assert.deepEqual(vga.planes(9), [0x02, 0xf4, 0x06, 0xf8]);
  });

  it('write mode 3 takes data as bit mask, and set/reset as color', () => {
    const vga = planar();
    vga.set(0x3ce, 5, 3);
    vga.set(0x3ce, 0, 0b0011);
    vga.set(0x3ce, 8, 0x3f);
    latched(vga, 0, 0xff, 0, 0xff);
    vga.window.mmioWrite(9, 1, 0xf0);
    assert.deepEqual(vga.planes(9), [0x30, 0xff, 0x00, 0xcf]);
  });

  it('read mode 0 gives a plane, read mode 1 compares colors', () => {
    const vga = planar();
    latched(vga, 0b11110000, 0b11001100, 0b10101010, 0xff);
    for (const [plane, expected] of [0xf0, 0xcc, 0xaa, 0xff].entries()) {
      vga.set(0x3ce, 4, plane);
      assert.equal(vga.window.mmioRead(0x100, 1), expected);
    }
    vga.set(0x3ce, 5, 8);
    vga.set(0x3ce, 2, 0b0101);
    vga.set(0x3ce, 7, 0b0111);
    assert.equal(vga.window.mmioRead(0x100, 1), 0b00100000, 'plane 0 and 2 set, 1 clear, 3 does not matter');
    vga.set(0x3ce, 7, 0);
    assert.equal(vga.window.mmioRead(0x100, 1), 0xff);
  });

  it('chain-4: the low bits of an address are the plane', () => {
    const vga = planar();
    vga.set(0x3c4, 4, 0x0e);
    vga.window.mmioWrite(0x100, 4, 0x44332211);
    assert.deepEqual(vga.planes(0x100), [0x11, 0x22, 0x33, 0x44]);
    assert.deepEqual([vga.window.mmioRead(0x102, 1), vga.window.mmioRead(0x100, 4)], [0x33, 0x44332211]);
  });

  it('odd and even: characters in plane 0, attributes in plane 1', () => {
    const vga = planar();
    vga.set(0x3c4, 2, 3);
    vga.set(0x3c4, 4, 2);
    vga.set(0x3ce, 5, 0x10);
    vga.set(0x3ce, 6, 0x0e);
    vga.window.mmioWrite(0x18004, 2, 0x0741);
    assert.deepEqual(vga.planes(4), [0x41, 0x07, 0, 0]);
    assert.equal(vga.window.mmioRead(0x18004, 2), 0x0741);
    assert.deepEqual([...new Set(vga.written)], [16], 'its page is marked');
  });
});
