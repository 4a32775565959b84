/** `npm run bench`: ours beside QEMU TCG, v86 and native code, in one run. See docs/performance.md. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBoots } from './boots';
import { historyTable, runHistory, type HistoryRow } from './history';
import { runKernels } from './kernels';
import { memoryTable, runMemory, type MemoryRow } from './memory';
import { parseOptions, USAGE, UsageError } from './options';
import { pauseTable, runPause, type PauseRow } from './pause';
import { findPeers } from './peers';
import { RunError } from './process';
import { rowTable, summary, type Row } from './rows';
import { runSnapshots, snapshotTable, type SnapshotRow } from './snapshots';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const WORK = join(ROOT, '.cache', 'bench');

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), join(ROOT, 'dist', 'guest.js'), process.env);
  if (!existsSync(options.guest)) throw new UsageError(`${options.guest} is missing: npm run build`);
  const peers = findPeers(options);
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores; Node ${process.version}`;
  console.log([`${machine}; ${options.rounds} rounds`, peers.qemu, peers.gdb, peers.v86 && `v86 ${peers.v86}`].filter(Boolean).join('; '));
  for (const what of peers.missing) console.log(`missing: ${what}`);
  mkdirSync(WORK, { recursive: true });
  const rows: Row[] = [];
  if (options.parts.includes('kernels')) rows.push(...runKernels(options, peers, WORK));
  if (options.parts.includes('boots')) rows.push(...(await runBoots(options, peers, WORK)));
  if (rows.length > 0) console.log(`\n${rowTable(rows)}\n`);
  for (const line of summary(rows)) console.log(line);
  const history: HistoryRow[] = options.parts.includes('history') ? await runHistory(options, peers, WORK) : [];
  if (history.length > 0) console.log(`\n${historyTable(history)}`);
  const pause: PauseRow[] = options.parts.includes('pause') ? await runPause(options) : [];
  if (pause.length > 0) console.log(`\n${pauseTable(pause)}`);
  const memory: MemoryRow[] = options.parts.includes('memory') ? await runMemory(options, peers, WORK) : [];
  if (memory.length > 0) console.log(`\n${memoryTable(memory)}`);
  const snapshots: SnapshotRow[] = options.parts.includes('snapshots') ? await runSnapshots(options, peers, WORK) : [];
  if (snapshots.length > 0) console.log(`\n${snapshotTable(snapshots)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify([...rows, ...history, ...pause, ...memory, ...snapshots], undefined, 2)}\n`);
  return 0;
}

main().then(
  (status) => (process.exitCode = status),
  (error: unknown) => {
    if (!(error instanceof UsageError || error instanceof RunError)) throw error;
    console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error.message);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
