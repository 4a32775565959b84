/** The guest's history, drawn along its time, in a real VS Code. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { CONFIGURATION, copySamples, MARK } from './hello';
import { until } from './patience';
import { vsCode } from './suite';

describe('VS Code: the timeline', function () {
  this.timeout(300_000);
  const { code, path } = vsCode({ prepare: copySamples, inOrder: true });
  /** Where the bookmark is. */
  let bookmarked = NaN;

  /** The position that the view says the guest is at, once it stands still there. */
  async function position(wanted: (position: number) => boolean = () => true): Promise<number> {
    let text = '';
    let value = NaN;
    const there = async (): Promise<boolean> => {
      text = await code.webview().locator('#status').innerText();
      const found = / position ([\d,]+) /.exec(text)?.[1];
      value = found === undefined ? NaN : Number(found.replaceAll(',', ''));
      return !text.includes('running') && wanted(value);
    };
    await until(there, () => `the view says '${text}'`);
    return value;
  }
  async function clickAt(part: number, button: 'left' | 'right' = 'left'): Promise<void> {
    const box = (await code.webview().locator('#stage').boundingBox())!;
    const line = (await code.webview().locator('#now').boundingBox())!;
    await code.page.mouse.click(box.x + box.width * part, line.y + line.height + 6, { button });
  }

  it('shows checkpoints, the screen, where the guest is and where it stopped', async () => {
    await code.openFile('main.c');
    await code.gutterBreakpoint(MARK);
    await code.debug(CONFIGURATION);
    await code.stoppedAt(MARK);
    await code.command('Remove All Breakpoints');
    await code.toolbar('debug-continue');
    await code.command('Focus on Guest Timeline View');
    await code.webview().locator('#status', { hasText: 'running' }).waitFor();
    await code.webview().locator('.picture img').first().waitFor();
    await code.pause();
    assert.ok((await position()) > 0);
    assert.ok((await code.webview().locator('.dot').count()) > 1);
    assert.match((await code.webview().locator('.event.stop').first().getAttribute('title'))!, /^Breakpoint at 0x/);
    const size = await code.webview().locator('.picture img').first().evaluate((image: HTMLImageElement) => image.naturalWidth); // prettier-ignore
    assert.equal(size, 160);
    await code.picture('timeline');
  });

  it('takes the guest where it is clicked', async () => {
    const end = await position();
    await clickAt(0.5);
    await position((at) => at < end);
    const [stage, now] = [(await code.webview().locator('#stage').boundingBox())!, (await code.webview().locator('#now').boundingBox())!];
    const part = (now.x - stage.x) / stage.width;
    assert.ok(Math.abs(part - 0.5) < 0.1, `clicked in the middle, it is at ${part}`);
    await code.stopped();
  });

  it('keeps bookmarks with names', async () => {
    const here = (bookmarked = await position());
    await code.webview().locator('#bookmark').click();
    await code.quickInput.answer('a good place');
    await code.webview().locator('.name', { hasText: 'a good place' }).waitFor();
    await clickAt(0.25);
    await position((at) => at < here);
    await code.webview().locator('.dot[title^="a good place"]').click();
    assert.equal(await position((at) => at >= here), here);
    await code.picture('timeline-bookmark');
  });

  it('has the old future as a branch, once an input made a new one', async () => {
    const fork = await position();
    await code.command('Send Text to Serial Line…');
    await code.quickInput.answer('x');
    await code.webview().locator('.dot.other').first().waitFor();
    const own = (): Promise<number> => code.webview().locator('.dot:not(.other)').count();
    const before = await own();
    await code.toolbar('debug-continue');
    // A branch without a checkpoint is forgotten when it is left.
    await until(async () => (await own()) > before, () => 'the new branch has no checkpoint'); // prettier-ignore
    await code.pause();
    const left = await position((at) => at > fork);
    await code.webview().locator('.event.input').first().waitFor();
    await code.picture('timeline-branch');
    await code.webview().locator('.dot.other').last().click();
    await position((at) => at > fork && at !== left);
    await code.webview().locator('.event.input').first().waitFor();
    assert.ok((await code.webview().locator('.dot.other').count()) > 0, 'what was left is a branch now');
  });

  it('runs on to a place that has not come yet', async () => {
    const here = await position();
    await clickAt(0.99, 'right');
    const item = code.webview().locator('#menu button', { hasText: /^Run to [\d,]+$/ });
    const wanted = Number(/[\d,]+$/.exec(await item.innerText())![0].replaceAll(',', ''));
    assert.ok(wanted > here, `${wanted} is after ${here}`);
    await code.picture('timeline-menu');
    await item.click();
    assert.equal(await position((at) => at > here), wanted);
  });

  it('has the past of a guest that is resumed from a file', async () => {
    const end = await position();
    const count = (what: string): Promise<number> => code.webview().locator(what).count();
    const before = await count('.event.input');
    await code.command('Send Text to Serial Line…');
    await code.quickInput.answer('y');
    await until(async () => (await count('.event.input')) > before, () => 'the view has no input'); // prettier-ignore
    const file = path('past.guest');
    await code.command('Guest: Suspend to File…');
    await code.quickInput.answerFile(file);
    await code.ended();

    await code.command('Guest: Resume from File…');
    await code.quickInput.answerFile(file);
    await code.stopped();
    await code.command('Focus on Guest Timeline View');
    assert.equal(await position(), end);
    await code.webview().locator('.picture img').nth(1).waitFor();
    assert.ok((await count('.dot')) > 2);
    const told = async (what: string): Promise<string> => (await code.webview().locator(what).first().getAttribute('title'))!;
    const stop = /^Breakpoint at 0x[^]* ([\d,]+) instructions$/.exec(await told('.event.stop'))!;
    assert.match(await told('.event.input'), /^Serial input/);
    // Of the futures the one that it was in has come.
    assert.equal(await count('.dot.other'), 0);
    await code.picture('timeline-resumed');

    // Before it was saved, to the bookmark and to the breakpoint that it stopped at.
    await code.webview().locator('.dot[title^="a good place"]').click();
    assert.equal(await position((at) => at < end), bookmarked);
    await code.webview().locator('.event.stop').first().click();
    assert.equal(await position((at) => at < bookmarked), Number(stop[1]!.replaceAll(',', '')));
    await code.stoppedAt(MARK);
    await code.stop();
  });
});
