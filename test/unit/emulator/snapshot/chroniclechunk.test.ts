/** What a past is told with travels with it: where the guest stopped, and how its screen looked. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../../../emulator/errors';
import type { Guest, MachineConfig, Position } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { BlobWriter } from '../../../../emulator/snapshot/blobs';
import { asInteger, asList, asMap, fieldsOf, type Fields, type Value } from '../../../../emulator/snapshot/cbor';
import { encodeContainer, readChunks, type Chunk } from '../../../../emulator/snapshot/container';
import { hex } from '../../../../emulator/snapshot/format';
import { openSnapshot, writeWhole } from '../../../../emulator/snapshot/storage';
import { moved, runTo } from '../../../motion';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 64 << 20,
  checkpointEvery: 1_000_000,
  debugExitPort: false,
};
const WHOLE = 64 << 20;

describe("a snapshot's chronicle", function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  let guest: Guest;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    path = join(folder, 'a.guest');
    guest = await openGuest(config);
    await runTo(guest, 2_960_000);
    await guest.checkpoint('three');
    const rip = (await guest.registers(0))['rip']!;
    await guest.setTriggers([{ kind: 'execute', id: 1, address: rip }]);
    await moved(guest, () => guest.resume());
    await guest.setTriggers([]);
    await runTo(guest, 3_000_000);
    await guest.save(path, { historyBytes: WHOLE });
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  async function pictures(of: Guest): Promise<readonly { readonly position: Position; readonly name: string | undefined; readonly dots: string }[]> {
    const shown = (await of.timeline()).checkpoints.filter(({ picture }) => picture);
    const all = await of.thumbnails(shown.map(({ id }) => id));
    assert.equal(all.length, shown.length);
    return shown.map(({ position, name }, number) => ({ position, name, dots: hex(all[number]!.rgba) }));
  }
  const stops = async (of: Guest): Promise<unknown> => (await of.timeline()).events.filter(({ kind }) => kind === 'stop');

  it('has the stops and pictures of the past, on another machine too; saved again, the bytes are the same', async () => {
    const own = await pictures(guest);
    assert.ok(own.length > 3 && own.some(({ name }) => name === 'three'));
    assert.ok(new Set(own.map(({ dots }) => dots)).size > 1, 'the screen has changed');
    const other = await openGuest(undefined, { snapshot: path });
    assert.deepEqual(await stops(other), await stops(guest));
    assert.equal(((await stops(other)) as unknown[]).length, 1);
    assert.deepEqual(await pictures(other), own);
    await other.save(join(folder, 'again.guest'), { historyBytes: WHOLE });
    await other.close();
    assert.ok(readFileSync(join(folder, 'again.guest')).equals(readFileSync(path)));
    // Without anybody having looked at it, too.
    const third = await openGuest(undefined, { snapshot: path });
    await third.save(join(folder, 'third.guest'), { historyBytes: WHOLE });
    await third.close();
    assert.ok(readFileSync(join(folder, 'third.guest')).equals(readFileSync(path)));
  });

  it('grows with what happens after that', async () => {
    const other = await openGuest(undefined, { snapshot: path });
    const before = (await pictures(other)).length;
    await runTo(other, 3_020_000);
    await other.checkpoint('nine');
    const all = await pictures(other);
    assert.ok(all.length > before && all.some(({ name }) => name === 'nine'));
    await other.close();
  });

  it('takes what the past leaves it of the budget: what somebody asked for first, then the newest', async () => {
    const small = join(folder, 'small.guest');
    const whole = await openSnapshot(path);
    const past = (await readChunks(whole.source, whole.manifest)).filter(({ kind }) => kind === 'history');
    await whole.close();
    const pages = past.flatMap(({ fields }) => [...asMap(fields.get('contents'), 'contents').values()].flatMap((groups) => asList(groups, 'groups')));
    const used = pages.reduce<number>((sum, group) => sum + 4096 * asInteger(asList(group, 'a group')[1], 'mask').toString(2).replaceAll('0', '').length, 0);
    // All of the past, and two of its pictures at least.
    const room = Math.max(used + 130_000, Math.ceil((used * 16) / 15));
    await guest.save(small, { historyBytes: room });
    assert.ok(statSync(small).size < statSync(path).size);
    const other = await openGuest(undefined, { snapshot: small });
    const shown = await pictures(other);
    assert.ok(shown.length > 0 && shown.length < (await pictures(guest)).length && shown.length * 160 * 120 * 3 <= room - used, `${shown.length} pictures`);
    assert.ok(shown.some(({ name }) => name === 'three'));
    await other.close();
    const none = join(folder, 'none.guest');
    await guest.save(none);
    const file = await openSnapshot(none);
    assert.ok(file.manifest.chunks.every(({ kind }) => kind !== 'chronicle'));
    await file.close();
  });

  /** The file with other chunks in it. */
  async function changed(change: (chunks: readonly Chunk[]) => readonly Chunk[]): Promise<string> {
    const { source, manifest, blobs, close } = await openSnapshot(path);
    const writer = new BlobWriter();
    for (const [key, blob] of blobs) writer.keep(Buffer.from(key, 'hex'), await blob.read());
    const { pieces } = await encodeContainer(change(await readChunks(source, manifest)), writer);
    await close();
    await writeWhole(join(folder, 'changed.guest'), pieces);
    return join(folder, 'changed.guest');
  }
  const told = (change: (fields: Fields) => Fields): Promise<string> =>
    changed((chunks) => chunks.map((chunk) => (chunk.kind === 'chronicle' ? { ...chunk, fields: change(chunk.fields) } : chunk)));
  const first =
    (name: 'stops' | 'pictures', change: Readonly<Record<string, Value>>) =>
    (fields: Fields): Fields => {
      const [item, ...others] = asList(fields.get(name), name);
      return new Map(fields).set(name, [new Map([...asMap(item, name), ...Object.entries(change)]), ...others]);
    };
  const many = (name: string, count: number) => (fields: Fields) =>
    new Map(fields).set(
      name,
      Array.from({ length: count }, () => asList(fields.get(name), name)[0]!),
    );

  it('that says what can not be is refused in words', async () => {
    const refused: readonly [(fields: Fields) => Fields, RegExp][] = [
      [first('stops', { kind: 'input' }), /a stop of the chronicle is of no kind that there is/],
      [first('stops', { position: 3_000_001 }), /a stop of the chronicle is not a whole number from 0 to 3000000/],
      [first('stops', { text: 'x'.repeat(501) }), /a text of 501 characters/],
      [first('stops', { time: -1 }), /a stop of the chronicle is not/],
      [first('stops', { more: 1 }), /a stop of the chronicle has 'more'/],
      [first('pictures', { width: 159 }), /a picture of the chronicle has another size/],
      [first('pictures', { height: 2 ** 40 }), /a picture of the chronicle is not a whole number from 1 to/],
      [first('pictures', { hash: new Uint8Array(32) }), /a picture of the chronicle is missing/],
      [many('pictures', 2), /a picture of the chronicle is not a whole number from \d+ to/],
      [many('pictures', 201), /more than 200 pictures/],
      [many('stops', 1001), /more than 1000 stops/],
      [() => fieldsOf({ stops: [] }), /pictures of the chronicle is not a list/],
    ];
    for (const [change, message] of refused)
      await assert.rejects(openGuest(undefined, { snapshot: await told(change) }), (error) => {
        assert.ok(error instanceof EmulatorError && error.blame === 'user', String(error));
        assert.match(error.message, message);
        return true;
      });
    // Of a checkpoint that there is not: that is known when somebody goes there.
    const beyond = await openGuest(undefined, { snapshot: await told(first('pictures', { checkpoint: 0 })) });
    await beyond.close();
    const last = await told((fields) => {
      const list = asList(fields.get('pictures'), 'pictures');
      return new Map(fields).set('pictures', [...list.slice(0, -1), new Map([...asMap(list.at(-1), 'a picture'), ['checkpoint', 5000]])]);
    });
    const other = await openGuest(undefined, { snapshot: last });
    const hash = await other.stateHash();
    await assert.rejects(other.timeline(), /changed\.guest': it is damaged: its chronicle has a picture of a checkpoint that its history has not/);
    assert.equal(await other.stateHash(), hash);
    await other.close();
  });

  it('of a later version, or with nothing to be told of, is left out', async () => {
    for (const change of [
      (chunks: readonly Chunk[]) => chunks.map((chunk) => (chunk.kind === 'chronicle' ? { ...chunk, version: 9 } : chunk)),
      (chunks: readonly Chunk[]) => chunks.filter(({ kind }) => kind !== 'history'),
    ]) {
      const other = await openGuest(undefined, { snapshot: await changed(change) });
      assert.deepEqual(await stops(other), []);
      await other.close();
    }
  });

  it('with a damaged picture is told of when it is looked at; the guest goes on', async () => {
    const file = await openSnapshot(path);
    const chunk = (await readChunks(file.source, file.manifest)).find(({ kind }) => kind === 'chronicle')!;
    const hashes = asList(chunk.fields.get('pictures'), 'pictures').map((item) => hex(asMap(item, 'picture').get('hash') as Uint8Array));
    const bytes = readFileSync(path);
    for (const { hash, offset, length } of file.manifest.blobs) if (hashes.includes(hex(hash))) bytes[offset + (length >> 1)]! ^= 0x40;
    await file.close();
    const damaged = join(folder, 'damaged.guest');
    writeFileSync(damaged, bytes);
    const other = await openGuest(undefined, { snapshot: damaged });
    const shown = (await other.timeline()).checkpoints.filter(({ picture }) => picture);
    await assert.rejects(other.thumbnails([shown[0]!.id]), /damaged\.guest': it is damaged: a picture of the chronicle/);
    await runTo(other, 3_010_000);
    await runTo(guest, 3_010_000);
    assert.equal(await other.stateHash(), await guest.stateHash());
    await other.close();
  });
});
