/** Bundles sources for a program of ours, as the published ones are bundled: a loader's calls would cost several times what is looked at. */
import { createRequire } from 'node:module';
import webpack, { type Configuration } from 'webpack';

const require = createRequire(import.meta.url);

/** `entry`: paths from the project's folder, by name. `output` lies two folders below it, as the emulator's sources do: so they find the engine in dist/. */
export function bundle(entry: Readonly<Record<string, string>>, output: string): Promise<void> {
  const [programs] = (require('../webpack.config.js') as () => readonly Configuration[])();
  const { plugins: _, ...common } = programs!;
  return new Promise((done, failed) => {
    webpack({ ...common, entry: { ...entry }, devtool: false, output: { path: output, filename: '[name].js', libraryTarget: 'commonjs2' } }, (error, stats) => {
      if (error) failed(error);
      else if (stats?.hasErrors()) failed(new Error(stats.toString({ preset: 'errors-only' })));
      else done();
    });
  });
}
