/** All suites, in the order in which they run. */
import { existsSync } from 'node:fs';
import type { Suite } from './suite';

const LONG_CASES = '9500000';
const folders = ['emulator', 'adapter', 'extension', 'media', 'scripts', 'test', 'bench'].filter((folder) => existsSync(folder));
/** Bundled, in parts side by side. */
const campaign = (name: string): Suite['command'] => ['tsx', 'scripts/campaign.ts', name];
const mocha = (...files: string[]): Suite['command'] => ['mocha', ...files.flatMap((file) => ['--spec', file])];
/** Two files at a time: what they hold knows nothing of each other. */
const pairs = (...files: string[]): Suite['command'] => [...mocha(...files), '--parallel', '--jobs', '2'];

export const SUITES: readonly Suite[] = [
  { name: 'types', about: 'TypeScript, strict', command: ['tsc', '--noEmit'] },
  { name: 'lint', about: 'ESLint', command: ['eslint', '.'] },
  { name: 'format', about: 'Prettier', command: ['prettier', '--check', '.', '--log-level', 'warn'] },
  { name: 'imports', about: 'who may import whom', command: ['depcruise', '--config', '.dependency-cruiser.cjs', ...folders] },
  { name: 'unit', about: 'every part by itself', command: pairs('test/unit/**/*.test.ts'), needs: ['gcc', 'python'] },
  { name: 'oracle', about: "random instructions against the host's processor", command: mocha('test/oracle/**/*.test.ts'), needs: ['gcc'] },
  { name: 'guests', about: 'stock kernels by the command line', command: pairs('test/guests/**/*.test.ts'), needs: ['guests'] },
  { name: 'replay', about: 'restored states of a Linux boot go on as before', command: pairs('test/replay/**/*.test.ts'), needs: ['guests'] },
  { name: 'fuzz', about: 'snapshots changed by somebody who knows their structure; hostile guests', command: campaign('fuzz') },
  { name: 'start', about: 'npm start: the sample over DAP', command: ['tsx', 'scripts/start.ts', '--check'] },
  { name: 'novnc', about: 'noVNC in Chromium, on the page of npm start', command: mocha('test/clients/novnc/**/*.test.ts'), needs: ['chromium'] },
  { name: 'vnc', about: "TigerVNC's viewer on an X server", command: mocha('test/clients/vnc/**/*.test.ts'), needs: ['viewer'] },
  {
    name: 'vscode',
    about: 'the extension, packaged, in a real VS Code: debugging the sample and Linux',
    command: mocha('test/clients/vscode/sample.test.ts', 'test/clients/vscode/linux.test.ts'),
    needs: ['chromium', 'guests'],
  },
  {
    name: 'oracle-long',
    about: "many more random instructions, with the day's seed",
    command: campaign('oracle'),
    environment: {
      ORACLE_SEED: process.env['ORACLE_SEED'] ?? String(Math.floor(Date.now() / 86_400_000)),
      ORACLE_CASES: process.env['ORACLE_CASES'] ?? LONG_CASES,
    },
    long: true,
    needs: ['gcc'],
  },
  {
    name: 'region-long',
    about: "many more random programs, interpreted and compiled, with the day's seed",
    command: campaign('region'),
    environment: {
      REGION_SEED: process.env['REGION_SEED'] ?? String(Math.floor(Date.now() / 86_400_000)),
      REGION_PROGRAMS: process.env['REGION_PROGRAMS'] ?? '12000',
    },
    long: true,
  },
  {
    name: 'fuzz-long',
    about: 'a million changed snapshots; ten million hostile accesses',
    command: campaign('fuzz'),
    environment: {
      FUZZ_CASES: process.env['FUZZ_CASES'] ?? '500000',
      HOSTILE_ACCESSES: process.env['HOSTILE_ACCESSES'] ?? '2000000',
      RFB_CASES: process.env['RFB_CASES'] ?? '500000',
    },
    long: true,
  },
  {
    name: 'vscode-long',
    about: 'its views in a real VS Code: display, timeline, snapshots, suspending and resuming',
    command: mocha(...['display', 'timeline', 'snapshot', 'resume'].map((view) => `test/clients/vscode/${view}.test.ts`)),
    long: true,
    needs: ['chromium'],
  },
  {
    name: 'scenarios',
    about: 'unmodified systems, seen on the screen and used with keyboard and mouse; screenshots in test-output/guests',
    command: mocha('test/scenarios/**/*.test.ts'),
    long: true,
    needs: ['guests', 'debootstrap', 'debian-disk'],
  },
  {
    name: 'replay-long',
    about: 'guests resumed in a new process, held against uninterrupted runs for 500 million instructions; savers killed 200 times',
    command: pairs('test/replay/process.test.ts', 'test/replay/kill.test.ts'),
    environment: { REPLAY_LENGTH: '500000000', KILLS: '200' },
    long: true,
    needs: ['guests'],
  },
];
