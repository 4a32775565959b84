/** Consoles that scroll, and clients that copy what they have. */
import assert from 'node:assert/strict';
import type { RfbClient } from '../../../../../emulator/display/rfb/client';
import { NATIVE } from '../../../../../emulator/display/rfb/pixelformat';
import { RfbServer } from '../../../../../emulator/display/rfb/server';
import { Writer } from '../../../../../emulator/display/rfb/writer';
import { Cursor, Pipe, Screen, type Seen } from './scripted';

const [WIDTH, HEIGHT, ROW] = [320, 240, 12];
const COPY_RECT = 1;

let seed = 1;
const random = (below: number): number => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % below;

/** A picture with text-like rows within a window. */
class Console {
  readonly pixels = new Uint32Array(WIDTH * HEIGHT).fill(0xff302010);

  constructor(
    private readonly left = 0,
    private readonly top = 0,
    private readonly width = WIDTH,
    private readonly height = HEIGHT,
  ) {}

  /** Rows go up, or down, and a new one comes. */
  scroll(by = ROW): void {
    const { left, top, width, height } = this;
    const before = this.pixels.slice();
    for (let y = top; y < top + height; y++) {
      const from = y + by;
      const inside = from >= top && from < top + height;
      for (let x = left; x < left + width; x++) this.pixels[y * WIDTH + x] = inside ? before[from * WIDTH + x]! : 0xff000000;
    }
    this.print(by > 0 ? top + height - by : top, Math.abs(by));
  }
  print(top: number, height = ROW): void {
    for (let y = top; y < top + height - 2; y++) {
      for (let x = this.left; x < this.left + random(this.width); x++) if (random(3) === 0) this.pixels[y * WIDTH + x] = 0xffc0c0c0;
    }
  }
  get picture() {
    return { width: WIDTH, height: HEIGHT, rgba: new Uint8Array(this.pixels.slice().buffer) };
  }
  /** As a client of the native format has it. */
  get values(): Uint32Array {
    return this.pixels.map((pixel) => ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff));
  }
}

class Viewer {
  readonly pipe = new Pipe();
  readonly screen: Screen;
  private readonly client: RfbClient;

  constructor(server: RfbServer, ...encodings: number[]) {
    this.client = server.connect(this.pipe);
    this.client.receive(Buffer.from('RFB 003.008\n\x01\x01', 'latin1'));
    const from = new Cursor(this.pipe.take());
    from.take(18);
    this.screen = new Screen(from.u16(), from.u16(), NATIVE);
    this.client.receive(encodings.reduce((to, encoding) => to.u32(encoding), new Writer().u8(2).u8(0).u16(encodings.length)).take());
    this.ask(false);
    this.read();
  }
  ask(incremental = true): void {
    this.client.receive(new Writer().u8(3).u8(Number(incremental)).u16(0).u16(0).u16(0xffff).u16(0xffff).take());
  }
  read(): Seen[] {
    const from = new Cursor(this.pipe.take());
    const seen: Seen[] = [];
    while (from.left > 0) {
      assert.equal(from.u8(), 0);
      seen.push(...this.screen.update(from));
    }
    return seen;
  }
}

describe('scrolling', () => {
  let server: RfbServer;
  beforeEach(() => {
    server = new RfbServer('guest', { key: () => undefined, pointer: () => undefined, clipboard: () => undefined });
  });
  const fill = (console: Console): void => {
    for (let y = 0; y + ROW <= HEIGHT; y += ROW) console.scroll();
    server.show(console.picture);
  };

  for (const [what, by] of [['up', ROW], ['up by a pixel', 1], ['up by half of it', HEIGHT / 2], ['down', -ROW]] as const) {
    it(`${what} is one CopyRect and the rows that are new`, () => {
      const console = new Console();
      fill(console);
      const viewer = new Viewer(server, 0, COPY_RECT);
      viewer.ask();
      console.scroll(by);
      server.show(console.picture);
      const seen = viewer.read();
      assert.equal(seen[0]?.encoding, COPY_RECT);
      const pixels = seen.slice(1).reduce((sum, { width, height }) => sum + width * height, 0);
      assert.ok(pixels <= WIDTH * (Math.abs(by) + 32), `${pixels} pixels were sent`);
      assert.deepEqual(viewer.screen.values, console.values);
    });
  } // prettier-ignore

  it('of a window on a desktop is found, and everything else stays where it is', () => {
    const window = new Console(48, 30, 200, 168);
    fill(window);
    const viewer = new Viewer(server, 0, COPY_RECT);
    viewer.ask();
    window.scroll();
    server.show(window.picture);
    const [copy] = viewer.read();
    assert.equal(copy?.encoding, COPY_RECT);
    assert.ok(copy.width < 240);
    assert.deepEqual(viewer.screen.values, window.values);
  });

  it('is sent as pixels to clients that cannot copy, and only what differs', () => {
    const console = new Console();
    fill(console);
    const viewer = new Viewer(server, 0);
    viewer.ask();
    console.scroll();
    server.show(console.picture);
    assert.ok(viewer.read().every(({ encoding }) => encoding === 0));
    assert.deepEqual(viewer.screen.values, console.values);
  });

  it('of clients that fall behind, each in its own way, ends in the same picture', function () {
    this.timeout(20_000);
    for (seed = 1; seed <= 5; seed++) {
      const console = random(2) === 0 ? new Console() : new Console(40, 20, 210, 190);
      fill(console);
      const viewers = [new Viewer(server, 0, COPY_RECT), new Viewer(server, 16, COPY_RECT), new Viewer(server, 5, COPY_RECT), new Viewer(server, 0)];
      let copied = 0;
      for (let frame = 0; frame < 120; frame++) {
        const many = random(8) === 0 ? 20 : 1;
        for (let i = 0; i < many; i++) {
          const move = random(5);
          if (move < 3) console.scroll([ROW, ROW, 3, -ROW][random(4)]);
          else if (move === 3) console.print(ROW * random(HEIGHT / ROW - 1));
          else console.pixels[random(WIDTH * HEIGHT)] = 0xff000000 | random(1 << 24);
          server.show(console.picture);
        }
        for (const viewer of viewers) {
          if (random(3) !== 0) continue;
          viewer.ask(random(20) !== 0);
          copied += viewer.read().filter(({ encoding }) => encoding === COPY_RECT).length;
        }
      }
      for (const [number, viewer] of viewers.entries()) {
        viewer.ask();
        viewer.read();
        assert.deepEqual(viewer.screen.values, console.values, `seed ${seed}, client ${number}`);
      }
      assert.ok(copied > 50, `${copied} copies`);
      server.close();
    }
  });

  it('a client that reads nothing makes the server keep no more than one that does', () => {
    const console = new Console();
    fill(console);
    const viewer = new Viewer(server, 0, COPY_RECT);
    viewer.ask();
    console.scroll();
    server.show(console.picture);
    const first = viewer.pipe.sent.length;
    viewer.pipe.stuck = true;
    viewer.ask();
    console.scroll();
    server.show(console.picture);
    const unread = viewer.pipe.backlog;
    for (let i = 0; i < 300; i++) {
      console.scroll(1 + random(40));
      server.show(console.picture);
    }
    assert.equal(viewer.pipe.backlog, unread, 'one update waits, and no second');
    assert.ok(viewer.pipe.sent.length <= first + 1);
    viewer.pipe.backlog = 0;
    viewer.pipe.stuck = false;
    viewer.ask();
    const seen = viewer.read();
    assert.ok(seen.filter(({ encoding }) => encoding === COPY_RECT).length <= 18, 'moves that wait are few');
    assert.deepEqual(viewer.screen.values, console.values);
  });
});
