/** The .vsix as a user gets it, made from the tree as it is. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');

function run(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync('npx', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
}

let packaged: string | undefined;

/** Once for all tests. The engine's WebAssembly has to be built already (npm run build). */
export function packageExtension(): string {
  if (packaged !== undefined) return packaged;
  const folder = join(ROOT, 'test-output');
  const vsix = join(folder, 'guest-debug.vsix');
  mkdirSync(folder, { recursive: true });
  run('webpack', '--env', 'production');
  run('vsce', 'package', '--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links', '--out', vsix);
  return (packaged = vsix);
}
