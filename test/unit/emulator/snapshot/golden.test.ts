/** Snapshots of releases: whatever changes, they load and run to the state they always ran to; `test/golden/make.ts` makes new ones. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { MACHINES, type GoldenName } from '../../../golden/machines';
import { moved, runTo } from '../../../motion';

const folder = join(__dirname, '../../../golden/snapshots');
interface Release {
  readonly file: string;
  readonly hash: string;
  /** Its past, where it has one, begins here. */
  readonly oldest?: number;
  readonly machine?: GoldenName;
}
/** The state hash at position 400,000. It changes only where a chip's table gains a field, which the file's upgrade fills in; before 0.1 was released it did for the order of events at a position, too. */
const RELEASES: readonly Release[] = [
  { file: '0.1.guest', hash: '428e8656d663fdc74bb8514e937b1f27' },
  { file: '0.1-past.guest', hash: 'b39857b704bf521fa4604030ef49221b', oldest: 0 },
  { file: '0.1-bhyve.guest', hash: 'a05dc8182038552a10ce5a175c9c019f', oldest: 0, machine: 'bhyve' },
  { file: '0.1-i440fx.guest', hash: 'b5023dd1cc7e969aae3071ea8f34763d', oldest: 0, machine: 'i440fx' },
  { file: '0.1-q35.guest', hash: '63ee12bfce7ab56a2b6286a20f9d1d05', oldest: 0, machine: 'q35' },
  { file: '0.1-ramfb.guest', hash: 'fa6b015dd83303c3b208a32762cf5b39', oldest: 0, machine: 'ramfb' },
];

describe('snapshots of releases', function () {
  this.timeout(60_000);
  let images: string;
  before(() => (images = mkdtempSync(join(tmpdir(), 'guest-golden-'))));
  after(() => rmSync(images, { recursive: true }));

  /** Images of disks are no part of a snapshot: they are here now. */
  function withImages(name: GoldenName | undefined): MachineConfig | undefined {
    if (name === undefined) return undefined;
    const { config, files = {} } = MACHINES[name];
    for (const [own, bytes] of Object.entries(files)) writeFileSync(join(images, own), bytes);
    const { vars: _, disks = [], ...others } = config;
    return { ...others, disks: disks.map((disk) => ({ ...disk, path: join(images, disk.path) })) };
  }

  for (const { file, hash, oldest, machine } of RELEASES)
    it(`${file} runs to its known state`, async () => {
      const guest = await openGuest(withImages(machine), { snapshot: join(folder, file) });
      const { position } = await guest.status();
      await runTo(guest, 400_000);
      assert.equal(await guest.stateHash(), hash);
      if (oldest !== undefined) {
        assert.equal((await guest.status()).oldest, oldest);
        // To its beginning, and through everything again.
        await moved(guest, () => guest.travel(oldest));
        assert.ok((await guest.checkpoints()).filter((checkpoint) => checkpoint.position < position).length > 3);
        await moved(guest, () => guest.travel(400_000));
        assert.equal(await guest.stateHash(), hash);
      }
      await guest.close();
    });

  it('are all looked at', () => {
    assert.deepEqual(readdirSync(folder).sort(), RELEASES.map(({ file }) => file).sort());
  });
});
