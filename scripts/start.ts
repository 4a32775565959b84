/**
 * `npm start`: debugs the sample kernel through the real debug adapter, as VS Code would, and shows the session as it
 * happens. On a terminal the guest goes on afterwards, with its live display on a local page, until Ctrl-C; not with
 * `--check`.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from './start/client';
import { serveDisplay, writePicture } from './start/screen';
import { Tour } from './start/tour';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const DIST = join(ROOT, 'dist');
const OUTPUT = join(ROOT, 'test-output', 'start');

async function main(): Promise<number> {
  const adapter = join(DIST, 'adapter.js');
  if (!existsSync(adapter)) {
    console.error('dist/adapter.js is missing: npm run build');
    return 2;
  }
  const client = new Client(adapter);
  try {
    const tour = new Tour(client, join(ROOT, 'samples'));
    await tour.run();
    mkdirSync(OUTPUT, { recursive: true });
    const picture = join(OUTPUT, 'screen.png');
    if (await writePicture(client, picture)) tour.say(`The guest's screen is in ${picture}.`);
    if (process.stdout.isTTY && !process.argv.includes('--check')) {
      await tour.go();
      tour.say(`The guest runs on. Its live display: ${(await serveDisplay(client, DIST)).url}  (Ctrl-C ends)`);
      await new Promise<void>((done) => process.once('SIGINT', done));
    }
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await client.close();
  }
}

void main().then((code) => process.exit(code));
