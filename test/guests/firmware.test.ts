/** Stock firmware from the reset vector: OVMF to its shell and to Linux, SeaBIOS to the disks it misses, memtest86+ at work. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Report } from '../../emulator/cli/report';
import { bootDisk } from './bootdisk';
import { screenText } from './screentext';
import { command } from '../command';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const output = join(root, 'test-output');
const CODE = join(guests, 'ovmf/OVMF_CODE_4M.fd');
const VARS = join(guests, 'ovmf/OVMF_VARS_4M.fd');
const VARIABLE = 'GuestTest -guid 11111111-2222-3333-4444-555555555555';

interface Run {
  readonly status: number | null;
  readonly report: Report;
  readonly serial: string;
  readonly log: string;
}

describe('firmware', function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-firmware-'));
  const vars = join(folder, 'vars.fd');
  before(function () {
    if (!existsSync(CODE) || !existsSync(join(guests, 'seabios/bios-256k.bin'))) {
      console.log("      skipped: no firmware; 'npm run guests' fetches it");
      this.skip();
    }
    mkdirSync(output, { recursive: true });
  });
  after(() => rmSync(folder, { recursive: true }));

  function run(...args: string[]): Run {
    const [report, serial, log] = [join(folder, 'report.json'), join(folder, 'serial.txt'), join(folder, 'log.txt')];
    rmSync(report, { force: true });
    const { status, stderr } = spawnSync(
      process.execPath,
      [...command, 'run', '--serial', `file:${serial}`, '--debug-console', `file:${log}`, '--report', report, '--no-history', '--timeout', '500', ...args],
      { cwd: root, encoding: 'utf8', input: '' },
    );
    assert.ok(existsSync(report), stderr);
    const result = JSON.parse(readFileSync(report, 'utf8')) as Report;
    console.log(`      ${(result.instructions / 1e6).toFixed(0)} M instructions, ${result.hostWallSeconds.toFixed(1)} s, ${result.mips.toFixed(0)} MIPS`);
    return { status, report: result, serial: plain(readFileSync(serial, 'latin1')), log: readFileSync(log, 'latin1') };
  }

  /** Without what moves the cursor and changes colours. */
  const plain = (text: string): string => text.replaceAll(/\x1b\[[0-9;]*[A-Za-z]/g, '');

  /** The picture, and how many of its pixels are bright and how many have the colour of the first word that asks. */
  function picture(name: string): { width: number; height: number; count: (matches: (r: number, g: number, b: number) => boolean) => number } {
    const { width, height, data } = PNG.sync.read(readFileSync(join(output, name)));
    return {
      width,
      height,
      count: (matches) => {
        let found = 0;
        for (let at = 0; at < data.length; at += 4) if (matches(data[at]!, data[at + 1]!, data[at + 2]!)) found++;
        return found;
      },
    };
  }
  const bright = (r: number, g: number, b: number): boolean => r + g + b > 300;

  for (const chipset of ['i440fx', 'q35']) {
    it(`OVMF on ${chipset}: to its shell, by the serial line and on the screen; variables last`, () => {
      copyFileSync(VARS, vars);
      const flash = ['--firmware', CODE, '--vars', vars, '--chipset', chipset];
      const shell = ['--type-after', 'Shell> ', '--until-serial', 'Shell> '];
      const first = run(...flash, '--type-serial', `setvar ${VARIABLE} -bs -nv =0xCAFE`, ...shell);
      assert.equal(first.status, 0, first.serial.slice(-1000));
      assert.match(first.serial, /UEFI Interactive Shell v2\.2/);
      assert.notDeepEqual(readFileSync(vars), readFileSync(VARS), 'the store was written back');
      const shot = `ovmf-${chipset}.png`;
      const second = run(...flash, '--type-serial', `ver ; setvar ${VARIABLE}`, ...shell, '--screenshot', join(output, shot));
      assert.equal(second.status, 0, second.serial.slice(-1000));
      const third = run(...flash, '--type-serial', `setvar ${VARIABLE}`, ...shell);
      assert.match(third.serial, /GuestTest - 0002 Bytes\s+FE CA/);
      const { width, height, count } = picture(shot);
      assert.deepEqual([width, height], [1280, 800]);
      assert.ok(count(bright) > 1500, 'text');
      assert.ok(count((r, g, b) => r > 200 && g > 200 && b < 100) > 100, 'the yellow prompt');
    });
  }

  it('OVMF finds the network: an address by DHCP, and pings of the gateway', () => {
    const disk = join(folder, 'empty.img');
    writeFileSync(disk, new Uint8Array(1 << 20));
    const commands = ['connect -r', 'ifconfig -s eth0 dhcp', 'stall 4000000', 'ifconfig -l', 'ping 10.0.2.2 -n 3'];
    // The disk, which starts nothing, comes first: of the rest the shell alone stays in OVMF's list, and nothing is looked for in the network.
    const { status, serial } = run(
      '--firmware', CODE, '--network', 'isolated', '--disk', `${disk},bus=virtio`, '--fw-cfg', 'bootorder=/pci@i0cf8/scsi@8/disk@0,0',
      ...commands.flatMap((command) => ['--type-after', 'Shell> ', '--type-serial', command]), '--until-serial', 'Shell> ',
    ); // prettier-ignore
    assert.equal(status, 0, serial.slice(-1000));
    assert.doesNotMatch(serial, /Start (PXE|HTTP)/);
    assert.match(
      serial,
      /policy +: dhcp\s+mac addr +: 52:54:00:12:34:56\s+ipv4 address : 10\.0\.2\.15\s+subnet mask +: 255\.255\.255\.0\s+default gateway: 10\.0\.2\.2/,
    );
    assert.match(serial, /DNS server +:\s+10\.0\.2\.3/);
    assert.match(serial, /3 packets transmitted, 3 received, 0% packet loss/);
  });

  it('OVMF powers off, and its boot manager is on the screen', () => {
    copyFileSync(VARS, vars);
    const off = run('--firmware', CODE, '--vars', vars, '--type-after', 'Shell> ', '--type-serial', 'reset -s');
    assert.deepEqual([off.status, off.report.stopReason], [0, 'power-off']);
    const menu = run(
      '--firmware', CODE, '--vars', vars, '--type-after', 'Shell> ', '--type-serial', 'exit', '--until-serial', 'Continue', '--screenshot', join(output, 'ovmf-boot-manager.png'),
    ); // prettier-ignore
    assert.equal(menu.status, 0, menu.serial.slice(-1000));
    assert.match(menu.serial, /Device Manager[^]*Boot Manager/);
    assert.ok(picture('ovmf-boot-manager.png').count((r, g, b) => r === b && g === b && r > 150) > 200_000, 'its grey page');
  });

  it('OVMF as plain ROM on a framebuffer in RAM', () => {
    const { status, serial } = run(
      '--bios', join(guests, 'ovmf/OVMF.fd'), '--display', 'ramfb', '--type-after', 'Shell> ', '--type-serial', 'ver', '--until-serial', 'UEFI v2.70',
      '--screenshot', join(output, 'ovmf-ramfb.png'),
    ); // prettier-ignore
    assert.equal(status, 0, serial.slice(-1000));
    assert.ok(picture('ovmf-ramfb.png').count(bright) > 1500);
  });

  for (const [kernel, cpus] of [
    ['linux-cloud', 1],
    ['linux-generic', 2],
  ] as const) {
    it(`OVMF to Linux (${kernel}, ${cpus} vCPU) with its console on efifb`, function () {
      if (!existsSync(join(guests, kernel, 'vmlinuz'))) return this.skip();
      copyFileSync(VARS, vars);
      const { status, serial } = run(
        '--firmware', CODE, '--vars', vars, '--cpus', String(cpus), '--kernel', join(guests, kernel, 'vmlinuz'), '--initrd', join(guests, kernel, 'initrd.gz'),
        '--append', 'console=tty0 console=ttyS0', '--until-serial', 'GUEST-USERLAND-READY', '--screenshot', join(output, `ovmf-${kernel}.png`),
      ); // prettier-ignore
      assert.equal(status, 0, serial.slice(-2000));
      assert.match(serial, /efifb: mode is 1280x800x32/);
      assert.match(serial, /PCI: MMCONFIG .* reserved/);
      assert.match(serial, /ACPI: 1 ACPI AML tables successfully acquired and loaded/);
      assert.match(serial, /DMI: Guest Debugger/);
      if (cpus > 1) assert.match(serial, new RegExp(`Brought up 1 node, ${cpus} CPUs`));
      assert.doesNotMatch(serial, /ACPI (BIOS )?Error|Kernel panic|WARNING:/);
      assert.ok(picture(`ovmf-${kernel}.png`).count(bright) > 30_000);
    });
  }

  for (const chipset of ['i440fx', 'q35']) {
    it(`SeaBIOS on ${chipset}: to its search for something to boot`, () => {
      const { log, report } = run(
        '--bios', join(guests, 'seabios/bios-256k.bin'), '--vga-bios', join(guests, 'seabios/vgabios-bochs-display.bin'), '--chipset', chipset,
        '--max-instructions', '12500000', '--screenshot', join(output, `seabios-${chipset}.png`),
      ); // prettier-ignore
      assert.equal(report.stopReason, 'limit');
      for (const text of [
        'SeaBIOS (version',
        'QEMU fw_cfg DMA interface supported',
        'All threads complete',
        'Booting from Hard Disk...',
        'No bootable device.',
      ]) {
        assert.ok(log.includes(text), `'${text}' in ${log.slice(-1000)}`);
      }
      assert.ok(picture(`seabios-${chipset}.png`).count(bright) > 1000);
    });
  }

  const VGA_BIOS = join(guests, 'seabios/vgabios-stdvga.bin');
  /** By SeaBIOS, with VGA in text mode. */
  const seabios = (shot: string, ...args: string[]): { readonly run: Run; readonly screen: string } => {
    const result = run('--bios', join(guests, 'seabios/bios-256k.bin'), '--vga-bios', VGA_BIOS, '--screenshot', join(output, shot), ...args);
    return { run: result, screen: screenText(PNG.sync.read(readFileSync(join(output, shot))), readFileSync(VGA_BIOS)).join('\n') };
  };

  it('SeaBIOS in text mode: what it looks for, and what a boot sector says', () => {
    for (const chipset of ['i440fx', 'q35']) {
      const { screen } = seabios(`seabios-text-${chipset}.png`, '--chipset', chipset, '--max-instructions', '6000000');
      assert.match(screen, /^SeaBIOS \(version .*\)\n[^]*Booting from Hard Disk\.\.\.\n[^]*No bootable device/);
    }
    const halts = new Uint8Array(3 * 512);
    halts[0x1f1] = 1;
    halts.set([0xfa, 0xf4], 512); // cli; hlt
    const disk = join(folder, 'halts.img');
    writeFileSync(disk, bootDisk(halts, 'Hello from the boot sector'));
    const { screen } = seabios('boot-sector.png', '--disk', `${disk},bus=virtio`, '--max-instructions', '100000000');
    assert.match(screen, /\nBooting from Hard Disk\.\.\.\nHello from the boot sector\n/);
  });

  it('memtest86+ by BIOS from a disk: its screen in text mode', function () {
    const program = join(guests, 'memtest/memtest86+x64.bin');
    if (!existsSync(program)) return this.skip();
    const disk = join(folder, 'memtest.img');
    writeFileSync(disk, bootDisk(readFileSync(program), 'Starting memtest86+'));
    const { run: result, screen } = seabios('memtest-bios.png', '--disk', `${disk},bus=virtio`, '--memory', '32M', '--max-instructions', '2200000000');
    assert.equal(result.report.stopReason, 'limit');
    assert.match(screen, /^ +Memtest86\+ v6\./);
    assert.match(screen, /Memory {2}: +32MB/);
    assert.match(screen, /Status: Testing/);
    assert.match(screen, /Errors: 0\b/);
    assert.ok(picture('memtest-bios.png').count((r, g, b) => b > 120 && r < 40 && g < 40) > 100_000, 'its blue screen');
  });

  it('memtest86+ by UEFI: its first tests without an error', function () {
    const program = join(guests, 'memtest/memtest86+x64.efi');
    if (!existsSync(program)) return this.skip();
    const { report } = run(
      '--firmware',
      CODE,
      '--kernel',
      program,
      '--memory',
      '64M',
      '--max-instructions',
      '2500000000',
      '--screenshot',
      join(output, 'memtest.png'),
    );
    assert.equal(report.stopReason, 'limit');
    const { count } = picture('memtest.png');
    assert.ok(count((r, g, b) => b > 120 && r < 40 && g < 40) > 100_000, 'its blue screen');
    assert.equal(count((r, g, b) => r > 120 && g < 40 && b < 40) > 1000, false, 'no red lines of errors');
  });
});
