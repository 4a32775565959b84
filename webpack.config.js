'use strict';
/**
 * Bundles: the extension, the debug adapter with the thread that runs its guest, the command line, and the webviews.
 * The engine's WebAssembly is generated into dist/ before (npm run build:helpers, build:engine) and stays beside them.
 */
const path = require('node:path');
const webpack = require('webpack');
const { CodeCache } = require('./scripts/codecache/plugin.cjs');

const dist = path.join(__dirname, 'dist');
/** `webpack --env production` makes what is published: small, without source maps. */
const common = (production) => ({
  context: __dirname,
  mode: 'production',
  devtool: production ? false : 'source-map',
  resolve: { extensions: ['.ts', '.js', '.json'] },
  module: {
    rules: [
      {
        test: /\.ts$/,
        exclude: /node_modules/,
        loader: 'ts-loader',
        // Types are checked by npm test; declarations of a whole tree for each bundle would only cost time.
        options: { transpileOnly: true, compilerOptions: { noEmit: false, sourceMap: true } },
      },
    ],
  },
  optimization: { minimize: production, moduleIds: 'named' },
  performance: { hints: false },
  stats: 'errors-warnings',
});

/** Programs that Node runs. __dirname stays what it is when they run: they find their assets beside them. */
const node = (production, cache = new CodeCache({ names: ['guest', 'guest-worker'], make: !production })) => ({
  ...common(production),
  name: 'node',
  target: 'node20',
  entry: {
    adapter: './adapter/main.ts',
    'guest-worker': './emulator/machine/worker.ts',
    'snapshot-packer': './emulator/snapshot/packthread.ts',
    guest: './emulator/cli/main.ts',
  },
  output: { path: dist, filename: cache.filename, chunkFilename: '[name].js', libraryTarget: 'commonjs2' },
  node: { __dirname: false, __filename: false },
  // A part that is loaded later is one file.
  optimization: { ...common(production).optimization, splitChunks: false },
  // Native code is loaded from node_modules where it is installed; optional accelerators of ws are left out.
  externals: { koffi: 'commonjs koffi', bufferutil: 'commonjs bufferutil', 'utf-8-validate': 'commonjs utf-8-validate' },
  plugins: [
    { apply: (compiler) => copyAssets(compiler, { 'iced_x86_bg.wasm': require.resolve('iced-x86/iced_x86_bg.wasm') }) },
    cache,
    { apply: (compiler) => makeExecutable(compiler, 'guest.js') },
  ],
});

const extension = (production) => ({
  ...common(production),
  name: 'extension',
  target: 'node20',
  entry: { extension: './extension/extension.ts' },
  output: { path: dist, filename: '[name].js', libraryTarget: 'commonjs2' },
  node: { __dirname: false },
  externals: { vscode: 'commonjs vscode' },
});

const media = (production) => ({
  ...common(production),
  name: 'media',
  target: ['web', 'es2022'],
  entry: { display: './media/display/display.ts', snapshot: './media/snapshot/snapshot.ts', timeline: './media/timeline/timeline.ts' },
  experiments: { outputModule: true },
  output: { path: path.join(dist, 'media'), filename: '[name].js', module: true, library: { type: 'module' } },
  plugins: [{ apply: (compiler) => copyAssets(compiler, { 'display.css': path.join(__dirname, 'media/display/display.css') }) }],
});

/** Emits files of packages beside the bundles. */
function copyAssets(compiler, files) {
  const { sources, Compilation } = webpack;
  compiler.hooks.thisCompilation.tap('assets', (compilation) => {
    compilation.hooks.processAssets.tap({ name: 'assets', stage: Compilation.PROCESS_ASSETS_STAGE_ADDITIONAL }, () => {
      for (const [name, from] of Object.entries(files)) compilation.emitAsset(name, new sources.RawSource(compiler.inputFileSystem.readFileSync(from)));
    });
  });
}

function makeExecutable(compiler, name) {
  compiler.hooks.afterEmit.tap('executable', () => require('node:fs').chmodSync(path.join(dist, name), 0o755));
}

module.exports = ({ production = false } = {}) => [node(production), extension(production), media(production)];
