/** Snapshots of the cloud kernel at its userland, 512 MB: ours, QEMU's savevm and loadvm, and a dump of all RAM, as bhyve's are. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../scripts/bundle';
import { guestFiles, READY, type Files } from './boots';
import type { Options } from './options';
import { qemu, type Peers } from './peers';
import { run, RunError } from './process';
import { table } from './rows';
import type { Measured } from './snapshotsubject';
import { median } from './statistics';

const MEGABYTE = 1 << 20;
const RAM = 512 * MEGABYTE;
const LIMIT = 120;
const BUNDLE = join(resolve(fileURLToPath(import.meta.url), '../..'), 'test-output', 'bench');

/** Milliseconds of wall time, and megabytes; null where there is no such thing. */
export interface SnapshotRow {
  readonly name: string;
  readonly group: 'snapshots';
  readonly pauseMs: number | null;
  readonly saveMs: number | null;
  readonly restoreMs: number | null;
  readonly historyRestoreMs: number | null;
  readonly megabytes: number | null;
  readonly secondMegabytes: number | null;
  readonly extraMegabytes: number | null;
}
type Figures = Omit<SnapshotRow, 'name' | 'group'>;

const NOTHING: Figures = { pauseMs: null, saveMs: null, restoreMs: null, historyRestoreMs: null, megabytes: null, secondMegabytes: null, extraMegabytes: null };

function ours({ kernel, initrd }: Files, folder: string): Figures {
  const { status, output, errors } = run([process.execPath, join(BUNDLE, 'snapshots.js'), kernel, initrd, READY, folder], LIMIT);
  if (status !== 0) throw new RunError(`ours ended with ${status}: ${errors.trim().slice(-500)}`);
  const { bytes, secondBytes, extraBytes, ...times } = JSON.parse(output) as Measured;
  return { ...times, megabytes: bytes / MEGABYTE, secondMegabytes: secondBytes / MEGABYTE, extraMegabytes: extraBytes / MEGABYTE };
}

/** The guest stands still while QEMU saves it. */
async function savevm({ kernel, initrd }: Files, folder: string): Promise<Figures> {
  const [image, monitor] = [join(folder, 'scratch.qcow2'), join(folder, 'monitor')];
  rmSync(monitor, { force: true });
  if (spawnSync('qemu-img', ['create', '-f', 'qcow2', image, '1G']).status !== 0) {
    console.log("missing: qemu-img (Debian: qemu-utils): QEMU's snapshots are not measured");
    return NOTHING;
  }
  const drive = `file=${image},if=none,format=qcow2,id=scratch`;
  const [program, ...args] = qemu(
    '-kernel',
    kernel,
    '-initrd',
    initrd,
    '-append',
    'console=ttyS0',
    '-drive',
    drive,
    '-monitor',
    `unix:${monitor},server,nowait`,
  );
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT * 1000);
  try {
    await new Promise<void>((done, failed) => {
      let seen = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (seen = (seen + text).slice(-4096)).includes(READY) && done());
      child.on('exit', () => failed(new RunError(`QEMU ended without ${READY}`)));
    });
    const ask = await monitorOf(monitor);
    const timed = async (command: string): Promise<number> => {
      const start = performance.now();
      const answer = await ask(command);
      if (/error/i.test(answer)) throw new RunError(`QEMU: ${command}: ${answer}`);
      return performance.now() - start;
    };
    const saveMs = await timed('savevm one');
    const restoreMs = await timed('loadvm one');
    const [, size, unit] = /\bone\s+([\d.]+) (\w+)/.exec(await ask('info snapshots')) ?? [];
    const megabytes = size === undefined ? null : Number(size) * (unit === 'GiB' ? 1024 : 1);
    return { ...NOTHING, pauseMs: saveMs, saveMs, restoreMs, megabytes };
  } finally {
    clearTimeout(limit);
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}

/** Sends a command, and gives what comes before the next prompt. */
async function monitorOf(path: string): Promise<(command: string) => Promise<string>> {
  const PROMPT = '(qemu) ';
  const socket = connect(path);
  let got = '';
  let heard = (): void => undefined;
  socket.setEncoding('utf8').on('data', (text: string) => {
    got += text;
    heard();
  });
  const prompt = (): Promise<string> =>
    new Promise((done, failed) => {
      socket.once('error', failed);
      heard = () => {
        if (!got.endsWith(PROMPT)) return;
        done(got.slice(0, -PROMPT.length));
        got = '';
      };
      heard();
    });
  await prompt();
  return (command) => {
    socket.write(`${command}\n`);
    return prompt();
  };
}

/** bhyve writes all of RAM as it is, and maps it again. */
function dump(folder: string): Figures {
  const path = join(folder, 'ram');
  const ram = Buffer.alloc(RAM, 0x5a);
  const start = performance.now();
  const file = openSync(path, 'w');
  writeSync(file, ram);
  fsyncSync(file);
  closeSync(file);
  const saveMs = performance.now() - start;
  const megabytes = statSync(path).size / MEGABYTE;
  rmSync(path);
  return { ...NOTHING, pauseMs: saveMs, saveMs, megabytes, secondMegabytes: megabytes };
}

export async function runSnapshots(options: Options, peers: Peers, work: string): Promise<SnapshotRow[]> {
  const files = guestFiles('linux-cloud');
  if (!files) {
    console.log('missing: guest linux-cloud (npm run guests): its snapshots are not measured');
    return [];
  }
  const folder = join(work, 'snapshots');
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
  await bundle({ snapshots: './bench/snapshotsubject.ts', 'snapshot-packer': './emulator/snapshot/packthread.ts' }, BUNDLE);
  const found = new Map<string, Figures[]>();
  const add = (name: string, figures: Figures): void => void found.set(name, [...(found.get(name) ?? []), figures]);
  for (let round = 0; round < options.rounds; round++) {
    add('ours', ours(files, folder));
    if (peers.qemu) add('QEMU savevm, loadvm', await savevm(files, folder));
    add("all of RAM written, as bhyve's", dump(folder));
  }
  return [...found].map(([name, rounds]) => {
    const middle = (of: keyof Figures): number | null => {
      const values = rounds.flatMap((figures) => figures[of] ?? []);
      return values.length === 0 ? null : median(values);
    };
    const figures = Object.fromEntries((Object.keys(NOTHING) as (keyof Figures)[]).map((each) => [each, middle(each)])) as unknown as Figures;
    return { name, group: 'snapshots', ...figures };
  });
}

export function snapshotTable(rows: readonly SnapshotRow[]): string {
  const shown = (value: number | null, unit: string): string => (value === null ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`);
  return table(
    ['', 'pause', 'save', 'restore', 'with history', 'file', 'second file', 'extra memory'],
    rows.map(({ name, pauseMs, saveMs, restoreMs, historyRestoreMs, megabytes, secondMegabytes, extraMegabytes }) => [
      name, shown(pauseMs, 'ms'), shown(saveMs, 'ms'), shown(restoreMs, 'ms'), shown(historyRestoreMs, 'ms'), shown(megabytes, 'MB'), shown(secondMegabytes, 'MB'), shown(extraMegabytes, 'MB'),
    ]), // prettier-ignore
  );
}
