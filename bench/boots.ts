/** Debian's kernels, each to the first line of userland. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError, type Options } from './options';
import { qemu, type Peers } from './peers';
import { RunError, run, runUntil, type Cost } from './process';
import { makeRow, type Peer, type Row } from './rows';

const HERE = resolve(fileURLToPath(import.meta.url), '..');
const GUESTS = join(HERE, '..', '.cache', 'guests');
export const READY = 'GUEST-USERLAND-READY';
const LIMIT = 600;

/** Guests of `npm run guests`; v86 has no long mode. */
export const BOOTS: Readonly<Record<string, { readonly v86: boolean }>> = {
  'linux-cloud': { v86: false },
  'linux-generic': { v86: false },
  'linux-686': { v86: true },
};

export interface Files {
  readonly kernel: string;
  readonly initrd: string;
}

const filesOf = (name: string): Files => ({ kernel: join(GUESTS, name, 'vmlinuz'), initrd: join(GUESTS, name, 'initrd.gz') });

/** Ours, with history as by default, or without. */
export const ours = (options: Options, { kernel, initrd }: Files, ...more: string[]): string[] => [
  process.execPath, options.guest, 'run', '--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0', '--serial', 'stdio', ...more,
]; // prettier-ignore

export const guestFiles = (name: string): Files | undefined => {
  const files = filesOf(name);
  return Object.values(files).every((file) => existsSync(file)) ? files : undefined;
};

/** Our whole process, start and end included. */
export function bootOurs(options: Options, files: Files, ...more: string[]): Cost {
  const finished = run(ours(options, files, '--until-serial', READY, ...more), LIMIT);
  if (finished.status !== 0) throw new RunError(`ours ended with ${finished.status}: ${finished.errors.trim().slice(-500)}`);
  return finished;
}

export const bootQemu = ({ kernel, initrd }: Files, ...more: string[]): Promise<Cost> =>
  runUntil(qemu('-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0', ...more), READY, LIMIT);

const bootV86 = ({ kernel, initrd }: Files): Promise<Cost> =>
  runUntil([process.execPath, join(HERE, 'v86.mjs'), kernel, initrd, 'console=ttyS0', READY], READY, LIMIT);

export async function runBoots(options: Options, peers: Peers): Promise<Row[]> {
  const unknown = options.boots.find((name) => !(name in BOOTS));
  if (unknown !== undefined) throw new UsageError(`no boot "${unknown}". There are: ${Object.keys(BOOTS).join(', ')}`);
  const names = options.boots.length > 0 ? options.boots : Object.keys(BOOTS);
  const samples = new Map<string, Partial<Record<Peer, Cost[]>>>();
  for (const name of names) {
    if (guestFiles(name)) samples.set(name, {});
    else console.log(`missing: guest ${name} (npm run guests -- ${name}): not booted`);
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const [name, sample] of samples) {
      const files = filesOf(name);
      const attempt = async (peer: Peer, boot: () => Cost | Promise<Cost>): Promise<void> => {
        try {
          (sample[peer] ??= []).push(await boot());
        } catch (error) {
          // One that can't boot a guest is a result too, and no reason to lose the others'.
          if (!(error instanceof RunError)) throw error;
          console.log(`failed: ${name}, ${peer}: ${error.message}`);
        }
      };
      await attempt('ours', () => bootOurs(options, files));
      if (peers.qemu) await attempt('tcg', () => bootQemu(files));
      if (peers.v86 && BOOTS[name]?.v86) await attempt('v86', () => bootV86(files));
    }
    process.stderr.write(`boots: round ${round} of ${options.rounds}\n`);
  }
  return [...samples].map(([name, sample]) => makeRow(name, 'boot', sample));
}
