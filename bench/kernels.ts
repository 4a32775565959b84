/** Small programs, as a bare guest in ours and in QEMU, and as a program of the host. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Options } from './options';
import { UsageError } from './options';
import type { Peers } from './peers';
import { qemu, QEMU_EXIT_ZERO } from './peers';
import { run, RunError, type Finished } from './process';
import { makeRow, type Group, type Peer, type Row } from './rows';

const SOURCES = resolve(fileURLToPath(import.meta.url), '../kernels');

export const KERNELS: Readonly<Record<string, Group>> = {
  alu: 'integer',
  sum: 'integer',
  copy: 'integer',
  list: 'integer',
  sieve: 'integer',
  bytecode: 'integer',
  calls: 'integer',
  mandelbrot: 'sse',
  dot: 'sse',
  packed: 'sse',
  vector: 'sse',
  extended: 'x87',
  // Apart from "integer": QEMU counts a REP's repetitions one by one, which would say nothing of integer code.
  strings: 'system',
  faults: 'system',
  syscalls: 'system',
  switches: 'system',
};

/** One set of flags for guest and host; without vectorization, so that integer kernels stay integer. */
const FLAGS = [
  '-std=gnu11', '-m64', '-O2', '-fno-tree-vectorize', '-fno-tree-slp-vectorize', '-fno-tree-loop-distribute-patterns', '-Wall', '-Wextra',
  '-fno-pic', '-fno-pie', '-fno-stack-protector', '-fcf-protection=none', '-mno-red-zone', '-mcmodel=small', '-fno-asynchronous-unwind-tables',
]; // prettier-ignore

interface Images {
  readonly guest: string;
  readonly native: string;
}

export function buildImages(folder: string): Images {
  mkdirSync(folder, { recursive: true });
  const step = (...command: [string, ...string[]]): void => {
    const { status, stderr, error } = spawnSync(command[0], command.slice(1), { cwd: SOURCES, encoding: 'utf8' });
    if (error || status !== 0) throw new RunError(`${command.join(' ')}: ${error?.message ?? stderr}`);
  };
  const [guest, native, start, main] = ['kernels.elf', 'kernels', 'start.o', 'guest.o'].map((name) => join(folder, name)) as [string, string, string, string];
  step('gcc', '-c', 'start.S', '-o', start);
  step('gcc', ...FLAGS, '-ffreestanding', '-c', 'guest.c', '-o', main);
  step('ld', '-m', 'elf_x86_64', '-static', '-nostdlib', '--build-id=none', '-z', 'max-page-size=4096', '-T', 'kernels.ld', start, main, '-o', guest);
  step('gcc', ...FLAGS, '-no-pie', 'native.c', '-o', native);
  return { guest, native };
}

const CHECKSUM = /checksum ([0-9a-f]{16})/;

function checksumOf(peer: Peer, kernel: string, finished: Finished, wanted: number): string {
  const sum = CHECKSUM.exec(finished.output)?.[1];
  if (sum === undefined || finished.status !== wanted) {
    throw new RunError(`${kernel}: ${peer} ended with ${finished.status} and "${finished.output.trim()}" ${finished.errors.trim()}`);
  }
  return sum;
}

export function runKernels(options: Options, peers: Peers, folder: string): Row[] {
  const unknown = options.kernels.find((name) => !(name in KERNELS));
  if (unknown !== undefined) throw new UsageError(`no kernel "${unknown}". There are: ${Object.keys(KERNELS).join(', ')}`);
  if (!peers.gcc) return []; // reported by name where peers were looked for
  const images = buildImages(folder);
  const commands: Partial<Record<Peer, (kernel: string) => string[]>> = {
    ours: (kernel) => [process.execPath, options.guest, 'run', '--kernel', images.guest, '--append', kernel, '--serial', 'stdio'],
    ...(peers.qemu && { tcg: (kernel: string) => qemu('-kernel', images.guest, '-append', kernel) }),
    ...(!options.oursOnly && { native: (kernel: string) => [images.native, kernel] }),
  };
  const names = options.kernels.length > 0 ? options.kernels : Object.keys(KERNELS);
  const system = (kernel: string): boolean => ['faults', 'syscalls', 'switches'].includes(kernel); // what a program can't do
  const results = new Map<string, Partial<Record<Peer, Finished[]>>>(['null', ...names].map((name) => [name, {}]));
  const sums = new Map<string, string>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const [kernel, result] of results) {
      for (const [peer, command] of Object.entries(commands) as [Peer, (kernel: string) => string[]][]) {
        if (peer === 'native' && system(kernel)) continue;
        const finished = run(command(kernel));
        const sum = checksumOf(peer, kernel, finished, peer === 'tcg' ? QEMU_EXIT_ZERO : 0);
        const known = sums.get(kernel) ?? sum;
        if (sum !== known) throw new RunError(`${kernel}: ${peer} computed ${sum}, not ${known}`);
        sums.set(kernel, known);
        (result[peer] ??= []).push(finished);
      }
    }
    process.stderr.write(`kernels: round ${round} of ${options.rounds}\n`);
  }
  return names.map((name) => makeRow(name, KERNELS[name] as Group, results.get(name) ?? {}, results.get('null'), sums.get(name)));
}
