/** Disks in a snapshot: what was written comes back, and nothing that is damaged gets in. */
import assert from 'node:assert/strict';
import { EmulatorError } from '../../../../emulator/errors';
import type { Machine } from '../../../../emulator/machine/machine';
import { BlobWriter, type BlobIndex, type BlobSource } from '../../../../emulator/snapshot/blobs';
import type { Fields, Value } from '../../../../emulator/snapshot/cbor';
import type { Chunk } from '../../../../emulator/snapshot/container';
import { applyDisks, checkDisks, copyDisks, diskChunks, readDisks } from '../../../../emulator/snapshot/diskchunk';
import { Disk } from '../../../../emulator/storage/disk';

const PAGE = 4096;
const SIZE = 1 << 20;

function machineOf(fill = 7, size = SIZE, name = 'disk0'): { machine: Machine; disk: Disk } {
  const image = { path: '/disk.img', format: 'raw' as const, size, read: (_: number, into: Uint8Array) => void into.fill(fill), close: () => undefined };
  const disk = new Disk({ name, image });
  return { machine: { disks: [disk] } as unknown as Machine, disk };
}

/** A disk with pages of several groups, one of them zeros. */
async function saved(): Promise<{ chunks: readonly Chunk[]; blobs: BlobIndex; disk: Disk; machine: Machine }> {
  const { machine, disk } = machineOf();
  for (const page of [0, 3, 15, 16, 200, 255]) disk.write(page * 8, new Uint8Array(PAGE).fill(page));
  const writer = new BlobWriter();
  const chunks = await diskChunks(copyDisks(machine), 1, writer);
  writer.flush();
  const blobs = new Map<string, BlobSource>();
  for (const [key, { stored }] of writer.fresh) {
    const bytes = await stored;
    blobs.set(key, { size: bytes.size, stored: bytes.data.length, read: () => Promise.resolve(bytes), readSync: () => bytes });
  }
  return { chunks, blobs, disk, machine };
}
const changed = (chunk: Chunk, name: string, value: Value): Chunk => ({
  ...chunk,
  fields: new Map([...(chunk.fields as ReadonlyMap<string, Value>), [name, value]]) as Fields,
});
const isBad = (error: unknown): boolean => error instanceof EmulatorError && error.blame === 'user' && error.code === 'snapshot';

describe('disks in a snapshot', () => {
  it('come back as they were, whatever was written since', async () => {
    const { chunks, blobs, disk } = await saved();
    const loaded = await readDisks(chunks, blobs);
    const other = machineOf();
    other.disk.write(8, new Uint8Array(PAGE).fill(1));
    other.disk.overlay.takeWritten();
    checkDisks(other.machine, loaded);
    applyDisks(other.machine, loaded);
    assert.deepEqual(other.disk.overlay.list(), disk.overlay.list());
    for (const page of disk.overlay.list()) assert.deepEqual(other.disk.overlay.get(page), disk.overlay.get(page));
    assert.deepEqual(
      [...other.disk.overlay.takeWritten()].sort((a, b) => a - b),
      [0, 1, 3, 15, 16, 200, 255],
      'all that changed is told',
    );
  });

  it('belong to their image', async () => {
    const { chunks, blobs } = await saved();
    const loaded = await readDisks(chunks, blobs);
    assert.throws(() => checkDisks(machineOf(8).machine, loaded), /is not the one that it was made with/);
    assert.throws(() => checkDisks(machineOf(7, 2 * SIZE).machine, loaded), /has 2097152 bytes/);
    assert.throws(() => checkDisks(machineOf(7, SIZE, 'disk1').machine, loaded), /which this machine has not/);
    assert.throws(() => checkDisks(machineOf().machine, []), /it has no disk 'disk0'/);
  });

  it('are refused where anything is wrong', async () => {
    const { chunks, blobs } = await saved();
    const [chunk] = chunks as readonly [Chunk];
    const groups = chunk.fields.get('groups') as readonly (readonly Value[])[];
    const [first, second] = groups as readonly [readonly Value[], readonly Value[]];
    const hash = first[2]!;
    const damaged: readonly (readonly [string, Value])[] = [
      ['size', 0], ['size', 2 ** 50], ['size', 100], ['size', -1], ['size', 'large'],
      ['fingerprint', new Uint8Array(31)], ['fingerprint', 1],
      ['page', 512], ['group', 32], ['other', 1],
      ['groups', 1], ['groups', [[0, 0, hash]]], ['groups', [[0, 0x10000, hash]]], ['groups', [[16, 1, hash]]], ['groups', [[-1, 1, hash]]],
      ['groups', [second, first]], ['groups', [first, first]], ['groups', [[0, 1, hash]]], ['groups', [[0, 0xffff, hash]]],
      ['groups', [[0, 1, new Uint8Array(32)]]], ['groups', [[...first, 1]]], ['groups', [[0, 1]]],
    ]; // prettier-ignore
    for (const [name, value] of damaged) await assert.rejects(readDisks([changed(chunk, name, value)], blobs), isBad, `${name}: ${JSON.stringify(value)}`);
  });
});
