/** Folders without a launch.json in a real VS Code: F5 finds the kernel in them, a small one or Debian's. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { KERNEL, SOURCE } from './hello';
import { vsCode } from './suite';

const LINUX = resolve(__dirname, '../../../.cache/guests/linux-cloud');

describe('VS Code: a folder with a kernel', function () {
  this.timeout(300_000);
  const { code } = vsCode({
    prepare(folder) {
      copyFileSync(KERNEL, join(folder, 'hello.elf'));
      copyFileSync(SOURCE, join(folder, 'main.c'));
    },
  });

  it('F5 boots the only one there is', async () => {
    await code.openFile('main.c');
    await code.start();
    await code.running();
    await code.console.shows('Hello, guest!');
    await code.picture('without-launch-json');
    await code.stop();
  });
});

describe("VS Code: a folder with Debian's kernel", function () {
  this.timeout(300_000);
  before(function () {
    if (!existsSync(join(LINUX, 'vmlinuz'))) this.skip(); // npm run guests
  });
  const { code } = vsCode({
    prepare(folder) {
      for (const name of ['vmlinuz', 'initrd.gz', 'System.map']) symlinkSync(join(LINUX, name), join(folder, name));
      copyFileSync(SOURCE, join(folder, 'notes.c'));
    },
  });

  it('boots it, with its initrd and System.map, and stops where asked', async () => {
    await code.runAndDebug();
    await code.openFile('notes.c'); // its language says which debugger F5 starts
    await code.start();
    await code.running();
    await code.console.shows('] '); // the kernel's time stamps
    await code.pause();
    await code.stopped();
    assert.match(await code.variables.value('rip'), /^0xffffffff8/);
    assert.match(await code.topFrame(), /^[a-z_][\w.]+/i);
    await code.picture('linux-stopped');
    await code.toolbar('debug-continue');
    await code.running();
    await code.console.shows('GUEST-USERLAND-READY', 120);
    await code.picture('linux-userland');
    await code.stop();
  });
});
