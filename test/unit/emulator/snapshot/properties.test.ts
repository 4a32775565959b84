/** What docs/snapshot-format.md promises: each promise has a test, and what has no better place is tested here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { randomOf } from '../../../fuzz/mutate';
import { fields, u16, u8 } from '../../../../emulator/bus/fields';
import { inspectionText } from '../../../../emulator/cli/inspection';
import type { Guest, MachineConfig } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import { fieldsOf } from '../../../../emulator/snapshot/cbor';
import { fieldsToState } from '../../../../emulator/snapshot/fieldvalues';
import { memoryEntries } from '../../../../emulator/snapshot/memorychunk';
import { BlobWriter } from '../../../../emulator/snapshot/blobs';
import { encodeContainer, readChunks, type Chunk } from '../../../../emulator/snapshot/container';
import { openSnapshot, writeWhole } from '../../../../emulator/snapshot/storage';
import { inspectSnapshot, upgradeSnapshot, type Plain } from '../../../../emulator/snapshot/tools';

const ROOT = join(__dirname, '../../../..');
const READER = join(ROOT, 'test/reader/snapshot.py');
const python = spawnSync('python3', ['--version']).status === 0;
const PAGE = 4096;

const config: MachineConfig = {
  kernel: join(ROOT, 'samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 2,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 64 << 20,
  checkpointEvery: 100_000,
  debugExitPort: false,
  virtioConsole: true,
  usb: ['tablet', 'keyboard'],
};

describe('properties of snapshot files', function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  let guest: Guest;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    path = join(folder, 'a.guest');
    const image = join(folder, 'disk.img');
    writeFileSync(image, new Uint8Array(1 << 20).fill(5));
    guest = await openGuest({ ...config, disks: [{ path: image }] });
    const stopped = new Promise<void>((done) => guest.on(({ event }) => event === 'stopped' && done()));
    await guest.resume({ position: 500_000, unattended: true });
    await stopped;
    await guest.key('KeyA', true);
    // Sixteen pages that are equal in each of two groups, and else zeros.
    for (const group of [100n, 120n]) await guest.writeMemory(0, 'physical', group * 0x10000n, new Uint8Array(16 * PAGE).fill(0x77));
    await guest.save(path, { historyBytes: 16 << 20 });
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  it('each has a test', () => {
    const document = readFileSync(join(ROOT, 'docs/snapshot-format.md'), 'utf8');
    const rows = [...document.matchAll(/^\| (\d+) \| (.+?) \| `(.+?)`: (.+?) \|$/gm)];
    assert.deepEqual(rows.map(([, number]) => Number(number)), Array.from({ length: 18 }, (_, index) => index + 1)); // prettier-ignore
    for (const [, number, , file, titles] of rows) {
      assert.ok(existsSync(join(ROOT, file!)), `${number}: ${file}`);
      const source = readFileSync(join(ROOT, file!), 'utf8');
      const named = [...source.matchAll(/\bit\((?:'(.+?)',|`(.+?)`,)/g)].map(([, plain, template]) => plain ?? template!.replace(/^\$\{\w+\} /, ''));
      for (const title of titles!.split('<br>')) assert.ok(named.includes(title), `${number}: ${file} has no test '${title}'`);
    }
  });

  it('absent fields have the initial values of their table; fields that it does not have are an error', () => {
    const table = fields({ control: u8('Control', undefined, 7), count: u16('Count') });
    assert.deepEqual(fieldsToState(table, fieldsOf({ count: 9 }), 'chip'), { control: 7, count: 9 });
    assert.throws(() => fieldsToState(table, fieldsOf({ count: 9, colour: 1 }), 'chip'), /colour/);
    assert.throws(() => fieldsToState(table, fieldsOf({ count: 0x10000 }), 'chip'), /count/);
  });

  it('pages of zeros take nothing, equal groups are one blob, and what can be is compressed', async () => {
    const { source, manifest, close } = await openSnapshot(path);
    const memory = (await readChunks(source, manifest)).find(({ kind }) => kind === 'memory')!;
    await close();
    const ram = memoryEntries(memory.fields).find(({ name }) => name === 'ram')!;
    assert.ok(ram.groups.length < ram.pages / 16 / 4, 'most of memory is zeros');
    const [one, other] = [100, 120].map((index) => ram.groups.find((group) => group.index === index)!);
    assert.ok(one && other && one.mask === 0xffff);
    assert.deepEqual(one.hash, other.hash);
    const blob = manifest.blobs.filter(({ hash }) => Buffer.compare(hash, one.hash) === 0);
    assert.equal(blob.length, 1);
    assert.ok(blob[0]!.size === 16 * PAGE && blob[0]!.length < PAGE, 'compressed');
  });

  /** The file with other chunks in it. */
  async function changed(name: string, change: (chunks: readonly Chunk[]) => readonly Chunk[]): Promise<string> {
    const { source, manifest, blobs, close } = await openSnapshot(path);
    const writer = new BlobWriter();
    for (const [key, blob] of blobs) writer.keep(Buffer.from(key, 'hex'), await blob.read());
    const { pieces } = await encodeContainer(change(await readChunks(source, manifest)), writer);
    await close();
    await writeWhole(join(folder, name), pieces);
    return join(folder, name);
  }
  const weather = (mandatory: boolean): Chunk => ({ kind: 'weather', instance: '', version: 7, mandatory, fields: fieldsOf({ sky: 'grey' }) });

  it('a machine is resumed from chunks of older versions, and without those that it does not know and may leave out', async () => {
    const hash = await guest.stateHash();
    const file = await changed('old.guest', (chunks) => [
      weather(false),
      // As version 1 was: without what the HPET asserts.
      ...chunks.map((chunk) =>
        chunk.kind === 'device.ioapic' ? { ...chunk, version: 1, fields: new Map([...chunk.fields].filter(([name]) => name !== 'shared')) } : chunk,
      ),
    ]);
    const resumed = await openGuest(undefined, { snapshot: file });
    assert.equal(await resumed.stateHash(), hash);
    await resumed.close();
    // What nobody knows stays in a file that is written anew.
    assert.deepEqual(await upgradeSnapshot(file, join(folder, 'new.guest')), ['device.ioapic']);
    const { chunks } = await inspectSnapshot(join(folder, 'new.guest'));
    assert.deepEqual(chunks.find(({ kind }) => kind === 'weather')?.fields, { sky: 'grey' });
    const again = await openGuest(undefined, { snapshot: join(folder, 'new.guest') });
    assert.equal(await again.stateHash(), hash);
    await again.close();
  });

  it('a machine is not resumed without what it must know, or from what is newer: it is said what that is', async () => {
    const unknown = await changed('unknown.guest', (chunks) => [...chunks, weather(true)]);
    await assert.rejects(openGuest(undefined, { snapshot: unknown }), /unknown\.guest': it has 'weather', which this version does not know/);
    const newer = await changed('newer.guest', (chunks) => chunks.map((chunk) => (chunk.kind === 'device.rtc146818' ? { ...chunk, version: 9 } : chunk)));
    await assert.rejects(openGuest(undefined, { snapshot: newer }), /newer\.guest': device\.rtc146818 'rtc' is of version 9, newer than 1, which/);
    const later = await changed('later.guest', (chunks) => chunks.map((chunk) => (chunk.kind === 'memory' ? { ...chunk, version: 2 } : chunk)));
    await assert.rejects(openGuest(undefined, { snapshot: later }), /memory '' is of version 2, newer than 1/);
  });

  it('are told in words: each field, its meaning and its bits', async () => {
    const text = inspectionText(await inspectSnapshot(path));
    assert.match(text, /^com1: uart16550, version 1\n(?: .*\n)*  lcr +3   WLS=3   \(Line Control/m);
    const { rip } = await guest.registers(0);
    assert.match(text, new RegExp(`^vcpu 0, version 1\\n(?: .*\\n)*  general\\.rip +0x${rip!.toString(16)} `, 'm'));
    assert.match(text, /^memory, version 1\n(?: .*\n)*  regions\.ram +\d+ of 4096 pages are not zeros$/m);
    assert.match(text, /^history 000000, version 2, optional\n/m);
    assert.ok(!/[\x00-\x09\x0b-\x1f]/.test(text) && !text.includes('[object'));
  });

  /** What is told of each path. */
  const linesOf = (output: string): ReadonlyMap<string, string> =>
    new Map(output.split('\n').map((line) => [line.slice(0, line.indexOf(' = ')), line.slice(line.indexOf(' = ') + 3).replaceAll(' ', '')]));
  /** Every value has its line, or is in that of a list. */
  function checkListed(lines: ReadonlyMap<string, string>, value: Plain, at: string): void {
    const line = lines.get(at);
    if (line !== undefined) assert.ok(line.startsWith(JSON.stringify(value).replaceAll(' ', '')), `${at}: ${line}`);
    else if (typeof value !== 'object' || value === null) assert.fail(`${at} is not listed`);
    else for (const [name, inner] of Object.entries(value)) checkListed(lines, inner, `${at}.${name}`);
  }

  /** The reader in Python knows the document, and nothing of this program. */
  const read = (...args: readonly string[]) => spawnSync('python3', [READER, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });

  it('another program unpacks what was packed, and refuses what was not', function () {
    if (!python) this.skip();
    const random = randomOf(5);
    const program = readFileSync(join(ROOT, 'dist/helpers.wasm'));
    const kinds: ((bytes: Buffer) => unknown)[] = [
      (bytes) => bytes.fill(random(256)),
      (bytes) => program.copy(bytes, 0, random(1 << 12)),
      (bytes) => bytes.forEach((_, at) => (bytes[at] = random(256))),
      (bytes) => bytes.forEach((_, at) => (bytes[at] = random(4) * (at % 7))),
    ];
    const cases = [1, 7, 4096, 65536].flatMap((size) =>
      kinds.map((fill) => {
        const contents = Buffer.alloc(size);
        fill(contents);
        return { contents, packed: brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 16 } }) };
      }),
    );
    // Any end but a crash or a hang is good for these.
    const damaged = cases.map(({ packed }) => {
      const changed = Buffer.from(packed);
      changed[random(changed.length)]! ^= 1 << random(8);
      return random(2) === 0 ? changed : packed.subarray(0, -1);
    });
    const script = [
      'import sys, brotli',
      'for line in sys.stdin:',
      '    try:',
      '        print(brotli.unpack(bytes.fromhex(line), 1 << 20).hex())',
      '    except brotli.Damaged:',
      '        print("damaged")',
    ].join('\n');
    const input = [...cases.map(({ packed }) => packed), ...damaged].map((bytes) => `${bytes.toString('hex')}\n`).join('');
    const { stdout, stderr } = spawnSync('python3', ['-c', script], { input, encoding: 'utf8', maxBuffer: 1 << 26, cwd: join(ROOT, 'test/reader') });
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, cases.length * 2, stderr);
    cases.forEach(({ contents }, number) => assert.equal(lines[number], contents.toString('hex'), `case ${number}`));
    assert.ok(lines.slice(cases.length).filter((line) => line === 'damaged').length > cases.length / 2);
  });

  it('another program reads every field, from the document alone', async function () {
    if (!python) {
      console.log('      skipped: there is no python3');
      this.skip();
    }
    for (const file of [...['0.1', '0.1-past', '0.1-q35'].map((name) => join(ROOT, `test/golden/snapshots/${name}.guest`)), path]) {
      const { status, stdout, stderr } = read(file);
      assert.equal(status, 0, stderr);
      const { chunks } = await inspectSnapshot(file);
      assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(await inspectSnapshot(file))));
      const listed = linesOf(read('--fields', file).stdout);
      for (const { kind, instance, fields: all } of chunks) if (kind !== 'schema') checkListed(listed, all, instance === '' ? kind : `${kind} ${instance}`);
    }
    const { stdout } = read('--fields', path);
    assert.match(stdout, /^device\.uart16550 com1\.lcr = 3 .*WLS=3/m);
    assert.match(stdout, /^history 0+\.devices\.\d+\.fields\.lcr = \d .*WLS=\d/m);
    const rip = (await guest.registers(0))['rip']!;
    assert.match(stdout, new RegExp(`^vcpu 0\\.general\\.rip = ${rip}$`, 'm'));
    assert.match(stdout, /^journal\.events\.0\.code = "KeyA"$/m);
    const bytes = readFileSync(path);
    const damaged = join(folder, 'damaged.guest');
    const file = await openSnapshot(path);
    const { offset, length } = file.manifest.blobs.find(({ codec }) => codec === 'brotli')!;
    await file.close();
    for (const at of [3, 9, 200, offset + (length >> 1), bytes.length >> 1, bytes.length - 9]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      writeFileSync(damaged, changed);
      assert.equal(read(damaged).status, 1, `byte ${at}`);
    }
  });
});
