/** The sample kernel in a real VS Code, from the packaged extension. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { features } from '../../../emulator/machine/features';
import { AFTER, background, CONFIGURATION, copySamples, lastKey, MARK, pixel } from './hello';
import { until } from './patience';
import { vsCode } from './suite';

describe('VS Code: the sample kernel', function () {
  this.timeout(300_000);
  const { code } = vsCode({ prepare: copySamples, inOrder: true });
  /** RIP at the first stop. */
  let atMark = '';

  it('F5 stops at a breakpoint that was set in the gutter', async () => {
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.debug(CONFIGURATION);
    await code.stoppedAt(MARK);
    await code.console.shows('Hello, guest!');
    await code.picture('breakpoint');
  });

  it('Variables show registers and the fields of devices', async () => {
    atMark = await code.variables.value('rip');
    assert.match(atMark, /^0x[0-9a-f]{16}$/);
    await code.variables.collapse('General');
    await code.variables.expand('Devices');
    await code.variables.expand('com1');
    await code.variables.expand('lcr');
    // What serial_init has written: eight bits, no parity, one stop bit.
    assert.match(await code.variables.value('lcr'), /^0x03/);
    assert.equal(await code.variables.value('WLS'), '3'); // two bits of it: eight bits a character
    await code.picture('devices');
    await code.variables.collapse('Devices');
    await code.variables.expand('General');
  });

  it('Step Over goes to the next line', async () => {
    const before = await code.variables.value('rip');
    await code.toolbar('debug-step-over');
    await code.stoppedAt(AFTER);
    assert.notEqual(await code.variables.valueOnce('rip', (value) => value !== before), before);
  });

  it('Step Back restores RIP exactly', async function () {
    if (!features.history) this.skip(); // this build keeps no history
    const after = await code.variables.value('rip');
    await code.toolbar('debug-step-back');
    await code.stoppedAt(MARK);
    assert.equal(await code.variables.valueOnce('rip', (value) => value === atMark), atMark);
    await code.toolbar('debug-step-over');
    await code.stoppedAt(AFTER);
    assert.equal(await code.variables.valueOnce('rip', (value) => value === after), after);
  });

  it('a checkpoint is made and restored from the palette', async function () {
    if (!features.history) this.skip(); // this build keeps no history
    const rip = await code.variables.value('rip');
    await code.command('Guest: Checkpoint');
    await code.quickInput.answer('here');
    await code.toolbar('debug-continue');
    await code.stoppedAt(MARK);
    await code.command('Guest: Restore Checkpoint…');
    await code.quickInput.answer('here');
    await code.stoppedAt(AFTER);
    assert.equal(await code.variables.valueOnce('rip', (value) => value === rip), rip);
    await code.picture('restored');
  });

  it("the display shows the guest's picture", async () => {
    await code.command('Guest: Show Display');
    const at = (x: number, y: number): Promise<number[]> => pixel(code.webview(), x, y);
    // The viewer opens with an empty canvas; the picture follows.
    await until(async () => (await at(1000, 767))[1] !== 0, () => 'the canvas stays empty'); // prettier-ignore
    for (const y of [0, 300, 767]) assert.deepEqual(await at(1000, y), background(y), `row ${y}`);
    assert.deepEqual(await at(64 + 5, 64 + 5), [255, 255, 255], 'the H of Hello');
    assert.deepEqual(await at(64 + 15, 64 + 5), background(69), 'between the strokes of the H');
    await code.picture('display');
  });

  it('keys typed into the display reach the guest', async () => {
    await code.toggleBreakpoint('main.c', MARK);
    await code.toolbar('debug-continue');
    await code.running();
    await code.webview().locator('#screen').click();
    await code.webview().locator('#captured', { hasText: 'Ctrl+Alt+G' }).waitFor();
    await code.page.keyboard.press('a');
    await code.picture('typing');
    // A is 1E when pressed, 9E when released (set 1).
    await lastKey(code, /0x9e|158/);
  });

  it('Stop ends the session', async () => {
    await code.stop();
    await code.picture('ended');
  });
});
