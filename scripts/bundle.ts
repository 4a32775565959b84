/** Bundles sources for a program of ours, as the published ones are bundled: a loader's calls would cost several times what is looked at. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import webpack, { type Configuration } from 'webpack';

type Entry = Readonly<Record<string, string>>;
const SELF = fileURLToPath(import.meta.url);

/**
 * `entry`: paths from the project's folder, by name. `output` lies two folders below it, as the emulator's sources do: so they find the engine in dist/.
 * In a process of its own: what a bundler leaves behind slows down everything that is measured afterwards.
 */
export function bundle(entry: Entry, output: string): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', SELF, JSON.stringify(entry), output], { stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('exit', (code) => (code === 0 ? done() : failed(new Error(`the bundler ended with ${code}`))));
  });
}

function pack(entry: Entry, output: string): void {
  const [programs] = (createRequire(import.meta.url)('../webpack.config.js') as () => readonly Configuration[])();
  const { plugins: _, ...common } = programs!;
  // It looks for its WebAssembly beside itself.
  const externals = { ...(common.externals as Readonly<Record<string, string>>), 'iced-x86': 'commonjs iced-x86' };
  const made = { path: output, filename: '[name].js', libraryTarget: 'commonjs2' };
  webpack({ ...common, entry: { ...entry }, externals, devtool: false, output: made }, (error, stats) => {
    if (!error && !stats?.hasErrors()) return;
    console.error(error ?? stats?.toString({ preset: 'errors-only' }));
    process.exitCode = 1;
  });
}

const [program, entries, folder] = process.argv.slice(1);
if (program === SELF && entries !== undefined && folder !== undefined) pack(JSON.parse(entries) as Entry, folder);
