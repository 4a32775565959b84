/** The Variables view. All of its rows are drawn anew after a stop. */
import type { Locator, Page } from 'playwright-core';
import { ATTEMPT_MS, until } from './patience';
import { ScrolledList, type Direction } from './scrolled';

export class Variables {
  private readonly list: Locator;
  private readonly scrolled: ScrolledList;

  constructor(page: Page) {
    this.list = page.locator('.debug-variables');
    this.scrolled = new ScrolledList(page, this.list);
  }

  /** Opens a scope or a structure. */
  expand(name: string): Promise<void> {
    return this.turn(name, 'true');
  }

  collapse(name: string): Promise<void> {
    return this.turn(name, 'false');
  }

  private async turn(name: string, expanded: 'true' | 'false'): Promise<void> {
    const turned = async (): Promise<boolean> => {
      const row = await this.row(name);
      if ((await row.getAttribute('aria-expanded', { timeout: ATTEMPT_MS })) === expanded) return true;
      await row.locator('.monaco-tl-twistie').click({ timeout: ATTEMPT_MS });
      await row.and(this.list.page().locator(`[aria-expanded=${expanded}]`)).waitFor({ timeout: ATTEMPT_MS });
      return true;
    };
    await until(turned, () => `'${name}' of Variables does not turn`);
  }

  async value(name: string): Promise<string> {
    return this.valueOnce(name, () => true);
  }

  /** The value, once it is as wanted: views follow a stop a little later. The last one seen, where that never happens. */
  async valueOnce(name: string, wanted: (value: string) => boolean): Promise<string> {
    let value: string | undefined;
    const seen = async (): Promise<boolean> => {
      const row = await this.row(name);
      value = (await row.locator('.value').innerText({ timeout: ATTEMPT_MS })).trim();
      return wanted(value);
    };
    await until(seen, () => `Variables show no '${name}'`).catch((error: unknown) => {
      if (value === undefined) throw error;
    });
    return value!;
  }

  /** The row, scrolled into view: from end to end. */
  private async row(name: string): Promise<Locator> {
    const rows = this.list.locator('.monaco-list-row');
    const row = rows.filter({ hasText: new RegExp(`^${name}(?![\\w])`) }).first();
    let direction: Direction = 'up';
    const there = async (): Promise<boolean> => {
      if (await row.isVisible()) return true;
      if ((await rows.count()) === 0) return false;
      if (await this.scrolled.atEnd(direction)) direction = direction === 'up' ? 'down' : 'up';
      await this.scrolled.turn(direction);
      return false;
    };
    await until(there, () => `Variables show no '${name}'`);
    return row;
  }
}
