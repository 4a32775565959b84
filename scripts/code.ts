/**
 * `npm run code [-- FOLDER]`: VS Code with the extension on the samples or another folder. The desktop's own `code`
 * where there is one, else VS Code in the browser (code-server, fetched into .cache).
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageExtension } from '../test/clients/vscode/package';
import { Server } from '../test/clients/vscode/server';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

async function main(): Promise<number> {
  const folder = resolve(process.argv[2] ?? join(ROOT, 'samples'));
  if (!existsSync(folder)) {
    console.error(`there is no folder ${folder}`);
    return 2;
  }
  const desktop = spawnSync('code', ['--version'], { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0;
  if (desktop) {
    const args = [`--extensionDevelopmentPath=${ROOT}`, folder];
    return new Promise((done) => spawn('code', args, { stdio: 'inherit', shell: process.platform === 'win32' }).on('close', (status) => done(status ?? 1)));
  }
  console.log('There is no desktop VS Code here: one in the browser is made ready.');
  const server = await Server.start(packageExtension());
  console.log(`Open ${server.url(folder)} in a browser of this machine, then press F5. Ctrl-C ends.`);
  await new Promise<void>((done) => process.once('SIGINT', done));
  server.stop();
  return 0;
}

void main().then((code) => process.exit(code));
