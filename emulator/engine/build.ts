/** Generates dist/engine.wasm, the interpreter, from the instruction descriptions. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { numberHandlers } from './handlers';
import { signaturesOf } from './helpers';
import { hostNumber } from './host';
import { buildInterpreter } from './interpreter';

const dist = path.join(__dirname, '..', '..', 'dist');
mkdirSync(dist, { recursive: true });
const handlers = numberHandlers();
const signatures = signaturesOf(readFileSync(path.join(dist, 'helpers.wasm')));
const binary = buildInterpreter(handlers, signatures, hostNumber);
writeFileSync(path.join(dist, 'engine.wasm'), binary);
console.log(`engine.wasm: ${handlers.ordered.length} handlers, ${handlers.hot} of them inline, ${binary.length} bytes`);
