/**
 * Loads TypeScript for mocha. What loaders in general make of a module is an object of getters, which the hot paths of an emulator
 * go through millions of times: the compiler's own CommonJS has plain properties. Results are kept in .cache/sources.
 */
'use strict';
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { join, sep } = require('node:path');
const ts = require('typescript');

const ROOT = join(__dirname, '..');
const KEPT = join(ROOT, '.cache/sources');
/** Packages that have no CommonJS, and their entry. */
const MODULES = { cborg: join(ROOT, 'node_modules/cborg/cborg.js') };
const OPTIONS = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true,
  inlineSourceMap: true,
  allowJs: true,
};
const URL_OF_MODULE = "require('node:url').pathToFileURL(__filename).href";

function compiled(file) {
  const text = readFileSync(file, 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify([ts.version, OPTIONS, URL_OF_MODULE, file, text]))
    .digest('hex');
  const kept = join(KEPT, `${key}.js`);
  if (existsSync(kept)) return readFileSync(kept, 'utf8');
  // Scripts are ES modules elsewhere, and know their address by another name.
  const outputText = ts.transpileModule(text, { compilerOptions: OPTIONS, fileName: file }).outputText.replaceAll('import.meta.url', URL_OF_MODULE);
  mkdirSync(KEPT, { recursive: true });
  // Whole or not at all: tests run in several processes.
  const part = `${kept}.${process.pid}`;
  writeFileSync(part, outputText);
  renameSync(part, kept);
  return outputText;
}

const load = (module, file) => module._compile(compiled(file), file);
const plain = Module._extensions['.js'];
const folders = Object.keys(MODULES).map((name) => join(ROOT, 'node_modules', name) + sep);
Module._extensions['.ts'] = load;
Module._extensions['.js'] = (module, file) => (folders.some((folder) => file.startsWith(folder)) ? load : plain)(module, file);

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...more) {
  return Object.hasOwn(MODULES, request) ? MODULES[request] : resolve.call(this, request, ...more);
};
process.setSourceMapsEnabled(true);
