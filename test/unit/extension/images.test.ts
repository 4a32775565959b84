import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planLaunch } from '../../../adapter/launch/config';
import { companions, kindOf, mayBeImage, recognise } from '../../../extension/images';
import { configurationFor, sampleConfiguration } from '../../../extension/launch';

const HELLO = join(__dirname, '../../../samples/hello/hello.elf');
const nothing = (): Buffer => Buffer.alloc(0);

function words(at: number, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(4096);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, at + 4 * index));
  return bytes;
}

describe('bootable images', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'guest-images-'))));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Buffer | string = ''): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  it('are known by their headers', () => {
    assert.equal(kindOf(words(0x40, 0x1badb002, 3, -(0x1badb002 + 3)), nothing), 'multiboot');
    assert.equal(kindOf(words(0x40, 0xe85250d6, 0, 24, -(0xe85250d6 + 24)), nothing), 'multiboot2');
    assert.equal(recognise(HELLO)?.kind, 'pvh');
    const linux = Buffer.alloc(4096);
    linux.write('HdrS', 0x202);
    assert.equal(kindOf(linux, nothing), 'linux');
  });

  it('a wrong checksum, an ELF program, a short or missing file are none', () => {
    assert.equal(kindOf(words(0x40, 0x1badb002, 3, 0), nothing), undefined);
    assert.equal(recognise(process.execPath), undefined);
    assert.equal(recognise(file('short', 'abc')), undefined);
    assert.equal(recognise(join(folder, 'absent')), undefined);
    assert.equal(recognise(folder), undefined);
  });

  it('a damaged ELF header is no image, and no exception', () => {
    const bytes = Buffer.alloc(64, 0xff);
    bytes.write('\x7fELF\x02\x01\x01', 'latin1');
    assert.equal(recognise(file('damaged.elf', bytes)), undefined);
  });

  it('names say whether a file is looked at', () => {
    assert.deepEqual(['kernel', 'a.elf', 'vmlinuz-6.1.0-9-cloud', 'main.c', 'notes.md'].map(mayBeImage), [true, true, true, false, false]);
  });

  it('what lies beside a Linux kernel is found by its version', () => {
    for (const name of ['System.map-6.1', 'System.map-6.2', 'initrd.img-6.2']) file(name);
    const found = (version: string): ReturnType<typeof companions> => companions({ path: file(`vmlinuz-${version}`), kind: 'linux' });
    assert.deepEqual(found('6.2'), { initrd: join(folder, 'initrd.img-6.2'), symbols: [join(folder, 'System.map-6.2')] });
    assert.deepEqual(found('6.1'), { symbols: [join(folder, 'System.map-6.1')] });
    assert.deepEqual(found('6.3'), { symbols: [] });
  });

  it('configurations for them are valid', () => {
    const plan = planLaunch(sampleConfiguration(HELLO));
    assert.deepEqual([plan.machine.kernel, plan.symbols[0]?.path, plan.machine.memory], [HELLO, HELLO, 64 << 20]);
    assert.match(planLaunch(configurationFor({ path: file('vmlinuz-6.2'), kind: 'linux' })).machine.append!, /console=ttyS0/);
  });
});
