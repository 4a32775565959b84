/** Whether code is interpreted or compiled never shows: the same Linux boot has the same states. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tier } from '../../emulator/machine/api';

const root = join(__dirname, '../..');
const folder = join(root, '.cache/guests/linux-cloud');
/** Instructions of the comparison with everything compiled at once, which is slow, and with what is hot. */
const FORCED = Number(process.env['REPLAY_FORCED'] ?? 60_000_000);
const HOT = Number(process.env['REPLAY_HOT'] ?? 400_000_000);

function hashes(tier: Tier, cpus: number, instructions: number, every: number): readonly string[] {
  const scratch = mkdtempSync(join(tmpdir(), 'guest-tiers-'));
  try {
    const report = join(scratch, 'report.json');
    const options = {
      kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.gz'), append: 'console=ttyS0', serial: 'none', memory: '256M', cpus, tier, report,
      'max-instructions': instructions, 'state-hash-every': every,
    }; // prettier-ignore
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/guest.js'), 'run', '--no-history', ...args], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const { hashes: found } = JSON.parse(readFileSync(report, 'utf8')) as { hashes: readonly { hash: string }[] };
    assert.equal(found.length, instructions / every, 'a hash at each multiple');
    return found.map((item) => JSON.stringify(item));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

describe('tiers', function () {
  this.timeout(1_200_000);

  for (const [what, tier, cpus, instructions] of [
    ['everything compiled', 'region', 1, FORCED],
    ['what is hot compiled', 'auto', 1, HOT],
    ['what is hot compiled, two processors', 'auto', 2, HOT],
  ] as const)
    it(`a Linux boot with ${what} has the same history as an interpreted one (${instructions / 1e6} million instructions)`, function () {
      if (!existsSync(join(folder, 'vmlinuz'))) {
        console.log("      skipped: no guest; 'npm run guests' fetches it");
        return this.skip();
      }
      const every = 10_000_000;
      assert.deepEqual(hashes(tier, cpus, instructions, every), hashes('generic', cpus, instructions, every));
    });
});
