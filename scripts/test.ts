/**
 * Runs the test suites one after the other and prints each one's counts:
 *
 *   npm test                 what a change has to pass
 *   npm run test:long        the rest
 *   npm test -- unit oracle  only these suites
 *
 * What a suite needs beyond Node is installed first where this is a Debian machine and we are root; elsewhere it
 * is said what is missing, and the tests that need it are skipped, visibly.
 */
import { performance } from 'node:perf_hooks';
import { prerequisites } from './test/prerequisites';
import { runSuite, sum, type Counts } from './test/suite';
import { SUITES } from './test/suites';

const shown = ({ passed, failed, skipped }: Counts): string => `${passed} passed, ${failed} failed, ${skipped} skipped`;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const long = args.includes('--long');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`no such suite: ${unknown.join(', ')}. There are: ${SUITES.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const wanted = SUITES.filter((suite) => (names.length > 0 ? names.includes(suite.name) : (suite.long ?? false) === long));
  if (!args.includes('--no-install')) await prerequisites(new Set(wanted.flatMap(({ needs = [] }) => needs)));

  const rows: string[] = [];
  const all: Counts[] = [];
  for (const suite of wanted) {
    console.log(`\n── ${suite.name}: ${suite.about}`);
    const start = performance.now();
    const counts = await runSuite(suite);
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    rows.push(`${suite.name.padEnd(14)} ${shown(counts)} (${seconds} s)`);
    all.push(counts);
  }
  const total = sum(all);
  console.log(`\n${rows.join('\n')}\n\n${shown(total)}`);
  return total.failed > 0 ? 1 : 0;
}

void main().then((code) => (process.exitCode = code));
