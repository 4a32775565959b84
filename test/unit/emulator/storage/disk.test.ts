import assert from 'node:assert/strict';
import { Disk } from '../../../../emulator/storage/disk';
import type { Image } from '../../../../emulator/storage/image';
import { PAGE } from '../../../../emulator/storage/overlay';

const KB = 1024;

/** An image whose bytes tell where they are from. */
function imageOf(size: number): Image & { reads: number } {
  const image = {
    path: 'image',
    format: 'raw' as const,
    size,
    reads: 0,
    read: (offset: number, into: Uint8Array) => {
      assert.ok(offset >= 0 && offset + into.length <= size, 'reads stay within the image');
      image.reads++;
      for (let i = 0; i < into.length; i++) into[i] = 1 + ((offset + i) >> 9);
    },
    close: () => undefined,
  };
  return image;
}
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
function read(disk: Disk, lba: number, count: number): number[] {
  const into = new Uint8Array(count * disk.sectorSize);
  assert.equal(disk.read(lba, into), undefined);
  return Array.from({ length: count }, (_, sector) => {
    const values = new Set(into.subarray(sector * disk.sectorSize, (sector + 1) * disk.sectorSize));
    return values.size === 1 ? [...values][0]! : -1;
  });
}

describe('disk', () => {
  it('shows the image, and over it what was written', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB) });
    assert.equal(disk.sectors, 128);
    assert.deepEqual(read(disk, 0, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(disk.write(7, bytes(1024, 0xaa)), undefined);
    assert.deepEqual(read(disk, 5, 6), [6, 7, 0xaa, 0xaa, 10, 11]);
    assert.equal(disk.overlay.size, 2, 'a write across a boundary keeps two pages');
    assert.equal(disk.write(8, bytes(PAGE, 0xbb)), undefined);
    assert.deepEqual(read(disk, 7, 10), [0xaa, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 17]);
  });

  it('keeps what it is given, not the buffer', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB) });
    const buffer = bytes(PAGE, 3);
    disk.write(0, buffer);
    const before = disk.overlay.get(0);
    buffer.fill(9);
    assert.deepEqual(read(disk, 0, 1), [3]);
    disk.write(1, bytes(512, 5));
    assert.equal(before![512], 3, 'contents that a checkpoint holds do not change');
    assert.deepEqual(read(disk, 0, 3), [3, 5, 3]);
  });

  it('takes a page back', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB) });
    disk.write(0, bytes(512, 7));
    assert.deepEqual([...disk.overlay.takeWritten()], [0]);
    assert.deepEqual([...disk.overlay.takeWritten()], []);
    disk.overlay.put(0, null);
    assert.deepEqual(read(disk, 0, 2), [1, 2]);
    assert.deepEqual([...disk.overlay.takeWritten()], []);
  });

  it('refuses what lies outside, in part or whole', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB) });
    for (const lba of [128, 127.5, -1, NaN, Infinity, 2 ** 53, 2 ** 63]) {
      assert.equal(disk.read(lba, bytes(512, 0)), 'range', `reading ${lba}`);
      assert.equal(disk.write(lba, bytes(512, 0)), 'range', `writing ${lba}`);
      assert.equal(disk.zero(lba, 1), 'range');
      assert.equal(disk.discard(lba, 1), 'range');
    }
    assert.equal(disk.write(127, bytes(1024, 1)), 'range');
    assert.equal(disk.zero(0, 129), 'range');
    assert.equal(disk.zero(0, -1), 'range');
    assert.equal(disk.read(0, bytes(100, 0)), 'length');
    assert.equal(disk.overlay.size, 0);
    assert.equal(disk.read(127, bytes(512, 0)), undefined);
  });

  it('makes zeros, and discards what was written only', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB) });
    assert.equal(disk.zero(6, 4), undefined);
    assert.deepEqual(read(disk, 5, 6), [6, 0, 0, 0, 0, 11]);
    disk.write(16, bytes(2 * PAGE, 9));
    assert.equal(disk.discard(15, 10), undefined);
    assert.deepEqual(read(disk, 15, 3), [16, 0, 0], 'page 2 lies within, and was written');
    assert.deepEqual(read(disk, 24, 1), [9], 'page 3 only in part');
    assert.equal(disk.discard(40, 88), undefined);
    assert.deepEqual(read(disk, 40, 1), [41], 'the image keeps what it has');
  });

  it('is read-only where it is told to be', () => {
    const disk = new Disk({ name: 'cdrom0', image: imageOf(10 * 2048), readOnly: true, sectorSize: 2048 });
    assert.equal(disk.sectors, 10);
    for (const result of [disk.write(0, bytes(2048, 1)), disk.zero(0, 1), disk.discard(0, 1)]) assert.equal(result, 'read-only');
    assert.equal(disk.flush(), undefined);
    assert.equal(disk.read(9, bytes(2048, 0)), undefined);
  });

  it('goes on with zeros where the image ends within a sector', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(PAGE + 700) });
    assert.equal(disk.sectors, 10);
    const into = bytes(1024, 0xff);
    assert.equal(disk.read(8, into), undefined);
    assert.deepEqual([into[511], into[699 - 0], into[700], into[1023]], [9, 10, 0, 0]);
    disk.write(9, bytes(512, 4));
    assert.deepEqual(read(disk, 8, 2), [9, 4]);
  });

  it('turns an error of the host into one of the medium, and writes nothing', () => {
    const told: unknown[] = [];
    const image: Image = { ...imageOf(64 * KB), read: () => assert.fail('unplugged') };
    const disk = new Disk({ name: 'disk0', image });
    disk.failed = (error) => told.push(error);
    assert.equal(disk.read(0, bytes(512, 0)), 'medium');
    assert.equal(disk.write(7, bytes(PAGE + 1024, 1)), 'medium', 'parts of pages come from the image');
    assert.equal(disk.overlay.size, 0);
    assert.equal(disk.write(8, bytes(PAGE, 1)), undefined, 'a whole page needs no image');
    assert.equal(told.length, 2);
  });

  it('is full at its limit', () => {
    const disk = new Disk({ name: 'disk0', image: imageOf(64 * KB), mostPages: 2 });
    assert.equal(disk.zero(0, 128), 'full');
    assert.equal(disk.write(0, bytes(2 * PAGE, 1)), undefined);
    assert.equal(disk.write(16, bytes(512, 1)), 'full');
    assert.equal(disk.write(3, bytes(512, 2)), undefined, 'what has been written can be written again');
  });
});
