/** Disks on NVMe: Linux's built-in driver reads and writes one, and firmware starts from one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fatImage } from '../../scripts/guests/fat';
import { command } from '../command';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const kernel = join(guests, 'linux-cloud/vmlinuz');

describe('NVMe', function () {
  this.timeout(300_000);
  let folder: string;
  before(function () {
    if (!existsSync(kernel)) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'guest-nvme-'));
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  const run = (...args: readonly string[]): string => {
    const serial = join(folder, 'serial.txt');
    const { status, stderr } = spawnSync(process.execPath, [...command, 'run', '--no-history', '--timeout', '200', '--serial', `file:${serial}`, ...args], {
      cwd: root,
      encoding: 'utf8',
      input: '',
    });
    const text = readFileSync(serial, 'latin1');
    assert.equal(status, 0, stderr + text.slice(-2000));
    return text;
  };

  it('Linux reads and writes a disk', () => {
    const contents = Buffer.from(Array.from({ length: 4 << 18 }, (_, i) => (i * i) >>> 7));
    const disk = join(folder, 'disk.img');
    writeFileSync(disk, contents);
    const text = run(
      '--kernel', kernel, '--initrd', join(guests, 'linux-cloud/initrd.gz'), '--append', 'console=ttyS0', '--disk', `${disk},bus=nvme`, '--type-serial',
      'D=/dev/nvme0n1; md5sum $D; dd if=$D of=/file bs=4k count=100 2>/dev/null; dd if=/file of=$D bs=400k seek=1 oflag=direct 2>/dev/null; ' +
        'dd if=$D bs=4k skip=100 count=100 iflag=direct | cmp - /file && echo SA""ME; poweroff -f',
    ); // prettier-ignore
    assert.ok(text.includes(`${createHash('md5').update(contents).digest('hex')}  /dev/nvme0n1`), text.slice(-1500));
    assert.match(text, /^SAME\r$/m);
    assert.doesNotMatch(text, /nvme.*(timeout|error|reset)|I\/O error/i);
    assert.ok(contents.equals(readFileSync(disk)), 'the image is as it was');
  });

  for (const chipset of ['q35', 'i440fx'])
    it(`OVMF on ${chipset} starts a kernel from a disk`, function () {
      const ovmf = join(guests, 'ovmf/OVMF_CODE_4M.fd');
      if (!existsSync(ovmf)) this.skip();
      const disk = join(folder, 'fat.img');
      writeFileSync(disk, fatImage({ 'EFI/BOOT/BOOTX64.EFI': readFileSync(kernel) }));
      const text = run('--firmware', ovmf, '--chipset', chipset, '--display', 'vga', '--disk', `${disk},bus=nvme`, '--until-serial', '/NVMe(0x1,');
      assert.match(text, /Boot0001 .*Pci\(0x18,0x0\)\/NVMe/);
    });
});
