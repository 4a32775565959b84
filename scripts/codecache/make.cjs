'use strict';
/**
 * node make.cjs FOLDER NAME ARGUMENTS: runs `guest` of this folder, and keeps what V8 has compiled of NAME by the end as FOLDER/NAME.cache.
 * V8 takes a cache only under the flags that it was made under. The program's own is loaded before flags are set, that of the guest's thread afterwards
 * (emulator/machine/v8flags.ts).
 */
const { renameSync, writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const threads = require('node:worker_threads');

const PROGRAM = 'guest';
const THREAD = 'guest-worker';
const FOLDER = 'folder of the bundles';

/** The loader's script. */
class Bundle extends vm.Script {
  static last;
  constructor(source, { cachedData: _, ...options }) {
    super(source, options);
    Bundle.last = this;
  }
}
vm.Script = Bundle;

/** Whole or not at all: somebody may start it at this moment. */
function keep(file) {
  writeFileSync(`${file}.part`, Bundle.last.createCachedData());
  renameSync(`${file}.part`, file);
}

function runProgram([folder, name, ...args]) {
  process.argv = [process.execPath, join(folder, `${PROGRAM}.js`), ...args];
  if (name === PROGRAM) {
    v8.setFlagsFromString = () => undefined;
    process.on('exit', () => keep(join(folder, `${PROGRAM}.cache`)));
  } else {
    threads.setEnvironmentData(FOLDER, folder);
    threads.Worker = class extends threads.Worker {
      constructor(file, options) {
        super(basename(file) === `${THREAD}.js` ? __filename : file, options);
      }
    };
  }
  require(join(folder, PROGRAM));
}

function runThread(folder) {
  require(join(folder, THREAD));
  // The thread does not live to see its end.
  threads.parentPort.on('message', ({ method }) => method === 'close' && keep(join(folder, `${THREAD}.cache`)));
}

if (threads.isMainThread) runProgram(process.argv.slice(2));
else runThread(threads.getEnvironmentData(FOLDER));
