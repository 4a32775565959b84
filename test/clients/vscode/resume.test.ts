/** A session that is suspended to a file and resumed from it, in a real VS Code. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unavailable } from './install';
import { packageExtension } from './package';
import { Server } from './server';
import { Workbench } from './workbench';

const SAMPLES = resolve(__dirname, '../../../samples');
const MARK =
  readFileSync(join(SAMPLES, 'hello/main.c'), 'utf8')
    .split('\n')
    .findIndex((line) => line.includes('bool prime = is_prime(')) + 1;

describe('VS Code: suspend and resume', function () {
  this.timeout(180_000);
  let server: Server | undefined;
  let code: Workbench;
  let folder = '';

  before(async function () {
    const why = unavailable();
    if (why) {
      console.log(`      skipped: ${why}`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'guest-suspended-'));
    server = await Server.start(packageExtension());
    code = await Workbench.open(server.url(SAMPLES));
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await code.picture(`failed-${this.currentTest.title.replace(/\W+/g, '-')}`);
  });
  after(async () => {
    await code?.close();
    server?.stop();
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  it('Resume from File goes on where Suspend to File has stopped', async () => {
    const file = join(folder, 'hello.guest');
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.page.keyboard.press('Control+Shift+D');
    await code.page.keyboard.press('F5');
    await code.stoppedAt(MARK);
    const rip = await code.value('rip');

    await code.command('Guest: Suspend to File…');
    await code.answer(file);
    await code.page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
    assert.ok(existsSync(file), 'the file is written before the session ends');

    await code.command('Guest: Resume from File…');
    await code.answer(file);
    await code.stoppedAt(MARK);
    assert.equal(await code.valueOnce('rip', (value) => value === rip), rip);
    await code.picture('resumed');

    // The past has come along.
    await code.toolbar('debug-step-back');
    const before = await code.valueOnce('rip', (value) => value !== rip);
    assert.notEqual(before, rip);
    await code.toolbar('debug-continue');
    await code.stoppedAt(MARK);
    assert.equal(await code.valueOnce('rip', (value) => value === rip), rip);
    await code.toolbar('debug-stop');
    await code.page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
  });
});
