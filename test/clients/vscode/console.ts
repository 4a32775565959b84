/** The Debug Console: what the guest prints, and expressions with their answers. */
import type { Locator, Page } from 'playwright-core';
import { ATTEMPT_MS, PATIENCE_MS, until } from './patience';
import { ScrolledList } from './scrolled';

/** The end goes away while it is scrolled to. */
const MOST_TURNS = 100;

export class DebugConsole {
  private readonly rows: Locator;
  private readonly prompt: Locator;
  private readonly typed: Locator;
  private readonly scrolled: ScrolledList;

  constructor(private readonly page: Page) {
    this.rows = page.locator('.repl .monaco-list-row');
    this.prompt = page.locator('.repl-input-wrapper .monaco-editor');
    this.typed = this.prompt.locator('.view-lines');
    this.scrolled = new ScrolledList(page, page.locator('.repl .monaco-list').first());
  }

  /** What is to be seen of it. */
  async text(): Promise<string> {
    return (await this.page.locator('.repl .monaco-list-rows').innerText()).replaceAll('\u00a0', ' ');
  }

  /** Waits until it shows the text. It follows its end unless many lines come at once: then it is brought there. */
  async shows(text: string, seconds = PATIENCE_MS / 1000): Promise<void> {
    let shown = '';
    let turn = 0;
    const there = async (): Promise<boolean> => {
      await this.open();
      shown = await this.text();
      if (++turn % 20 === 0) await this.toEnd();
      return shown.includes(text);
    };
    await until(there, () => `the Debug Console does not show '${text}' but\n${shown}`, seconds * 1000);
  }

  /** The answer to an expression, which is entered again as long as it does not stand there. */
  async evaluate(expression: string): Promise<string> {
    const before = await this.count();
    const question = this.rows.filter({ has: this.page.locator('.codicon-debug-console-evaluation-input') }).filter({ hasText: expression });
    const answer = this.rows.filter({ has: this.page.locator('.evaluation-result') });
    let asked = -1;
    const entered = async (): Promise<boolean> => {
      await this.enter(expression);
      await until(async () => (asked = await after(question, before)) >= 0, () => `'${expression}' does not stand there`, ATTEMPT_MS); // prettier-ignore
      return true;
    };
    await until(entered, () => `the Debug Console does not take '${expression}'`);
    let text = '';
    const answered = async (): Promise<boolean> => {
      const index = await after(answer, asked);
      if (index < 0) {
        await this.toEnd();
        return false;
      }
      text = await this.page.locator(`.repl .monaco-list-row[data-index="${index}"]`).innerText({ timeout: ATTEMPT_MS });
      return true;
    };
    await until(answered, () => `no answer to '${expression}'`);
    return text.trim();
  }

  /** Its key shuts it where it has the focus already: it is pressed only where there is none to be seen. */
  private async open(): Promise<void> {
    if (await this.prompt.isVisible()) return;
    await this.page.keyboard.press('Control+Shift+Y');
    await this.prompt.waitFor({ timeout: ATTEMPT_MS });
  }

  /** Nothing is pressed that would do harm in an editor which has taken the focus meanwhile. */
  private async enter(expression: string): Promise<void> {
    await this.open();
    await this.focus();
    if ((await this.content()) !== '') {
      await this.page.keyboard.press('Control+A');
      await this.page.keyboard.press('Delete');
    }
    await this.page.keyboard.insertText(expression);
    await until(async () => (await this.content()) === expression, () => `'${expression}' is not at the prompt`, ATTEMPT_MS); // prettier-ignore
    await this.focus();
    await this.page.keyboard.press('Enter');
  }

  private async focus(): Promise<void> {
    await this.prompt.locator('.native-edit-context, textarea.inputarea').first().focus({ timeout: ATTEMPT_MS });
    await this.prompt.and(this.page.locator('.focused')).waitFor({ timeout: ATTEMPT_MS });
  }

  private async content(): Promise<string> {
    return (await this.typed.innerText({ timeout: ATTEMPT_MS })).replaceAll('\u00a0', ' ').trim();
  }

  /** Only rows that are to be seen exist; each of them knows how many there are. */
  private async count(): Promise<number> {
    await this.open();
    return (await this.rows.count()) === 0 ? 0 : Number(await this.rows.first().getAttribute('aria-setsize'));
  }

  private async toEnd(): Promise<void> {
    for (let turn = 0; turn < MOST_TURNS && !(await this.scrolled.atEnd('down')); turn++) await this.scrolled.turn('down');
  }
}

/** The first of these rows at or behind an index; -1 where there is none. */
async function after(rows: Locator, index: number): Promise<number> {
  const indices = await rows.evaluateAll((elements) => elements.map((element) => Number((element as HTMLElement).dataset['index'])));
  const behind = indices.filter((found) => found >= index);
  return behind.length > 0 ? Math.min(...behind) : -1;
}
