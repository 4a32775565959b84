import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { busyboxInitramfs } from '../../../scripts/guests/initramfs';
import { systemMap } from '../../../scripts/guests/kallsyms';

/** Names, modes and contents of a newc archive. */
function members(archive: Buffer): Map<string, { mode: number; content: string; device: number[] }> {
  const found = new Map<string, { mode: number; content: string; device: number[] }>();
  for (let at = 0; ;) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const field = (index: number): number => parseInt(archive.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString('latin1', at + 110, nameEnd - 1);
    const start = (nameEnd + 3) & ~3;
    if (name === 'TRAILER!!!') return found;
    const content = archive.toString('latin1', start, start + field(6));
    found.set(name, { mode: field(1), content, device: [field(9), field(10)] });
    at = (start + field(6) + 3) & ~3;
  }
}

describe('the initramfs', () => {
  it('holds busybox, its names, a console and an init that says so when userland is there', () => {
    const files = members(gunzipSync(busyboxInitramfs(Buffer.from('BUSYBOX'))));
    assert.deepEqual(files.get('bin/busybox'), { mode: 0o100755, content: 'BUSYBOX', device: [0, 0] });
    assert.deepEqual(files.get('bin/sh'), { mode: 0o120777, content: 'busybox', device: [0, 0] });
    assert.deepEqual(files.get('dev/console'), { mode: 0o020600, content: '', device: [5, 1] });
    assert.equal(files.get('init')?.mode, 0o100755);
    assert.match(files.get('init')?.content ?? '', /^#!\/bin\/sh\n[^]*mount -t proc[^]*GUEST-USERLAND-READY/);
  });

  it('is the same every time', () => {
    assert.deepEqual(busyboxInitramfs(Buffer.from('x')), busyboxInitramfs(Buffer.from('x')));
  });
});

describe("the kernel's symbols", () => {
  it("are read out of Debian's kernel", function () {
    const path = '.cache/guests/linux-cloud/vmlinux';
    if (!existsSync(path)) this.skip();
    const lines = systemMap(readFileSync(path)).split('\n');
    assert.ok(lines.length > 50_000);
    assert.ok(lines.includes('ffffffff81000000 T _text'));
    assert.ok(lines.some((line) => /^ffffffff8[0-9a-f]{7} T start_kernel$/.test(line)));
  });
});
