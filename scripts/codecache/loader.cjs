#!/usr/bin/env node
'use strict';
/**
 * Starts the bundle NAME.code.js beside this file, NAME.js, from V8's code cache, NAME.cache: to parse it and to compile what is first called in it would
 * take longer than what it does at start. Without a cache, or where V8 refuses it (another version, other flags), it starts all the same.
 */
const { readFileSync } = require('node:fs');
const { wrap } = require('node:module');
const { Script } = require('node:vm');

const name = __filename.slice(0, -'.js'.length);
const code = `${name}.code.js`;

function cached() {
  try {
    return readFileSync(`${name}.cache`);
  } catch {
    return undefined;
  }
}

// Node maps positions to the sources, and counts what is covered, in modules that it has loaded itself.
if (process.sourceMapsEnabled || process.env.NODE_V8_COVERAGE) require(code);
else {
  // The bundle is ASCII (plugin.cjs).
  const script = new Script(wrap(readFileSync(code, 'latin1')), { filename: code, cachedData: cached() });
  script.runInThisContext()(exports, require, module, code, __dirname);
}
