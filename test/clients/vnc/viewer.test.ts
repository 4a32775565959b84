/** TigerVNC's viewer on an X server, against the real debug adapter. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { Client } from '../../../scripts/start/client';
import { Desktop, missingProgram, pixelOf } from './desktop';

const ROOT = resolve(__dirname, '../../..');
const DIST = process.env['GUEST_DIST'] ?? join(ROOT, 'dist');
const OUTPUT = join(ROOT, 'test-output/vnc');
const PASSWORD = 'opensesa';
const THREAD = { threadId: 1 };
const ENCODINGS = ['Raw', 'Hextile', 'ZRLE', 'Tight'] as const;
/** The sample's picture: 1024 × 768. */
const LAST = { x: 1023, y: 767 };

/** What the sample draws: a gradient of 96 steps. */
const background = (y: number): number[] => {
  const step = Math.floor((y * 96) / 768);
  return [step, 0x18, 0x60 + Math.floor(step / 2)];
};
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

describe("TigerVNC's viewer", function () {
  this.timeout(90_000);
  let client: Client | undefined;
  let desktop: Desktop | undefined;
  let folder: string | undefined;
  let port = 0;

  before(async function () {
    const missing = missingProgram();
    if (missing !== undefined) {
      console.log(`      skipped: ${missing} is missing (Debian: tigervnc-viewer xvfb xdotool x11-apps)`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'guest-vnc-'));
    writeFileSync(join(folder, 'password'), `${PASSWORD}\n`);
    port = await freePort();
    client = new Client(join(DIST, 'adapter.js'));
    await client.request('initialize', { adapterID: 'guest' });
    const ready = client.next('initialized');
    const vnc = `127.0.0.1:${port},password-file=${join(folder, 'password')}`;
    await client.request('launch', { program: join(ROOT, 'samples/hello/hello.elf'), memory: '64M', vnc });
    await ready;
    await client.request('configurationDone');
    desktop = await Desktop.start();
  });
  after(async () => {
    desktop?.stop();
    await client?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  const view = (password: string, ...options: string[]) =>
    desktop!.run('xtigervncviewer', ['-Shared', '-RemoteResize=0', ...options, `127.0.0.1::${port}`], { VNC_PASSWORD: password });

  /** A port that leads to the server; tells what the server sends, and when it has ended a connection. */
  async function relay(sent: (bytes: Buffer) => void, ended: () => void = () => undefined) {
    const front = createServer((socket) => {
      const server = connect(port, '127.0.0.1');
      socket.pipe(server).on('error', () => socket.destroy());
      server.pipe(socket).on('error', () => server.destroy());
      server.on('data', sent).on('end', ended);
    });
    await new Promise<void>((listening) => front.listen(0, '127.0.0.1', listening));
    return { port: (front.address() as AddressInfo).port, close: () => void front.close() };
  }

  const gone = (viewer: ChildProcess): Promise<void> =>
    new Promise((done) => {
      viewer.once('exit', () => done());
      viewer.kill();
    });

  /** Where the guest's picture begins: its upper left pixel has a colour that nothing else on the desktop has. */
  function place(png: PNG): { readonly x: number; readonly y: number } | undefined {
    for (let y = 0; y + LAST.y < png.height; y++) {
      for (let x = 0; x + LAST.x < png.width; x++) {
        if (pixelOf(png, x, y).join() === background(0).join()) return { x, y };
      }
    }
    return undefined;
  }

  async function shown(): Promise<{ readonly png: PNG; readonly at: { readonly x: number; readonly y: number } }> {
    let png = desktop!.picture();
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(200)) {
      png = desktop!.picture();
      const at = place(png);
      if (at && pixelOf(png, at.x + LAST.x, at.y + LAST.y).join() === background(LAST.y).join()) return { png, at };
    }
    mkdirSync(OUTPUT, { recursive: true });
    writeFileSync(join(OUTPUT, 'failed.png'), PNG.sync.write(png));
    return assert.fail("the guest's picture does not appear; see test-output/vnc/failed.png");
  }

  for (const encoding of ENCODINGS) {
    it(`shows the guest's picture, pixel for pixel, in ${encoding}`, async () => {
      const viewer = view(PASSWORD, `-PreferredEncoding=${encoding}`, '-AutoSelect=0', '-NoJPEG=1');
      const { png, at } = await shown();
      for (let y = 0; y <= LAST.y; y += 13) assert.deepEqual(pixelOf(png, at.x + 1000, at.y + y), background(y), `row ${y}`);
      assert.deepEqual(pixelOf(png, at.x + 69, at.y + 69), [255, 255, 255], 'the letter H');
      mkdirSync(OUTPUT, { recursive: true });
      writeFileSync(join(OUTPUT, `${encoding.toLowerCase()}.png`), PNG.sync.write(png));
      await gone(viewer);
    });
  }

  it('follows rows that are written, and copies those that scroll', async () => {
    // What the server sends is counted on the way.
    let sent = 0;
    const between = await relay((bytes) => (sent += bytes.length));
    const options = ['-Shared', '-RemoteResize=0', '-PreferredEncoding=Tight', '-AutoSelect=0', '-NoJPEG=1'];
    const viewer = desktop!.run('xtigervncviewer', [...options, `127.0.0.1::${between.port}`], { VNC_PASSWORD: PASSWORD });
    const { at } = await shown();
    const stopped = client!.next('stopped');
    await client!.request('pause', THREAD);
    await stopped;
    const { result } = await client!.request<{ result: string }>('evaluate', { expression: 'u64[screen]', context: 'repl' });
    const pixels = BigInt(/0x[0-9a-f]+|\d+/.exec(result)![0]);
    // Something like text, of which no two rows are the same; above and below it the picture stays.
    const [TOP, ROWS, WIDTH, BY] = [200, 320, 1024, 24];
    const text = Array.from({ length: ROWS + 3 * BY }, (_, row) =>
      Uint32Array.from({ length: WIDTH }, (__, x) => (Math.imul((x + 1) * (x + row + 7), 0x9e3779b1) & 0x80000000 ? 0xe0e0e0 : 0x102030)),
    );
    const draw = async (from: number): Promise<void> => {
      const bytes = Buffer.concat(text.slice(from, from + ROWS).map((row) => Buffer.from(row.buffer)));
      const memoryReference = `phys:0x${(pixels + BigInt(TOP * WIDTH * 4)).toString(16)}`;
      await client!.request('writeMemory', { memoryReference, data: bytes.toString('base64') });
    };
    const points = Array.from({ length: 200 }, (_, i) => [(i * 97) % 1000, (i * 31) % ROWS] as const);
    const follows = async (from: number): Promise<void> => {
      const wrong = (): number => {
        const png = desktop!.picture();
        return points.filter(([x, y]) => pixelOf(png, at.x + x, at.y + TOP + y)[0] !== text[from + y]![x]! >> 16).length;
      };
      let left = wrong();
      for (const end = Date.now() + 10_000; left > 0 && Date.now() < end; await sleep(100)) left = wrong();
      assert.equal(left, 0, `${left} of ${points.length} pixels are wrong after ${from} rows`);
      assert.deepEqual(pixelOf(desktop!.picture(), at.x + 1000, at.y + LAST.y), background(LAST.y));
    };
    const counts: number[] = [];
    for (const from of [0, BY, 2 * BY, 3 * BY]) {
      const before = sent;
      await draw(from);
      await follows(from);
      counts.push(sent - before);
    }
    console.log(`      bytes sent for ${ROWS} rows, and then for each ${BY} that they scroll: ${counts.join(' ')}`);
    for (const scrolled of counts.slice(1)) assert.ok(scrolled > 0 && scrolled < counts[0]! / 4, `${counts.join(' ')} bytes`);
    await client!.request('continue', THREAD);
    await gone(viewer);
    between.close();
  });

  it('brings keys to the guest', async () => {
    const viewer = view(PASSWORD);
    const { at } = await shown();
    // There is no window manager to give the viewer the focus.
    desktop!.input('search', '--name', 'TigerVNC', 'windowfocus');
    desktop!.input('mousemove', String(at.x + 500), String(at.y + 500), 'click', '1', 'key', 'a');
    const pressed = async (): Promise<string> => {
      const stopped = client!.next('stopped');
      await client!.request('pause', THREAD);
      await stopped;
      const { result } = await client!.request<{ result: string }>('evaluate', { expression: 'u8[last_key]', context: 'repl' });
      await client!.request('continue', THREAD);
      return result;
    };
    let seen = '';
    // The scan code of A in set 1, released.
    for (const end = Date.now() + 10_000; Date.now() < end && !/0x9e\b|\b158\b/.test(seen); await sleep(200)) seen = await pressed();
    assert.match(seen, /0x9e\b|\b158\b/);
    await gone(viewer);
  });

  it('is not let in with a wrong password', async () => {
    let over = (): void => undefined;
    const refused = new Promise<void>((done) => (over = done));
    const between = await relay(
      () => undefined,
      () => over(),
    );
    const viewer = desktop!.run('xtigervncviewer', ['-Shared', `127.0.0.1::${between.port}`], { VNC_PASSWORD: 'anything' });
    await refused;
    assert.equal(place(desktop!.picture()), undefined);
    await gone(viewer);
    between.close();
  });
});
