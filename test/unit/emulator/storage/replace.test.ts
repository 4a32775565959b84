import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFile } from '../../../../emulator/storage/replace';

describe('files that are replaced', () => {
  let folder: string;
  let path: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'replace-'));
    path = at('file');
    writeFileSync(path, 'old');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const bytes = (text: string): Uint8Array => Buffer.from(text);

  it('keep link and mode', async () => {
    chmodSync(path, 0o640);
    symlinkSync('file', at('link'));
    await replaceFile(at('link'), [bytes('ne'), bytes('w')], 0o600);
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await replaceFile(at('other'), [bytes('x')], 0o600);
    assert.equal(statSync(at('other')).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder).sort(), ['file', 'link', 'other']);
  });

  it('stay as they were where a piece can not be had', async () => {
    function* pieces(): Generator<Uint8Array> {
      yield bytes('half');
      throw new Error('no more');
    }
    await assert.rejects(replaceFile(path, pieces(), 0o600), /no more/);
    assert.deepEqual([readFileSync(path, 'utf8'), readdirSync(folder)], ['old', ['file']]);
  });

  it('stay as they were where the disk is full or read-only', async function () {
    const disk = at('disk');
    try {
      execFileSync('mkdir', [disk]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      console.log('      skipped: a small disk can only be mounted by root');
      return this.skip();
    }
    try {
      await replaceFile(join(disk, 'file'), [bytes('old')], 0o600);
      await assert.rejects(replaceFile(join(disk, 'file'), [new Uint8Array(1 << 20)], 0o600), { code: 'ENOSPC' });
      assert.deepEqual([readFileSync(join(disk, 'file'), 'utf8'), readdirSync(disk)], ['old', ['file']]);
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      await assert.rejects(replaceFile(join(disk, 'file'), [bytes('new')], 0o600), { code: 'EROFS' });
      assert.equal(readFileSync(join(disk, 'file'), 'utf8'), 'old');
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('do away with parts that killed writers have left, and with nothing else', async () => {
    const id = '01234567-89ab-cdef-0123-456789abcdef';
    const [old, young, others, foreign] = [`file.${id}.partial`, `file.f${id.slice(1)}.partial`, `other.${id}.partial`, 'file.mine.partial'];
    for (const name of [old, young, others, foreign]) writeFileSync(at(name), 'part');
    const hours = new Date(Date.now() - 3_600_000);
    for (const name of [old, others, foreign]) utimesSync(at(name), hours, hours);
    await replaceFile(path, [bytes('new')], 0o600);
    assert.deepEqual(readdirSync(folder).sort(), ['file', young, foreign, others].sort());
  });

  it('are one of those that two writers write at once', async () => {
    await Promise.all(
      ['a', 'b'].map((letter) =>
        replaceFile(
          path,
          Array.from({ length: 50 }, () => bytes(letter.repeat(5000))),
          0o600,
        ),
      ),
    );
    assert.match(readFileSync(path, 'utf8'), /^(a{250000}|b{250000})$/);
    assert.deepEqual(readdirSync(folder), ['file']);
  });
});
