/** Chunks of other versions, chunks nobody knows, and files made by hand. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobWriter } from '../../../../emulator/snapshot/blobs';
import { fieldsOf, fromCbor, toCbor } from '../../../../emulator/snapshot/cbor';
import { encodeContainer, readChunks, type Chunk, type ParentLink } from '../../../../emulator/snapshot/container';
import { knownChunks } from '../../../../emulator/snapshot/file';
import { bad } from '../../../../emulator/snapshot/format';
import { about, openSnapshot, writeWhole } from '../../../../emulator/snapshot/storage';
import { flattenSnapshot, verifySnapshot } from '../../../../emulator/snapshot/tools';
import { upgrade } from '../../../../emulator/snapshot/upgrades';

const chunk = (kind: string, version: number, mandatory: boolean): Chunk => ({ kind, instance: '', version, mandatory, fields: fieldsOf({ depth: 1 }) });

describe('snapshot container', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'guest-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('that is damaged is named once, by the file that it is', async () => {
    const damaged = (): never => {
      throw bad("snapshot 'c' is told of in it");
    };
    await assert.rejects(
      about('a', () => about('b', async () => damaged())),
      (error: Error) => error.message === "snapshot 'b': snapshot 'c' is told of in it",
    );
    await assert.rejects(
      about('a', () => Promise.reject(new Error('other'))),
      /^Error: other$/,
    );
  });

  it('upgrades old chunks step by step', () => {
    const upgrades = {
      fifo: { 1: () => fieldsOf({ depth: 2 }), 2: (fields: ReadonlyMap<string, unknown>) => fieldsOf({ depth: Number(fields.get('depth')) * 10 }) },
    };
    assert.deepEqual(upgrade(chunk('fifo', 1, true), 3, upgrades).fields, fieldsOf({ depth: 20 }));
    assert.throws(() => upgrade(chunk('fifo', 4, true), 3, upgrades), /fifo '' is of version 4, newer than 3/);
    assert.throws(() => upgrade(chunk('other', 1, true), 2, upgrades), /nothing leads from version 1 to 2/);
    assert.throws(() => upgrade(chunk('constructor', 1, true), 2, upgrades), /nothing leads/);
  });

  it('skips unknown optional chunks and refuses unknown mandatory ones', () => {
    assert.deepEqual(knownChunks([chunk('weather', 1, false)]), []);
    assert.throws(() => knownChunks([chunk('weather', 1, true)]), /'weather', which this version does not know and which can not be left out/);
    assert.throws(() => knownChunks([chunk('machine', 9, true)]), /newer than 1/);
  });

  it('flattens a chain and keeps what it does not know', async () => {
    const write = async (name: string, blobs: BlobWriter, parent?: ParentLink): Promise<Uint8Array> => {
      const { pieces, id } = await encodeContainer([chunk('weather', 7, false)], blobs, parent);
      await writeWhole(join(folder, name), pieces);
      return id;
    };
    const first = new BlobWriter();
    first.add(new Uint8Array(5000).fill(1));
    const id = await write('first', first);
    const second = new BlobWriter();
    second.add(new Uint8Array(5000).fill(2));
    await write('second', second, { id, name: 'first' });
    await flattenSnapshot(join(folder, 'second'), join(folder, 'flat'));
    rmSync(join(folder, 'first'));
    await assert.rejects(verifySnapshot(join(folder, 'second')), /its parent 'first' can not be used/);
    assert.equal(await verifySnapshot(join(folder, 'flat')), 3);
    const flat = await openSnapshot(join(folder, 'flat'));
    assert.deepEqual(await readChunks(flat.source, flat.manifest), [chunk('weather', 7, false)]);
    await flat.close();
  });

  it('refuses parents elsewhere', async () => {
    for (const name of ['../first', '..', '/etc/passwd', 'a\\b', '']) {
      const { pieces } = await encodeContainer([], new BlobWriter(), { id: new Uint8Array(32), name });
      await writeWhole(join(folder, 'child'), pieces);
      await assert.rejects(openSnapshot(join(folder, 'child')), /its parent is not a file of the same folder/, name);
    }
  });

  it('gives the same bytes for the same contents', async () => {
    const make = async (): Promise<Buffer> => Buffer.concat((await encodeContainer([chunk('b', 1, true), chunk('a', 1, true)], new BlobWriter())).pieces);
    assert.deepEqual(await make(), await make());
    assert.deepEqual(toCbor(fieldsOf({ b: 1, a: 2 })), toCbor(fieldsOf({ a: 2, b: 1 })));
  });

  it('refuses nesting without end, names twice, and lengths that lie', () => {
    assert.throws(() => fromCbor(new Uint8Array(100_000).fill(0x81), 'x'), /nested too deeply/);
    assert.throws(() => fromCbor(Uint8Array.of(0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2), 'x'), /is no CBOR/);
    assert.throws(() => fromCbor(Uint8Array.of(0x9b, 255, 255, 255, 255, 255, 255, 255, 255), 'x'), /is cut/);
    assert.throws(() => fromCbor(Uint8Array.of(0x9f, 0xff), 'x'), /no fixed length/);
    const map = fromCbor(Uint8Array.of(0xa1, 0x69, ...Buffer.from('__proto__'), 1), 'x');
    assert.ok(map instanceof Map && map.get('__proto__') === 1);
    assert.equal(({} as Record<string, unknown>)['1'], undefined);
  });
});
