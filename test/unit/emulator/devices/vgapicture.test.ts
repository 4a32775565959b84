import assert from 'node:assert/strict';
import { planeAddress } from '../../../../emulator/devices/vgapicture';
import { VgaBench } from './vgabench';

/** Two characters of 8 by 4 dots in byte mode. */
function text(columns = 2, lines = 4): VgaBench {
  const vga = new VgaBench().start();
  vga.crtc(columns, lines);
  vga.set(0x3c4, 1, 1);
  vga.set(0x3d4, 9, 0x43);
  vga.set(0x3d4, 0x0a, 0x20);
  vga.set(0x3d4, 0x14, 0x1f);
  return vga;
}
const put = (vga: VgaBench, address: number, ...planes: number[]): void => vga.memory.bytes.set(planes, 4 * address);
const glyph = (vga: VgaBench, character: number, row: number, bits: number, font = 0): void => {
  vga.memory.bytes[4 * (font + 32 * character + row) + 2] = bits;
};
const dots = (bits: string, on: number, off: number): number[] => [...bits].map((bit) => (bit === '#' ? on : off));

describe('picture of VGA', () => {
  it('text: font, colors, rows', () => {
    const vga = text(2, 8);
    put(vga, 0, 0x41, 0x1e);
    put(vga, 1, 0x42, 0x07);
    put(vga, 2, 0x42, 0x07);
    glyph(vga, 0x41, 0, 0b10100001);
    glyph(vga, 0x42, 1, 0b00000001);
    assert.deepEqual(vga.line(0), [...dots('#.#....#', 14, 1), ...dots('........', 7, 0)]);
    assert.deepEqual(vga.line(1), [...dots('........', 14, 1), ...dots('.......#', 7, 0)]);
    assert.deepEqual(vga.line(5).slice(0, 8), dots('.......#', 7, 0));
  });

  it('text of 9 dots: only boxes reach into the ninth', () => {
    const vga = text(2);
    vga.set(0x3c4, 1, 0);
    vga.attribute(0x13, 8);
    put(vga, 0, 0xc4, 0x07);
    put(vga, 1, 0x41, 0x07);
    glyph(vga, 0xc4, 0, 0xff);
    glyph(vga, 0x41, 0, 0xff);
    assert.deepEqual(vga.line(0), dots('########.########.', 7, 0));
    vga.attribute(0x10, 0x04);
    assert.deepEqual(vga.line(0), dots('#################.', 7, 0));
  });

  it('text that blinks, and its cursor', () => {
    const vga = text();
    put(vga, 0, 0x41, 0x97);
    glyph(vga, 0x41, 1, 0xf0);
    assert.deepEqual(vga.line(1).slice(0, 8), dots('####....', 7, 9), 'sixteen backgrounds');
    vga.attribute(0x10, 0x08);
    assert.deepEqual([0, 15, 16, 31, 32].map((frame) => vga.line(1, frame)[0]), [7, 7, 1, 1, 7]); // prettier-ignore
    vga.set(0x3d4, 0x0a, 2);
    vga.set(0x3d4, 0x0b, 3);
    vga.set(0x3d4, 0x0f, 1);
    put(vga, 1, 0, 0x0f);
    assert.deepEqual([0, 1, 2, 3].map((y) => vga.line(y)[8]), [0, 0, 15, 15]); // prettier-ignore
    assert.deepEqual([0, 7, 8, 15, 16].map((frame) => vga.line(2, frame)[15]), [15, 15, 0, 0, 15]); // prettier-ignore
    vga.set(0x3d4, 0x0a, 0x22);
    assert.equal(vga.line(2)[8], 0);
  });

  it('text of two fonts, and underlined', () => {
    const vga = text();
    vga.set(0x3c4, 3, 0b10_01_01); // A is 5, B is 1
    put(vga, 0, 0x41, 0x07);
    put(vga, 1, 0x41, 0x0f);
    glyph(vga, 0x41, 0, 0x0f, 0x4000);
    glyph(vga, 0x41, 0, 0xf0, 0x6000);
    assert.deepEqual(vga.line(0), [...dots('....####', 7, 0), ...dots('####....', 15, 0)]);
    put(vga, 0, 0, 0x01);
    vga.set(0x3d4, 0x14, 2);
    assert.deepEqual([1, 2].map((y) => vga.line(y)[0]), [0, 1]); // prettier-ignore
  });

  it('text that is scrolled by dots and by rows of dots', () => {
    const vga = text();
    [0x41, 0x42, 0x43].forEach((character, at) => put(vga, at, character, 0x07));
    [0x80, 0xc0, 0xe0].forEach((bits, i) => glyph(vga, 0x41 + i, 2, bits));
    vga.set(0x3d4, 8, 2);
    assert.deepEqual(vga.line(0), dots('#.......##......', 7, 0));
    vga.attribute(0x13, 6);
    assert.deepEqual(vga.line(0), dots('..##......###...', 7, 0));
    vga.set(0x3c4, 1, 0);
    vga.attribute(0x13, 8);
    assert.deepEqual(vga.line(0), dots('#........##.......', 7, 0));
    vga.attribute(0x13, 0);
    assert.deepEqual(vga.line(0), dots('........##.......#', 7, 0));
  });

  it('four planes: palette, enabled planes, color select', () => {
    const vga = text(1, 1);
    vga.attribute(0x10, 0x01);
    put(vga, 0, 0b10101010, 0b11001100, 0b11110000, 0b00000001);
    assert.deepEqual(vga.line(0), [7, 6, 5, 4, 3, 2, 1, 8]);
    vga.attribute(0x12, 0x03);
    assert.deepEqual(vga.line(0), [3, 2, 1, 0, 3, 2, 1, 0]);
    vga.attribute(3, 0x25);
    assert.equal(vga.line(0)[0], 0x25);
    vga.attribute(0x10, 0x81);
    vga.attribute(0x14, 0x03);
    assert.equal(vga.line(0)[0], 0x35);
  });

  it('two bits a pixel as CGA has them, and eight bits', () => {
    const vga = text(1, 1);
    vga.attribute(0x10, 0x01);
    put(vga, 0, 0b00011011, 0b11100100, 0b01000000, 0b00000001);
    vga.set(0x3ce, 5, 0x20);
    assert.deepEqual(vga.line(0), [4, 1, 2, 3, 3, 2, 1, 4]);
    vga.set(0x3ce, 5, 0x40);
    put(vga, 0, 40, 41, 42, 43);
    assert.deepEqual(vga.line(0), [40, 40, 41, 41, 42, 42, 43, 43]);
    vga.out(0x3c6, 0x0f);
    assert.deepEqual(vga.line(0), [8, 8, 9, 9, 10, 10, 11, 11]);
  });

  it('a clock of half the speed has every dot twice', () => {
    const vga = text(1, 1);
    vga.attribute(0x10, 0x01);
    vga.set(0x3c4, 1, 9);
    put(vga, 0, 0xa0);
    assert.deepEqual(vga.line(0), [1, 1, 0, 0, 1, 1, ...Array<number>(10).fill(0)]);
  });

  it('a split screen starts at address 0 behind line compare', () => {
    const vga = text(1, 4);
    vga.attribute(0x10, 0x01);
    vga.set(0x3d4, 9, 0);
    vga.set(0x3d4, 7, 0);
    vga.set(0x3d4, 0x13, 1);
    vga.set(0x3d4, 0x0d, 0x40);
    vga.set(0x3d4, 0x18, 1);
    put(vga, 0, 0x80);
    put(vga, 2, 0, 0x80);
    put(vga, 0x40, 0, 0, 0x80);
    put(vga, 0x42, 0, 0, 0, 0x80);
    assert.deepEqual([0, 1, 2, 3].map((y) => vga.line(y)[0]), [4, 8, 1, 2]); // prettier-ignore
    vga.attribute(0x13, 7);
    vga.attribute(0x10, 0x21);
    assert.deepEqual([0, 1, 2, 3].map((y) => vga.line(y)[0]), [0, 0, 1, 2], 'which is not panned'); // prettier-ignore
  });

  it('lines twice, and rows of several lines', () => {
    const vga = text(1, 8);
    vga.attribute(0x10, 0x01);
    vga.set(0x3d4, 0x13, 1);
    put(vga, 0, 0xff);
    put(vga, 2, 0, 0xff);
    vga.set(0x3d4, 9, 0x81 | 0x40);
    assert.deepEqual([0, 3, 4, 7].map((y) => vga.line(y)[0]), [1, 1, 2, 2]); // prettier-ignore
  });

  it('is black while the screen is off', () => {
    const vga = text(1, 1);
    put(vga, 0, 0, 0x70);
    assert.equal(vga.line(0)[0], 7);
    vga.set(0x3c4, 1, 0x21);
    assert.equal(vga.line(0)[0], 0);
    vga.set(0x3c4, 1, 0x01);
    vga.in(0x3da);
    vga.out(0x3c0, 0);
    assert.equal(vga.line(0)[0], 0);
  });

  it('makes addresses by bytes, words and doublewords, and as CGA has lines', () => {
    const vga = new VgaBench().start();
    const address = (counter: number, row = 0): number => planeAddress(vga.state, counter, row);
    vga.set(0x3d4, 0x17, 0xe3);
    assert.equal(address(0x9234), 0x9234);
    vga.set(0x3d4, 0x17, 0xa3);
    assert.deepEqual([address(0x1234), address(0x9234)], [0x2468, 0x2469]);
    vga.set(0x3d4, 0x17, 0x83);
    assert.deepEqual([address(0x1234), address(0x3234)], [0x2468, 0x6469]);
    vga.set(0x3d4, 0x14, 0x40);
    assert.deepEqual([address(0x1234), address(0x9234)], [0x48d0, 0x48d2]);
    vga.set(0x3d4, 0x14, 0);
    vga.set(0x3d4, 0x17, 0xe0);
    assert.deepEqual([0, 1, 2, 3].map((row) => address(0x1000, row)), [0x1000, 0x3000, 0x5000, 0x7000]); // prettier-ignore
  });
});
