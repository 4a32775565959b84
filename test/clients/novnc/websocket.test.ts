/** noVNC in Chromium, as its maker ships it, against the WebSocket of `guest run --vnc ws:…`. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize, resolve } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const ROOT = resolve(__dirname, '../../..');
const DIST = process.env['GUEST_DIST'] ?? join(ROOT, 'dist');
const NOVNC = join(ROOT, 'node_modules/@novnc/novnc');
const CHROMIUM = '/usr/bin/chromium';
const PASSWORD = 'opensesa';

/** As web servers for noVNC did it for a long time, the subprotocol `binary` is asked for. */
const PAGE = `<!DOCTYPE html><div id="at" style="width: 1024px; height: 768px"></div><script type="module">
  import RFB from '/core/rfb.js';
  globalThis.meet = (url, password) => new Promise((told) => {
    const rfb = new RFB(document.getElementById('at'), url, { credentials: { password }, wsProtocols: ['binary'] });
    for (const event of ['connect', 'securityfailure', 'disconnect']) rfb.addEventListener(event, () => told(event));
  });
</script>`;

/** Serves the page, and noVNC's own files. */
function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (path === '/') return void response.setHeader('Content-Type', 'text/html').end(PAGE);
    if (!path.endsWith('.js') || !existsSync(join(NOVNC, path))) return void response.writeHead(404).end();
    response.setHeader('Content-Type', 'text/javascript').end(readFileSync(join(NOVNC, path)));
  });
  return new Promise((listening) => server.listen(0, '127.0.0.1', () => listening(server)));
}

describe('noVNC over a WebSocket', function () {
  this.timeout(90_000);
  let guest: ChildProcess | undefined;
  let browser: Browser | undefined;
  let server: Server | undefined;
  let page: Page;
  let address = '';

  before(async function () {
    if (!existsSync(CHROMIUM)) {
      console.log(`      skipped: ${CHROMIUM} is missing (Debian: chromium)`);
      this.skip();
    }
    const args = [
      'run',
      '--kernel',
      join(ROOT, 'samples/hello/hello.elf'),
      '--memory',
      '64M',
      '--serial',
      'none',
      '--vnc',
      `ws:127.0.0.1:0,password=${PASSWORD}`,
    ];
    const run = (guest = spawn(process.execPath, [join(DIST, 'guest.js'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] }));
    let told = '';
    address = await new Promise<string>((found, failed) => {
      run.stderr.on('data', (chunk: Buffer) => {
        const where = /ws:\/\/127\.0\.0\.1:\d+/.exec((told += chunk.toString()));
        if (where) found(where[0]);
      });
      run.once('exit', () => failed(new Error(`the guest has ended: ${told}`)));
    });
    server = await serve();
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.meet !== undefined');
  });
  after(async () => {
    await browser?.close();
    server?.close();
    guest?.kill();
  });

  const meet = (password: string): Promise<unknown> => page.evaluate(`meet('${address}', '${password}')`);

  it('is not let in with a wrong password', async () => {
    assert.equal(await meet('anything'), 'securityfailure');
  });

  it("shows the guest's picture", async () => {
    assert.equal(await meet(PASSWORD), 'connect');
    const shown = (): Promise<number[][]> =>
      page.evaluate(() => {
        const canvas = document.querySelector('canvas')!.getContext('2d')!;
        return [0, 300, 767].map((y) => [...canvas.getImageData(1000, y, 1, 1).data.slice(0, 3)]);
      });
    // The sample's gradient of 96 steps.
    const wanted = [0, 300, 767].map((y) => Math.floor((y * 96) / 768)).map((step) => [step, 0x18, 0x60 + Math.floor(step / 2)]);
    let seen = await shown();
    for (const end = Date.now() + 20_000; seen.join() !== wanted.join() && Date.now() < end; seen = await shown()) await page.waitForTimeout(100);
    assert.deepEqual(seen, wanted);
  });
});
