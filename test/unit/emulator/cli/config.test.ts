import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseChipset, parseDisk, parseItems, parseScreen, readConfig } from '../../../../emulator/cli/config';

describe('options of firmware and display', () => {
  it('name a display device, with its resolution', () => {
    assert.deepEqual(parseScreen('--display', '800x600'), { framebuffer: { width: 800, height: 600 } });
    assert.deepEqual(parseScreen('--display', false), { framebuffer: false });
    assert.deepEqual(parseScreen('--display', 'vga'), { display: 'vga', framebuffer: { width: 1024, height: 768 } });
    assert.deepEqual(parseScreen('--display', 'fbuf,h=600,w=800'), { display: 'fbuf', framebuffer: { width: 800, height: 600 } });
    for (const bad of ['cga', 'vga,x=1', 'fbuf,w=1', 7]) assert.throws(() => parseScreen('--display', bad), /'--display'/, String(bad));
  });

  it('name a board and items', () => {
    assert.equal(parseChipset('--chipset', 'q35'), 'q35');
    assert.throws(() => parseChipset('--chipset', 'piix'), /neither i440fx nor q35/);
    assert.deepEqual(parseItems('--fw-cfg', ['opt/a=1=2', 'opt/b=']), { 'opt/a': '1=2', 'opt/b': '' });
    assert.throws(() => parseItems('--fw-cfg', ['opt/a']), /'opt\/a' is no NAME=TEXT/);
  });

  it('name disks', () => {
    assert.deepEqual(parseDisk('--disk', '/a.img'), { path: '/a.img' });
    assert.deepEqual(parseDisk('--disk', '/a,,b.img,overlay=/o=1,bus=nvme,format=raw,serial=X,read-only'), {
      path: '/a,b.img',
      bus: 'nvme',
      overlay: '/o=1',
      readOnly: true,
      format: 'raw',
      serial: 'X',
    });
    assert.deepEqual(parseDisk('--cdrom', '/a.iso', 'cdrom'), { path: '/a.iso', kind: 'cdrom' });
    assert.equal(parseDisk('--disk', 'a').path, join(process.cwd(), 'a'));
    for (const bad of ['', ',bus=virtio', '/a,bus=scsi', '/a,speed=1', '/a,fast', '/a,format=vmdk'])
      assert.throws(() => parseDisk('--disk', bad), /--disk/, bad);
  });

  it('come from a launch configuration too, with paths beside it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-config-'));
    const path = join(folder, 'launch.json');
    writeFileSync(
      path,
      JSON.stringify({
        firmware: 'code.fd',
        vars: '/vars.fd',
        chipset: 'i440fx',
        display: 'ramfb',
        fwCfg: { 'opt/a': 'b' },
        disks: ['a.img', { path: '/b', overlay: 'o' }],
      }),
    );
    assert.deepEqual(readConfig(path), {
      disks: [{ path: join(folder, 'a.img') }, { path: '/b', overlay: join(folder, 'o') }],
      firmware: join(folder, 'code.fd'),
      vars: '/vars.fd',
      chipset: 'i440fx',
      display: 'ramfb',
      framebuffer: { width: 1024, height: 768 },
      fwCfg: { 'opt/a': 'b' },
    });
    writeFileSync(path, JSON.stringify({ fwCfg: { 'opt/a': 1 } }));
    assert.throws(() => readConfig(path), /'fwCfg'/);
    rmSync(folder, { recursive: true });
  });
});
