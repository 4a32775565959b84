/** The workbench as a person uses it: keys, clicks, and what is seen. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { CHROMIUM } from './install';

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
const PATIENCE = 60_000;

export class Workbench {
  private constructor(
    private readonly browser: Browser,
    readonly page: Page,
  ) {}

  static async open(url: string): Promise<Workbench> {
    const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(PATIENCE);
    await page.goto(url);
    await page.locator('.monaco-workbench').waitFor();
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
    return new Workbench(browser, page);
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  async picture(name: string): Promise<void> {
    mkdirSync(OUTPUT, { recursive: true });
    await this.page.screenshot({ path: join(OUTPUT, `${name}.png`) });
  }

  /** Runs a command by its name in the palette. */
  async command(title: string): Promise<void> {
    const { page } = this;
    await page.keyboard.press('F1');
    await page.locator('.quick-input-widget input').waitFor();
    await page.keyboard.type(title);
    await page.locator('.quick-input-list .monaco-list-row').filter({ hasText: title }).first().click();
    // The palette and what a command asks for share one box: an answer must not go to the palette.
    await this.until(async () => !(await this.asked())?.startsWith('>'), `the palette stays open after '${title}'`);
  }

  /** What the quick input holds; undefined while there is none. */
  private async asked(): Promise<string | undefined> {
    const input = this.page.locator('.quick-input-widget input').first();
    return (await input.isVisible()) ? input.inputValue({ timeout: 1000 }).catch(() => undefined) : undefined;
  }

  /** Polls, so that it does not matter how slow the machine is. */
  private async until(done: () => Promise<boolean>, problem: string, seconds = PATIENCE / 1000): Promise<void> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await this.page.waitForTimeout(100)) if (await done()) return;
    throw new Error(problem);
  }

  /** Fills the input box, which closes: again where it did not listen yet, as a file dialog that still reads its folder. */
  async answer(text: string): Promise<void> {
    const { page } = this;
    const input = page.locator('.quick-input-widget input').first();
    await input.waitFor();
    const closed = async (): Promise<boolean> => {
      if ((await this.asked()) === undefined) return true;
      await input.fill(text, { timeout: 1000 }).catch(() => undefined);
      await page.waitForTimeout(500);
      if ((await this.asked()) === text) await page.keyboard.press('Enter');
      await page.waitForTimeout(1000);
      return (await this.asked()) === undefined;
    };
    await this.until(closed, `nothing takes the answer '${text}'`);
  }

  async openFile(name: string): Promise<void> {
    const base = name.split('/').at(-1)!;
    await this.page.keyboard.press('Control+P');
    await this.page.locator('.quick-input-widget input').first().fill(name);
    await this.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: base }).first().click();
    await this.page.locator('.tab.active').filter({ hasText: base }).waitFor();
  }

  /** Sets a breakpoint by a click into the gutter, as far as the line is to be seen. */
  async gutterBreakpoint(line: number): Promise<void> {
    const { page } = this;
    await page.keyboard.press('Control+G');
    await this.answer(`:${line}`);
    const number = page.locator('.margin-view-overlays .line-numbers').filter({ hasText: new RegExp(`^${line}$`) });
    const box = (await number.boundingBox())!;
    for (let attempt = 0; attempt < 10; attempt++) {
      await page.mouse.move(box.x - 10, box.y + box.height / 2 + (attempt % 3) - 1);
      const hint = page.locator('.codicon-debug-hint');
      if (
        await hint
          .first()
          .waitFor({ timeout: 1500 })
          .then(
            () => true,
            () => false,
          )
      ) {
        await page.mouse.click(box.x - 10, box.y + box.height / 2);
        if (
          await page
            .locator('.margin-view-overlays .codicon-debug-breakpoint, .glyph-margin-widgets .codicon-debug-breakpoint')
            .first()
            .waitFor({ timeout: 2000 })
            .then(
              () => true,
              () => false,
            )
        )
          return;
      }
    }
    throw new Error(`no breakpoint could be set at line ${line}`);
  }

  /** Presses a button of the debug toolbar by its icon, such as `debug-step-back`. */
  async toolbar(icon: string): Promise<void> {
    await this.page.locator(`.debug-toolbar .codicon-${icon}`).first().click();
  }

  /** Waits until the session stands still: the toolbar offers to continue. */
  async stopped(): Promise<void> {
    await this.page.locator('.debug-toolbar .codicon-debug-continue').first().waitFor();
    await this.page.locator('.debug-call-stack .monaco-list-row').first().waitFor();
  }

  /** Waits until the guest stands at this line of the file that is shown. */
  async stoppedAt(line: number): Promise<void> {
    await this.stopped();
    await this.page
      .locator('.debug-call-stack .stack-frame')
      .first()
      .filter({ has: this.page.locator('.line-number', { hasText: new RegExp(`^${line}(:|$)`) }) })
      .waitFor();
  }

  async running(): Promise<void> {
    await this.page.locator('.debug-toolbar .codicon-debug-pause').first().waitFor();
  }

  /** F9 in the file that is opened. */
  async toggleBreakpoint(file: string, line: number): Promise<void> {
    await this.openFile(file);
    await this.page.keyboard.press('Control+G');
    await this.answer(`:${line}`);
    await this.page.keyboard.press('F9');
  }

  /** Evaluates in the Debug Console; gives the answer's text. */
  async evaluate(expression: string): Promise<string> {
    const { page } = this;
    const rows = page.locator('.repl .monaco-list-row');
    await page.keyboard.press('Control+Shift+Y');
    await page.locator('.repl-input-wrapper .native-edit-context, .repl-input-wrapper textarea').first().focus();
    await page.keyboard.type(expression);
    await page.keyboard.press('Enter');
    await rows.filter({ hasText: expression }).last().waitFor();
    await page.waitForTimeout(1000);
    return (await rows.last().innerText()).trim();
  }

  variable(name: string): Locator {
    return this.page
      .locator('.debug-variables .monaco-list-row')
      .filter({ has: this.page.locator('.name', { hasText: new RegExp(`^${name}\\s*[:=]?\\s*$`) }) })
      .first();
  }

  /** Opens a scope or a structure of Variables if it is shut. */
  async expand(name: string): Promise<void> {
    const row = await this.rowOf(name);
    if ((await row.getAttribute('aria-expanded')) !== 'true') await row.locator('.monaco-tl-twistie').click();
  }

  async collapse(name: string): Promise<void> {
    const row = await this.rowOf(name);
    if ((await row.getAttribute('aria-expanded')) === 'true') await row.locator('.monaco-tl-twistie').click();
  }

  /** The row, scrolled into view: only rows that are to be seen exist. */
  private async rowOf(name: string): Promise<Locator> {
    const { page } = this;
    const list = page.locator('.debug-variables');
    const row = list
      .locator('.monaco-list-row')
      .filter({ hasText: new RegExp(`^${name}(?![\\w])`) })
      .first();
    for (const direction of [-1, 1]) {
      for (let turn = 0; turn < 30; turn++) {
        if (await row.isVisible()) return row;
        await list.hover();
        await page.mouse.wheel(0, direction * 100);
        await page.waitForTimeout(100);
      }
    }
    throw new Error(`Variables show no '${name}'`);
  }

  async value(name: string): Promise<string> {
    await this.rowOf(name);
    const row = this.variable(name);
    return (await row.locator('.value').innerText()).trim();
  }

  /** The value, once it is as wanted: views follow a stop a little later. The last one seen, where that never happens. */
  async valueOnce(name: string, wanted: (value: string) => boolean): Promise<string> {
    let value = await this.value(name);
    for (let turn = 0; turn < 40 && !wanted(value); turn++) {
      await this.page.waitForTimeout(250);
      value = await this.value(name);
    }
    return value;
  }

  /** What the Debug Console shows. */
  async console(): Promise<string> {
    return (await this.page.locator('.repl .monaco-list-rows').innerText()).replaceAll('\u00a0', ' ');
  }

  /** Waits until the Debug Console shows the text. It follows its end unless many lines come at once: then it is brought there. */
  async consoleShows(text: string, seconds = 60): Promise<void> {
    let shown = '';
    let turn = 0;
    const there = async (): Promise<boolean> => {
      shown = await this.console();
      if (++turn % 20 === 0) {
        await this.page.locator('.repl .monaco-list').hover();
        await this.page.mouse.wheel(0, 1e6);
      }
      return shown.includes(text);
    };
    await this.until(there, '', seconds).catch(() => {
      throw new Error(`the Debug Console does not show '${text}' but\n${shown}`);
    });
  }

  /** The inner frame of the webview that is shown. */
  webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');
  }
}
