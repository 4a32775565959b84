/** Stock firmware and memtest86+, seen on the screen and used with the keyboard. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { bootDisk } from '../guests/bootdisk';
import { count, needs, RUN, Scenarios, settled, size } from './scenario';

const blue = (r: number, g: number, b: number): boolean => b > 120 && r < 40 && g < 40;
const red = (r: number, g: number, b: number): boolean => r > 120 && g < 40 && b < 40;
const grey = (r: number, g: number, b: number): boolean => r === b && g === b && r > 150;

describe('firmware on the screen', function () {
  this.timeout(1_500_000);
  const scenarios = new Scenarios();
  after(() => scenarios.close());

  const bios = (context: Mocha.Context, ...args: string[]): string[] => {
    const [code, vga] = [needs(context, 'seabios/bios-256k.bin'), needs(context, 'seabios/vgabios-stdvga.bin')];
    return [...RUN, '--bios', code, '--vga-bios', vga, ...args];
  };
  const SHELL = ['--until-screen', 'Shell> '];

  for (const [chipset, keyboard] of [
    ['i440fx', 'PS/2'],
    ['q35', 'USB'],
  ] as const)
    // prettier-ignore
    it(`OVMF on ${chipset}: its shell; ver by the ${keyboard} keyboard`, function () {
      const { text, picture } = scenarios.see(
        `ovmf-shell-${chipset}`, ...scenarios.uefi(this, '--chipset', chipset, ...(keyboard === 'USB' ? ['--usb', 'keyboard'] : [])), ...SHELL,
        '--send-keys', 'cls<enter><1s>ver<enter>', ...settled('UEFI v2.70'),
      ); // prettier-ignore
      assert.equal(size(picture), '1280x800');
      assert.match(text, /^ *Shell> ver\n *UEFI Interactive Shell v2\.2\n *EDK II\n *UEFI v2\.70 /m);
    });

  it('OVMF: its boot manager, by arrow keys', function () {
    const { text, picture } = scenarios.see(
      'ovmf-boot-manager', ...scenarios.uefi(this), ...SHELL, '--send-keys', 'exit<enter>', '--until-screen', 'Boot Maintenance Manager',
      '--send-keys', '<1s><down><down><enter>', ...settled('Boot Manager Menu'),
    ); // prettier-ignore
    assert.match(text, /Boot Manager Menu[^]*EFI Internal Shell/);
    assert.ok(count(picture, grey) > 200_000, 'its grey page');
  });

  it('memtest86+ by UEFI: its first tests without an error', function () {
    const { text, picture } = scenarios.see(
      'memtest-uefi', ...scenarios.uefi(this, '--memory', '64M', '--kernel', needs(this, 'memtest/memtest86+x64.efi')), '--until-screen', 'Test #4',
    ); // prettier-ignore
    assert.match(text, /Memtest86\+ v6\.[^]*Errors: 0\b/);
    assert.ok(count(picture, blue) > 100_000, 'its blue screen');
    assert.ok(count(picture, red) < 1000, 'no red lines of errors');
  });

  it('memtest86+ by BIOS from a disk: the same', function () {
    const disk = scenarios.file('memtest.img');
    writeFileSync(disk, bootDisk(readFileSync(needs(this, 'memtest/memtest86+x64.bin')), 'Starting memtest86+'));
    const { text, picture } = scenarios.see('memtest-bios', ...bios(this, '--memory', '32M', '--disk', disk), '--until-screen', 'Test #4');
    assert.match(text, /^ +Memtest86\+ v6\.[^]*Memory {2}: +32MB[^]*Errors: 0\b/);
    assert.ok(count(picture, blue) > 100_000, 'its blue screen');
  });

  it("SeaBIOS starts Debian's ISO of memtest86+", function () {
    const iso = needs(this, 'memtest/memtest86+x64.iso');
    const { text } = scenarios.see(
      'seabios-iso',
      ...bios(this, '--memory', '32M', '--cdrom', iso),
      '--until-screen',
      'Test #3',
      '--send-keys',
      '<f1>',
      '--until-screen',
      'Settings',
    );
    assert.match(text, /^ +Memtest86\+ v6\.[^]*Settings/);
  });
});
