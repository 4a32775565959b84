/** How long a pause takes while a guest works: from the request to the `stopped` event, over the debug protocol. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from '../scripts/start/client';
import { guestFiles } from './boots';
import type { Options } from './options';
import { table } from './rows';
import { median } from './statistics';

/** Linux boots: the generic kernel spends most of this time in decompressing, the cloud kernel in starting its parts. */
const GUESTS = ['linux-cloud', 'linux-generic'] as const;
const SAMPLES = 40;
/** Of wall time between two pauses. */
const APART_MS = 100;
const LIMIT = 60;
const THREAD = { threadId: 1 };

export interface PauseRow {
  readonly name: string;
  readonly group: 'pause';
  readonly samples: number;
  /** Milliseconds of wall time. */
  readonly medianMs: number;
  readonly longestMs: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function pauses(adapter: string, { kernel, initrd }: { readonly kernel: string; readonly initrd: string }): Promise<number[]> {
  const client = new Client(adapter);
  try {
    await client.request('initialize', { adapterID: 'guest', linesStartAt1: true, columnsStartAt1: true });
    const initialized = client.next('initialized', LIMIT);
    const launched = client.request('launch', { program: kernel, initrd, append: 'console=ttyS0' });
    await initialized;
    await client.request('configurationDone');
    await launched;
    const took: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      await sleep(APART_MS);
      const stopped = client.next('stopped', LIMIT);
      const start = performance.now();
      await client.request('pause', THREAD);
      await stopped;
      took.push(performance.now() - start);
      await client.request('continue', THREAD);
    }
    return took;
  } finally {
    await client.close();
  }
}

export async function runPause(options: Options): Promise<PauseRow[]> {
  const adapter = join(dirname(options.guest), 'adapter.js');
  if (!existsSync(adapter)) {
    console.log(`missing: ${adapter} (npm run build): pauses are not measured`);
    return [];
  }
  const rows: PauseRow[] = [];
  for (const name of GUESTS) {
    const files = guestFiles(name);
    if (!files) {
      console.log(`missing: guest ${name} (npm run guests): pauses are not measured in it`);
      continue;
    }
    const took = await pauses(adapter, files);
    rows.push({ name: `pause in the boot of ${name}`, group: 'pause', samples: took.length, medianMs: median(took), longestMs: Math.max(...took) });
  }
  return rows;
}

export function pauseTable(rows: readonly PauseRow[]): string {
  return table(
    ['', 'pauses', 'median', 'longest'],
    rows.map(({ name, samples, medianMs, longestMs }) => [name, String(samples), `${medianMs.toFixed(1)} ms`, `${longestMs.toFixed(1)} ms`]),
  );
}
