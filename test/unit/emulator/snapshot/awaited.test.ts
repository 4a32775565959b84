/** A snapshot's memory that comes when it is looked at: nobody can tell. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../../../emulator/errors';
import type { MachineConfig, Stop } from '../../../../emulator/machine/api';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace, readBinaries } from '../../../../emulator/machine/node';
import { openGuest } from '../../../../emulator/machine/open';
import { mayAwait } from '../../../../emulator/snapshot/awaited';
import { readChunks } from '../../../../emulator/snapshot/container';
import { loadSnapshot, saveSnapshot, type LoadedSnapshot } from '../../../../emulator/snapshot/file';
import { hex } from '../../../../emulator/snapshot/format';
import { memoryEntries } from '../../../../emulator/snapshot/memorychunk';
import { openSnapshot } from '../../../../emulator/snapshot/storage';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { moved } from '../../../motion';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 16 << 20,
  checkpointEvery: 100_000,
  debugExitPort: false,
};
const AT = 300_000;
const LATER = 500_000;

/** Memory that the guest never looks at. */
const ELSEWHERE = 8 << 20;

const stopAt = (guest: LocalGuest, position: number): Promise<Stop> => moved(guest, () => guest.resume({ position, unattended: true }));

describe('awaited memory of a snapshot', () => {
  let folder: string;
  let path: string;
  let then: string;
  let later: string;
  let snapshot: LoadedSnapshot;
  let guest: LocalGuest;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    path = join(folder, 'a.guest');
    const first = (await openGuest(config)) as LocalGuest;
    await stopAt(first, AT);
    await first.writeMemory(
      0,
      'physical',
      BigInt(ELSEWHERE),
      Uint8Array.from({ length: 1 << 18 }, (_, index) => (index * 167) >> 8),
    );
    await first.save(path);
    then = await first.stateHash();
    await stopAt(first, LATER);
    later = await first.stateHash();
    await first.close();
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A guest that is brought nothing unless it asks. */
  async function open(file: string): Promise<void> {
    snapshot = await loadSnapshot(file);
    guest = await LocalGuest.create(snapshot.config, {
      images: snapshot.images,
      binaries: await readBinaries(),
      pace: nodePace,
      begin: snapshot.apply,
      history: (context, bytes, every) => new Timeline(context, bytes, every, snapshot.past),
      save: (...given) => saveSnapshot(...given).then(() => undefined),
    });
  }
  const awaited = (): number => guest.machine.pages.all().filter((page) => guest.machine.pages.isAwaited(page)).length;
  afterEach(async () => {
    await guest.close();
    await snapshot.close();
  });

  it('comes as the guest goes on, which goes on the same', async () => {
    await open(path);
    const all = awaited();
    assert.ok(all > 0);
    await stopAt(guest, LATER);
    assert.ok(awaited() < all, 'it has looked at something');
    assert.ok(awaited() > 0, 'and not at everything');
    assert.equal(await guest.stateHash(), later);
    assert.equal(awaited(), 0, 'the hash is of everything');
  });

  it('is there when the guest goes back', async () => {
    await open(path);
    await stopAt(guest, LATER);
    await moved(guest, () => guest.travel(AT));
    assert.ok(awaited() > 0);
    assert.equal(await guest.stateHash(), then);
    await stopAt(guest, LATER);
    assert.equal(await guest.stateHash(), later);
  });

  it('is there in another branch', async () => {
    await open(path);
    await stopAt(guest, LATER);
    await moved(guest, () => guest.travel(AT));
    const checkpoint = await guest.checkpoint('here');
    await guest.key('KeyA', true);
    await stopAt(guest, LATER);
    assert.notEqual(await guest.stateHash(), later);
    await moved(guest, () => guest.restore(checkpoint.id));
    assert.equal(await guest.stateHash(), then);
  });

  it('is saved again, to the same bytes', async () => {
    await open(path);
    const again = join(folder, 'again.guest');
    await guest.save(again);
    assert.ok(readFileSync(again).equals(readFileSync(path)));
  });

  it('can be written over by the debugger', async () => {
    await open(path);
    const page = guest.machine.pages.all().find((each) => guest.machine.pages.isAwaited(each))!;
    const { ram } = guest.machine.engine;
    const address = BigInt(page * 4096 - ram.byteOffset);
    const whole = (await openGuest(undefined, { snapshot: path })) as LocalGuest;
    for (const each of [guest, whole]) await each.writeMemory(0, 'physical', address + 5n, Uint8Array.of(1, 2, 3));
    assert.deepEqual(await guest.readMemory(0, 'physical', address, 4096), await whole.readMemory(0, 'physical', address, 4096));
    await whole.close();
  });

  it('comes by itself too, and then the file is of no use any more', async () => {
    const copy = join(folder, 'copy.guest');
    writeFileSync(copy, readFileSync(path));
    await open(copy);
    await snapshot.rest(() => false);
    assert.equal(awaited(), 0);
    await snapshot.close();
    rmSync(copy);
    assert.equal(await guest.stateHash(), then);
    await guest.reset();
    const { reason } = await stopAt(guest, LATER);
    assert.equal(reason.kind, 'limit');
  });

  it('stops the guest where it is damaged, in words, and leaves it to be looked at', async () => {
    const damaged = join(folder, 'damaged.guest');
    const bytes = readFileSync(path);
    const { source, manifest, close } = await openSnapshot(path);
    const [memory] = (await readChunks(source, manifest)).filter(({ kind }) => kind === 'memory');
    const ram = memoryEntries(memory!.fields).find(({ name }) => name === 'ram')!;
    const late = new Set(ram.groups.filter((group) => mayAwait('ram', group)).map(({ hash }) => hex(hash)));
    for (const { hash, offset, length } of manifest.blobs) if (late.has(hex(hash))) bytes[offset + (length >> 1)]! ^= 0xff;
    await close();
    writeFileSync(damaged, bytes);
    await open(damaged);
    const { reason } = await stopAt(guest, LATER);
    assert.ok(reason.kind === 'error', reason.kind);
    assert.deepEqual([reason.code, reason.blame], ['snapshot', 'user'], 'nobody has to report a defect');
    assert.match(reason.description, /^snapshot '.*damaged\.guest': it is damaged: a group of pages /);
    assert.ok((await guest.registers(0))['rip'] !== undefined);
    await assert.rejects(
      snapshot.rest(() => false),
      (error) => error instanceof EmulatorError && error.blame === 'user' && /damaged\.guest/.test(error.message),
    );
  });
});
