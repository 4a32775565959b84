/** noVNC in Chromium, as on the page of `npm start`, against the real debug adapter: the display panel's code without VS Code. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { GuestRequests } from '../../../adapter/protocol/guest';
import { Client } from '../../../scripts/start/client';
import { serveDisplay, type Page as Served } from '../../../scripts/start/screen';

const ROOT = resolve(__dirname, '../../..');
const DIST = process.env['GUEST_DIST'] ?? join(ROOT, 'dist');
const CHROMIUM = '/usr/bin/chromium';
const OUTPUT = join(ROOT, 'test-output/novnc');
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const THREAD = { threadId: 1 };

/** What the sample draws: a gradient of 96 steps. */
const background = (y: number): number[] => {
  const step = Math.floor((y * 96) / 768);
  return [step, 0x18, 0x60 + Math.floor(step / 2)];
};

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly pixel: readonly number[];
  /** Microseconds. */
  readonly duration: number;
}

/** The pictures of an animation, as Chromium's own decoder has them. */
const decode = (page: Page, base64: string, at: readonly [x: number, y: number]): Promise<Decoded[]> =>
  page.evaluate(
    async ({ data, x, y }) => {
      const decoder = new ImageDecoder({ type: 'image/png', data: Uint8Array.from(atob(data), (character) => character.charCodeAt(0)) });
      await decoder.tracks.ready;
      await decoder.completed;
      const frames: Decoded[] = [];
      for (let frameIndex = 0; frameIndex < decoder.tracks.selectedTrack!.frameCount; frameIndex++) {
        const { image } = await decoder.decode({ frameIndex });
        const canvas = new OffscreenCanvas(image.displayWidth, image.displayHeight).getContext('2d')!;
        canvas.drawImage(image, 0, 0);
        const pixel = [...canvas.getImageData(x, y, 1, 1).data.slice(0, 3)];
        frames.push({ width: image.displayWidth, height: image.displayHeight, pixel, duration: image.duration ?? 0 });
        image.close();
      }
      return frames;
    },
    { data: base64, x: at[0], y: at[1] },
  );

describe('noVNC in Chromium', function () {
  this.timeout(90_000);
  let client: Client | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let served: Served | undefined;
  /** Requests that the page has led to. */
  const asked: { readonly command: string; readonly args: object }[] = [];

  before(async function () {
    if (!existsSync(CHROMIUM)) {
      console.log(`      skipped: ${CHROMIUM} is missing (Debian: chromium)`);
      this.skip();
    }
    client = new Client(join(DIST, 'adapter.js'));
    const request = client.request.bind(client);
    client.request = (command, args = {}) => {
      asked.push({ command, args });
      return request(command, args);
    };
    await client.request('initialize', { adapterID: 'guest' });
    const ready = client.next('initialized');
    await client.request('launch', { program: join(ROOT, 'samples/hello/hello.elf'), memory: '64M', stopOnEntry: true });
    await ready;
    const stopped = client.next('stopped');
    await client.request('configurationDone');
    await stopped;
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    served = await serveDisplay(client, DIST);
    await page.goto(served.url);
    await page.locator('#screen:not([hidden])').waitFor();
  });
  after(async () => {
    await browser?.close();
    served?.close();
    await client?.close();
  });

  const pixel = (x: number, y: number): Promise<number[]> =>
    page
      .locator('#screen')
      .evaluate((canvas, at) => [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(at.x, at.y, 1, 1).data.slice(0, 3)], { x, y });
  async function shows(x: number, y: number, wanted: number[]): Promise<void> {
    let seen: number[] = [];
    for (const end = Date.now() + 20_000; Date.now() < end; await page.waitForTimeout(100)) {
      seen = await pixel(x, y);
      if (seen.join() === wanted.join()) return;
    }
    assert.deepEqual(seen, wanted, `pixel ${x}, ${y}`);
  }
  async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    for (const end = Date.now() + 20_000; !(await holds()); await page.waitForTimeout(50)) assert.ok(Date.now() < end, `not within 20 s: ${what}`);
  }
  async function pause(): Promise<void> {
    const stopped = client!.next('stopped');
    await client!.request('pause', THREAD);
    await stopped;
  }
  /** Looks now and then at the scan code that the guest has got last, until it is one of these; the guest stands still then. */
  async function lastKey(wanted: readonly number[]): Promise<void> {
    let seen = NaN;
    await until(`scan code ${wanted.join(' or ')}`, async () => {
      await pause();
      const { result } = await client!.request<{ result: string }>('evaluate', { expression: 'u8[last_key]', context: 'repl' });
      seen = Number(/0x[0-9a-f]+|\d+/.exec(result)?.[0]);
      if (wanted.includes(seen)) return true;
      await client!.request('continue', THREAD);
      return false;
    });
  }

  it('shows what the guest draws, pixel for pixel', async () => {
    await client!.request('continue', THREAD);
    for (const y of [767, 300, 0]) await shows(1000, y, background(y));
    await shows(64 + 5, 64 + 5, [255, 255, 255]);
    mkdirSync(OUTPUT, { recursive: true });
    await page.screenshot({ path: join(OUTPUT, 'panel.png') });
  });

  it('saves what it shows as a PNG file', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#screenshot').click()]);
    const png = PNG.sync.read(readFileSync(await download.path()));
    assert.deepEqual([png.width, png.height], [1024, 768]);
    const at = (x: number, y: number): number[] => [...png.data.subarray((y * png.width + x) * 4, (y * png.width + x) * 4 + 3)];
    for (const y of [0, 300, 767]) assert.deepEqual(at(1000, y), background(y), `row ${y}`);
    assert.deepEqual(at(69, 69), [255, 255, 255]);
  });

  it('brings keys to the guest, and lets go of them on the exit key', async () => {
    await page.locator('#screen').click();
    await page.keyboard.press('a');
    await page.keyboard.down('Control');
    await page.keyboard.down('Alt');
    await page.keyboard.press('g');
    await until('the screen lets go of the keyboard', async () => (await page.evaluate(() => document.activeElement?.id)) !== 'screen');
    // Alt or Control comes up last, in set 1.
    await lastKey([0x9d, 0xb8]);
  });

  it('while the guest stands still it shows that instant, and an earlier one after travelling back', async () => {
    const travelled = client!.next('stopped');
    await client!.request('guest/travel', { position: 1 });
    await travelled;
    await shows(1000, 767, [0, 0, 0]);
  });

  it('takes a pointer that only passes over a screen that stands still for no input: the future stays', async () => {
    await page.locator('#status', { hasText: 'stopped' }).waitFor();
    const { newest } = await client!.request<GuestRequests['guest/timeline']['body']>('guest/timeline');
    assert.ok(newest > 1);
    await page.mouse.move(300, 300);
    await page.mouse.move(600, 400, { steps: 10 });
    // noVNC sends a movement within 17 ms; what the page says after that comes behind it.
    const from = asked.length;
    await page.evaluate("setTimeout(() => socket.send(JSON.stringify({ kind: 'taken', bytes: 0 })), 50)");
    await until('all that the page has sent', () => asked.slice(from).some(({ args }) => (args as { bytes?: number }).bytes === 0));
    const { newest: still, branches } = await client!.request<GuestRequests['guest/timeline']['body']>('guest/timeline');
    assert.deepEqual([still, branches.length], [newest, 0]);
  });

  it('shows it in other sizes, and keeps the size when it is loaded again', async () => {
    const shown = (): Promise<number> => page.locator('#screen').evaluate((canvas) => Math.round(canvas.getBoundingClientRect().width));
    assert.ok((await shown()) <= 1200);
    for (const [scale, width] of [
      ['2', 2048],
      ['0.5', 512],
      ['1', 1024],
    ] as const) {
      await page.locator('#scale').selectOption(scale);
      await until(`scale ${scale}`, async () => (await shown()) === width);
      assert.equal(await page.locator('#stage').evaluate((stage) => stage.classList.contains('sharp')), scale !== '0.5');
    }
    await page.reload();
    await page.locator('#screen:not([hidden])').waitFor();
    assert.equal(await page.locator('#scale').inputValue(), '1');
    assert.equal(await shown(), 1024);
    await page.locator('#scale').selectOption('fit');
  });

  it('holds the mouse, whose movements are distances then', async () => {
    await client!.request('continue', THREAD);
    await shows(1000, 767, background(767));
    await page.locator('#mouse').click();
    assert.equal(await page.locator('#mouse').getAttribute('aria-pressed'), 'true');
    const box = (await page.locator('#screen').boundingBox())!;
    const scale = box.width / 1024;
    const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const moves = (): Record<string, number>[] => asked.filter(({ command }) => command === 'guest/pointer').map(({ args }) => args as Record<string, number>);
    await page.mouse.click(middle.x, middle.y);
    await page.locator('#captured', { hasText: 'mouse' }).waitFor();
    assert.deepEqual(moves(), [], 'the click that holds it is not for the guest');
    await page.mouse.move(middle.x + 40, middle.y - 24, { steps: 4 });
    await page.mouse.down({ button: 'right' });
    await page.mouse.up({ button: 'right' });
    await page.mouse.wheel(0, 100);
    const sum = (name: string): number => moves().reduce((total, move) => total + move[name]!, 0);
    await until('the wheel', () => sum('wheel') >= 2);
    // What the page's movement is in pixels of the guest, but for a rest that waits.
    assert.ok(Math.abs(sum('dx') - 40 / scale) <= 1 && Math.abs(sum('dy') + 24 / scale) <= 1, `${sum('dx')}, ${sum('dy')} at ${scale}`);
    assert.deepEqual([sum('wheel'), Math.max(...moves().map(({ buttons }) => buttons!)), moves().at(-1)!['buttons']], [2, 2, 0]);
    await page.keyboard.press('Control+Alt+g');
    await page.locator('#captured').waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.pointerLockElement), null);
    await page.locator('#mouse').click();
  });

  it('sends keys from its menu', async () => {
    await page.locator('#keys').click();
    await page.screenshot({ path: join(OUTPUT, 'keys.png') });
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Ctrl-Alt-Backspace');
    await page.keyboard.press('Escape');
    await page.locator('#menu').waitFor({ state: 'hidden' });
    await page.locator('#keys').click();
    await page.locator('#menu button', { hasText: 'Ctrl-Alt-F2' }).click();
    // Control comes up last.
    await lastKey([0x9d]);
  });

  it('has a button for Ctrl-Alt-Del', async () => {
    await client!.request('continue', THREAD);
    const from = asked.length;
    await page.locator('#ctrl-alt-del').click();
    /** QEMU's extended key events: the key's scan code at the end. */
    const keys = (): number[] => {
      const bytes = Buffer.concat(
        asked.slice(from).flatMap(({ command, args }) => (command === 'guest/rfbSend' ? [Buffer.from((args as { data: string }).data, 'base64')] : [])),
      );
      const found: number[] = [];
      for (let at = bytes.indexOf(255); at >= 0; at = bytes.indexOf(255, at + 12)) if (bytes[at + 3] === 1) found.push(bytes.readUInt32BE(at + 8));
      return found;
    };
    await until('three keys', () => keys().length >= 3);
    assert.deepEqual(keys(), [0x1d, 0x38, 0xd3]);
    await lastKey([0x9d]);
  });

  it('records an animation of what changes, which the browser plays', async () => {
    const travelled = client!.next('stopped');
    await client!.request('guest/travel', { position: 1 });
    await travelled;
    await shows(1000, 767, [0, 0, 0]);
    await page.locator('#record').click();
    await page.locator('#recording', { hasText: '1 pictures' }).waitFor();
    await client!.request('continue', THREAD);
    await shows(1000, 767, background(767));
    await page.locator('#recording', { hasText: /Recording 0:0[1-9] · \d+ pictures/ }).waitFor();
    await page.screenshot({ path: join(OUTPUT, 'recording.png') });
    await pause();
    await page.locator('#status', { hasText: 'stopped' }).waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#record').click()]);
    const path = join(OUTPUT, 'animation.png');
    await download.saveAs(path);
    const frames = await decode(page, readFileSync(path).toString('base64'), [1000, 767]);
    assert.ok(frames.length > 1, `${frames.length} pictures`);
    assert.deepEqual([frames[0]!.width, frames[0]!.height, frames[0]!.pixel], [1024, 768, [0, 0, 0]]);
    assert.deepEqual(frames.at(-1)!.pixel, background(767));
    const seconds = frames.reduce((sum, { duration }) => sum + duration, 0) / 1e6;
    assert.ok(seconds > 1 && seconds < 60, `${seconds} s`);
  });

  it('begins anew after the page is loaded again', async () => {
    await page.reload();
    await page.locator('#screen:not([hidden])').waitFor();
    await client!.request('continue', THREAD);
    await shows(1000, 767, background(767));
  });
});
