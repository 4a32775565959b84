import assert from 'node:assert/strict';
import { vgaText } from '../../../../emulator/devices/vgatext';
import { VgaBench } from './vgabench';

/** Characters of 8 by 4 dots, in byte mode. */
function bench(columns: number, lines: number): VgaBench {
  const vga = new VgaBench().start();
  vga.crtc(columns, lines * 4);
  vga.set(0x3d4, 9, 0x43);
  return vga;
}
const put = (vga: VgaBench, address: number, text: string): void =>
  [...text].forEach((character, i) => vga.memory.bytes.set([character.charCodeAt(0), 0x07], 4 * (address + i)));
const textOf = (vga: VgaBench): string | undefined => vgaText(vga.state, vga.memory.bytes);

describe('text of VGA', () => {
  it('is what the lines show, without blanks at their ends', () => {
    const vga = bench(8, 3);
    put(vga, 0, 'A:\\>dir ');
    put(vga, 8, '        ');
    put(vga, 16, ' \xc9\xcd\xbb\0\xe1');
    assert.equal(textOf(vga), 'A:\\>dir\n\n ╔═╗ ß');
  });

  it('begins at the start address, and again at the top of the memory below a split', () => {
    const vga = bench(4, 3);
    put(vga, 0, 'top ');
    put(vga, 40, 'one two ');
    vga.set(0x3d4, 0x0d, 40);
    vga.set(0x3d4, 9, 0x03);
    vga.set(0x3d4, 7, 0x00);
    vga.set(0x3d4, 0x18, 7);
    assert.equal(textOf(vga), 'one\ntwo\ntop');
  });

  it('is none where dots are shown, or nothing', () => {
    const vga = bench(4, 1);
    assert.equal(textOf(vga), '');
    vga.attribute(0x10, 1);
    assert.equal(textOf(vga), undefined);
    vga.attribute(0x10, 0);
    vga.set(0x3c4, 1, 0x20);
    assert.equal(textOf(vga), undefined);
  });
});
