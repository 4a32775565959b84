/** Linux on a virtio disk: a file system is read and written, kept in an overlay, undone by stepping back, and in a snapshot. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { MachineConfig, Stop } from '../../emulator/machine/api';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';
import { fatImage } from '../../scripts/guests/fat';
import { Shell } from './shell';
import { command } from '../command';
import { moved } from '../motion';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const LOAD = 'for m in $(cat /etc/modules); do insmod /lib/modules/$m.ko 2>/dev/null; done; mkdir /mnt; ';
const has = (tool: string): boolean => spawnSync(tool, ['--version']).error === undefined && spawnSync(tool, ['-V']).error === undefined;

describe('Linux with a disk', function () {
  this.timeout(600_000);
  let folder: string;
  let image: string;
  const random = Buffer.alloc(300_000, 'some file that is on the disk');
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'guest-disk-'));
    image = join(folder, 'disk.img');
  });
  after(() => rmSync(folder, { recursive: true }));

  /** The shell's initramfs, and modules behind it. */
  function initrd(this: Mocha.Context, name: string): string {
    const files = ['initrd.gz', 'modules.gz'].map((file) => join(guests, name, file));
    if (!files.every((file) => existsSync(file))) {
      console.log(`      skipped: no ${name} with its modules; 'npm run guests' fetches them`);
      this.skip();
    }
    const path = join(folder, `${name}.gz`);
    writeFileSync(path, Buffer.concat(files.map((file) => readFileSync(file))));
    return path;
  }

  function run(name: string, initramfs: string, type: string, ...args: string[]): { serial: string; stderr: string } {
    const serial = join(folder, 'serial.txt');
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        ...command, 'run', '--kernel', join(guests, name, 'vmlinuz'), '--initrd', initramfs, '--append', 'console=ttyS0 quiet', '--serial', `file:${serial}`,
        '--no-history', '--timeout', '200', '--type-serial', `${LOAD}${type}; poweroff -f`, ...args,
      ], // prettier-ignore
      { cwd: root, encoding: 'utf8', input: '' },
    );
    const text = readFileSync(serial, 'latin1');
    assert.equal(status, 0, stderr + text.slice(-2000));
    return { serial: text, stderr };
  }

  for (const name of ['linux-cloud', 'linux-generic'])
    it(`${name}: an ext4 file system, read, written, and kept in an overlay`, function () {
      if (!has('mke2fs')) this.skip();
      const initramfs = initrd.call(this, name);
      mkdirSync(join(folder, 'root'), { recursive: true });
      writeFileSync(join(folder, 'root/file'), random);
      execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', join(folder, 'root'), image, '32M']);
      const [before, overlay] = [readFileSync(image), join(folder, 'overlay.qcow2')];
      rmSync(overlay, { force: true });
      const mount = 'mount -t ext4 /dev/vda /mnt && ';
      const first = run(
        name,
        initramfs,
        `${mount}md5sum /mnt/file; cp /mnt/file /mnt/copy; echo kept > /mnt/new; umount /mnt`,
        '--disk',
        `${image},overlay=${overlay}`,
      );
      assert.ok(first.serial.includes(createHash('md5').update(random).digest('hex')), first.serial.slice(-1500));
      assert.ok(before.equals(readFileSync(image)), 'the image is as it was');
      if (has('qemu-img')) execFileSync('qemu-img', ['check', '-q', overlay]);
      const second = run(name, initramfs, `${mount}cat /mnt/new && cmp /mnt/file /mnt/copy && echo SA''ME`, '--disk', `${image},overlay=${overlay}`);
      assert.match(second.serial, /^kept\r$/m);
      assert.match(second.serial, /^SAME\r$/m);
      const without = run(name, initramfs, `${mount}cat /mnt/new`, '--disk', image);
      assert.match(without.serial, /can't open '\/mnt\/new'/);
    });

  it('what a guest draws from its entropy device follows from the seed; its console is heard', function () {
    const initramfs = initrd.call(this, 'linux-cloud');
    const draw = (seed: string): string => {
      const said = join(folder, 'console.txt');
      run('linux-cloud', initramfs, 'dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -x > /dev/hvc0', '--rng', seed, '--virtio-console', `file:${said}`);
      return readFileSync(said, 'latin1');
    };
    const [first, second, other] = [draw('5'), draw('5'), draw('6')];
    assert.match(first, /^0000000( [0-9a-f]{4}){8}/);
    assert.equal(first, second);
    assert.notEqual(first, other);
  });

  it('with the entropy of the host, no two guests draw the same; going through the past again, or resuming a snapshot, one draws the same', async function () {
    const initramfs = initrd.call(this, 'linux-cloud');
    const config = {
      kernel: join(guests, 'linux-cloud/vmlinuz'), initrd: initramfs, append: 'console=ttyS0 quiet', memory: 256 << 20, cpus: 1, startTime: Date.UTC(2025, 0, 1),
      framebuffer: false, historyBytes: 256 << 20, checkpointEvery: 20_000_000, debugExitPort: false, rngSeed: 'host',
    } as const; // prettier-ignore
    const DRAW = 'dd if=/dev/hwrng bs=48 count=3 2>/dev/null | od -x';
    const drawn: string[] = [];
    for (let time = 0; time < 2; time++) {
      const shell = await Shell.open(config);
      const { guest } = shell;
      await shell.until('/ # ');
      const { position: start } = await guest.status();
      drawn.push(/0000000( [0-9a-f]{4}){8}[^]*0000200/.exec(await shell.run(`${LOAD}${DRAW}`))?.[0] ?? assert.fail(shell.text.slice(-1500)));
      assert.ok((await guest.timeline()).events.some(({ text }) => text === 'Entropy'));
      const [end, hash] = [(await guest.status()).position, await guest.stateHash()];
      await shell.move(() => guest.travel(start));
      await shell.move(() => guest.travel(end));
      assert.equal(await guest.stateHash(), hash);
      const file = join(folder, 'drawn.guest');
      await guest.save(file, { historyBytes: 128 << 20 });
      await guest.close();
      const resumed = await Shell.open(undefined, file);
      await resumed.move(() => resumed.guest.travel(start));
      await resumed.move(() => resumed.guest.travel(end));
      assert.equal(await resumed.guest.stateHash(), hash, 'a snapshot has what was drawn in its past');
      assert.match(await resumed.run(DRAW), /0000200/, 'and its guest goes on drawing');
      await resumed.guest.close();
    }
    assert.notEqual(drawn[0], drawn[1]);
  });

  for (const chipset of ['q35', 'i440fx'])
    it(`OVMF on ${chipset} starts a kernel from a disk; the image is qcow2 where there is qemu-img`, function () {
      const [ovmf, kernel] = [join(guests, 'ovmf/OVMF_CODE_4M.fd'), join(guests, 'linux-cloud/vmlinuz')];
      if (!existsSync(ovmf) || !existsSync(kernel)) this.skip();
      let disk = join(folder, 'fat.img');
      writeFileSync(disk, fatImage({ 'EFI/BOOT/BOOTX64.EFI': readFileSync(kernel) }));
      if (has('qemu-img')) {
        execFileSync('qemu-img', ['convert', '-c', '-O', 'qcow2', disk, `${disk}.qcow2`]);
        disk += '.qcow2';
      }
      const picture = join(root, `test-output/disk-${chipset}.png`);
      mkdirSync(join(root, 'test-output'), { recursive: true });
      const { status, stderr } = spawnSync(
        process.execPath,
        [
          ...command, 'run', '--firmware', ovmf, '--chipset', chipset, '--disk', disk, '--display', 'vga', '--no-history', '--timeout', '200',
          '--serial', `file:${join(folder, 'ovmf.txt')}`, '--max-instructions', '3500000000', '--screenshot', picture,
        ], // prettier-ignore
        { cwd: root, encoding: 'utf8', input: '' },
      );
      assert.equal(status, 0, stderr);
      const log = readFileSync(join(folder, 'ovmf.txt'), 'latin1');
      assert.match(log, /starting Boot0001 .*PciRoot\(0x0\)\/Pci\(0x8,0x0\)/);
      // The kernel's messages: text all over, on black.
      const { width, data } = PNG.sync.read(readFileSync(picture));
      const lit = (from: number, to: number): number => data.subarray(from * width * 4, to * width * 4).filter((value, i) => i % 4 === 0 && value > 100).length;
      assert.ok(lit(0, 100) > 1000 && lit(300, 400) > 1000, `${picture} shows what it started`);
    });

  it('SeaBIOS starts a boot sector', function () {
    const bios = join(guests, 'seabios/bios-256k.bin');
    if (!existsSync(bios)) this.skip();
    const disk = join(folder, 'mbr.img');
    const bytes = Buffer.alloc(1 << 20);
    // mov dx, 0x3f8; mov al, C; out dx, al …; cli; hlt
    const code = [0xba, 0xf8, 0x03, ...[...Buffer.from('BOOTED\n')].flatMap((character) => [0xb0, character, 0xee]), 0xfa, 0xf4];
    bytes.set(code);
    bytes.set([0x55, 0xaa], 510);
    writeFileSync(disk, bytes);
    const serial = join(folder, 'bios.txt');
    const { status, stderr } = spawnSync(
      process.execPath,
      [...command, 'run', '--bios', bios, '--disk', disk, '--no-history', '--timeout', '60', '--serial', `file:${serial}`, '--until-serial', 'BOOTED\n'],
      { cwd: root, encoding: 'utf8', input: '' },
    );
    assert.equal(status, 0, stderr);
  });

  it('a write is undone by stepping back over it, and is in a snapshot', async function () {
    const initramfs = initrd.call(this, 'linux-cloud');
    writeFileSync(image, Buffer.alloc(1 << 20, '-'));
    const config: MachineConfig = {
      kernel: join(guests, 'linux-cloud/vmlinuz'),
      initrd: initramfs,
      append: 'console=ttyS0 quiet',
      memory: 256 << 20,
      cpus: 1,
      startTime: 0,
      framebuffer: false,
      historyBytes: 512 << 20,
      checkpointEvery: 20_000_000,
      debugExitPort: false,
      disks: [{ path: image }],
    };
    const until = (guest: LocalGuest, ...serial: string[]): Promise<Stop> => moved(guest, () => guest.resume({ serial, unattended: true }));
    const type = (guest: LocalGuest, text: string): Promise<void> => guest.serialInput(0, Buffer.from(`${text}\r`));
    const sector = ({ machine }: LocalGuest): string => {
      const bytes = new Uint8Array(512);
      assert.equal(machine.disks[0]!.read(100, bytes), undefined);
      return Buffer.from(bytes).toString('latin1').slice(0, 5);
    };
    const write = (text: string): string => `echo ${text} | dd of=/dev/vda bs=512 seek=100 conv=sync oflag=direct 2>/dev/null; echo DO''NE`;
    const guest = (await openGuest(config)) as LocalGuest;
    try {
      await until(guest, '/ # ');
      await type(guest, `${LOAD}${write('FIRST')}`);
      await until(guest, 'DONE');
      assert.equal(sector(guest), 'FIRST');
      const [first, hash] = [guest.machine.position, await guest.stateHash()];
      const file = join(folder, 'disk.guest');
      await guest.save(file);
      await until(guest, '/ # ');
      await type(guest, write('OTHER'));
      await until(guest, 'DONE');
      assert.equal(sector(guest), 'OTHER');
      const [other, otherHash] = [guest.machine.position, await guest.stateHash()];
      await moved(guest, () => guest.stepBack(0));
      await moved(guest, () => guest.travel(first));
      assert.deepEqual([sector(guest), await guest.stateHash()], ['FIRST', hash]);
      await moved(guest, () => guest.travel(other));
      assert.deepEqual([sector(guest), await guest.stateHash()], ['OTHER', otherHash]);

      const resumed = (await openGuest(undefined, { snapshot: file })) as LocalGuest;
      try {
        assert.deepEqual([sector(resumed), await resumed.stateHash()], ['FIRST', hash]);
        await until(resumed, '/ # ');
        await type(resumed, 'dd if=/dev/vda bs=512 skip=100 count=1 iflag=direct 2>/dev/null | head -c 5; echo; echo EN""D');
        let said = '';
        resumed.on((event) => event.event === 'serial' && (said += Buffer.from(event.bytes).toString('latin1')));
        await until(resumed, 'END');
        assert.match(said, /^FIRST\r$/m);
      } finally {
        await resumed.close();
      }
    } finally {
      await guest.close();
    }
  });
});
