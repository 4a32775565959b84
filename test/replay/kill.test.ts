/** A program killed in the midst of saving leaves a whole snapshot: the one before, or the new one. KILLS says how often. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGuest } from '../../emulator/machine/open';
import { inspectSnapshot, verifySnapshot } from '../../emulator/snapshot/tools';
import { randomOf } from '../fuzz/mutate';

const KILLS = Number(process.env['KILLS'] ?? 8);
const SEED = Number(process.env['REPLAY_SEED'] ?? 1);
/** Longer than some saves take. */
const MOST_MS = 120;

describe('kill -9 while a snapshot is saved', function () {
  this.timeout(1_200_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-kill-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a.guest');
  const saver = ['--require', 'tsx/cjs', join(__dirname, 'saver.ts'), path];

  /**
   * Lets it save once, kills it so much later, and gives the last position of which it said that it is saved.
   * `writing`: so much after a part of a file is seen.
   */
  function killed(after: number, writing: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, saver, { stdio: ['ignore', 'pipe', 'inherit'] });
      const watcher = watch(folder);
      const kill = (): boolean => child.kill('SIGKILL');
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (said === '' && writing) watcher.on('change', (_, name) => String(name).endsWith('.partial') && setTimeout(kill, after));
        else if (said === '') setTimeout(kill, after);
        said += text;
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        watcher.close();
        if (signal !== 'SIGKILL') reject(new Error(`it ended with ${code ?? signal}`));
        else resolve(Number(said.trim().split('\n').at(-1)));
      });
    });
  }

  it(`${KILLS} times: the file is whole, and no older than was said`, async () => {
    const random = randomOf(SEED);
    const seen = new Set<number>();
    let inTheMiddle = 0;
    for (let number = 0; number < KILLS; number++) {
      const position = await (number % 2 === 0 ? killed(random(MOST_MS), false) : killed(random(4), true));
      await verifySnapshot(path);
      const { chunks } = (await inspectSnapshot(path)) as { chunks: { kind: string; fields: { position: number } }[] };
      const found = chunks.find(({ kind }) => kind === 'machine')!.fields.position;
      assert.ok(found === position || found === position + 20_000, `kill ${number}: said ${position}, the file has ${found}`);
      seen.add(found);
      const parts = readdirSync(folder).filter((name) => name !== 'a.guest');
      inTheMiddle = Math.max(inTheMiddle, parts.length);
    }
    console.log(`      ${KILLS} kills, ${inTheMiddle} of them while the file was written; ${seen.size} different states were found`);
    assert.ok(seen.size > 1 && inTheMiddle > 0);
    const resumed = await openGuest(undefined, { snapshot: path });
    assert.match(await resumed.stateHash(), /^[0-9a-f]{32}$/);
    await resumed.close();
  });
});
