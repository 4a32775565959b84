/** The past that a snapshot carries: whoever opens it goes backwards as its author could. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Guest, MachineConfig, Position } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { knownChunks, loadSnapshot } from '../../../../emulator/snapshot/file';
import { readChunks } from '../../../../emulator/snapshot/container';
import { readHistory } from '../../../../emulator/snapshot/historychunk';
import { fieldsToMachine } from '../../../../emulator/snapshot/statechunks';
import { openSnapshot } from '../../../../emulator/snapshot/storage';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 64 << 20,
  checkpointEvery: 100_000,
  debugExitPort: false,
};
const WHOLE = 64 << 20;

/** Starts a motion, and waits for its end. */
function moved(guest: Guest, action: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = guest.on(({ event }) => {
      if (event !== 'stopped') return;
      off();
      resolve();
    });
    action().catch(reject);
  });
}
const runTo = (guest: Guest, position: Position): Promise<void> => moved(guest, () => guest.resume({ position, unattended: true }));
const travel = (guest: Guest, position: Position): Promise<void> => moved(guest, () => guest.travel(position));

describe('a snapshot with its history', function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  let guest: Guest;
  const places = [0, 1, 99_999, 100_000, 250_001, 399_999, 512_345, 650_000];
  const hashes = new Map<Position, string>();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    path = join(folder, 'a.guest');
    guest = await openGuest(config);
    await runTo(guest, 300_000);
    await guest.serialInput(0, Buffer.from('hello'));
    await runTo(guest, 420_000);
    await guest.checkpoint('before the end');
    await guest.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096, 7));
    await runTo(guest, 650_000);
    await guest.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096));
    for (const place of places) {
      await travel(guest, place);
      hashes.set(place, await guest.stateHash());
    }
    await guest.save(path, { historyBytes: WHOLE });
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  it('is run backwards to every place of the past', async () => {
    const other = await openGuest(undefined, { snapshot: path });
    const { position, oldest } = await other.status();
    assert.deepEqual([position, oldest], [650_000, 0]);
    for (const place of [...places].reverse()) {
      await travel(other, place);
      assert.equal(await other.stateHash(), hashes.get(place), `at ${place}`);
    }
    await travel(other, 650_000);
    assert.equal(await other.stateHash(), hashes.get(650_000), 'and forwards again');
    await moved(other, () => other.stepBack(0));
    assert.equal((await other.status()).position, 649_999);
    const names = (await other.checkpoints()).flatMap(({ name, kept }) => (kept ? [name] : []));
    assert.deepEqual(names, ['before the end']);
    await other.close();
  });

  it('goes on the same, and is saved again with the same past', async () => {
    const other = await openGuest(undefined, { snapshot: path });
    await runTo(guest, 800_000);
    await runTo(other, 800_000);
    assert.equal(await other.stateHash(), await guest.stateHash());
    const again = join(folder, 'b.guest');
    await other.save(again, { historyBytes: WHOLE });
    await other.close();
    const third = await openGuest(undefined, { snapshot: again });
    await travel(third, 250_001);
    assert.equal(await third.stateHash(), hashes.get(250_001));
    await third.close();
  });

  it('leaves out the oldest where they do not fit', async () => {
    const small = join(folder, 'c.guest');
    await travel(guest, 650_000);
    await guest.save(small, { historyBytes: 40 << 10 });
    assert.ok(statSync(small).size < statSync(path).size);
    const other = await openGuest(undefined, { snapshot: small });
    const { oldest } = await other.status();
    assert.ok(oldest > 0 && oldest < 650_000, `it begins at ${oldest}`);
    await travel(other, 649_000);
    await travel(guest, 649_000);
    assert.equal(await other.stateHash(), await guest.stateHash());
    await other.close();
  });

  it('refuses a past that does not lead to its moment', async () => {
    const file = await openSnapshot(path);
    const chunks = knownChunks(await readChunks(file.source, file.manifest));
    const core = fieldsToMachine(chunks.find(({ kind }) => kind === 'machine')!.fields, 1);
    assert.ok((await readHistory(chunks, core, 1, file.blobs)).length > 5);
    const last = chunks.filter(({ kind }) => kind === 'history').at(-1);
    await assert.rejects(readHistory(chunks.filter((chunk) => chunk !== last), core, 1, file.blobs), /its history does not end at its moment/); // prettier-ignore
    const swapped = chunks.map((chunk) => (chunk === last ? { ...chunk, instance: '000000' } : chunk));
    await assert.rejects(readHistory(swapped, core, 1, file.blobs), /is not after the one before it/);
    await file.close();
  });

  it('is not there unless it is asked for', async () => {
    const plain = join(folder, 'd.guest');
    await travel(guest, 650_000);
    await guest.save(plain);
    const loaded = await loadSnapshot(plain);
    assert.deepEqual(loaded.past, []);
    await loaded.close();
    const other = await openGuest(undefined, { snapshot: plain });
    assert.equal((await other.status()).oldest, 650_000);
    await other.close();
    const without = await openGuest({ ...config, historyBytes: 0 });
    await assert.rejects(without.save(join(folder, 'e.guest'), { historyBytes: WHOLE }), /history is switched off/);
    await without.close();
  });
});
