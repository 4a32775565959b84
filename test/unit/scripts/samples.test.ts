import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElfFile } from '../../../emulator/firmware/elf';
import { pvhEntry } from '../../../emulator/firmware/pvh';
import { SymbolStore } from '../../../adapter/symbols/store';
import { planLaunch } from '../../../adapter/launch/config';

const SAMPLES = join(__dirname, '../../../samples');
const image = join(SAMPLES, 'hello/hello.elf');

/** The line of a source that holds `text`, from 1. */
const lineWith = (file: string, text: string): number =>
  readFileSync(join(SAMPLES, file), 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text)) + 1;

describe('the samples', () => {
  it('hello is a PVH kernel', () => {
    assert.equal(pvhEntry(new ElfFile('hello.elf', readFileSync(image))), 0x100018);
  });

  it('the lines of hello are those of the sources beside it', async () => {
    const store = new SymbolStore([['/guest-debug/samples', SAMPLES]]);
    await store.load(image, 0n);
    const line = lineWith('hello/main.c', 'bool prime = is_prime(');
    const found = store.addressesOf(join(SAMPLES, 'hello/main.c'), line);
    assert.equal(found?.line, line);
    assert.equal(store.source(found!.addresses[0]!)?.path, join(SAMPLES, 'hello/main.c'));
    assert.match(store.label(found!.addresses[0]!)!, /^(step|kernel_main)\b/);
  });

  it('each launch configuration is valid', () => {
    const { configurations } = JSON.parse(readFileSync(join(SAMPLES, '.vscode/launch.json'), 'utf8')) as { configurations: Record<string, unknown>[] };
    assert.ok(configurations.length >= 2);
    for (const configuration of configurations) assert.equal(planLaunch(configuration).machine.cpus, 1);
  });

  it('hello.elf is built from its sources', function () {
    const compiler = spawnSync('gcc', ['-dumpfullversion'], { encoding: 'utf8' });
    if (compiler.stdout?.trim() !== '12.2.0') this.skip(); // another compiler gives other code
    const { status, stdout, stderr } = spawnSync('npx', ['tsx', 'scripts/samples.ts', '--check'], { cwd: join(SAMPLES, '..'), encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  });
});
