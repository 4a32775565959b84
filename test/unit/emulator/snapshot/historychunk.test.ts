/** The past that a snapshot carries: whoever opens it goes backwards as its author could. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Guest, MachineConfig, Position, Stop } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { knownChunks, loadSnapshot } from '../../../../emulator/snapshot/file';
import { readChunks } from '../../../../emulator/snapshot/container';
import { hex } from '../../../../emulator/snapshot/format';
import { readHistory } from '../../../../emulator/snapshot/historychunk';
import { memoryEntries } from '../../../../emulator/snapshot/memorychunk';
import { fieldsToMachine } from '../../../../emulator/snapshot/statechunks';
import { openSnapshot } from '../../../../emulator/snapshot/storage';
import { moved, runTo } from '../../../motion';

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

const travel = (guest: Guest, position: Position): Promise<unknown> => moved(guest, () => guest.travel(position));

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

  it('has all checkpoints of one position, with what each has written', async () => {
    for (const further of [0, 200_000]) {
      const own = await openGuest(config);
      await runTo(own, 250_000);
      await own.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096, 7));
      await runTo(own, 260_000);
      await own.checkpoint('seven');
      await runTo(own, 280_000);
      await own.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096, 8));
      // Where an automatic one is.
      await runTo(own, 300_000);
      await own.checkpoint('eight');
      await own.writeMemory(0, 'physical', 0x800000n, Buffer.alloc(4096, 9));
      await runTo(own, 300_000 + further);
      const file = join(folder, `same-${further}.guest`);
      await own.save(file, { historyBytes: WHOLE });
      const other = await openGuest(undefined, { snapshot: file });
      const list = (guest: Guest): Promise<unknown> =>
        guest.checkpoints().then((all) => all.filter(({ position }) => position <= 300_000).map(({ position, name, kept }) => [position, name, kept]));
      if (further > 0) assert.deepEqual(await list(other), await list(own));
      for (const place of [265_000, 300_000, 290_000]) {
        await travel(own, place);
        await travel(other, place);
        assert.equal(await other.stateHash(), await own.stateHash(), `at ${place}`);
      }
      const eight = (await other.checkpoints()).find(({ name }) => name === 'eight')!;
      await moved(other, () => other.restore(eight.id));
      assert.equal((await other.readMemory(0, 'physical', 0x800000n, 1))[0], 8);
      await travel(other, 300_000);
      assert.equal((await other.readMemory(0, 'physical', 0x800000n, 1))[0], 9);
      await own.close();
      await other.close();
    }
  });

  it('refuses a past that does not lead to its moment', async () => {
    const file = await openSnapshot(path);
    const chunks = knownChunks(await readChunks(file.source, file.manifest));
    const core = fieldsToMachine(chunks.find(({ kind }) => kind === 'machine')!.fields, 1);
    assert.ok(readHistory(chunks, core, 1, file.blobs).length > 5);
    const last = chunks.filter(({ kind }) => kind === 'history').at(-1);
    const without = chunks.filter((chunk) => chunk !== last);
    assert.throws(() => readHistory(without, core, 1, file.blobs), /its history does not end at its moment/);
    const swapped = chunks.map((chunk) => (chunk === last ? { ...chunk, instance: '000000' } : chunk));
    assert.throws(() => readHistory(swapped, core, 1, file.blobs), /is not after the one before it|does not end at its moment/);
    await file.close();
  });

  it('that is damaged is told in words when somebody goes there; the guest stays where it is, and goes on', async () => {
    const damaged = join(folder, 'damaged.guest');
    const file = await openSnapshot(path);
    const chunks = await readChunks(file.source, file.manifest);
    const memory = memoryEntries(chunks.find(({ kind }) => kind === 'memory')!.fields).flatMap(({ groups }) => groups.map(({ hash }) => hex(hash)));
    const core = fieldsToMachine(chunks.find(({ kind }) => kind === 'machine')!.fields, 1);
    const past = readHistory(chunks, core, 1, file.blobs).flatMap(({ contents }) => contents.flatMap(({ groups }) => groups.map(({ hash }) => hex(hash))));
    const only = new Set(past.filter((hash) => !memory.includes(hash)));
    const bytes = readFileSync(path);
    for (const { hash, offset, length } of file.manifest.blobs) if (only.has(hex(hash))) bytes[offset + (length >> 1)]! ^= 0x40;
    await file.close();
    writeFileSync(damaged, bytes);
    const other = await openGuest(undefined, { snapshot: damaged });
    const here = await other.stateHash();
    const stopped = new Promise<Stop>((resolve) => other.on((event) => event.event === 'stopped' && resolve(event.stop)));
    await other.travel(100_000);
    const { reason } = await stopped;
    assert.ok(reason.kind === 'error' && /damaged\.guest': it is damaged: a group of pages of the history/.test(reason.description), JSON.stringify(reason));
    assert.equal(await other.stateHash(), here);
    await runTo(other, 700_000);
    await travel(guest, 650_000);
    await runTo(guest, 700_000);
    assert.equal(await other.stateHash(), await guest.stateHash());
    await travel(other, 650_000);
    assert.equal(await other.stateHash(), here, 'what was recorded since is gone back through');
    await other.close();
  });

  it('is not there unless it is asked for', async () => {
    const plain = join(folder, 'd.guest');
    await travel(guest, 650_000);
    await guest.save(plain);
    const loaded = await loadSnapshot(plain);
    assert.equal(loaded.past, undefined);
    await loaded.close();
    const other = await openGuest(undefined, { snapshot: plain });
    assert.equal((await other.status()).oldest, 650_000);
    await other.close();
    const without = await openGuest({ ...config, historyBytes: 0 });
    await assert.rejects(without.save(join(folder, 'e.guest'), { historyBytes: WHOLE }), /history is switched off/);
    await without.close();
  });
});
