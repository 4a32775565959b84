import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLOAT_CHOICES } from '../../../oracle/vendors';
import { compareWithHost, operations, type FloatModule } from './float-operations';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../../..');
const COUNT = Number(process.env['FLOAT_COUNT'] ?? 200_000);
const SEED = process.env['FLOAT_SEED'] ?? '1';

/** Runs a program to its end; the standard output, or undefined with the reason on failure. */
function run(command: string, args: readonly string[]): Buffer | undefined {
  const result = spawnSync(command, args, { cwd: root, maxBuffer: 1 << 30 });
  return result.status === 0 ? result.stdout : undefined;
}

describe('float helpers against the host CPU', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'float-'));
  const oracle = join(folder, 'oracle');
  let helpers: FloatModule;
  let memory: WebAssembly.Memory;
  let vendor: string;

  before(function () {
    if (process.arch !== 'x64') {
      console.log('      skipped: the oracle is an x86-64 host, this is ' + process.arch);
      this.skip();
    }
    if (!run('gcc', ['-O2', '-mno-red-zone', '-o', oracle, join(here, 'float-oracle.c')])) {
      console.log('      skipped: no gcc that compiles float-oracle.c');
      this.skip();
    }
    vendor = run(oracle, ['vendor'])?.toString() ?? '';
    const wasm = join(folder, 'float.wasm');
    const flags = '--runtime stub --importMemory --sharedMemory --initialMemory 32 --maximumMemory 32 --enable threads ' + '--memoryBase 65536 --noAssert -O3';
    const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
    const source = 'emulator/engine/assembly/float/index.ts';
    assert(run(process.execPath, [asc, source, ...flags.split(' '), '-o', wasm]), 'asc failed');
    memory = new WebAssembly.Memory({ initial: 32, maximum: 32, shared: true });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), {
      env: { memory },
    });
    helpers = instance.exports as unknown as FloatModule;
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const name of Object.keys(operations)) {
    it(`${name}: ${COUNT} operands`, () => {
      const records = run(oracle, [name, SEED, String(COUNT)]);
      assert(records, `the oracle knows no ${name}`);
      const { differences, report } = compareWithHost(name, helpers, memory, records, vendor === 'GenuineIntel' ? FLOAT_CHOICES : []);
      assert.equal(differences, 0, report);
    });
  }
});
