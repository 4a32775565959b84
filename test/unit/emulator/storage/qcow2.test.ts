import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { EmulatorError } from '../../../../emulator/errors';
import type { DiskFile } from '../../../../emulator/storage/file';
import type { Image } from '../../../../emulator/storage/image';
import { openImage } from '../../../../emulator/storage/open';

const CLUSTER = 4096;
const qemuImg = spawnSync('qemu-img', ['--version']).status === 0;

/** An image of 64 KiB: cluster 0 data, 1 zeros, 2 compressed, the others missing. Tables in clusters 1 and 2, data in 3 and 4. */
function build(version: 2 | 3, change: (view: DataView, bytes: Uint8Array) => void = () => undefined): Uint8Array {
  const bytes = new Uint8Array(5 * CLUSTER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x514649fb);
  view.setUint32(4, version);
  view.setUint32(20, 12);
  view.setBigUint64(24, 65536n);
  view.setUint32(36, 1);
  view.setBigUint64(40, BigInt(CLUSTER));
  view.setUint32(100, 104);
  view.setBigUint64(CLUSTER, (1n << 63n) | BigInt(2 * CLUSTER));
  view.setBigUint64(2 * CLUSTER, (1n << 63n) | BigInt(3 * CLUSTER));
  view.setBigUint64(2 * CLUSTER + 8, 1n);
  const packed = deflateRawSync(new Uint8Array(CLUSTER).fill(0x77));
  view.setBigUint64(2 * CLUSTER + 16, (1n << 62n) | BigInt(4 * CLUSTER + 100));
  bytes.fill(0x55, 3 * CLUSTER, 4 * CLUSTER);
  bytes.set(packed, 4 * CLUSTER + 100);
  change(view, bytes);
  return bytes;
}

/** Files by name; each read has to stay inside. */
function opener(files: Readonly<Record<string, Uint8Array>>) {
  return (path: string): DiskFile => {
    const bytes = files[path];
    if (!bytes) throw new EmulatorError('disk-file', 'user', `no file ${path}`);
    return {
      path,
      size: bytes.length,
      read: (offset, into) => {
        assert.ok(offset >= 0 && offset + into.length <= bytes.length, `read of ${into.length} at ${offset}`);
        into.set(bytes.subarray(offset, offset + into.length));
      },
      close: () => undefined,
    };
  };
}
const open = (bytes: Uint8Array, others: Readonly<Record<string, Uint8Array>> = {}): Image =>
  openImage('/d/a.qcow2', { open: opener({ '/d/a.qcow2': bytes, ...others }) });
function at(image: Image, offset: number, length = 1): number {
  const into = new Uint8Array(length).fill(0xee);
  image.read(offset, into);
  assert.ok(
    into.every((byte) => byte === into[0]),
    'one value',
  );
  return into[0]!;
}

describe('qcow2', () => {
  it('reads data, zeros, compressed and missing clusters', () => {
    const image = open(build(3));
    assert.deepEqual([image.format, image.size], ['qcow2', 65536]);
    assert.deepEqual(
      [at(image, 0, CLUSTER), at(image, CLUSTER, CLUSTER), at(image, 2 * CLUSTER, CLUSTER), at(image, 3 * CLUSTER, CLUSTER)],
      [0x55, 0, 0x77, 0],
    );
    const across = new Uint8Array(2 * CLUSTER + 4);
    image.read(CLUSTER - 2, across);
    assert.deepEqual([across[1], across[2], across[CLUSTER + 2], across[across.length - 1]], [0x55, 0, 0x77, 0]);
  });

  it('takes what is missing from the backing file, which may be shorter', () => {
    const backed = (format?: string) =>
      build(3, (view, bytes) => {
        view.setBigUint64(8, 200n);
        view.setUint32(16, 8);
        bytes.set(new TextEncoder().encode('base.img'), 200);
        if (format === undefined) return;
        view.setUint32(104, 0xe2792aca);
        view.setUint32(108, format.length);
        bytes.set(new TextEncoder().encode(format), 112);
      });
    const base = new Uint8Array(4 * CLUSTER + 10).fill(0x33);
    const image = open(backed(), { '/d/base.img': base });
    assert.deepEqual(
      [at(image, 0), at(image, CLUSTER), at(image, 3 * CLUSTER, CLUSTER), at(image, 4 * CLUSTER, 10), at(image, 4 * CLUSTER + 10)],
      [0x55, 0, 0x33, 0x33, 0],
    );
    assert.equal(at(open(backed('raw'), { '/d/base.img': build(3) }), 3 * CLUSTER + 5), 0x55, 'raw, whatever it looks like');
    assert.equal(at(open(backed('qcow2'), { '/d/base.img': build(3) }), 3 * CLUSTER), 0);
    assert.throws(() => open(backed('vmdk'), { '/d/base.img': base }), /format 'vmdk'/);
    assert.throws(() => open(backed()), /no file/);
    assert.throws(() => open(backed(), { '/d/base.img': base.subarray(0, 0) }), /empty/);
  });

  it('ends chains that come back to themselves', () => {
    const self = build(3, (view, bytes) => {
      view.setBigUint64(8, 200n);
      view.setUint32(16, 7);
      bytes.set(new TextEncoder().encode('a.qcow2'), 200);
    });
    assert.throws(() => open(self), { code: 'disk-image', message: /have no end/ });
  });

  it('refuses what it does not understand, by name', () => {
    const features = (value: bigint) => () => open(build(3, (view) => view.setBigUint64(72, value)));
    assert.throws(features(4n), { code: 'qcow2', blame: 'user', message: /external data file/ });
    assert.throws(features(2n), /corrupt/);
    assert.throws(features(8n), /compression/);
    assert.throws(features(16n), /extended L2/);
    assert.throws(features(1n << 40n), /unknown incompatible features 0x10000000000/);
    assert.doesNotThrow(features(1n), 'refcounts that were not written do not matter to a reader');
    assert.throws(() => open(build(3, (view) => view.setUint32(4, 4))), /version 4/);
    assert.throws(() => open(build(3, (view) => view.setUint32(32, 1))), /encrypted/);
    for (const name of ['json:{"driver":"nbd"}', 'nbd://host/disk', 'a\0b'])
      assert.throws(
        () =>
          open(
            build(3, (view, bytes) => {
              view.setBigUint64(8, 200n);
              view.setUint32(16, name.length);
              bytes.set(new TextEncoder().encode(name), 200);
            }),
          ),
        /is no file/,
      );
  });

  it('survives every damage of its numbers', () => {
    const fields32 = [4, 16, 20, 32, 36, 100, 104, 108];
    const fields64 = [8, 24, 40, 72, CLUSTER, 2 * CLUSTER, 2 * CLUSTER + 8, 2 * CLUSTER + 16];
    let refused = 0;
    const attempt = (change: (view: DataView) => void): void => {
      try {
        const image = open(build(3, change));
        const into = new Uint8Array(65536);
        if (image.size === 65536) image.read(0, into);
      } catch (error) {
        assert.ok(error instanceof EmulatorError && error.blame === 'user', String(error));
        refused++;
      }
    };
    for (const field of fields32) for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) attempt((view) => view.setUint32(field, value));
    for (const field of fields64)
      for (const value of [1n, 512n, 2n ** 32n, 2n ** 62n, 2n ** 62n + 2n ** 55n, 2n ** 63n, 2n ** 64n - 1n])
        attempt((view) => view.setBigUint64(field, value));
    assert.ok(refused > 40, `${refused} were refused`);
    for (let length = 1; length < 5 * CLUSTER; length += 611) {
      const bytes = build(3).subarray(0, length);
      try {
        const image = open(bytes);
        if (image.format === 'qcow2') image.read(0, new Uint8Array(65536));
      } catch (error) {
        assert.ok(error instanceof EmulatorError, String(error));
      }
    }
  });

  it('never unpacks more than a cluster', () => {
    const bomb = deflateRawSync(new Uint8Array(16 << 20));
    const bytes = Buffer.concat([build(3), bomb]);
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(2 * CLUSTER + 16, (1n << 62n) | (15n << 58n) | BigInt(5 * CLUSTER));
    assert.throws(() => open(bytes).read(2 * CLUSTER, new Uint8Array(1)), /can not be unpacked/);
  });

  for (const options of ['compat=0.10', 'compat=1.1,cluster_size=512', 'compat=1.1,cluster_size=2M', 'compat=1.1,lazy_refcounts=on'])
    it(`reads what qemu-img writes: ${options}`, function () {
      if (!qemuImg) this.skip();
      this.timeout(20_000);
      const folder = mkdtempSync(join(tmpdir(), 'qcow2-'));
      try {
        const raw = new Uint8Array(5 << 20).map((_, index) => (index >> 16) % 3 && (index * (1 + (index >> 12))) & 0xff);
        writeFileSync(join(folder, 'raw'), raw);
        for (const more of [[], ['-c']]) {
          execFileSync('qemu-img', ['convert', '-O', 'qcow2', ...more, '-o', options, join(folder, 'raw'), join(folder, 'image')]);
          const image = openImage(join(folder, 'image'));
          const found = new Uint8Array(image.size);
          image.read(0, found);
          image.close();
          assert.ok(Buffer.compare(found, raw) === 0, more.join());
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
});
