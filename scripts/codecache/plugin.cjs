'use strict';
/** For webpack: bundles that start from V8's code cache. The entry NAME gives NAME.code.js; NAME.js is the loader, and NAME.cache is made by a run. */
const { execFile } = require('node:child_process');
const { existsSync, readFileSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { promisify } = require('node:util');
const { Compilation, sources, WebpackError } = require('webpack');

const run = promisify(execFile);
const LOADER = readFileSync(join(__dirname, 'loader.cjs'));
/** Most of what a boot calls: the sample, with all of it compiled. */
const RUN = ['run', '--kernel', join(__dirname, '../../samples/hello/hello.elf'), '--tier', 'region', '--until-serial', 'tick 4080:'];
const LONGEST_MS = 60_000;
const ENGINE = 'engine.wasm';

class CodeCache {
  /** `make`: not for what is published. The Node of VS Code has another V8. */
  constructor({ names, make }) {
    this.names = names;
    this.make = make;
  }

  /** For `output.filename`. */
  filename = ({ chunk }) => (this.names.includes(chunk.name) ? '[name].code.js' : '[name].js');

  apply(compiler) {
    const { path } = compiler.options.output;
    compiler.hooks.thisCompilation.tap('code cache', (compilation) => {
      const at = (stage, work) => compilation.hooks.processAssets.tap({ name: 'code cache', stage }, () => this.names.forEach(work));
      at(Compilation.PROCESS_ASSETS_STAGE_ADDITIONAL, (name) => compilation.emitAsset(`${name}.js`, new sources.RawSource(LOADER)));
      // What makes them small writes characters as they are.
      at(Compilation.PROCESS_ASSETS_STAGE_OPTIMIZE_SIZE + 1, (name) => compilation.updateAsset(`${name}.code.js`, inAscii));
    });
    // V8 compares no more of the source than its length.
    compiler.hooks.emit.tap('code cache', () => this.names.forEach((name) => rmSync(join(path, `${name}.cache`), { force: true })));
    compiler.hooks.afterEmit.tapPromise('code cache', async ({ warnings }) => {
      if (!this.make || !existsSync(join(path, ENGINE))) return;
      const made = this.names.map((name) => run(process.execPath, [join(__dirname, 'make.cjs'), path, name, ...RUN], { timeout: LONGEST_MS }));
      // Without it everything works as well: an engine may be there that does not fit yet.
      await Promise.all(made).catch(({ message, stderr }) => warnings.push(new WebpackError(`no code cache: ${message}\n${stderr}`)));
    });
  }
}

/** Text of ASCII alone is read several times as fast, and takes half the memory. Escapes mean the same in strings, patterns and names. */
function inAscii(source) {
  const text = String(source.source());
  const replaced = new sources.ReplaceSource(source);
  for (const { index, 0: unit } of text.matchAll(/[^\0-\x7f]/g)) replaced.replace(index, index, `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return replaced;
}

module.exports = { CodeCache };
