/**
 * Snapshots changed by an expert, and chips under hostile traffic, in bundles and side by side. FUZZ_CASES, FUZZ_SEED: how many
 * snapshots for each machine, and which; HOSTILE_ACCESSES, HOSTILE_SEED: the same of accesses for each board; RFB_CASES, RFB_SEED: of VNC clients.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const OUTPUT = join(ROOT, 'test-output', 'fuzz');
const FILES = ['processors', 'board', 'devices', 'rfb'];

async function main(): Promise<number> {
  await bundle(Object.fromEntries(FILES.map((name) => [name, `./test/fuzz/${name}.test.ts`])), OUTPUT);
  const specs = FILES.flatMap((name) => ['--spec', join(OUTPUT, `${name}.js`)]);
  const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const options = ['--no-config', '--reporter', join(ROOT, 'test/reporter.cjs'), '--parallel', '--jobs', String(FILES.length)];
  return spawnSync(process.execPath, [mocha, ...options, ...specs], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}

void main().then((code) => (process.exitCode = code));
