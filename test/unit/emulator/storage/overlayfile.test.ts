import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Disk } from '../../../../emulator/storage/disk';
import { openImage } from '../../../../emulator/storage/open';
import { PAGE } from '../../../../emulator/storage/overlay';
import { contentsOf, readOverlay, writeOverlay } from '../../../../emulator/storage/overlayfile';

const SIZE = 40 << 20;
const qemuImg = spawnSync('qemu-img', ['--version']).status === 0;

describe('overlay file', () => {
  let folder: string;
  let image: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'overlay-'));
    image = join(folder, 'disk.img');
    writeFileSync(image, new Uint8Array(SIZE).fill(0x11));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const written = (): Disk => {
    const disk = new Disk({ name: 'disk0', image: openImage(image) });
    for (const lba of [0, 9, 5000, 8191, 70_000, SIZE / 512 - 1]) disk.write(lba, new Uint8Array(512).fill(lba & 0xff || 1));
    disk.zero(800, 80);
    return disk;
  };

  it('holds what was written, and comes back as it was', async () => {
    const disk = written();
    const file = join(folder, 'overlay.qcow2');
    await writeOverlay(file, contentsOf(disk.overlay), disk.image, SIZE);
    assert.deepEqual(readdirSync(folder).sort(), ['disk.img', 'overlay.qcow2'], 'no other file is left');
    const found = readOverlay(file, disk.image, SIZE);
    assert.deepEqual(
      [...found.keys()].sort((a, b) => a - b),
      disk.overlay.list(),
    );
    for (const [page, contents] of found) assert.deepEqual(contents, disk.overlay.get(page), `page ${page}`);
    // The file is an image itself.
    const over = openImage(file);
    const [a, b] = [new Uint8Array(SIZE), new Uint8Array(SIZE)];
    over.read(0, a);
    disk.readBytes(0, b);
    assert.ok(Buffer.compare(a, b) === 0);
    over.close();
    assert.equal(readFileSync(image)[0], 0x11, 'the image is as it was');
  });

  it('is what other programs read', async function () {
    if (!qemuImg) this.skip();
    this.timeout(20_000);
    const disk = written();
    const file = join(folder, 'overlay.qcow2');
    await writeOverlay(file, contentsOf(disk.overlay), disk.image, SIZE);
    execFileSync('qemu-img', ['check', '-q', file]);
    execFileSync('qemu-img', ['convert', '-O', 'raw', file, join(folder, 'whole.img')]);
    const expected = new Uint8Array(SIZE);
    disk.readBytes(0, expected);
    assert.ok(Buffer.compare(readFileSync(join(folder, 'whole.img')), expected) === 0);
  });

  it('begins with nothing where there is no file, and refuses one of another image', async () => {
    const disk = written();
    const file = join(folder, 'overlay.qcow2');
    assert.equal(readOverlay(file, disk.image, SIZE).size, 0);
    await writeOverlay(file, contentsOf(disk.overlay), disk.image, SIZE);
    const other = join(folder, 'other.img');
    writeFileSync(other, new Uint8Array(SIZE));
    assert.throws(() => readOverlay(file, openImage(other), SIZE), { code: 'overlay-file', blame: 'user', message: /belongs to .*disk\.img/ });
    assert.throws(() => readOverlay(file, disk.image, SIZE + PAGE), { code: 'overlay-file', blame: 'user' });
    assert.throws(() => readOverlay(image, disk.image, SIZE), { code: 'qcow2', blame: 'user' });
  });

  it('says where it can not be written, and leaves nothing', async () => {
    const disk = written();
    await assert.rejects(writeOverlay(join(folder, 'none', 'o.qcow2'), contentsOf(disk.overlay), disk.image, SIZE), { code: 'overlay-write', blame: 'user' });
    assert.deepEqual(readdirSync(folder), ['disk.img']);
  });
});
