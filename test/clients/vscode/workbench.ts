/** The workbench as a person uses it: keys, clicks, and what is seen. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { DebugConsole } from './console';
import { CHROMIUM } from './install';
import { ATTEMPT_MS, PATIENCE_MS, until } from './patience';
import { QuickInput } from './quickinput';
import { Variables } from './variables';

const OUTPUT = join(__dirname, '../../../test-output/vscode');
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** There is nothing in it before it is opened. */
export class Workbench {
  page!: Page;
  quickInput!: QuickInput;
  console!: DebugConsole;
  variables!: Variables;
  private browser?: Browser;

  async open(url: string): Promise<void> {
    this.browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    const page = await this.browser.newPage({ viewport: { width: 1440, height: 900 }, permissions: ['clipboard-read', 'clipboard-write'] });
    page.setDefaultTimeout(PATIENCE_MS);
    this.page = page;
    this.quickInput = new QuickInput(page);
    this.console = new DebugConsole(page);
    this.variables = new Variables(page);
    await page.goto(url);
    await page.locator('.monaco-workbench').waitFor();
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
  }

  async close(): Promise<void> {
    await this.browser?.close();
  }

  /** Reload Window saves first what is open. A page that the browser loads again may find an older state: VS Code does not wait until that is written. */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent('domcontentloaded');
    await this.command('Developer: Reload Window');
    await loaded;
    await this.page.locator('.monaco-workbench').waitFor();
  }

  private get toolbox(): Locator {
    return this.page.locator('.debug-toolbar');
  }

  private get frames(): Locator {
    return this.page.locator('.debug-call-stack .stack-frame');
  }

  async picture(name: string): Promise<void> {
    mkdirSync(OUTPUT, { recursive: true });
    await this.page.screenshot({ path: join(OUTPUT, `${name}.png`) });
  }

  /** Runs a command by its name in the palette. */
  command(title: string): Promise<void> {
    return this.quickInput.pick('F1', `>${title}`, title);
  }

  /** Opens a file in the group of editors that is active, and waits until it is the editor that is active. */
  async openFile(name: string): Promise<void> {
    const base = name.split('/').at(-1)!;
    await this.quickInput.pick('Control+P', name, base);
    await this.page.locator('.editor-group-container.active .tab.active').filter({ hasText: base }).waitFor();
  }

  /** Waits until the editor of a source file has the focus, and brings a line of it into view. */
  private async goTo(line: number): Promise<void> {
    await this.page.locator('.editor-group-container.active .editor-instance .monaco-editor.focused').waitFor();
    await this.page.keyboard.press('Control+G');
    await this.quickInput.answer(`:${line}`);
    await this.page.locator('.statusbar-item', { hasText: new RegExp(`^Ln ${line}, `) }).waitFor();
    await this.page.locator('.editor-group-container.active .editor-instance .monaco-editor.focused').waitFor();
  }

  /** Where the gutter has a line's number. */
  private async lineBox(line: number): Promise<{ x: number; y: number; height: number }> {
    const number = this.page.locator('.editor-group-container.active .line-numbers').filter({ hasText: new RegExp(`^${line}$`) });
    return (await number.first().boundingBox({ timeout: ATTEMPT_MS }))!;
  }

  private async breakpointAt(line: number): Promise<boolean> {
    const { y, height } = await this.lineBox(line);
    const glyphs = await this.page
      .locator('.editor-group-container.active [class*=codicon-debug-breakpoint]')
      .evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().y));
    return glyphs.some((glyph) => Math.abs(glyph - y) < height / 2);
  }

  /** Sets a breakpoint in the file that is shown, by a click into the gutter where that offers one. */
  async gutterBreakpoint(line: number): Promise<void> {
    const { page } = this;
    await this.goTo(line);
    let attempt = 0;
    const set = async (): Promise<boolean> => {
      if (await this.breakpointAt(line)) return true;
      const { x, y, height } = await this.lineBox(line);
      // The pointer has to move to be seen.
      await page.mouse.move(x - 10, y + height / 2 + (attempt++ % 3) - 1);
      await page.locator('.codicon-debug-hint').first().waitFor({ timeout: ATTEMPT_MS });
      await page.mouse.click(x - 10, y + height / 2);
      await until(() => this.breakpointAt(line), () => 'not yet', ATTEMPT_MS); // prettier-ignore
      return true;
    };
    await until(set, () => `no breakpoint could be set at line ${line}`);
  }

  /** F9 in the file that is opened. */
  async toggleBreakpoint(file: string, line: number): Promise<void> {
    await this.openFile(file);
    await this.goTo(line);
    const before = await this.breakpointAt(line);
    await this.page.keyboard.press('F9');
    await until(async () => (await this.breakpointAt(line)) !== before, () => `F9 does nothing at line ${line}`); // prettier-ignore
  }

  /** Shows Run and Debug, and waits until it offers a launch configuration that the folder has. */
  async runAndDebug(configuration?: string): Promise<void> {
    await this.page.keyboard.press('Control+Shift+D');
    await this.page.locator('[id="workbench.view.debug"]').waitFor();
    if (configuration !== undefined) await this.page.locator('.start-debug-action-item', { hasText: configuration }).waitFor();
  }

  /** F5 in Run and Debug: what the launch configuration says. */
  async debug(configuration: string): Promise<void> {
    await this.runAndDebug(configuration);
    await this.start();
  }

  /** F5 once there is no session: again where there was no debugger yet, which VS Code knows later than its views. */
  async start(): Promise<void> {
    await this.ended();
    const started = async (): Promise<boolean> => {
      if (await this.toolbox.isVisible()) return true;
      await this.page.keyboard.press('F5');
      await this.toolbox.waitFor({ timeout: ATTEMPT_MS });
      return true;
    };
    await until(started, () => 'F5 starts nothing');
  }

  /** Presses a button of the debug toolbar by its icon, such as `debug-step-back`. */
  async toolbar(icon: string): Promise<void> {
    await this.toolbox.locator(`.codicon-${icon}`).first().click();
  }

  /** Again where VS Code did not know yet whom to pause. */
  async pause(): Promise<void> {
    const paused = async (): Promise<boolean> => {
      const stands = this.toolbox.locator('.codicon-debug-continue').first();
      if (await stands.isVisible()) return true;
      await this.toolbox.locator('.codicon-debug-pause').first().click({ timeout: ATTEMPT_MS });
      await stands.waitFor({ timeout: ATTEMPT_MS });
      return true;
    };
    await until(paused, () => 'Pause stops nothing');
  }

  async running(): Promise<void> {
    await this.toolbox.locator('.codicon-debug-pause').first().waitFor();
  }

  /**
   * Waits until the session stands still and VS Code has shown where: the arrow in the gutter comes after the
   * editor that is opened for it has taken the focus.
   */
  async stopped(): Promise<void> {
    await this.toolbox.locator('.codicon-debug-continue').first().waitFor();
    await this.frames.first().waitFor();
    await this.page.locator('.editor-instance .codicon-debug-stackframe').first().waitFor();
  }

  /** Waits until the guest stands at this line of the file that is shown. */
  async stoppedAt(line: number): Promise<void> {
    await this.stopped();
    await this.frames
      .first()
      .filter({ has: this.page.locator('.line-number', { hasText: new RegExp(`^${line}(:|$)`) }) })
      .waitFor();
  }

  /** What the call stack shows of the function in which the guest stands. */
  topFrame(): Promise<string> {
    return this.frames.first().innerText();
  }

  async ended(): Promise<void> {
    await this.toolbox.waitFor({ state: 'hidden' });
  }

  async stop(): Promise<void> {
    await this.toolbar('debug-stop');
    await this.ended();
  }

  /** What the webview that is to be seen shows. */
  webview(): FrameLocator {
    return this.page.locator('iframe.webview.ready').filter({ visible: true }).contentFrame().locator('iframe#active-frame').contentFrame();
  }
}
