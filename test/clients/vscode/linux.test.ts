/** Folders without a launch.json in a real VS Code: F5 finds the kernel in them, a small one or Debian's. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unavailable } from './install';
import { packageExtension } from './package';
import { Server } from './server';
import { Workbench } from './workbench';

const ROOT = resolve(__dirname, '../../..');
const LINUX = join(ROOT, '.cache/guests/linux-cloud');

describe('VS Code: folders without a launch.json', function () {
  this.timeout(240_000);
  let server: Server | undefined;
  let folder: string;
  let code: Workbench | undefined;

  before(function () {
    const why = unavailable();
    if (!why) return;
    console.log(`      skipped: ${why}`);
    this.skip();
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-folder-'));
    server ??= await Server.start(packageExtension());
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await code?.picture(`failed-${this.currentTest.title.replace(/\W+/g, '-')}`);
    await code?.close();
    code = undefined;
    rmSync(folder, { recursive: true, force: true });
  });
  after(() => server?.stop());

  it('F5 boots the only kernel there is', async () => {
    for (const name of ['hello.elf', 'main.c']) copyFileSync(join(ROOT, 'samples/hello', name), join(folder, name));
    code = await Workbench.open(server!.url(folder));
    await code.openFile('main.c');
    await code.page.keyboard.press('F5');
    await code.running();
    await code.consoleShows('Hello, guest!');
    await code.picture('without-launch-json');
    await code.toolbar('debug-stop');
  });

  it("boots Debian's kernel, with its initrd and System.map, and stops where asked", async function () {
    if (!existsSync(join(LINUX, 'vmlinuz'))) this.skip(); // npm run guests
    for (const name of ['vmlinuz', 'initrd.gz', 'System.map']) symlinkSync(join(LINUX, name), join(folder, name));
    copyFileSync(join(ROOT, 'samples/hello/main.c'), join(folder, 'notes.c'));
    code = await Workbench.open(server!.url(folder));
    await code.openFile('notes.c');
    await code.page.keyboard.press('Control+Shift+D');
    await code.openFile('notes.c'); // its language says which debugger F5 starts
    await code.page.keyboard.press('F5');
    await code.running();
    await code.consoleShows('] '); // the kernel's time stamps
    await code.toolbar('debug-pause');
    await code.stopped();
    assert.match(await code.value('rip'), /^0xffffffff8/);
    assert.match(await code.page.locator('.debug-call-stack .stack-frame').first().innerText(), /^[a-z_][\w.]+/i);
    await code.picture('linux-stopped');
    await code.toolbar('debug-continue');
    await code.running();
    await code.consoleShows('GUEST-USERLAND-READY', 120);
    await code.picture('linux-userland');
    await code.toolbar('debug-stop');
  });
});
