/** A session that is suspended to a file and resumed from it, in a real VS Code. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifySnapshot } from '../../../emulator/snapshot/tools';
import { CONFIGURATION, copySamples, KERNEL, MARK, SAMPLES } from './hello';
import { until } from './patience';
import { vsCode } from './suite';

describe('VS Code: suspend and resume', function () {
  this.timeout(300_000);
  const { code, path } = vsCode({ prepare: copySamples });

  it('Resume from File goes on where Suspend to File has stopped', async () => {
    const file = path('hello.guest');
    const { variables } = code;
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.debug(CONFIGURATION);
    await code.stoppedAt(MARK);
    const rip = await variables.value('rip');

    // The session goes on, where it was.
    const checkpoint = path('checkpoint.guest');
    await code.command('Guest: Checkpoint to File…');
    await code.quickInput.answerFile(checkpoint);
    await until(async () => existsSync(checkpoint), () => 'there is no file'); // prettier-ignore
    assert.ok((await verifySnapshot(checkpoint)) > 0);
    assert.equal(await variables.value('rip'), rip);

    await code.command('Guest: Suspend to File…');
    await code.quickInput.answerFile(file);
    await code.ended();
    assert.ok(existsSync(file), 'the file is written before the session ends');

    await code.command('Guest: Resume from File…');
    await code.quickInput.answerFile(file);
    await code.stoppedAt(MARK);
    assert.equal(await variables.valueOnce('rip', (value) => value === rip), rip);
    await code.picture('resumed');

    // The past has come along.
    await code.toolbar('debug-step-back');
    const before = await variables.valueOnce('rip', (value) => value !== rip);
    assert.notEqual(before, rip);
    await code.toolbar('debug-continue');
    await code.stoppedAt(MARK);
    assert.equal(await variables.valueOnce('rip', (value) => value === rip), rip);
    await code.stop();
  });
});

describe('VS Code: suspend and resume by a launch configuration', function () {
  this.timeout(300_000);
  const settings = (folder: string, more: object): void => {
    const configuration = { type: 'guest', request: 'launch', symbols: [KERNEL], sourceMap: { '/guest-debug/samples': SAMPLES }, ...more };
    writeFileSync(join(folder, '.vscode/launch.json'), JSON.stringify({ version: '0.2.0', configurations: [configuration] }));
  };
  const { code, path } = vsCode({
    prepare(folder) {
      mkdirSync(join(folder, '.vscode'));
      settings(folder, { name: 'Begin', program: KERNEL, memory: '64M', suspendFile: join(folder, 'suspended.guest') });
    },
  });

  it('Disconnect and Suspend leaves a file, from which one with `resume` goes on', async () => {
    const file = path('suspended.guest');
    await code.debug('Begin');
    await code.running();
    await code.pause();
    await code.stopped();
    const [rip, rsp] = [await code.variables.value('rip'), await code.variables.value('rsp')];
    await code.command('Debug: Disconnect and Suspend');
    await code.ended();
    assert.ok(existsSync(file), 'the file is written before the session ends');
    await code.picture('disconnected');

    settings(path(), { name: 'Go on', resume: file, stopOnEntry: true });
    await code.debug('Go on');
    await code.stopped();
    assert.equal(await code.variables.valueOnce('rip', (value) => value === rip), rip);
    assert.equal(await code.variables.valueOnce('rsp', (value) => value === rsp), rsp);
    await code.picture('resumed-by-configuration');
    await code.stop();
  });
});
