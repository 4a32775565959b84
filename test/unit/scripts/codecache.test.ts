import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');
const SCRIPTS = join(ROOT, 'scripts/codecache');
const HELLO = join(ROOT, 'samples/hello/hello.elf');
const BUNDLES = ['guest', 'guest-worker'];
const FILES = [...BUNDLES.flatMap((name) => [`${name}.js`, `${name}.code.js`]), 'engine.wasm', 'helpers.wasm'];

/** Tells of each script, in all threads, whether V8 took its cache. */
const PROBE = `
const vm = require('node:vm');
const { basename } = require('node:path');
vm.Script = class extends vm.Script {
  constructor(source, options) {
    super(source, options);
    require('node:fs').writeSync(2, '[' + basename(options.filename) + ' ' + (this.cachedDataRejected === false ? 'taken' : 'compiled') + ']');
  }
};`;

const BUNDLE = `"use strict"; // µ
const later = () => 42;
console.log(require('./chunk.js'), require.main === module, __dirname === require('node:path').dirname(__filename), later());
module.exports = 1;
process.on('exit', () => { console.log(module.exports); });
if (process.argv[2] === 'fail')
  throw new Error('from line seven');
`;

describe('code cache of bundles', function () {
  this.timeout(60_000);
  let folder: string;
  const run = (...args: readonly string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, ['-r', join(folder, 'probe.cjs'), ...args], { cwd: folder, encoding: 'utf8' });
  const make = (name: string): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [join(SCRIPTS, 'make.cjs'), folder, name, 'run', '--kernel', HELLO, '--max-instructions', '100000'], { encoding: 'utf8' });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'codecache-'));
    writeFileSync(join(folder, 'probe.cjs'), PROBE);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  describe('loader', () => {
    beforeEach(() => {
      copyFileSync(join(SCRIPTS, 'loader.cjs'), join(folder, 'guest.js'));
      writeFileSync(join(folder, 'guest.code.js'), BUNDLE);
      writeFileSync(join(folder, 'chunk.js'), 'module.exports = "chunk";');
    });
    const OUTPUT = 'chunk true true 42\n1\n';

    it('starts the bundle as the module that it is itself, without a cache', () => {
      const { stdout, stderr, status } = run('guest.js');
      assert.deepEqual([stdout, stderr, status], [OUTPUT, '[guest.code.js compiled]', 0]);
    });

    it('starts it from the cache that a run has left', () => {
      assert.equal(make('guest').status, 0);
      const { stdout, stderr, status } = run('guest.js');
      assert.deepEqual([stdout, stderr, status], [OUTPUT, '[guest.code.js taken]', 0]);
    });

    it('does without one that is damaged, or made under other flags', () => {
      make('guest');
      assert.deepEqual(
        [run('--no-opt', 'guest.js')].map(({ stdout, stderr }) => [stdout, stderr]),
        [[OUTPUT, '[guest.code.js compiled]']],
      );
      writeFileSync(join(folder, 'guest.cache'), 'no cache');
      assert.deepEqual(
        [run('guest.js')].map(({ stdout, stderr }) => [stdout, stderr]),
        [[OUTPUT, '[guest.code.js compiled]']],
      );
    });

    it('tells where an error comes from', () => {
      make('guest');
      const { stderr, status } = run('guest.js', 'fail');
      assert.match(stderr, /guest\.code\.js:7\n {2}throw new Error[^]*Error: from line seven\n +at .*guest\.code\.js:7:9/);
      assert.equal(status, 1);
    });

    it('leaves the bundle to Node where that maps positions to the sources', () => {
      const { stderr, stdout } = run('--enable-source-maps', 'guest.js');
      assert.deepEqual([stderr, stdout], ['', OUTPUT.replace('true true', 'false true')]);
    });
  });

  it('is made under the flags that program and thread have when they are loaded', function () {
    if (!FILES.every((name) => existsSync(join(ROOT, 'dist', name)))) this.skip();
    for (const name of FILES) copyFileSync(join(ROOT, 'dist', name), join(folder, name));
    for (const name of BUNDLES) assert.equal(make(name).status, 0);
    for (const name of BUNDLES) assert.doesNotMatch(readFileSync(join(folder, `${name}.code.js`), 'latin1'), /[^\0-\x7f]/, 'the loader reads ASCII');
    const { stdout, stderr, status } = run('guest.js', 'run', '--kernel', HELLO, '--until-serial', 'Hello, guest!');
    assert.match(stderr, /^\[guest\.code\.js taken\]\[guest-worker\.code\.js taken\]guest: serial/);
    assert.deepEqual([stdout, status], ['Hello, guest!', 0]);
  });
});
