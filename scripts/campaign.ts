/**
 * Tests with very many random cases, in bundles and in parts side by side: `tsx scripts/campaign.ts oracle|region|fuzz`.
 *
 *   oracle  ORACLE_CASES, ORACLE_SEED: how many instructions and sequences beside the processor, and which
 *   region  REGION_PROGRAMS, REGION_SEED: the same of programs, interpreted and compiled
 *   fuzz    FUZZ_CASES, FUZZ_SEED: of changed snapshots for each machine; HOSTILE_ACCESSES, HOSTILE_SEED: of accesses for each
 *           board; RFB_CASES, RFB_SEED: of VNC clients
 */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle';
import { CAMPAIGNS, casesDone, casesWanted, partsOf } from './campaign/parts';
import { outcome, output, sum } from './test/suite';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

async function main([name = '']: readonly string[]): Promise<number> {
  const specs = Object.hasOwn(CAMPAIGNS, name) ? CAMPAIGNS[name] : undefined;
  if (!specs) {
    console.error(`no such campaign: '${name}'. There are: ${Object.keys(CAMPAIGNS).join(', ')}`);
    return 2;
  }
  const folder = join(ROOT, 'test-output', name);
  await bundle(Object.fromEntries(specs.map((spec) => [spec.name, spec.test])), folder);
  const options = ['--no-config', '--timeout', '20000', '--reporter', join(ROOT, 'test/reporter.cjs')];
  const mocha = [process.execPath, createRequire(import.meta.url).resolve('mocha/bin/mocha.js'), ...options] as const;
  const parts = partsOf(specs, process.env);
  const ends = await Promise.all(
    parts.map(async ({ title, name: own, environment }) => {
      const end = await output([...mocha, join(folder, `${own}.js`)], environment);
      // As a whole: the others talk meanwhile.
      console.log(`\n   ${title}\n${end.output.trimEnd()}`);
      return end;
    }),
  );
  const counts = sum(ends.map((end) => outcome(end.output, end.status)));
  const done = casesDone(parts, ends);
  const wanted = casesWanted(parts);
  if (wanted > 0) console.log(`\n${done} of ${wanted} in ${parts.length} parts`);
  // Those of tests that were skipped are missed by nobody: that is said.
  const missing = done !== wanted && counts.skipped === 0 && counts.failed === 0;
  const { passed, failed, skipped } = { ...counts, failed: counts.failed + (missing ? 1 : 0) };
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 ? 1 : 0;
}

void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
