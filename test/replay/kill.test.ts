/** A program killed in the midst of saving leaves a whole snapshot: the one before, or the new one. KILLS says how often by chance. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGuest } from '../../emulator/machine/open';
import { inspectSnapshot, verifySnapshot } from '../../emulator/snapshot/tools';
import { bundle } from '../../scripts/bundle';
import { randomOf } from '../fuzz/mutate';

const KILLS = Number(process.env['KILLS'] ?? 8);
const SEED = Number(process.env['REPLAY_SEED'] ?? 1);
/** Longer than some saves take. */
const MOST_MS = 120;
/** Positions of the first two saves. */
const [FIRST, SECOND] = [20_000, 40_000];
/** The saver in a bundle, which starts in a fraction of the time that its sources take. */
const BUNDLES = join(__dirname, '../../test-output/replay');

describe('kill -9 while a snapshot is saved', function () {
  this.timeout(1_200_000);
  let folder: string;
  let path: string;
  before(() => bundle({ saver: './test/replay/saver.ts', 'snapshot-packer': './emulator/snapshot/packthread.ts' }, BUNDLES));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'guest-kill-'));
    path = join(folder, 'a.guest');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const start = (...more: readonly string[]): { child: ReturnType<typeof spawn>; said: () => string[]; ended: Promise<NodeJS.Signals | number | null> } => {
    const child = spawn(process.execPath, [join(BUNDLES, 'saver.js'), path, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    const ended = new Promise<NodeJS.Signals | number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(signal ?? code));
    });
    return { child, said: () => text.trim().split('\n'), ended };
  };

  /** The position of what is in the file, every part of which is held against its hash. */
  async function saved(): Promise<number> {
    await verifySnapshot(path);
    const { chunks } = await inspectSnapshot(path);
    return chunks.find(({ kind }) => kind === 'machine')!.fields['position'] as number;
  }
  const parts = (): number => readdirSync(folder).filter((name) => name !== 'a.guest').length;

  async function goesOn(): Promise<void> {
    const resumed = await openGuest(undefined, { snapshot: path });
    assert.match(await resumed.stateHash(), /^[0-9a-f]{32}$/);
    await resumed.close();
  }

  it('at each step of writing it: the file is the old one until the new one is whole', async () => {
    let steps = 0;
    let halfWritten = 0;
    let renamed = false;
    for (; ; steps++) {
      const { said, ended } = start(String(steps));
      const end = await ended;
      if (end === 0) {
        assert.deepEqual([said().at(-1), await saved()], ['whole', SECOND]);
        break;
      }
      assert.deepEqual([end, said()], ['SIGKILL', [String(FIRST)]]);
      const position = await saved();
      const part = parts() > halfWritten;
      if (part) halfWritten = parts();
      if (renamed) assert.equal(position, SECOND, `step ${steps}: what was there has gone`);
      else if (position === SECOND) renamed = true;
      assert.equal(position, renamed ? SECOND : FIRST);
      assert.ok(steps === 0 || renamed || part, `step ${steps}: it was not being written`);
    }
    console.log(`      ${steps} steps, ${halfWritten} of them while the file was written`);
    // Before the first write, the flush and the renaming.
    assert.ok(halfWritten >= 3 && renamed, `${halfWritten} half-written files`);
    await goesOn();
  });

  it(`${KILLS} times at any moment: the file is whole, and no older than was said`, async () => {
    const random = randomOf(SEED);
    const seen = new Set<number>();
    for (let number = 0; number < KILLS; number++) {
      const { child, said, ended } = start();
      const kill = (): boolean => child.kill('SIGKILL');
      const watcher = watch(folder);
      // So much after it has saved once; or after it is seen to write for the second time.
      child.stdout!.once('data', () => {
        if (number % 2 === 0) setTimeout(kill, random(MOST_MS));
        else watcher.on('change', (_, name) => String(name).endsWith('.partial') && setTimeout(kill, random(4)));
      });
      assert.equal(await ended, 'SIGKILL');
      watcher.close();
      const [position, found] = [Number(said().at(-1)), await saved()];
      assert.ok(found === position || found === position + FIRST, `kill ${number}: said ${position}, the file has ${found}`);
      seen.add(found);
    }
    console.log(`      ${KILLS} kills, ${parts()} of them while the file was written; ${seen.size} different states were found`);
    await goesOn();
  });
});
