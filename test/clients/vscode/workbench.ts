/** The workbench as a person uses it: keys, clicks, and what is seen. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { CHROMIUM } from './install';

const OUTPUT = join(__dirname, '../../../test-output/vscode');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
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
  }

  /** Fills the input box or picks the item that the last command asks for. */
  async answer(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input').first();
    await input.waitFor();
    await input.fill(text);
    await this.page.waitForTimeout(300);
    await this.page.keyboard.press('Enter');
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
      if (await hint.first().waitFor({ timeout: 1500 }).then(() => true, () => false)) {
        await page.mouse.click(box.x - 10, box.y + box.height / 2);
        if (await page.locator('.margin-view-overlays .codicon-debug-breakpoint, .glyph-margin-widgets .codicon-debug-breakpoint').first().waitFor({ timeout: 2000 }).then(() => true, () => false)) return;
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

  variable(name: string): Locator {
    return this.page.locator('.debug-variables .monaco-list-row').filter({ has: this.page.locator('.name', { hasText: new RegExp(`^${name}:?\\s*$`) }) }).first();
  }

  /** Opens a row of Variables if it is shut. */
  async expand(name: string): Promise<void> {
    const row = this.page.locator('.debug-variables .monaco-list-row').filter({ hasText: new RegExp(`^${name}`) }).first();
    await row.waitFor();
    if ((await row.getAttribute('aria-expanded')) !== 'true') await row.locator('.monaco-tl-twistie').click();
  }

  async value(name: string): Promise<string> {
    const row = this.variable(name);
    await row.scrollIntoViewIfNeeded();
    return (await row.locator('.value').innerText()).trim();
  }

  /** What the Debug Console shows. */
  async console(): Promise<string> {
    return (await this.page.locator('.repl .monaco-list-rows').innerText()).replaceAll('\u00a0', ' ');
  }

  /** The inner frame of the webview that is shown. */
  webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');
  }
}
