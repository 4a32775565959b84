/** A running guest saved, and resumed in a new process, goes on as if nobody had stopped it: state hashes are equal all the way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../emulator/cli/report';
import { features } from '../../emulator/machine/features';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const bundle = join(root, 'dist/guest.js');
/** The bundle where there is one: the sources under a loader are several times slower. */
const command = existsSync(bundle) ? [bundle] : ['--require', 'tsx/cjs', join(root, 'emulator/cli/main.ts')];
const linux = join(guests, 'linux-cloud');
const ovmf = join(guests, 'ovmf');
const EVERY = 10_000_000;
/** Instructions that are compared; the long suite has more. */
const LENGTH = Number(process.env['REPLAY_LENGTH'] ?? 100_000_000);

const GUESTS = [
  {
    name: 'Linux',
    needs: join(linux, 'vmlinuz'),
    saved: 400_000_000,
    args: ['--kernel', join(linux, 'vmlinuz'), '--initrd', join(linux, 'initrd.gz'), '--append', 'console=ttyS0', '--memory', '256M'],
  },
  {
    name: 'OVMF in mid-boot',
    needs: join(ovmf, 'OVMF_CODE_4M.fd'),
    saved: 600_000_000,
    args: ['--firmware', join(ovmf, 'OVMF_CODE_4M.fd'), '--memory', '128M'],
  },
] as const;

describe('a snapshot resumed in a new process', function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-process-'));
  after(() => rmSync(folder, { recursive: true }));

  function guest(...args: string[]): Report {
    const report = join(folder, 'report.json');
    rmSync(report, { force: true });
    const serial = `file:${join(folder, 'serial.txt')}`;
    const { stderr } = spawnSync(process.execPath, [...command, ...args, '--serial', serial, '--report', report], { cwd: root, encoding: 'utf8', input: '' });
    assert.ok(existsSync(report), stderr);
    return JSON.parse(readFileSync(report, 'utf8')) as Report;
  }

  for (const { name, needs, saved, args } of GUESTS)
    it(`${name}: as the uninterrupted run for ${LENGTH / 1e6} million instructions`, function () {
      if (!existsSync(needs)) {
        console.log("      skipped: no guest; 'npm run guests' fetches it");
        return this.skip();
      }
      const [file, again] = [join(folder, 'first.guest'), join(folder, 'again.guest')];
      const hashes = ['--state-hash-every', String(EVERY), '--max-instructions', String(saved + LENGTH)];
      const whole = guest('run', ...args, ...hashes);
      guest('run', ...args, '--max-instructions', String(saved), '--suspend', file);
      guest('resume', file, '--max-instructions', String(saved), '--suspend', again);
      assert.ok(readFileSync(file).equals(readFileSync(again)), 'saved, restored and saved again: the same bytes');
      const resumed = guest('resume', file, ...hashes);
      const expected = whole.hashes.filter(({ position }) => position > saved);
      assert.ok(expected.length >= LENGTH / EVERY - 1, `${expected.length} hashes`);
      assert.deepEqual(
        resumed.hashes.filter(({ position }) => position > saved),
        expected,
      );
    });

  it('Linux: its past comes along, and is gone back through', async function () {
    const [{ needs, args, saved }] = GUESTS;
    if (!existsSync(needs)) {
      console.log("      skipped: no guest; 'npm run guests' fetches it");
      return this.skip();
    }
    const file = join(folder, 'past.guest');
    const limits = ['--state-hash-every', String(EVERY), '--max-instructions', String(saved)];
    const { hashes } = guest('run', ...args, ...limits, '--suspend', file, '--with-history', '1G');
    const resumed = await features.resume!(file, undefined);
    const travel = async (position: number): Promise<void> => {
      const arrived = new Promise<void>((resolve) => {
        const off = resumed.on(({ event }) => {
          if (event !== 'stopped') return;
          off();
          resolve();
        });
      });
      await resumed.travel(position);
      await arrived;
    };
    try {
      const { oldest } = await resumed.status();
      assert.ok(oldest <= saved / 4, `the past begins at ${oldest}`);
      // Far back first, then nearer to the present, as somebody does who looks for a cause.
      const past = hashes.filter(({ position }) => position < saved && position > oldest);
      for (const { position, hash } of [past[0]!, past.at(-1)!, past[past.length >> 1]!, past.at(-2)!]) {
        await travel(position);
        assert.equal(await resumed.stateHash(), hash, `at ${position}`);
      }
      await travel(saved);
      assert.equal(await resumed.stateHash(), hashes.find(({ position }) => position === saved)!.hash);
    } finally {
      await resumed.close();
    }
  });
});
