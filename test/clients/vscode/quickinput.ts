/**
 * The box at the top that the palette, the list of files, questions and file dialogs share. It shuts when
 * something else takes the focus, as an editor does in which VS Code shows a stop: then it is opened again.
 */
import type { Locator, Page } from 'playwright-core';
import { ATTEMPT_MS, until } from './patience';

export class QuickInput {
  private readonly input: Locator;
  private readonly rows: Locator;

  constructor(private readonly page: Page) {
    this.input = page.locator('.quick-input-widget .quick-input-box input');
    this.rows = page.locator('.quick-input-list .monaco-list-row');
  }

  isOpen(): Promise<boolean> {
    return this.input.isVisible();
  }

  /** What it holds; undefined while there is none. */
  private async text(): Promise<string | undefined> {
    return (await this.isOpen()) ? this.input.inputValue({ timeout: 1000 }).catch(() => undefined) : undefined;
  }

  /** Opens a list by its key, narrows it to `text`, and takes the first row that has `label`. */
  async pick(key: string, text: string, label: string): Promise<void> {
    const row = this.rows.filter({ hasText: label }).first();
    const picked = async (): Promise<boolean> => {
      await this.page.keyboard.press(key);
      await this.input.fill(text, { timeout: ATTEMPT_MS });
      await row.click({ timeout: ATTEMPT_MS });
      return true;
    };
    await until(picked, () => `nothing offers '${label}' for '${text}'`);
    // What a command asks for comes in the same box: an answer must not go to the list.
    await until(async () => (await this.text()) !== text, () => `the list stays open after '${label}'`); // prettier-ignore
  }

  /**
   * Names a file in a file dialog. That reads its folder first, and then puts what it proposes in place of what was
   * typed before, which Enter would take: it has read it once it lists something, and every folder has one above it.
   */
  async answerFile(path: string): Promise<void> {
    await this.rows.first().waitFor();
    await this.answer(path);
  }

  /** Fills the box, which closes: again where it did not take it, as a file dialog that goes to another folder. */
  async answer(text: string): Promise<void> {
    await this.input.waitFor();
    let given = false;
    const closed = async (): Promise<boolean> => {
      const held = await this.text();
      if (held === undefined && given) return true;
      if (held !== text) await this.input.fill(text, { timeout: ATTEMPT_MS });
      if ((await this.text()) !== text) return false;
      await this.input.press('Enter', { timeout: ATTEMPT_MS });
      given = true;
      await this.input.waitFor({ state: 'hidden', timeout: ATTEMPT_MS });
      return true;
    };
    await until(closed, () => `nothing takes the answer '${text}'`);
  }
}
