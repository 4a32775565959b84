/** Debian's kernels by the command line, as scripts use it: to a shell, to power-off, and twice the same. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Report } from '../../emulator/cli/report';
import { command } from '../command';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const output = join(root, 'test-output');

interface Run {
  readonly status: number | null;
  readonly report: Report;
  readonly serial: string;
}

describe('Linux', function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-linux-'));
  after(() => rmSync(folder, { recursive: true }));

  function run(name: string, append: string, ...args: string[]): Run {
    const files = { kernel: join(guests, name, 'vmlinuz'), initrd: join(guests, name, 'initrd.gz') };
    const [report, serial] = [join(folder, 'report.json'), join(folder, 'serial.txt')];
    rmSync(report, { force: true });
    const { status, stderr } = spawnSync(
      process.execPath,
      [...command, 'run', '--kernel', files.kernel, '--initrd', files.initrd, '--append', append, '--serial', `file:${serial}`, '--report', report, ...args],
      { cwd: root, encoding: 'utf8', input: '' },
    );
    assert.ok(existsSync(report), stderr);
    return { status, report: JSON.parse(readFileSync(report, 'utf8')) as Report, serial: readFileSync(serial, 'latin1') };
  }

  const needs = (name: string, test: () => void) =>
    function (this: Mocha.Context): void {
      if (!existsSync(join(guests, name, 'vmlinuz'))) {
        console.log(`      skipped: no ${name}; 'npm run guests' fetches it`);
        this.skip();
      }
      test();
    };

  for (const cpus of [1, 2]) {
    it(
      `cloud kernel, ${cpus} vCPU: a command at the shell, and a clean power-off`,
      needs('linux-cloud', () => {
        const { status, report, serial } = run(
          'linux-cloud', 'console=ttyS0', '--cpus', String(cpus), '--timeout', '200', '--no-history',
          '--type-serial', 'echo $((6*7)) $(grep -c ^processor /proc/cpuinfo); poweroff -f',
        ); // prettier-ignore
        assert.deepEqual([status, report.stopReason], [0, 'power-off'], serial.slice(-2000));
        assert.match(serial, new RegExp(`^42 ${cpus}\\r$`, 'm'));
        assert.match(serial, /reboot: Power down/);
        console.log(`      ${(report.instructions / 1e6).toFixed(0)} M instructions, ${report.hostWallSeconds.toFixed(1)} s, ${report.mips.toFixed(0)} MIPS`);
      }),
    );
  }

  it(
    'cloud kernel: two runs have the same state at every 50 million instructions',
    needs('linux-cloud', () => {
      const args = ['--state-hash-every', '50000000', '--until-serial', 'GUEST-USERLAND-READY', '--timeout', '200', '--no-history'];
      const [first, second] = [run('linux-cloud', 'console=ttyS0', ...args), run('linux-cloud', 'console=ttyS0', ...args)];
      assert.equal(first.status, 0, first.serial.slice(-2000));
      assert.ok(first.report.hashes.length > 20);
      assert.deepEqual(second.report.hashes, first.report.hashes);
      assert.equal(second.report.stateHash, first.report.stateHash);
      assert.equal(second.serial, first.serial);
      assert.ok(first.report.peakRssBytes < (512 + 300) * 2 ** 20);
    }),
  );

  it(
    'generic kernel: to userland, with its console on the framebuffer',
    needs('linux-generic', () => {
      mkdirSync(output, { recursive: true });
      const picture = join(output, 'linux-generic.png');
      const { status, serial } = run(
        'linux-generic', 'console=tty0 console=ttyS0', '--until-serial', 'GUEST-USERLAND-READY', '--timeout', '300', '--no-history', '--screenshot', picture,
      ); // prettier-ignore
      assert.equal(status, 0, serial.slice(-2000));
      const { width, height, data } = PNG.sync.read(readFileSync(picture));
      assert.deepEqual([width, height], [1024, 768]);
      let lit = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at]! + data[at + 1]! + data[at + 2]! > 300) lit++;
      assert.ok(lit > 10_000, `${lit} bright pixels: the kernel's messages are on the screen`);
    }),
  );
});
