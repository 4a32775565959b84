/** A guest that writes to a virtio disk: its writes are part of history, state and snapshots, and no image is changed. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../../../emulator/errors';
import type { DiskConfig, MachineConfig, Stop } from '../../../../emulator/machine/api';
import { openDisks } from '../../../../emulator/machine/disks';
import type { LocalGuest } from '../../../../emulator/machine/local';
import { openGuest } from '../../../../emulator/machine/open';
import { CONFIG } from './guests';
import { moved } from '../../../motion';

const LOAD = 0x100000;
const RINGS = 0x10000;
const [DESC, AVAILABLE, USED, HEADER, STATUS, DATA] = [0, 0x800, 0x1000, 0x1800, 0x1900, 0x2000].map((at) => RINGS + at) as [
  number,
  number,
  number,
  number,
  number,
  number,
];
const BAR = 0xc0000000;
const COMMAND = 0x80004004; // of slot 8, the first disk's
const SECTOR = 5;
const ROUNDS = 4;

/** Writes sector 5 over and over, with the number of the round in its first four bytes; then halts. 32-bit code. */
function program(): Uint8Array {
  const bytes = new Uint8Array(RINGS + 0x3000);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const emit = (opcode: readonly number[], address: number | undefined, value: number, size: 1 | 2 | 4): void => {
    bytes.set(opcode, at);
    at += opcode.length;
    for (const [number, width] of address === undefined ? [[value, size] as const] : [[address, 4] as const, [value, size] as const])
      for (let i = 0; i < width; i++) bytes[at++] = (number >>> (8 * i)) & 0xff;
  };
  const store = { 1: [0xc6, 0x05], 2: [0x66, 0xc7, 0x05], 4: [0xc7, 0x05] } as const;
  const mov = (address: number, size: 1 | 2 | 4, value: number): void => emit(store[size], address, value, size);
  const out = (port: number, value: number): void => {
    emit([0x66, 0xba], undefined, port, 2); // mov dx
    emit([0xb8], undefined, value, 4); // mov eax
    bytes[at++] = 0xef; // out dx, eax
  };
  out(0xcf8, COMMAND);
  out(0xcfc, 0x6);
  for (const status of [0, 1, 3]) mov(BAR + 0x14, 1, status);
  mov(BAR + 0x08, 4, 1);
  mov(BAR + 0x0c, 4, 1); // VERSION_1
  mov(BAR + 0x14, 1, 0x0b);
  mov(BAR + 0x16, 2, 0);
  mov(BAR + 0x18, 2, 16);
  [DESC, AVAILABLE, USED].forEach((ring, i) => mov(BAR + 0x20 + 8 * i, 4, LOAD + ring));
  mov(BAR + 0x1c, 2, 1);
  mov(BAR + 0x14, 1, 0x0f);
  for (let round = 1; round <= ROUNDS; round++) {
    mov(LOAD + DATA, 4, round);
    mov(LOAD + AVAILABLE + 2, 2, round);
    mov(BAR + 0x3000, 2, 0);
    const wait = at;
    emit([0x66, 0x81, 0x3d], LOAD + USED + 2, round, 2); // cmp
    bytes.set([0x75, (wait - at - 2) & 0xff], at); // jne wait
    at += 2;
  }
  bytes.set([0xfa, 0xf4], at); // cli; hlt
  // A chain of three from descriptor 0 on, which every entry of the available ring names.
  [
    [HEADER, 16, 1],
    [DATA, 512, 1],
    [STATUS, 1, 2],
  ].forEach(([where, length, flags], i) => {
    view.setUint32(DESC + 16 * i, LOAD + where!, true);
    view.setUint32(DESC + 16 * i + 8, length!, true);
    view.setUint16(DESC + 16 * i + 12, flags!, true);
    view.setUint16(DESC + 16 * i + 14, i + 1, true);
  });
  view.setUint32(HEADER, 1, true);
  view.setUint32(HEADER + 8, SECTOR, true);
  return bytes;
}

const isUser = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof EmulatorError && error.blame === 'user' && error.code === code && message.test(error.message);

describe('disks of a guest', function () {
  this.timeout(60_000);
  let folder: string;
  let image: string;
  let config: MachineConfig;
  const guests: LocalGuest[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'disks-'));
    image = join(folder, 'disk.img');
    writeFileSync(image, new Uint8Array(1 << 20).fill(0x99));
    writeFileSync(join(folder, 'kernel'), program());
    config = {
      ...CONFIG,
      kernel: join(folder, 'kernel'),
      loadAddress: LOAD,
      loadMode: 'protected',
      framebuffer: false,
      historyBytes: 64 << 20,
      checkpointEvery: 5000,
      disks: [{ path: image }],
    };
  });
  afterEach(async () => {
    for (const guest of guests.splice(0)) await guest.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (disk: Partial<DiskConfig> = {}, options: { snapshot?: string } = {}): Promise<LocalGuest> => {
    const given =
      options.snapshot === undefined
        ? { ...config, disks: [{ path: image, ...disk }] }
        : Object.keys(disk).length > 0
          ? { ...config, disks: [disk as DiskConfig] }
          : undefined;
    const guest = (await openGuest(given, options)) as LocalGuest;
    guests.push(guest);
    return guest;
  };
  const run = (guest: LocalGuest, position?: number): Promise<Stop> =>
    moved(guest, () => guest.resume({ unattended: true, ...(position !== undefined && { position }) }));
  const sector = ({ machine }: LocalGuest): number => {
    const bytes = new Uint8Array(512);
    assert.equal(machine.disks[0]!.read(SECTOR, bytes), undefined);
    return new DataView(bytes.buffer).getUint32(0, true);
  };

  it('change with the guest, and back with its history', async () => {
    const guest = await start();
    assert.equal(sector(guest), 0x99999999);
    const seen: { position: number; value: number; hash: string }[] = [];
    const note = async (): Promise<void> => void seen.push({ position: guest.machine.position, value: sector(guest), hash: await guest.stateHash() });
    await note();
    for (let position = 1000; ; position += 1000) {
      const { reason } = await run(guest, position);
      await note();
      if (reason.kind !== 'limit') break;
      assert.ok(position < 1_000_000);
    }
    assert.deepEqual([...new Set(seen.map(({ value }) => value))], [0x99999999, 1, 2, 3, 4]);
    assert.equal(new Set(seen.map(({ hash }) => hash)).size, seen.length, 'each state has its own hash');
    for (const { position, value, hash } of [...seen].reverse()) {
      await moved(guest, () => guest.travel(position));
      assert.deepEqual([sector(guest), await guest.stateHash()], [value, hash], `at ${position}`);
    }
    assert.equal(guest.machine.disks[0]!.overlay.size, 0, 'at the beginning nothing is written');
    const end = seen.at(-1)!;
    await moved(guest, () => guest.travel(end.position));
    assert.deepEqual([sector(guest), await guest.stateHash()], [end.value, end.hash]);
    assert.ok(
      readFileSync(image).every((byte) => byte === 0x99),
      'the image is as it was',
    );
  });

  it('step back over a write by one instruction', async () => {
    const guest = await start();
    await run(guest);
    const end = guest.machine.position;
    let [low, high] = [0, end];
    // The first position at which round 2 is on the disk.
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      await moved(guest, () => guest.travel(middle));
      if ([2, 3, 4].includes(sector(guest))) high = middle;
      else low = middle;
    }
    await moved(guest, () => guest.travel(high));
    assert.equal(sector(guest), 2);
    await moved(guest, () => guest.stepBack(0));
    assert.equal(sector(guest), 1);
  });

  it('are in a snapshot, with which image they belong to', async () => {
    const guest = await start();
    await run(guest);
    const end = await guest.stateHash();
    const middle = guest.machine.position >> 1;
    await moved(guest, () => guest.travel(middle));
    const [value, hash] = [sector(guest), await guest.stateHash()];
    assert.ok(value >= 1 && value <= 3);
    const snapshot = join(folder, 'a.guest');
    await guest.save(snapshot);

    const resumed = await start({}, { snapshot });
    assert.deepEqual([sector(resumed), await resumed.stateHash()], [value, hash]);
    await run(resumed);
    assert.deepEqual([sector(resumed), await resumed.stateHash()], [ROUNDS, end]);
    await moved(resumed, () => resumed.travel(middle));
    assert.deepEqual([sector(resumed), await resumed.stateHash()], [value, hash]);
    await resumed.save(join(folder, 'b.guest'));
    assert.ok(readFileSync(snapshot).equals(readFileSync(join(folder, 'b.guest'))), 'the same state is the same file');

    const movedImage = join(folder, 'moved.img');
    writeFileSync(movedImage, readFileSync(image));
    writeFileSync(image, new Uint8Array(1 << 20).fill(0x98));
    await assert.rejects(start({}, { snapshot }), isUser('snapshot', /disk\.img' of disk0 is not the one that it was made with/));
    writeFileSync(image, new Uint8Array(2 << 20));
    await assert.rejects(start({}, { snapshot }), isUser('snapshot', /has 2097152 bytes; it was made with one of 1048576/));
    rmSync(image);
    await assert.rejects(start({}, { snapshot }), isUser('disk-file', /no such file/));
    const elsewhere = await start({ path: movedImage }, { snapshot });
    assert.equal(await elsewhere.stateHash(), hash, 'the image may lie elsewhere');
  });

  it('keep what was written in an overlay file', async () => {
    const overlay = join(folder, 'overlay.qcow2');
    const guest = await start({ overlay });
    await run(guest);
    await guest.close();
    const again = await start({ overlay });
    assert.equal(sector(again), ROUNDS);
    assert.equal(sector(await start({ path: overlay })), ROUNDS, 'it is an image too');
    assert.equal(sector(await start()), 0x99999999);
    // Where the machine starts is in its history.
    await run(again);
    await moved(again, () => again.travel(0));
    assert.equal(sector(again), ROUNDS);
    assert.ok(readFileSync(image).every((byte) => byte === 0x99));
  });

  it('an overlay that only a snapshot names is written to if it is one of this image, and nothing else is', async () => {
    const overlay = join(folder, 'overlay.qcow2');
    const snapshot = join(folder, 'a.guest');
    const guest = await start({ overlay });
    await run(guest, 1000);
    await guest.save(snapshot);
    await run(guest, 12_000);
    await guest.close();
    assert.ok(sector(await start({ path: overlay })) <= ROUNDS, 'there is one of this image');

    const runToEnd = async (disk: Partial<DiskConfig> = {}): Promise<string[]> => {
      const resumed = await start(disk, { snapshot });
      const told: string[] = [];
      resumed.on((event) => event.event === 'log' && told.push(event.text));
      await run(resumed);
      await resumed.close();
      return told;
    };
    assert.deepEqual(await runToEnd(), []);
    assert.equal(sector(await start({ path: overlay })), ROUNDS);

    writeFileSync(overlay, 'precious');
    assert.match((await runToEnd()).join(), /what the guest has written to disk0 is not kept: its snapshot names the overlay .*overlay\.qcow2/);
    assert.equal(readFileSync(overlay, 'utf8'), 'precious');
    rmSync(overlay);
    assert.match((await runToEnd()).join(), /there is no such file/);
    assert.equal(existsSync(overlay), false);
    const other = join(folder, 'other.qcow2');
    assert.deepEqual(await runToEnd({ path: image, overlay: other }), []);
    assert.equal(sector(await start({ path: other })), ROUNDS);
  });

  it('are refused where the configuration makes no sense', () => {
    const refuse = (disk: Partial<DiskConfig>, code: string, message: RegExp): void =>
      assert.throws(() => openDisks({ ...config, disks: [{ path: image, ...disk }] }), isUser(code, message));
    refuse({ path: join(folder, 'none') }, 'disk-file', /no such file/);
    refuse({ path: folder }, 'disk-file', /folder/);
    refuse({ path: '/dev/null' }, 'disk-file', /no regular file/);
    refuse({ format: 'qcow2' }, 'qcow2', /no qcow2 image/);
    refuse({ serial: 'x'.repeat(21) }, 'disk-serial', /1 to 20/);
    refuse({ readOnly: true, overlay: 'o' }, 'disk-overlay', /read-only/);
    refuse({ overlay: join(folder, 'kernel') }, 'qcow2', /no qcow2 image/);
    assert.throws(() => openDisks({ ...config, disks: new Array<DiskConfig>(17).fill({ path: image }) }), isUser('disks', /up to 16/));
  });
});
