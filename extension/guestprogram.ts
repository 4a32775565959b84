/** The `guest` program, for what needs no session: a process of its own, under the Node that VS Code itself runs on. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

const MOST_OUTPUT = 256 << 20;
const PATIENCE_MS = 60_000;

/** What it prints. Rejects with what it says is wrong. */
export function runGuest(extensionPath: string, args: readonly string[]): Promise<string> {
  const program = join(extensionPath, 'dist', 'guest.js');
  const options = { env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' }, maxBuffer: MOST_OUTPUT, timeout: PATIENCE_MS };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], options, (error, output, errors) => {
      // As diff(1), it ends with 1 and says nothing on standard error where things differ.
      if (!error || (error.code === 1 && errors === '')) return resolve(output);
      const said = errors.trim().replace(/^guest: /, '');
      reject(new Error(said !== '' ? said : error.killed ? 'it took too long' : error.message));
    });
  });
}
