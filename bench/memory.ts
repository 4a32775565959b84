/** Memory of the whole process: for each megabyte of guest RAM, and after an hour of guest time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootQemu, bootV86, guestFiles, ours } from './boots';
import type { Options } from './options';
import type { Peers } from './peers';
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
  /** Of QEMU and of v86 with the same guest, at the same place. */
  readonly tcgPeakRssMegabytes: number | null;
  readonly v86PeakRssMegabytes: number | null;
}

interface Case {
  readonly name: string;
  readonly guest?: string;
  readonly megabytes: number;
  readonly options: readonly string[];
  readonly peers?: readonly ('tcg' | 'v86')[];
}

const CASES: readonly Case[] = [
  { name: 'userland', megabytes: 256, options: ['--until-serial', 'GUEST-USERLAND-READY'], peers: ['tcg'] },
  { name: 'userland', megabytes: 1024, options: ['--until-serial', 'GUEST-USERLAND-READY'], peers: ['tcg'] },
  { name: 'userland', guest: 'linux-686', megabytes: 512, options: ['--until-serial', 'GUEST-USERLAND-READY'], peers: ['tcg', 'v86'] },
  { name: 'userland, history off', megabytes: 256, options: ['--until-serial', 'GUEST-USERLAND-READY', '--no-history'] },
  { name: 'userland, history off', megabytes: 1024, options: ['--until-serial', 'GUEST-USERLAND-READY', '--no-history'] },
  // The shell's echo of the command does not hold the text that its output holds.
  { name: 'an hour later', megabytes: 256, options: ['--type-serial', 'sleep 3600; echo AWAKE$((40+2))', '--until-serial', 'AWAKE42'] },
];

export async function runMemory(options: Options, peers: Peers, folder: string): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const { name, guest = 'linux-cloud', megabytes, options: more, peers: compared = [] } of CASES) {
    const files = guestFiles(guest);
    if (!files) {
      console.log(`missing: guest ${guest} (npm run guests -- ${guest}): its memory is not measured`);
      continue;
    }
    const path = join(folder, 'memory.json');
    const finished = run(ours(options, files, '--memory', `${megabytes}M`, '--report', path, ...more), 600);
    if (finished.status !== 0) throw new RunError(`memory, ${name}: ended with ${finished.status}: ${finished.errors.trim().slice(-500)}`);
    const { virtualSeconds, instructions, historyBytes, peakRssBytes } = JSON.parse(readFileSync(path, 'utf8')) as Report;
    const tcg = peers.qemu && compared.includes('tcg') ? await bootQemu(files, '-m', `${megabytes}`) : undefined;
    const v86 = peers.v86 && compared.includes('v86') ? await bootV86(files) : undefined;
    rows.push({
      name: `${guest}, ${megabytes} MB, ${name}`,
      group: 'memory',
      guestMegabytes: megabytes,
      virtualSeconds,
      instructions,
      historyMegabytes: historyBytes / MEGABYTE,
      peakRssMegabytes: peakRssBytes / MEGABYTE,
      tcgPeakRssMegabytes: tcg ? tcg.peakRss / MEGABYTE : null,
      v86PeakRssMegabytes: v86 ? v86.peakRss / MEGABYTE : null,
    });
  }
  process.stderr.write('memory: measured\n');
  return rows;
}

export const memoryTable = (rows: readonly MemoryRow[]): string =>
  table(
    ['', 'guest time, s', 'G instructions', 'history, MB', 'peak RSS, MB', 'RSS / guest MB', 'TCG, MB', 'v86, MB'],
    rows.map((row) => [
      row.name,
      row.virtualSeconds.toFixed(1),
      (row.instructions / 1e9).toFixed(2),
      row.historyMegabytes.toFixed(0),
      row.peakRssMegabytes.toFixed(0),
      (row.peakRssMegabytes / row.guestMegabytes).toFixed(2),
      row.tcgPeakRssMegabytes?.toFixed(0) ?? '–',
      row.v86PeakRssMegabytes?.toFixed(0) ?? '–',
    ]),
  );
