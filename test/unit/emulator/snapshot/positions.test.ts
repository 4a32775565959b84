/** Where a position's inputs are: whoever is sent to a position finds it after all of them, a checkpoint is as it was made. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Guest, MachineConfig, Position } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { moved } from '../../../motion';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: false,
  historyBytes: 64 << 20,
  checkpointEvery: 100_000,
  debugExitPort: false,
};
/** Where an automatic checkpoint is. */
const HERE = 300_000;

describe('a position with inputs', function () {
  this.timeout(60_000);
  let guest: Guest;
  beforeEach(async () => {
    guest = await openGuest(config);
    await runTo(HERE);
  });
  afterEach(() => guest.close());

  const runTo = (position: Position): Promise<unknown> => moved(guest, () => guest.resume({ position, unattended: true }));
  const travel = (position: Position): Promise<unknown> => moved(guest, () => guest.travel(position));
  const made = async (): Promise<number> => (await guest.checkpoints()).find(({ position }) => position === HERE)!.id;

  it('is found after them, however one comes there; a checkpoint made before them is before them', async () => {
    const [before, automatic] = [await guest.stateHash(), await made()];
    await guest.setVcpuState(0, ['general', 'rbx'], 0x1234n);
    const named = await guest.checkpoint('between');
    const between = await guest.stateHash();
    await guest.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096, 7));
    const after = await guest.stateHash();
    const is = async (what: string, hash: string): Promise<void> => assert.equal(await guest.stateHash(), hash, what);
    await moved(guest, () => guest.step('in', 0));
    const next = await guest.stateHash();
    await moved(guest, () => guest.stepBack(0));
    await is('a step, and back', after);
    await runTo(HERE + 150_000);
    const later = await guest.stateHash();
    await travel(HERE);
    await is('travelled to', after);
    for (const [id, hash] of [
      [automatic, before],
      [named.id, between],
    ] as const) {
      for (const go of [runTo, travel]) {
        await moved(guest, () => guest.restore(id));
        await is('restored', hash);
        await go(HERE);
        await is('and gone on to where it is', after);
      }
      await moved(guest, () => guest.restore(id));
      await moved(guest, () => guest.step('in', 0));
      await is('and a step on', next);
      await runTo(HERE + 150_000);
      await is('and later', later);
    }
    // One more of the first moment comes before what followed it.
    await moved(guest, () => guest.restore(automatic));
    const again = await guest.checkpoint('again');
    await runTo(HERE + 150_000);
    await moved(guest, () => guest.restore(again.id));
    await is('made anew', before);
    await runTo(HERE + 150_000);
    await is('and later', later);
  });

  it('at the beginning, too', async () => {
    const other = await openGuest(config);
    await other.setVcpuState(0, ['general', 'rbx'], 0x1234n);
    const first = await other.stateHash();
    await moved(other, () => other.resume({ position: 1000, unattended: true }));
    for (const back of [() => other.travel(0), () => other.reverseContinue()]) {
      await moved(other, back);
      assert.equal(await other.stateHash(), first);
      await moved(other, () => other.travel(1000));
    }
    await other.close();
  });

  it('has what an input makes due before its next instruction, at the first time as when it comes again', async () => {
    await moved(guest, () => guest.resume({ span: { time: 601e9 }, unattended: true }));
    const { position } = await guest.status();
    // The timer's carry, of a second ago, was nobody's business. Now it is.
    await guest.setDeviceState(['acpi', 'control'], 1n);
    await guest.setDeviceState(['acpi', 'enable'], 1n);
    const hashes = [await guest.stateHash()];
    for (const place of [position + 1, position + 10]) {
      await runTo(place);
      hashes.push(await guest.stateHash());
    }
    await travel(position - 1);
    await runTo(position + 1);
    assert.equal(await guest.stateHash(), hashes[1], 'in one go');
    await travel(position - 1);
    for (const [number, place] of [position, position + 1, position + 10].entries()) {
      await runTo(place);
      assert.equal(await guest.stateHash(), hashes[number], `at ${place}`);
    }
  });
});
