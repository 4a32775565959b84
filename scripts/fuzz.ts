/**
 * Snapshots changed by an expert, in bundles and side by side: a loader's calls would cost several times what is tested.
 * FUZZ_CASES, FUZZ_SEED: how many for each machine, and which.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import webpack, { type Configuration } from 'webpack';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
/** Two folders below the project's own, as the emulator's sources are: so it finds the engine in dist/. */
const OUTPUT = join(ROOT, 'test-output', 'fuzz');
const MACHINES = ['processors', 'board'];
const require = createRequire(import.meta.url);

function bundle(): Promise<void> {
  const [programs] = (require('../webpack.config.js') as () => readonly Configuration[])();
  const { plugins: _, ...common } = programs!;
  const entry = Object.fromEntries(MACHINES.map((name) => [name, `./test/fuzz/${name}.test.ts`]));
  return new Promise((done, failed) => {
    webpack({ ...common, entry, devtool: false, output: { path: OUTPUT, filename: '[name].js', libraryTarget: 'commonjs2' } }, (error, stats) => {
      if (error) failed(error);
      else if (stats?.hasErrors()) failed(new Error(stats.toString({ preset: 'errors-only' })));
      else done();
    });
  });
}

async function main(): Promise<number> {
  await bundle();
  const specs = MACHINES.flatMap((name) => ['--spec', join(OUTPUT, `${name}.js`)]);
  const mocha = require.resolve('mocha/bin/mocha.js');
  const options = ['--no-config', '--reporter', join(ROOT, 'test/reporter.cjs'), '--parallel', '--jobs', String(MACHINES.length)];
  return spawnSync(process.execPath, [mocha, ...options, ...specs], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}

void main().then((code) => (process.exitCode = code));
