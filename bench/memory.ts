/** Memory of the whole process: for each megabyte of guest RAM, and after an hour of guest time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestFiles, ours } from './boots';
import type { Options } from './options';
import { run, RunError } from './process';
import { table } from './rows';

const MEGABYTE = 1 << 20;

interface Report {
  readonly virtualSeconds: number;
  readonly instructions: number;
  readonly historyBytes: number;
  readonly peakRssBytes: number;
}

export interface MemoryRow {
  readonly name: string;
  readonly group: 'memory';
  readonly guestMegabytes: number;
  readonly virtualSeconds: number;
  readonly instructions: number;
  readonly historyMegabytes: number;
  readonly peakRssMegabytes: number;
}

const CASES: readonly { readonly name: string; readonly megabytes: number; readonly options: readonly string[] }[] = [
  { name: 'userland', megabytes: 256, options: ['--until-serial', 'GUEST-USERLAND-READY'] },
  { name: 'userland', megabytes: 1024, options: ['--until-serial', 'GUEST-USERLAND-READY'] },
  { name: 'userland, history off', megabytes: 256, options: ['--until-serial', 'GUEST-USERLAND-READY', '--no-history'] },
  { name: 'userland, history off', megabytes: 1024, options: ['--until-serial', 'GUEST-USERLAND-READY', '--no-history'] },
  // The shell's echo of the command does not hold the text that its output holds.
  { name: 'an hour later', megabytes: 256, options: ['--type-serial', 'sleep 3600; echo AWAKE$((40+2))', '--until-serial', 'AWAKE42'] },
];

export function runMemory(options: Options, folder: string): MemoryRow[] {
  const files = guestFiles('linux-cloud');
  if (!files) {
    console.log('missing: guest linux-cloud (npm run guests): its memory is not measured');
    return [];
  }
  const rows = CASES.map(({ name, megabytes, options: more }): MemoryRow => {
    const path = join(folder, 'memory.json');
    const finished = run(ours(options, files, '--memory', `${megabytes}M`, '--report', path, ...more), 600);
    if (finished.status !== 0) throw new RunError(`memory, ${name}: ended with ${finished.status}: ${finished.errors.trim().slice(-500)}`);
    const { virtualSeconds, instructions, historyBytes, peakRssBytes } = JSON.parse(readFileSync(path, 'utf8')) as Report;
    return {
      name: `linux-cloud, ${megabytes} MB, ${name}`,
      group: 'memory',
      guestMegabytes: megabytes,
      virtualSeconds,
      instructions,
      historyMegabytes: historyBytes / MEGABYTE,
      peakRssMegabytes: peakRssBytes / MEGABYTE,
    };
  });
  process.stderr.write('memory: measured\n');
  return rows;
}

export const memoryTable = (rows: readonly MemoryRow[]): string =>
  table(
    ['', 'guest time, s', 'G instructions', 'history, MB', 'peak RSS, MB', 'RSS / guest MB'],
    rows.map((row) => [
      row.name,
      row.virtualSeconds.toFixed(1),
      (row.instructions / 1e9).toFixed(2),
      row.historyMegabytes.toFixed(0),
      row.peakRssMegabytes.toFixed(0),
      (row.peakRssMegabytes / row.guestMegabytes).toFixed(2),
    ]),
  );
