/**
 * Writes what is made from other sources: the launch attributes in package.json and in the README's table.
 * `npm run generate [-- --check]`
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedManifest, generatedReadme } from './generate/launch';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const FILES = [
  { path: resolve(ROOT, 'package.json'), generate: generatedManifest },
  { path: resolve(ROOT, 'README.md'), generate: generatedReadme },
];

let stale = 0;
for (const { path, generate } of FILES) {
  const now = readFileSync(path, 'utf8');
  const wanted = generate(now);
  if (now === wanted) continue;
  stale++;
  if (process.argv.includes('--check')) console.error(`${path} is out of date: npm run generate`);
  else writeFileSync(path, wanted);
}
process.exitCode = process.argv.includes('--check') && stale > 0 ? 1 : 0;
