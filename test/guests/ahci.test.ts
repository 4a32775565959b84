/** Disks and CD-ROMs on AHCI: Linux reads and writes them, firmware starts from them, and what was written is undone by stepping back. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stop } from '../../emulator/machine/api';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';
import { fatImage } from '../../scripts/guests/fat';
import { isoImage } from './iso';
import { command } from '../command';
import { moved } from '../motion';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const LOAD = 'for m in $(cat /etc/modules); do insmod /lib/modules/$m.ko 2>/dev/null; done; mkdir /mnt; until [ -e /dev/sda ]; do sleep 1; done; ';
const LINUX = join(guests, 'linux-generic');
/** mov dx, 0x3f8; mov al, C; out dx, al …; cli; hlt */
const SAYS_BOOTED = [0xba, 0xf8, 0x03, ...[...Buffer.from('BOOTED\n')].flatMap((character) => [0xb0, character, 0xee]), 0xfa, 0xf4];

describe('AHCI', function () {
  this.timeout(600_000);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'guest-ahci-'))));
  after(() => rmSync(folder, { recursive: true }));

  const file = (name: string, contents: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, contents);
    return path;
  };
  const run = (...args: readonly string[]): { text: string; stderr: string } => {
    const serial = join(folder, 'serial.txt');
    const { status, stderr } = spawnSync(process.execPath, [...command, 'run', '--no-history', '--timeout', '200', '--serial', `file:${serial}`, ...args], {
      cwd: root,
      encoding: 'utf8',
      input: '',
    });
    const text = readFileSync(serial, 'latin1');
    assert.equal(status, 0, stderr + text.slice(-2000));
    return { text, stderr };
  };
  /** The generic kernel's initramfs with its modules. */
  function initramfs(this: Mocha.Context): string {
    const files = ['initrd.gz', 'modules.gz'].map((name) => join(LINUX, name));
    if (!files.every((path) => existsSync(path))) {
      console.log("      skipped: no linux-generic with its modules; 'npm run guests' fetches them");
      this.skip();
    }
    return file('initrd.gz', Buffer.concat(files.map((path) => readFileSync(path))));
  }
  const needs = (context: Mocha.Context, path: string): string => (existsSync(path) ? path : context.skip());

  it('Linux reads and writes a disk, and reads a disc', function () {
    const initrd = initramfs.call(this);
    const contents = Buffer.from(Array.from({ length: 4 << 18 }, (_, i) => (i * i) >>> 7));
    const [disk, iso] = [file('disk.img', contents), file('disc.iso', isoImage({ 'HELLO.TXT': Buffer.from('from the disc\n'), 'BIG.BIN': contents }))];
    const { text } = run(
      '--kernel', join(LINUX, 'vmlinuz'), '--initrd', initrd, '--append', 'console=ttyS0', '--disk', `${disk},bus=ahci`, '--cdrom', iso, '--type-serial',
      `${LOAD}md5sum /dev/sda; mount -t iso9660 /dev/sr0 /mnt && cat /mnt/hello.txt; md5sum /mnt/big.bin; ` +
        'cat /mnt/big.bin | dd of=/dev/sda bs=4k seek=8 oflag=direct count=100 2>/dev/null; dd if=/dev/sda bs=4k skip=8 count=100 iflag=direct | cmp -n 409600 - /mnt/big.bin && echo SA""ME; poweroff -f',
    ); // prettier-ignore
    const md5 = createHash('md5').update(contents).digest('hex');
    assert.match(text, /ata1\.00: .* NCQ \(depth 32\)/);
    assert.match(text, new RegExp(`^${md5}  /dev/sda`, 'm'));
    assert.match(text, /^from the disc\r$/m);
    assert.match(text, new RegExp(`^${md5}  /mnt/big.bin`, 'm'));
    assert.match(text, /^SAME\r$/m);
    assert.doesNotMatch(text, /ata\d.*(exception|failed|error)|I\/O error/i);
    assert.ok(contents.equals(readFileSync(disk)), 'the image is as it was');
  });

  for (const chipset of ['q35', 'i440fx']) {
    it(`SeaBIOS on ${chipset} starts a disk, and a disc by El Torito`, function () {
      const bios = needs(this, join(guests, 'seabios/bios-256k.bin'));
      const sector = Buffer.alloc(1 << 20);
      sector.set(SAYS_BOOTED);
      sector.set([0x55, 0xaa], 510);
      const disk = file('mbr.img', sector);
      const disc = file('boot.iso', isoImage({}, { image: Buffer.from([...SAYS_BOOTED, ...Buffer.alloc(2048 - SAYS_BOOTED.length)]) }));
      for (const medium of [
        ['--disk', `${disk},bus=ahci`],
        ['--cdrom', disc],
      ])
        run('--bios', bios, '--chipset', chipset, ...medium, '--until-serial', 'BOOTED\n');
    });

    it(`OVMF on ${chipset} starts a kernel from a disk and from a disc`, function () {
      const ovmf = needs(this, join(guests, 'ovmf/OVMF_CODE_4M.fd'));
      const fat = fatImage({ 'EFI/BOOT/BOOTX64.EFI': readFileSync(needs(this, join(guests, 'linux-cloud/vmlinuz'))) });
      const media = [
        ['--disk', `${file('fat.img', fat)},bus=ahci`],
        ['--cdrom', file('efi.iso', isoImage({}, { image: fat, platform: 'efi' }))],
      ];
      for (const medium of media)
        run('--firmware', ovmf, '--chipset', chipset, '--display', 'vga', ...medium, '--until-serial', 'from PciRoot(0x0)/Pci(0x4,0x0)/Sata(0x0,0xFFFF,0x0)');
    });
  }

  it('a write is undone by stepping back over it, and is in a snapshot', async function () {
    const config = {
      kernel: join(LINUX, 'vmlinuz'),
      initrd: initramfs.call(this),
      append: 'console=ttyS0 quiet',
      memory: 256 << 20,
      cpus: 1,
      startTime: 0,
      framebuffer: false as const,
      historyBytes: 512 << 20,
      checkpointEvery: 50_000_000,
      debugExitPort: false as const,
      disks: [{ path: file('history.img', Buffer.alloc(1 << 20, '-')), bus: 'ahci' as const }],
    };
    const until = (guest: LocalGuest, ...serial: string[]): Promise<Stop> => moved(guest, () => guest.resume({ serial, unattended: true }));
    const type = (guest: LocalGuest, text: string): Promise<void> => guest.serialInput(0, Buffer.from(`${text}\r`));
    const sector = ({ machine }: LocalGuest): string => {
      const bytes = new Uint8Array(512);
      assert.equal(machine.disks[0]!.read(100, bytes), undefined);
      return Buffer.from(bytes).toString('latin1').slice(0, 5);
    };
    const write = (text: string): string => `echo ${text} | dd of=/dev/sda bs=512 seek=100 conv=sync oflag=direct 2>/dev/null; echo DO''NE`;
    const guest = (await openGuest(config)) as LocalGuest;
    try {
      await until(guest, '/ # ');
      await type(guest, `${LOAD}${write('FIRST')}`);
      await until(guest, 'DONE');
      const [first, hash] = [guest.machine.position, await guest.stateHash()];
      const saved = join(folder, 'disk.guest');
      await guest.save(saved);
      await until(guest, '/ # ');
      await type(guest, write('OTHER'));
      await until(guest, 'DONE');
      const [other, otherHash] = [guest.machine.position, await guest.stateHash()];
      assert.equal(sector(guest), 'OTHER');
      await moved(guest, () => guest.travel(first));
      assert.deepEqual([sector(guest), await guest.stateHash()], ['FIRST', hash]);
      await moved(guest, () => guest.travel(other));
      assert.deepEqual([sector(guest), await guest.stateHash()], ['OTHER', otherHash]);
      const resumed = (await openGuest(undefined, { snapshot: saved })) as LocalGuest;
      try {
        assert.deepEqual([sector(resumed), await resumed.stateHash()], ['FIRST', hash]);
        await until(resumed, '/ # ');
        await type(resumed, write('LATER'));
        await until(resumed, 'DONE');
        assert.equal(sector(resumed), 'LATER');
      } finally {
        await resumed.close();
      }
    } finally {
      await guest.close();
    }
  });
});
