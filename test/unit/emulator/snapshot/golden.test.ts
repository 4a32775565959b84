/** Snapshots of releases: whatever changes, they load and run to the state they always ran to; `test/golden/make.ts` makes new ones. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openGuest } from '../../../../emulator/machine/open';
import { moved, runTo } from './motion';

const folder = join(__dirname, '../../../golden/snapshots');
/** The state hash at position 400,000. It changes only where a chip's table gains a field, which the file's upgrade fills in; before 0.1 was released it did for the order of events at a position, too. */
const RELEASES = [
  { file: '0.1.guest', hash: '428e8656d663fdc74bb8514e937b1f27' },
  { file: '0.1-past.guest', hash: 'b39857b704bf521fa4604030ef49221b', oldest: 0 },
];

describe('snapshots of releases', function () {
  this.timeout(60_000);
  for (const { file, hash, oldest } of RELEASES)
    it(`${file} runs to its known state`, async () => {
      const guest = await openGuest(undefined, { snapshot: join(folder, file) });
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
