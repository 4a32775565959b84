/** Threads of a program of ours: bundled beside it, or run from the sources. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** `source`: its entry, without extension; `bundle`: the file's name beside the program's own. */
export function startThread(bundle: string, source: string, workerData?: unknown): Worker {
  const built = join(__dirname, bundle);
  if (existsSync(built)) return new Worker(built, { workerData });
  // From the sources: the thread needs the loader that this program runs under.
  const path = join(dirname(source), `${basename(source)}.ts`);
  return new Worker(`require('tsx/cjs/api').register(); require(${JSON.stringify(path)});`, { eval: true, workerData });
}
