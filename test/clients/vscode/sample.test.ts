/** The sample kernel in a real VS Code, from the packaged extension. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { features } from '../../../emulator/machine/features';
import { unavailable } from './install';
import { packageExtension } from './package';
import { Server } from './server';
import { Workbench } from './workbench';

const SAMPLES = resolve(__dirname, '../../../samples');
const lineWith = (text: string): number =>
  readFileSync(join(SAMPLES, 'hello/main.c'), 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text)) + 1;
const MARK = lineWith('bool prime = is_prime(');
const AFTER = lineWith('if (prime) {');

describe('VS Code: the sample kernel', function () {
  this.timeout(180_000);
  let server: Server | undefined;
  let code: Workbench;
  let failed = false;
  /** RIP at the first stop. */
  let atMark = '';

  before(async function () {
    const why = unavailable();
    if (why) {
      console.log(`      skipped: ${why}`);
      this.skip();
    }
    server = await Server.start(packageExtension());
    code = await Workbench.open(server.url(SAMPLES));
  });
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    failed = true;
    await code.picture(`failed-${this.currentTest.title.replace(/\W+/g, '-')}`);
  });
  // Each step goes on where the one before has left the workbench.
  beforeEach(function () {
    if (failed) this.skip();
  });
  after(async () => {
    await code?.close();
    server?.stop();
  });

  it('F5 stops at a breakpoint that was set in the gutter', async () => {
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.page.keyboard.press('Control+Shift+D');
    await code.page.keyboard.press('F5');
    await code.stoppedAt(MARK);
    assert.match(await code.console(), /Hello, guest!/);
    await code.picture('breakpoint');
  });

  it('Variables show registers and the fields of devices', async () => {
    atMark = await code.value('rip');
    assert.match(atMark, /^0x[0-9a-f]{16}$/);
    await code.collapse('General');
    await code.expand('Devices');
    await code.expand('com1');
    await code.expand('lcr');
    // What serial_init has written: eight bits, no parity, one stop bit.
    assert.match(await code.value('lcr'), /^0x03/);
    assert.equal(await code.value('WLS'), '3'); // two bits of it: eight bits a character
    await code.picture('devices');
    await code.collapse('Devices');
    await code.expand('General');
  });

  it('Step Over goes to the next line', async () => {
    const before = await code.value('rip');
    await code.toolbar('debug-step-over');
    await code.stoppedAt(AFTER);
    assert.notEqual(await code.valueOnce('rip', (value) => value !== before), before);
  });

  it('Step Back restores RIP exactly', async function () {
    if (!features.history) this.skip(); // this build keeps no history
    const after = await code.value('rip');
    await code.toolbar('debug-step-back');
    await code.stoppedAt(MARK);
    assert.equal(await code.valueOnce('rip', (value) => value === atMark), atMark);
    await code.toolbar('debug-step-over');
    await code.stoppedAt(AFTER);
    assert.equal(await code.valueOnce('rip', (value) => value === after), after);
  });

  it('a checkpoint is made and restored from the palette', async function () {
    if (!features.history) this.skip(); // this build keeps no history
    const rip = await code.value('rip');
    await code.command('Guest: Checkpoint');
    await code.answer('here');
    await code.toolbar('debug-continue');
    await code.stoppedAt(MARK);
    await code.command('Guest: Restore Checkpoint…');
    await code.answer('here');
    await code.stoppedAt(AFTER);
    assert.equal(await code.valueOnce('rip', (value) => value === rip), rip);
    await code.picture('restored');
  });

  it("the display shows the guest's picture", async () => {
    await code.command('Guest: Show Display');
    const screen = code.webview().locator('#screen:not([hidden])');
    await screen.waitFor();
    const pixel = (x: number, y: number): Promise<number[]> =>
      screen.evaluate((canvas, at) => [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(at.x, at.y, 1, 1).data.slice(0, 3)], { x, y });
    const background = (y: number): number[] => [Math.floor((y * 96) / 768), 0x18, 0x60 + Math.floor(Math.floor((y * 96) / 768) / 2)];
    // The viewer opens with an empty canvas; the picture follows.
    for (const end = Date.now() + 20_000; Date.now() < end && !(await pixel(1000, 767))[1];) await new Promise((resolve) => setTimeout(resolve, 100));
    for (const y of [0, 300, 767]) assert.deepEqual(await pixel(1000, y), background(y), `row ${y}`);
    assert.deepEqual(await pixel(64 + 5, 64 + 5), [255, 255, 255], 'the H of Hello');
    assert.deepEqual(await pixel(64 + 15, 64 + 5), background(69), 'between the strokes of the H');
    await code.picture('display');
  });

  it('keys typed into the display reach the guest', async () => {
    await code.toggleBreakpoint('main.c', MARK);
    await code.page.locator('.glyph-margin-widgets .codicon-debug-breakpoint').first().waitFor({ state: 'hidden' });
    await code.toolbar('debug-continue');
    await code.running();
    await code.webview().locator('#screen').click();
    await code.page.keyboard.press('a');
    await code.page.waitForTimeout(1000);
    await code.picture('typing');
    await code.toolbar('debug-pause');
    await code.stopped();
    // The sample notes the last scan code: A is 1E when pressed, 9E when released (set 1).
    assert.match(await code.evaluate('u8[last_key]'), /0x9e|158/);
  });

  it('Stop ends the session', async () => {
    await code.toolbar('debug-stop');
    await code.page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
    await code.picture('ended');
  });
});
