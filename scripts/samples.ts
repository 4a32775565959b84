/**
 * Builds the samples from their sources with gcc and ld: `npm run samples [-- --check]`.
 * `--check` builds beside and compares instead; the paths in the debug information are the same on every host.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
/** What stands for the folder of samples in debug information; launch configurations map it back. */
const COMPILED_AS = '/guest-debug/samples';

const FLAGS = [
  '-std=gnu11', '-m64', '-Og', '-g', '-gdwarf-5', '-gno-record-gcc-switches', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-pic', '-fno-pie',
  '-fno-stack-protector', '-fno-omit-frame-pointer', '-fno-asynchronous-unwind-tables', '-fcf-protection=none', '-mno-red-zone', '-mgeneral-regs-only',
  '-mcmodel=small',
]; // prettier-ignore

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(program, args, { cwd, stdio: 'inherit' });
  if (error) throw new Error(`${program} can't be run: ${error.message}`);
  if (status !== 0) throw new Error(`${program} failed`);
}

export function buildSample(name: string, output: string): void {
  const folder = join(ROOT, 'samples', name);
  const objects = mkdtempSync(join(tmpdir(), 'guest-sample-'));
  try {
    const sources = readdirSync(folder)
      .filter((file) => /\.[cS]$/.test(file))
      .sort();
    const made = sources.map((source) => {
      const object = join(objects, `${basename(source)}.o`);
      run('gcc', [...FLAGS, `-ffile-prefix-map=${folder}=${COMPILED_AS}/${name}`, '-c', join(folder, source), '-o', object], folder);
      return object;
    });
    run('ld', ['-m', 'elf_x86_64', '-static', '-nostdlib', '--build-id=none', '-z', 'max-page-size=4096', '-T', `${name}.ld`, ...made, '-o', output], folder);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

function main(): number {
  const image = join(ROOT, 'samples', 'hello', 'hello.elf');
  if (!process.argv.includes('--check')) {
    buildSample('hello', image);
    return 0;
  }
  const fresh = `${image}.check`;
  try {
    buildSample('hello', fresh);
    const same = readFileSync(fresh).equals(readFileSync(image));
    console.log(same ? 'hello.elf is what its sources give' : 'hello.elf differs from what its sources give with this compiler: npm run samples');
    return same ? 0 : 1;
  } finally {
    rmSync(fresh, { force: true });
  }
}

process.exitCode = main();
