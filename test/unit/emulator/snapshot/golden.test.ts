/** Snapshots of releases: whatever changes, they load and run to the state they always ran to. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openGuest } from '../../../../emulator/machine/open';

const folder = join(__dirname, '../../../golden/snapshots');
/** The state hash at position 400,000. It changes only where a chip's table gains a field, which the file's upgrade fills in. */
const RELEASES = [{ file: '0.1.guest', hash: '0800647fd4a145093e5831f2903c4cbf' }];

describe('snapshots of releases', function () {
  this.timeout(60_000);
  for (const { file, hash } of RELEASES)
    it(`${file} runs to its known state`, async () => {
      const guest = await openGuest(undefined, { snapshot: join(folder, file) });
      const stopped = new Promise<void>((resolve) => guest.on(({ event }) => void (event === 'stopped' && resolve())));
      await guest.resume({ position: 400_000, unattended: true });
      await stopped;
      assert.equal(await guest.stateHash(), hash);
      await guest.close();
    });
});
