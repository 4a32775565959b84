/** noVNC in Chromium, as on the page of `npm start`, against the real debug adapter: the display panel's code without VS Code. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { chromium, type Browser, type Page } from 'playwright-core';
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

describe('noVNC in Chromium', function () {
  this.timeout(90_000);
  let client: Client | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let served: Served | undefined;

  before(async function () {
    if (!existsSync(CHROMIUM)) {
      console.log(`      skipped: ${CHROMIUM} is missing (Debian: chromium)`);
      this.skip();
    }
    client = new Client(join(DIST, 'adapter.js'));
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
  async function pause(): Promise<void> {
    const stopped = client!.next('stopped');
    await client!.request('pause', THREAD);
    await stopped;
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
    await page.waitForTimeout(500);
    assert.notEqual(await page.evaluate(() => document.activeElement?.id), 'screen');
    await pause();
    // Alt comes up last: its scan code in set 1.
    const { result } = await client!.request<{ result: string }>('evaluate', { expression: 'u8[last_key]', context: 'repl' });
    assert.match(result, /0x(9d|b8)|184|157/);
  });

  it('while the guest stands still it shows that instant, and an earlier one after travelling back', async () => {
    const travelled = client!.next('stopped');
    await client!.request('guest/travel', { position: 1 });
    await travelled;
    await shows(1000, 767, [0, 0, 0]);
  });

  it('begins anew after the page is loaded again', async () => {
    await page.reload();
    await page.locator('#screen:not([hidden])').waitFor();
    await client!.request('continue', THREAD);
    await shows(1000, 767, background(767));
  });
});
