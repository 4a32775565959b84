/** What of a snapshot's machine is the host's to say. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { overridden } from '../../../../emulator/cli/override';
import type { MachineConfig } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { readConfiguration } from '../../../../emulator/snapshot/tools';
import { CONFIG, DEAD } from '../machine/guests';

describe('guest resume --override', () => {
  let folder: string;
  let file: string;
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'override-'));
    file = at('a.guest');
    writeFileSync(at('kernel'), DEAD.kernel!.bytes);
    for (const name of ['one.img', 'two.img']) writeFileSync(at(name), new Uint8Array(1 << 20));
    const disks = [{ path: at('one.img'), overlay: at('one.qcow2') }, { path: at('two.img') }];
    const guest = await openGuest({ ...CONFIG, kernel: at('kernel'), disks });
    await guest.save(file);
    await guest.close();
  });
  after(() => rmSync(folder, { recursive: true }));

  it('moves images and overlays, and says how much is kept and how code is run', async () => {
    const overrides = ['disk1.path=/x/two.img', 'disk1.overlay=two.qcow2', 'historyMegabytes=3', 'checkpointEvery=77', 'tier=generic'];
    const { disks, historyBytes, checkpointEvery, tier } = await overridden(file, overrides);
    const expected: Partial<MachineConfig> = {
      disks: [{ path: at('one.img') }, { path: '/x/two.img', overlay: resolve('two.qcow2') }],
      historyBytes: 3 << 20,
      checkpointEvery: 77,
      tier: 'generic',
    };
    assert.deepEqual({ disks, historyBytes, checkpointEvery, tier }, expected);
  });

  it('a machine so made runs, with what was said', async () => {
    writeFileSync(at('moved.img'), readFileSync(at('two.img')));
    const guest = await openGuest(await overridden(file, [`disk1.path=${at('moved.img')}`, 'historyMegabytes=2', 'tier=region']), { snapshot: file });
    const { disks, historyBytes, tier, memory } = guest.config;
    assert.deepEqual([disks!.map(({ path, overlay }) => [path, overlay]), historyBytes, tier, memory], [
      [[at('one.img'), at('one.qcow2')], [at('moved.img'), undefined]], 2 << 20, 'region', CONFIG.memory,
    ]); // prettier-ignore
    await guest.close();
  });

  it('says what can be done where an image is not where it was; to look at the file none is needed', async () => {
    const moved = at('gone.img');
    renameSync(at('two.img'), moved);
    try {
      await assert.rejects(openGuest(undefined, { snapshot: file }), /two\.img': there is no such file.*--override disk0\.path=FILE/);
      const guest = await openGuest({ ...(await readConfiguration(file)), historyBytes: 0 }, { snapshot: file, view: true });
      assert.ok((await guest.readMemory(0, 'physical', 0n, 16)).length === 16);
      await guest.close();
    } finally {
      renameSync(moved, at('two.img'));
    }
  });

  it("refuses what is the snapshot's own, and what is not there", async () => {
    for (const [override, message] of [
      ['memory=1G', /'memory': that is the snapshot's own; there are disk0\.path, disk0\.overlay, disk1\.path, .*, vars, |there are .*historyMegabytes/],
      ['disk2.path=x', /machine has disk0, disk1/],
      ['cdrom0.path=x', /machine has disk0, disk1/],
      ['disk0.serial=x', /the snapshot's own/],
      ['constructor=x', /the snapshot's own/],
      ['tier', /no NAME=VALUE/],
      ['tier=', /no NAME=VALUE/],
      ['=x', /no NAME=VALUE/],
      ['tier=fast', /none of generic/],
      ['historyMegabytes=-1', /historyMegabytes/],
      ['vars=/v', /machine has no variable store/],
      ['network=user', /machine has no network adapter/],
    ] as const)
      await assert.rejects(overridden(file, [override]), { blame: 'user', message }, override);
    await assert.rejects(overridden(at('none'), []), /no such file/);
  });
});
