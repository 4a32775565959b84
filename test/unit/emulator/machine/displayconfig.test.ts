import assert from 'node:assert/strict';
import { displayConfig } from '../../../../emulator/machine/displayconfig';
import { parseVnc } from '../../../../emulator/machine/vnc';

const refuse = (problem: string): never => {
  throw new Error(problem);
};
const read = (value: unknown) => displayConfig(value, refuse);
const framebuffer = { width: 1024, height: 768 };

describe('the display as people write it', () => {
  it('is a resolution, a device, or none', () => {
    assert.deepEqual(read('800x600'), { framebuffer: { width: 800, height: 600 } });
    assert.deepEqual(read(false), { framebuffer: false });
    assert.deepEqual(read('ramfb'), { display: 'ramfb', framebuffer });
    assert.deepEqual(read('fbuf,h=2160,w=3840'), { display: 'fbuf', framebuffer: { width: 3840, height: 2160 } });
  });

  it("has bhyve's options by their names", () => {
    assert.deepEqual(read('fbuf,rfb=0.0.0.0:5901,w=1600,h=900,vga=io,wait,password=secret'), {
      display: 'fbuf',
      framebuffer: { width: 1600, height: 900 },
      legacyVga: 'io',
      vnc: '0.0.0.0:5901,wait,password=secret',
    });
    for (const name of ['rfb', 'tcp']) assert.equal(read(`fbuf,${name}=5905`).vnc, '5905');
    assert.equal(read('fbuf,rfb=').vnc, '5900', 'where bhyve listens');
    for (const vga of ['io', 'on', 'off']) assert.equal(read(`fbuf,vga=${vga}`).legacyVga, vga);
    const { password, wait, port } = parseVnc('rfb', read('fbuf,rfb=[::1]:5902,password=secret,wait').vnc!);
    assert.deepEqual([password, wait, port], ['secret', true, 5902]);
  });

  it('names what is wrong with it', () => {
    for (const [value, problem] of [
      ['cga', /neither a resolution/],
      [7, /neither/],
      ['639x480', /640x480/],
      ['800x2161', /3840x2160/],
      ['fbuf,w=1', /1x768 is not between/],
      ['fbuf,colour=red', /'colour=red' is unknown/],
      ['fbuf,vga=maybe', /io, on, off/],
      ['vga,vga=on', /a VGA itself/],
      ['ramfb,vga=on', /without one/],
      ['fbuf,wait', /rfb=/],
      ['fbuf,password=x', /rfb=/],
    ] as const) {
      assert.throws(() => read(value), problem, String(value));
    }
    assert.throws(() => parseVnc('rfb', '5900,password=a,password-file=/b'), /two passwords/);
    assert.throws(() => parseVnc('rfb', '0.0.0.0:5900,wait'), /needs password-file/);
    assert.throws(() => parseVnc('rfb', '5900,password='), /unknown/);
  });
});
