/** What the recorded past costs, and how quickly it can be reached. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildImages } from './kernels';
import { bootOurs, bootQemu, guestFiles } from './boots';
import { travelOurs, travelQemu } from './travel';
import type { Options } from './options';
import type { Peers } from './peers';
import { RunError, run, type Cost } from './process';
import { table } from './rows';
import { median } from './statistics';

const DIRTY = [100, 1000, 10_000] as const;

export interface HistoryRow {
  readonly name: string;
  readonly group: 'history';
  /** `s`: seconds of CPU time; `ms`: milliseconds of CPU time or, for latencies, of wall time. */
  readonly unit: 's' | 'ms';
  readonly ours: number | null;
  readonly tcg: number | null;
  readonly about: string;
}

const row = (name: string, unit: 's' | 'ms', ours: number | null, tcg: number | null, about: string): HistoryRow => ({
  name,
  group: 'history',
  unit,
  ours,
  tcg,
  about,
});

const cpu = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.cpu));

async function onAndOff(options: Options, peers: Peers, folder: string): Promise<HistoryRow[]> {
  const files = guestFiles('linux-cloud');
  if (!files) {
    console.log('missing: guest linux-cloud (npm run guests): history is not measured on it');
    return [];
  }
  const on: Cost[] = [];
  const off: Cost[] = [];
  const plain: Cost[] = [];
  const recorded: Cost[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const boots = [() => on.push(bootOurs(options, files)), () => off.push(bootOurs(options, files, '--no-history'))];
    for (const boot of round % 2 === 1 ? boots : boots.reverse()) boot();
    if (peers.qemu) {
      plain.push(await bootQemu(files));
      recorded.push(await bootQemu(files, '-icount', `shift=1,rr=record,rrfile=${join(folder, 'record.bin')}`));
    }
    process.stderr.write(`history: round ${round} of ${options.rounds}\n`);
  }
  const tcg = (costs: readonly Cost[]): number | null => (costs.length > 0 ? cpu(costs) : null);
  const percent = (with_: number, without: number): string => `${((with_ / without - 1) * 100).toFixed(1)} %`;
  // Of a machine that has other things to do, the quickest rounds say more than those in the middle.
  const quickest = (costs: readonly Cost[]): number => Math.min(...costs.map((cost) => cost.cpu));
  const more = (with_: readonly Cost[], without: readonly Cost[]): string =>
    `${percent(cpu(with_), cpu(without))} more than without (the quickest ${percent(quickest(with_), quickest(without))})`;
  return [
    row('linux-cloud to userland, nothing recorded', 's', cpu(off), tcg(plain), 'CPU time'),
    row(
      'linux-cloud to userland, recorded',
      's',
      cpu(on),
      tcg(recorded),
      `CPU time; ours ${more(on, off)}` + (recorded.length > 0 ? `, QEMU ${more(recorded, plain)}` : ''),
    ),
  ];
}

/** A checkpoint's CPU time against the pages written since the one before (bench/kernels/system.c): the same run with and without them. */
function checkpoints(options: Options, peers: Peers, folder: string): HistoryRow[] {
  if (!peers.gcc) return [];
  const { guest } = buildImages(folder);
  const path = join(folder, 'checkpoints.json');
  const once = (kernel: string, ...more: string[]): { cpu: number; checkpoints: number } => {
    const finished = run([process.execPath, options.guest, 'run', '--kernel', guest, '--append', kernel, '--serial', 'stdio', '--report', path, ...more]);
    if (finished.status !== 0) throw new RunError(`${kernel}: ended with ${finished.status}: ${finished.errors.trim()}`);
    return { cpu: finished.cpu, checkpoints: (JSON.parse(readFileSync(path, 'utf8')) as { checkpoints: number }).checkpoints };
  };
  return DIRTY.map((pages) => {
    const each = Array.from({ length: options.rounds }, () => {
      const on = once(`dirty${pages}`);
      const off = once(`dirty${pages}`, '--no-history');
      return ((on.cpu - off.cpu) * 1000) / on.checkpoints;
    });
    return row(`a checkpoint of ${pages} written pages`, 'ms', median(each), null, 'CPU time; with the budget of 512 MB');
  });
}

export async function runHistory(options: Options, peers: Peers, folder: string): Promise<HistoryRow[]> {
  const rows = [...(await onAndOff(options, peers, folder)), ...checkpoints(options, peers, folder)];
  const files = guestFiles('linux-cloud');
  if (!files) return rows;
  const ours = await travelOurs(join(dirname(options.guest), 'adapter.js'), files);
  const tcg = peers.qemu && peers.gdb ? await travelQemu(files, folder) : {};
  for (const [name, latency] of Object.entries(ours)) {
    rows.push(row(name, 'ms', latency, tcg[name] ?? null, 'wall time, in linux-cloud at userland'));
  }
  return rows;
}

export function historyTable(rows: readonly HistoryRow[]): string {
  const value = (number: number | null, unit: string): string => (number === null ? '–' : `${number.toFixed(number < 10 ? 2 : 0)} ${unit}`);
  return table(
    ['', 'ours', 'QEMU', ''],
    rows.map(({ name, ours, tcg, unit, about }) => [name, value(ours, unit), value(tcg, unit), about]),
  );
}
