/** Snapshots of the sample guest: whole, the same to the last byte, and of use to nobody when damaged. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../../../emulator/errors';
import type { Guest, MachineConfig, Stop } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { HEADER, hex } from '../../../../emulator/snapshot/format';
import { about, openSnapshot } from '../../../../emulator/snapshot/storage';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 0,
  checkpointEvery: 10_000_000,
  debugExitPort: false,
};

function run(guest: Guest, by: number): Promise<Stop> {
  return new Promise((resolve, reject) => {
    const off = guest.on((event) => {
      if (event.event !== 'stopped') return;
      off();
      resolve(event.stop);
    });
    guest
      .status()
      .then(({ position }) => guest.resume({ position: position + by, unattended: true }))
      .catch(reject);
  });
}

const isUser = (error: unknown): boolean => error instanceof EmulatorError && error.blame === 'user';

describe('snapshot files', function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  let guest: Guest;
  let hash: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    path = join(folder, 'a.guest');
    guest = await openGuest(config);
    await run(guest, 300_000);
    await guest.save(path);
    hash = await guest.stateHash();
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  it('are resumed to the same state, and go on the same', async () => {
    const resumed = await openGuest(undefined, { snapshot: path });
    const other = await openGuest(config);
    await run(other, 300_000);
    assert.equal(await resumed.stateHash(), hash);
    for (let i = 0; i < 20; i++) {
      await run(resumed, 50_000);
      await run(other, 50_000);
      assert.equal(await resumed.stateHash(), await other.stateHash(), `after ${i + 1} stretches`);
    }
    await resumed.close();
    await other.close();
  });

  it('are the same bytes when saved, restored and saved again', async () => {
    const resumed = await openGuest(undefined, { snapshot: path });
    const again = join(folder, 'again.guest');
    await resumed.save(again);
    await resumed.close();
    assert.deepEqual(readFileSync(again), readFileSync(path));
  });

  it('hold their images: the files need not be there', async () => {
    const moved = join(folder, 'gone.elf');
    writeFileSync(moved, readFileSync(config.kernel!));
    const first = await openGuest({ ...config, kernel: moved });
    const [one, two] = [join(folder, 'one.guest'), join(folder, 'two.guest')];
    await first.save(one);
    await first.close();
    rmSync(moved);
    const second = await openGuest(undefined, { snapshot: one });
    await second.save(two);
    await second.close();
    assert.deepEqual(readFileSync(two), readFileSync(one));
  });

  it('with a parent hold only what is new, and refuse another parent', async () => {
    const child = join(folder, 'child.guest');
    await guest.save(child, { parent: path });
    assert.ok(readFileSync(child).length < readFileSync(path).length / 2);
    const resumed = await openGuest(undefined, { snapshot: child });
    assert.equal(await resumed.stateHash(), hash);
    await resumed.close();
    const saved = readFileSync(path);
    await run(guest, 10_000);
    await guest.save(path);
    await assert.rejects(openGuest(undefined, { snapshot: child }), /child\.guest': its parent 'a\.guest' is another snapshot/);
    writeFileSync(path, saved);
    await assert.rejects(guest.save(path, { parent: child }), /it is a parent of '.*child\.guest' itself/);
    await assert.rejects(guest.save(child, { parent: '/elsewhere/a.guest' }), /is not in the same folder/);
  });

  it('of which any byte was changed or cut are refused', async () => {
    const bytes = readFileSync(path);
    const whole = await openGuest(undefined, { snapshot: path });
    const savedHash = await whole.stateHash();
    await whole.close();
    const damaged = join(folder, 'damaged.guest');
    const places = [
      0,
      8,
      12,
      20,
      28,
      40,
      70,
      90,
      112,
      125,
      ...Array.from({ length: 40 }, (_, i) => HEADER.size + Math.floor(((bytes.length - HEADER.size - 1) * i) / 39)),
    ];
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x40;
      writeFileSync(damaged, changed);
      // Memory is held against its hashes when it is looked at. Bits that fill up the last byte of compressed data mean nothing: then the state must be the same.
      let opened: Guest | undefined;
      try {
        opened = await openGuest(undefined, { snapshot: damaged });
        assert.equal(await opened.stateHash(), savedHash, `byte ${at}`);
      } catch (error) {
        assert.ok(isUser(error), `byte ${at}: ${String(error)}`);
      }
      await opened?.close();
      writeFileSync(damaged, bytes.subarray(0, at));
      await assert.rejects(openGuest(undefined, { snapshot: damaged }), isUser, `cut at ${at}`);
    }
  });

  it('of other formats are refused in words', async () => {
    const bytes = readFileSync(path);
    const other = join(folder, 'other.guest');
    bytes.writeUInt32LE(99, HEADER.format);
    bytes.writeUInt32LE(99, HEADER.oldestReader);
    writeFileSync(other, bytes);
    await assert.rejects(openGuest(undefined, { snapshot: other }), /too new: written by guest-debug .* in format 99; this version reads 2 to 3/);
    bytes.writeUInt32LE(1, HEADER.format);
    bytes.writeUInt32LE(1, HEADER.oldestReader);
    writeFileSync(other, bytes);
    await assert.rejects(openGuest(undefined, { snapshot: other }), /too old/);
    writeFileSync(other, 'guest-debug snapshot\n');
    await assert.rejects(openGuest(undefined, { snapshot: other }), /this is no snapshot file/);
    await assert.rejects(openGuest(undefined, { snapshot: join(folder, 'none') }), /there is no such file/);
    await assert.rejects(openGuest(undefined, { snapshot: folder }), isUser);
  });

  it('replace the file before only when they are whole; the guest goes on', async () => {
    const before = await guest.stateHash();
    await assert.rejects(guest.save(join(folder, 'none', 'x.guest')), /there is no such folder/);
    assert.equal(await guest.stateHash(), before);
    const locked = mkdtempSync(join(folder, 'locked-'));
    chmodSync(locked, 0o500);
    if (process.getuid?.() !== 0) await assert.rejects(guest.save(join(locked, 'x.guest')), /may not be written to/);
    if (process.platform === 'linux') await assert.rejects(guest.save('/dev/full/x'), isUser);
    // Two at once: one of them stays, whole.
    const both = join(folder, 'both.guest');
    await Promise.all([guest.save(both), guest.save(both)]);
    const resumed = await openGuest(undefined, { snapshot: both });
    assert.equal(await resumed.stateHash(), before);
    await resumed.close();
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('partial')),
      [],
    );
  });

  it('stay as they were where the disk is full; it is said, and the guest goes on', async function () {
    const disk = mkdtempSync(join(folder, 'disk-'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=96k', 'tmpfs', disk]).status !== 0) {
      console.log('      skipped: a small disk can only be mounted by root');
      return this.skip();
    }
    try {
      const file = join(disk, 'x.guest');
      await guest.save(file);
      const [before, here] = [readFileSync(file), await guest.stateHash()];
      // It hardly can be packed.
      const noise = Buffer.from(Array.from({ length: 1 << 18 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
      await guest.writeMemory(0, 'physical', 0x900000n, noise);
      const changed = await guest.stateHash();
      await assert.rejects(guest.save(file), /x\.guest' can not be written: the disk is full/);
      assert.deepEqual([readFileSync(file).equals(before), readdirSync(disk)], [true, ['x.guest']]);
      assert.equal(await guest.stateHash(), changed);
      const resumed = await openGuest(undefined, { snapshot: file });
      assert.equal(await resumed.stateHash(), here);
      await resumed.close();
      assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0);
      await assert.rejects(guest.save(file), /the file system is read-only/);
      await run(guest, 1000);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  it('are identified by what they hold', async () => {
    const file = await about(path, () => openSnapshot(path));
    assert.match(hex(file.manifest.id), /^[0-9a-f]{64}$/);
    assert.deepEqual(new Set(file.manifest.chunks.filter(({ mandatory }) => !mandatory).map(({ kind }) => kind)), new Set(['schema']));
    await file.close();
  });
});
