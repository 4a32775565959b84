/** A list that is scrolled with the wheel: only rows that are to be seen exist. */
import type { Locator, Page } from 'playwright-core';
import { ATTEMPT_MS } from './patience';

/** DevTools' wheel turns by one notch whatever is asked for: there is no way to an end but through all that lies before. */
const NOTCH = 50;

export type Direction = 'up' | 'down';

export class ScrolledList {
  private readonly bar: Locator;

  constructor(
    private readonly page: Page,
    private readonly list: Locator,
  ) {
    this.bar = list.locator('.scrollbar.vertical').first();
  }

  /** The scroll bar tells. Rows do not: one keeps that it was the last. */
  atEnd(direction: Direction): Promise<boolean> {
    const look = (track: Element, up: boolean): boolean => {
      const [whole, part] = [track.getBoundingClientRect(), track.querySelector('.slider')!.getBoundingClientRect()];
      return up ? part.top <= whole.top + 1 : part.bottom >= whole.bottom - 1;
    };
    return this.bar.evaluate(look, direction === 'up', { timeout: ATTEMPT_MS });
  }

  /** Returns when what is to be seen then is drawn. */
  async turn(direction: Direction): Promise<void> {
    const { x, y, width, height } = (await this.list.boundingBox({ timeout: ATTEMPT_MS }))!;
    await this.page.mouse.move(x + width / 2, y + height / 2);
    await this.page.mouse.wheel(0, direction === 'up' ? -NOTCH : NOTCH);
    // Rows are drawn with the next frame, and that may be late.
    await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  }
}
