/** The display panel in a real VS Code, with a guest that draws. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { background, cell, KERNEL, lastKey, MARK, pixel, PRIME, SOURCE } from './hello';
import { until } from './patience';
import { vsCode } from './suite';

describe('VS Code: the display', function () {
  this.timeout(300_000);
  const { code, path } = vsCode({
    inOrder: true,
    prepare(folder) {
      copyFileSync(KERNEL, join(folder, 'hello.elf'));
      copyFileSync(SOURCE, join(folder, 'main.c'));
      mkdirSync(join(folder, '.vscode'));
      const configuration = {
        name: 'hello', type: 'guest', request: 'launch', program: '${workspaceFolder}/hello.elf', trace: '${workspaceFolder}/trace.jsonl',
        symbols: ['${workspaceFolder}/hello.elf'], sourceMap: { '/guest-debug/samples/hello': '${workspaceFolder}' },
      }; // prettier-ignore
      writeFileSync(join(folder, '.vscode/launch.json'), JSON.stringify({ version: '0.2.0', configurations: [configuration] }));
    },
  });

  const says = (text: string | RegExp): Promise<void> => code.webview().locator('#status', { hasText: text }).waitFor();
  async function shows([x, y]: readonly [number, number], wanted: readonly number[]): Promise<void> {
    let seen: number[] = [];
    await until(
      async () => (seen = await pixel(code.webview(), x, y)).join() === wanted.join(),
      () => `pixel ${x}, ${y} is ${seen}, not ${wanted}`,
    );
  }
  const width = (): Promise<number> =>
    code
      .webview()
      .locator('#screen')
      .evaluate((canvas) => Math.round(canvas.getBoundingClientRect().width));
  /** From the first group of editors, beside which the display is. */
  async function start(): Promise<void> {
    await code.page.keyboard.press('Control+1');
    await code.openFile('main.c');
    await code.start();
    await says('running');
    await shows([1000, 767], background(767));
  }
  /** What the client and the adapter have said to each other. */
  const trace = (): string[] => readFileSync(path('trace.jsonl'), 'utf8').split('\n');
  /** Bytes of pictures that the adapter has sent. */
  const sent = (): number => trace().reduce((bytes, line) => (line.includes('"guest/rfbData"') ? bytes + line.length : bytes), 0);
  /** Has a key with this symbol been sent to the adapter? */
  const typed = (symbol: string): boolean =>
    trace().some((line) => {
      const data = /"guest\/rfbSend".*"data":"([^"]*)"/.exec(line)?.[1];
      return data !== undefined && Buffer.from(data, 'base64').toString('hex').includes(symbol.charCodeAt(0).toString(16).padStart(8, '0'));
    });
  /** Presses a button that leads to another stop, and waits until VS Code has asked for what is there. */
  async function goOn(button: string): Promise<void> {
    const stops = (lines: string[]): number => lines.filter((line) => line.includes('"event":"stopped"')).length;
    const before = stops(trace());
    await code.toolbar(button);
    const shown = (): boolean => {
      const lines = trace();
      const last = lines.findLastIndex((line) => line.includes('"event":"stopped"'));
      return stops(lines) > before && lines.slice(last).some((line) => line.includes('"command":"scopes"'));
    };
    await until(shown, () => `nothing comes of ${button}`);
    await code.stopped();
  }

  it('shows the exact picture of each stop, and stepping back changes it back', async () => {
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.debug('hello');
    await code.stoppedAt(MARK);
    await code.command('Guest: Show Display');
    await says(/^hello · 1024 × 768 · stopped$/);
    await shows([1000, 767], background(767));
    await shows(cell(2), background(200));
    await goOn('debug-continue');
    await shows(cell(2), PRIME);
    await goOn('debug-continue');
    await shows(cell(3), PRIME);
    await says('stopped');
    await code.picture('display-stopped');
    await goOn('debug-reverse-continue');
    await shows(cell(3), background(200));
    await shows(cell(2), PRIME);
    await goOn('debug-reverse-continue');
    await shows(cell(2), background(200));
  });

  it('is scaled to fit, or as is chosen', async () => {
    const fit = await width();
    assert.ok(fit < 1024 && fit > 300, `${fit} pixels`);
    for (const scale of ['2', '1']) {
      await code.webview().locator('#scale').selectOption(scale);
      let seen = 0;
      await until(async () => (seen = await width()) === 1024 * Number(scale), () => `${seen} pixels at scale ${scale}`); // prettier-ignore
    }
    await code.picture('display-scale');
  });

  it('gives the keyboard to the guest, all of it, and takes it back on the exit key', async () => {
    await code.command('Remove All Breakpoints');
    await code.toolbar('debug-continue');
    await says('running');
    await code
      .webview()
      .locator('#screen')
      .click({ position: { x: 20, y: 20 } });
    await code.webview().locator('#captured', { hasText: 'Ctrl+Alt+G' }).waitFor();
    await code.page.keyboard.press('Control+P');
    await until(() => typed('P'), () => 'Ctrl+P does not come to the guest'); // prettier-ignore
    assert.equal(await code.quickInput.isOpen(), false, 'Ctrl+P is for the guest');
    await code.picture('display-captured');
    await code.page.keyboard.press('Control+Alt+G');
    await code.webview().locator('#captured').waitFor({ state: 'hidden' });
    await code.page.keyboard.press('Control+P');
    await until(() => code.quickInput.isOpen(), () => 'Ctrl+P is not for the editor again'); // prettier-ignore
    await code.page.keyboard.press('Escape');
  });

  it('holds the mouse', async () => {
    await code.webview().locator('#mouse').click();
    await code
      .webview()
      .locator('#screen')
      .click({ position: { x: 50, y: 50 } });
    await code.webview().locator('#captured', { hasText: 'mouse' }).waitFor();
    await code.page.mouse.move(900, 500, { steps: 5 });
    await until(
      () => trace().some((line) => /"guest\/pointer","arguments":\{"dx":-?\d+,"dy":-?\d+/.test(line)),
      () => 'no movement has come to the adapter',
    );
    await code.page.keyboard.press('Control+Alt+G');
    await code.webview().locator('#captured').waitFor({ state: 'hidden' });
    await code.webview().locator('#mouse').click();
  });

  it('types the text of the clipboard, and says what it can not type', async () => {
    await code.page.evaluate(() => navigator.clipboard.writeText('öaz'));
    await code.webview().locator('#paste').click();
    await code.page.locator('.notifications-toasts', { hasText: 'a US keyboard does not have them: ö' }).waitFor();
    await code.webview().locator('#copy').click();
    await code.page.locator('.notifications-toasts', { hasText: 'No text can be read on the screen' }).waitFor();
    await code.command('Notifications: Clear All Notifications');
    await lastKey(code, /0xac|172/); // Z has come up
    await says('stopped');
    await code.toolbar('debug-continue');
    await says('running');
  });

  it('saves an animation', async () => {
    await code.webview().locator('#record').click();
    await code
      .webview()
      .locator('#recording', { hasText: /Recording 0:0[3-9]/ })
      .waitFor();
    await code.picture('display-recording');
    await code.webview().locator('#record').click();
    await code.quickInput.answerFile(path('animation.png'));
    await until(() => existsSync(path('animation.png')), () => 'no file has been written'); // prettier-ignore
    const file = readFileSync(path('animation.png'));
    const { width, height, data } = PNG.sync.read(file);
    assert.deepEqual([width, height], [1024, 768]);
    assert.deepEqual([...data.subarray((767 * 1024 + 1000) * 4, (767 * 1024 + 1000) * 4 + 3)], background(767));
    assert.ok(file.readUInt32BE(file.indexOf('acTL') + 4) > 3, 'a cell is drawn every tenth of a second');
  });

  it('fills the window, and gives it back', async () => {
    const frame = async (): Promise<number> => (await code.page.locator('iframe.webview.ready').filter({ visible: true }).boundingBox())!.width;
    const before = await frame();
    await code.webview().locator('#full-screen').click();
    let seen = 0;
    await until(async () => (seen = await frame()) >= 1400, () => `${seen} of 1440 pixels`); // prettier-ignore
    await code.picture('display-full-screen');
    await code.webview().locator('#full-screen').click();
    await until(async () => (seen = await frame()) === before, () => `${seen} pixels, which were ${before}`); // prettier-ignore
  });

  it('gets nothing while it is hidden, and all that changed when it is seen again', async () => {
    const QUIET_MS = 4000;
    const draws = async (): Promise<void> => {
      const before = sent();
      await until(() => sent() > before + 1000, () => `${sent() - before} bytes while it is seen`); // prettier-ignore
    };
    await says('running');
    await draws();
    await code.page.locator('.tab', { hasText: 'Guest Display' }).click();
    await code.openFile('launch.json');
    await code.webview().locator('#screen').waitFor({ state: 'detached' });
    let bytes = 0;
    const quiet = async (): Promise<boolean> => {
      const before = sent();
      await code.page.waitForTimeout(QUIET_MS);
      return (bytes = sent() - before) === 0;
    };
    // What was under way when it was hidden comes still.
    await until(quiet, () => `${bytes} bytes while it is hidden`);
    await code.command('Guest: Show Display');
    await says('running');
    await draws();
  });

  it('follows a restart, an end, and a new session', async () => {
    await code.toolbar('debug-restart');
    await shows([1000, 767], background(767));
    await says('running');
    await code.toolbar('debug-stop');
    await code.webview().locator('#empty', { hasText: 'No guest is running.' }).waitFor();
    await code.picture('display-none');
    await start();
  });

  it('is there again after the window is loaded again, as it was', async () => {
    await code.reload();
    await code.webview().locator('#toolbar').waitFor();
    assert.equal(await code.webview().locator('#scale').inputValue(), '1');
    await code.webview().locator('#empty', { hasText: 'No guest is running.' }).waitFor();
    await start();
    await code.webview().locator('#scale').selectOption('fit');
    await code.webview().locator('#keys').click();
    for (const theme of ['Light', 'Dark', 'High Contrast']) {
      const name = theme === 'High Contrast' ? `Default ${theme}` : `Default ${theme} Modern`;
      writeFileSync(path('.vscode/settings.json'), JSON.stringify({ 'workbench.colorTheme': name }));
      await code.page
        .locator({ Light: '.monaco-workbench.vs', Dark: '.monaco-workbench.vs-dark', 'High Contrast': '.monaco-workbench.hc-black' }[theme]!)
        .waitFor();
      await code.webview().locator(`body.vscode-${theme.toLowerCase().replace(' ', '-')}`).waitFor(); // prettier-ignore
      await code.picture(`display-${theme.toLowerCase().replace(' ', '-')}`);
    }
    await code.stop();
  });
});
