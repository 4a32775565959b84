/** Debian's kernels, each to the first line of userland, and its UEFI firmware to the shell. */
import { copyFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError, type Options } from './options';
import { qemu, type Peers } from './peers';
import { RunError, run, runUntil, type Cost, type Reached } from './process';
import { makeRow, type Peer, type Row } from './rows';

const HERE = resolve(fileURLToPath(import.meta.url), '..');
const GUESTS = join(HERE, '..', '.cache', 'guests');
export const READY = 'GUEST-USERLAND-READY';
const SHELL = 'Shell> ';
const LIMIT = 600;

/** How a guest of `npm run guests` is booted by each; undefined where its files are missing. `work`: a folder for what is written. */
interface Boot {
  readonly ours: (options: Options) => Cost;
  readonly tcg: (work: string) => Promise<Cost>;
  readonly v86?: () => Promise<Cost>;
}

const linux =
  (name: string, { v86 }: { readonly v86: boolean }) =>
  (): Boot | undefined => {
    const files = guestFiles(name);
    return (
      files && {
        ours: (options) => bootOurs(options, files),
        tcg: () => bootQemu(files),
        ...(v86 && { v86: () => bootV86(files) }),
      }
    );
  };

/** v86 has no long mode. */
const BOOTS: Readonly<Record<string, () => Boot | undefined>> = {
  'linux-cloud': linux('linux-cloud', { v86: false }),
  'linux-generic': linux('linux-generic', { v86: false }),
  'linux-686': linux('linux-686', { v86: true }),
  ovmf: firmware,
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
export const bootOurs = (options: Options, files: Files, ...more: string[]): Cost => toEnd(ours(options, files, '--until-serial', READY, ...more));

function toEnd(command: readonly string[]): Cost {
  const finished = run(command, LIMIT);
  if (finished.status !== 0) throw new RunError(`ours ended with ${finished.status}: ${finished.errors.trim().slice(-500)}`);
  return finished;
}

export const bootQemu = ({ kernel, initrd }: Files, ...more: string[]): Promise<Reached> =>
  runUntil(qemu('-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0', ...more), READY, LIMIT);

export const bootV86 = ({ kernel, initrd }: Files): Promise<Reached> =>
  runUntil([process.execPath, join(HERE, 'v86.mjs'), kernel, initrd, 'console=ttyS0', READY], READY, LIMIT);

/** Debian's OVMF with a fresh variable store, on the same board, to the prompt of its shell. */
function firmware(): Boot | undefined {
  const [code, vars] = ['OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'].map((name) => join(GUESTS, 'ovmf', name)) as [string, string];
  if (!existsSync(code) || !existsSync(vars)) return undefined;
  const drive = (unit: number, file: string, more = ''): string[] => ['-drive', `if=pflash,format=raw,unit=${unit},file=${file}${more}`];
  return {
    ours: (options) => toEnd([process.execPath, options.guest, 'run', '--firmware', code, '--chipset', 'q35', '--serial', 'stdio', '--until-serial', SHELL]),
    tcg: (work) => {
      const store = join(work, 'ovmf-vars.fd');
      copyFileSync(vars, store);
      return runUntil(qemu('-machine', 'q35', ...drive(0, code, ',readonly=on'), ...drive(1, store)), SHELL, LIMIT);
    },
  };
}

export async function runBoots(options: Options, peers: Peers, work: string): Promise<Row[]> {
  const unknown = options.boots.find((name) => !(name in BOOTS));
  if (unknown !== undefined) throw new UsageError(`no boot "${unknown}". There are: ${Object.keys(BOOTS).join(', ')}`);
  const names = options.boots.length > 0 ? options.boots : Object.keys(BOOTS);
  const samples = new Map<string, { readonly boot: Boot; readonly costs: Partial<Record<Peer, Cost[]>> }>();
  for (const name of names) {
    const boot = BOOTS[name]?.();
    if (boot) samples.set(name, { boot, costs: {} });
    else console.log(`missing: guest ${name} (npm run guests -- ${name}): not booted`);
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const [name, { boot, costs }] of samples) {
      const attempt = async (peer: Peer, attempted: () => Cost | Promise<Cost>): Promise<void> => {
        try {
          (costs[peer] ??= []).push(await attempted());
        } catch (error) {
          // One that can't boot a guest is a result too, and no reason to lose the others'.
          if (!(error instanceof RunError)) throw error;
          console.log(`failed: ${name}, ${peer}: ${error.message}`);
        }
      };
      await attempt('ours', () => boot.ours(options));
      if (peers.qemu) await attempt('tcg', () => boot.tcg(work));
      if (peers.v86 && boot.v86) await attempt('v86', boot.v86);
    }
    process.stderr.write(`boots: round ${round} of ${options.rounds}\n`);
  }
  return [...samples].map(([name, { costs }]) => makeRow(name, 'boot', costs));
}
