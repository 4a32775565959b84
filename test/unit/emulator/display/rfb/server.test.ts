import assert from 'node:assert/strict';
import fc from 'fast-check';
import { vncResponse } from '../../../../../emulator/display/rfb/authentication';
import type { RfbClient, Sink } from '../../../../../emulator/display/rfb/client';
import { NATIVE, writePixelFormat, type PixelFormat } from '../../../../../emulator/display/rfb/pixelformat';
import { RfbServer } from '../../../../../emulator/display/rfb/server';
import { Writer } from '../../../../../emulator/display/rfb/writer';
import { Cursor, Pipe, Screen } from './scripted';

const FORMATS: readonly (readonly [string, PixelFormat])[] = [
  ['32 bits', NATIVE],
  ['32 bits, big-endian', { ...NATIVE, bigEndian: true }],
  ['32 bits, colours in the high bytes', { ...NATIVE, redShift: 24, greenShift: 16, blueShift: 8 }],
  ['32 bits of depth 30', { ...NATIVE, depth: 30, redMax: 1023, greenMax: 1023, blueMax: 1023, redShift: 20, greenShift: 10, blueShift: 0 }],
  ['16 bits', { ...NATIVE, bitsPerPixel: 16, depth: 16, redMax: 31, greenMax: 63, blueMax: 31, redShift: 11, greenShift: 5, blueShift: 0 }],
  [
    '16 bits, big-endian',
    { ...NATIVE, bitsPerPixel: 16, depth: 15, bigEndian: true, redMax: 31, greenMax: 31, blueMax: 31, redShift: 10, greenShift: 5, blueShift: 0 },
  ],
  ['8 bits', { ...NATIVE, bitsPerPixel: 8, depth: 8, redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3, blueShift: 6 }],
];
const ENCODINGS = [
  ['Raw', 0],
  ['Hextile', 5],
  ['Zlib', 6],
  ['Tight', 7],
  ['ZRLE', 16],
] as const;

/** Areas of one colour, of two, of a few and of many; sizes that no tile divides. */
function picture(width: number, height: number, seed: number): { width: number; height: number; rgba: Uint8Array } {
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      const kind = (x >> 5) % 4;
      const n = kind === 0 ? 0 : kind === 1 ? (x * 7 + y * 3 + seed) % 2 : kind === 2 ? ((x >> 2) + (y >> 1)) % 11 : x * 31 + y * 97 + seed;
      rgba.set([(n * 37 + seed) & 255, (n * 101) & 255, (n * 13 + (kind === 3 ? y : 0)) & 255, 255], at);
    }
  }
  return { width, height, rgba };
}

function expected(format: PixelFormat, { rgba }: { rgba: Uint8Array }): Uint32Array {
  const scaled = (value: number, max: number, shift: number): number => Math.round((value * max) / 255) * 2 ** shift;
  return Uint32Array.from(
    { length: rgba.length / 4 },
    (_, i) =>
      scaled(rgba[i * 4]!, format.redMax, format.redShift) +
      scaled(rgba[i * 4 + 1]!, format.greenMax, format.greenShift) +
      scaled(rgba[i * 4 + 2]!, format.blueMax, format.blueShift),
  );
}

class Calls implements Sink {
  readonly list: string[] = [];
  key = (code: string, down: boolean): void => void this.list.push(`${code} ${down ? 'down' : 'up'}`);
  pointer = (x: number, y: number, buttons: number, wheel: number): void => void this.list.push(`pointer ${x} ${y} ${buttons} ${wheel}`);
  clipboard = (text: string): void => void this.list.push(`clipboard ${text}`);
}

const setEncodings = (...list: number[]): Uint8Array => list.reduce((to, encoding) => to.u32(encoding), new Writer().u8(2).u8(0).u16(list.length)).take();
const setFormat = (format: PixelFormat): Uint8Array => {
  const message = new Writer().u8(0).zeros(3);
  writePixelFormat(message, format);
  return message.take();
};
const request = (incremental: boolean, x = 0, y = 0, width = 0xffff, height = 0xffff): Uint8Array =>
  new Writer().u8(3).u8(Number(incremental)).u16(x).u16(y).u16(width).u16(height).take();
const text = (bytes: string): Buffer => Buffer.from(bytes, 'latin1');

describe('RFB server', () => {
  let calls: Calls;
  let server: RfbServer;
  let pipe: Pipe;
  let client: RfbClient;
  beforeEach(() => {
    calls = new Calls();
    server = new RfbServer('guest', calls);
    pipe = new Pipe();
  });

  /** Shakes hands; the screen is as ServerInit tells. */
  function connect(): Screen {
    client = server.connect(pipe);
    client.receive(text('RFB 003.008\n\x01\x01'));
    const from = new Cursor(pipe.take());
    assert.equal(from.take(12).toString(), 'RFB 003.008\n');
    assert.deepEqual([...from.take(2)], [1, 1]);
    assert.equal(from.u32(), 0);
    const screen = new Screen(from.u16(), from.u16(), NATIVE);
    from.take(16);
    assert.equal(from.take(from.u32()).toString(), 'guest');
    assert.equal(from.left, 0);
    return screen;
  }

  /** Reads all updates that have come. */
  function read(screen: Screen): { encoding: number }[] {
    const from = new Cursor(pipe.take());
    const seen: { encoding: number }[] = [];
    while (from.left > 0) {
      assert.equal(from.u8(), 0);
      seen.push(...screen.update(from));
    }
    return seen;
  }

  for (const [name, encoding] of ENCODINGS) {
    for (const [depth, format] of FORMATS) {
      it(`${name}, ${depth}: pixels are those of the machine, at first and after changes`, () => {
        const first = picture(203, 141, 3);
        server.show(first);
        const screen = connect();
        client.receive(setFormat(format));
        screen.format = format;
        client.receive(setEncodings(encoding));
        client.receive(request(false));
        assert.ok(read(screen).every((seen) => seen.encoding === encoding));
        assert.deepEqual(screen.values, expected(format, first));
        for (const seed of [4, 5]) {
          const next = { ...first, rgba: Uint8Array.from(first.rgba) };
          next.rgba.set(picture(203, 141, seed).rgba.subarray(203 * 4 * 40, 203 * 4 * 90), 203 * 4 * 40);
          client.receive(request(true));
          server.show(next);
          assert.ok(read(screen).length > 0);
          assert.deepEqual(screen.values, expected(format, next));
        }
      });
    }
  }

  it('sends a colour map, and indices into it', () => {
    const shown = picture(40, 30, 9);
    server.show(shown);
    const screen = connect();
    const wanted = { ...NATIVE, bitsPerPixel: 8, depth: 8, trueColour: false } as const;
    client.receive(setFormat(wanted));
    client.receive(request(false));
    const from = new Cursor(pipe.take());
    assert.deepEqual([from.u8(), from.u8(), from.u16(), from.u16()], [1, 0, 0, 256]);
    const map = Array.from({ length: 256 }, () => [from.u16() >> 8, from.u16() >> 8, from.u16() >> 8]);
    screen.format = { ...wanted };
    assert.equal(from.u8(), 0);
    screen.update(from);
    for (const at of [0, 39, 500, 1199]) {
      const colour = map[screen.values[at]!]!;
      colour.forEach((value, i) => assert.ok(Math.abs(value - shown.rgba[at * 4 + i]!) <= 43, `pixel ${at}`));
    }
  });

  it('tells a new size to clients that can take it, and clips for others', () => {
    server.show(picture(64, 48, 1));
    const screen = connect();
    client.receive(setEncodings(0, -223));
    client.receive(request(false));
    read(screen);
    client.receive(request(true));
    server.show(picture(80, 50, 2));
    assert.equal(read(screen)[0]!.encoding, -223);
    assert.deepEqual(screen.values, expected(NATIVE, picture(80, 50, 2)));

    pipe = new Pipe();
    const fixed = connect();
    client.receive(request(false));
    read(fixed);
    client.receive(request(true));
    server.show(picture(100, 30, 2));
    read(fixed);
    assert.equal(fixed.width, 80);
    assert.equal(fixed.values[79], expected(NATIVE, picture(100, 30, 2))[79]);
  });

  it('tells a new size with its layout to those that know ExtendedDesktopSize, and whose doing it is', () => {
    server.show(picture(64, 48, 1));
    const screen = connect();
    client.receive(setEncodings(0, -223, -308));
    client.receive(request(false));
    read(screen);
    client.receive(request(true));
    server.show(picture(80, 50, 2));
    const bytes = pipe.take();
    const from = new Cursor(bytes);
    assert.deepEqual([from.u8(), from.u8()], [0, 0]);
    assert.ok(from.u16() >= 2, 'size and pixels');
    assert.deepEqual([from.u16(), from.u16(), from.u16(), from.u16(), from.s32()], [0, 0, 80, 50, -308], 'by the server, without error');
    assert.equal(from.u8(), 1, 'one screen');
    from.take(3 + 4);
    assert.deepEqual([from.u16(), from.u16(), from.u16(), from.u16(), from.u32()], [0, 0, 80, 50, 0]);
    const again = new Cursor(bytes);
    again.u8();
    screen.update(again);
    assert.deepEqual(screen.values, expected(NATIVE, picture(80, 50, 2)));
  });

  it('refuses SetDesktopSize, in the layout that the client knows', () => {
    server.show(picture(64, 48, 1));
    const screen = connect();
    client.receive(setEncodings(0, -308));
    client.receive(request(false));
    assert.ok(read(screen).some(({ encoding }) => encoding === -308));
    client.receive(new Writer().u8(251).u8(0).u16(9).u16(9).u8(1).u8(0).zeros(16).take());
    const from = new Cursor(pipe.take());
    assert.deepEqual([from.u8(), from.u8(), from.u16(), from.u16(), from.u16(), from.u16(), from.u16(), from.s32()], [0, 0, 1, 1, 1, 64, 48, -308]);
  });

  it('keeps one update in flight, and what changes meanwhile comes as one', () => {
    server.show(picture(64, 48, 1));
    const screen = connect();
    client.receive(setEncodings(-313));
    pipe.take();
    pipe.stuck = true;
    client.receive(new Writer().u8(150).u8(1).u16(0).u16(0).u16(64).u16(48).take());
    const one = pipe.sent.length;
    for (let seed = 2; seed < 50; seed++) server.show(picture(64, 48, seed));
    assert.equal(pipe.sent.length, one);
    assert.equal(server.waiting, false);
    pipe.backlog = 0;
    pipe.stuck = false;
    client.update();
    assert.equal(pipe.sent.length, one + 1);
    read(screen);
    assert.deepEqual(screen.values, expected(NATIVE, picture(64, 48, 49)));
  });

  it('ContinuousUpdates bring what changes in their rectangle unasked, until they are ended, which is said', () => {
    const first = picture(256, 64, 1);
    /** The same, but for a column. */
    const with9 = (x: number): typeof first => {
      const next = { ...first, rgba: Uint8Array.from(first.rgba) };
      for (let y = 0; y < 64; y++) next.rgba[(y * 256 + x) * 4] = next.rgba[(y * 256 + x) * 4]! ^ 0x80;
      return next;
    };
    const continuous = (on: number): Uint8Array => new Writer().u8(150).u8(on).u16(0).u16(0).u16(64).u16(64).take();
    server.show(first);
    const screen = connect();
    client.receive(setEncodings(0, -313));
    assert.deepEqual([...pipe.take()], [150], 'they are there');
    client.receive(request(false));
    read(screen);
    client.receive(continuous(1));
    server.show(with9(10));
    assert.ok(read(screen).length > 0);
    assert.deepEqual(screen.values, expected(NATIVE, with9(10)));
    server.show(first);
    read(screen);
    server.show(with9(200));
    assert.deepEqual(read(screen), [], 'outside');
    client.receive(continuous(0));
    assert.deepEqual([...pipe.take()], [150], 'no more come');
    server.show(with9(10));
    assert.deepEqual(read(screen), []);
    client.receive(request(true));
    read(screen);
    assert.deepEqual(screen.values, expected(NATIVE, with9(10)));
    client.receive(continuous(0));
    assert.deepEqual([...pipe.take()], [], 'there were none');
  });

  it('several clients, each in its format and encoding, have the same picture', () => {
    server.show(picture(100, 70, 1));
    const watchers = ENCODINGS.map(([, encoding], i) => {
      pipe = new Pipe();
      const screen = connect();
      const [, format] = FORMATS[i]!;
      client.receive(setFormat(format));
      screen.format = format;
      client.receive(setEncodings(encoding));
      return { screen, pipe, client };
    });
    for (const seed of [1, 2, 3]) {
      for (const watcher of watchers) watcher.client.receive(request(true));
      server.show(picture(100, 70, seed));
      for (const { screen, pipe: own } of watchers) {
        pipe = own;
        read(screen);
        assert.deepEqual(screen.values, expected(screen.format, picture(100, 70, seed)));
      }
    }
  });

  it('closes a client that does not read its answers', () => {
    connect();
    pipe.stuck = true;
    const fence = new Writer().u8(248).zeros(3).u32(0x80000001).u8(64).zeros(64).take();
    for (let i = 0; i < 30_000 && !pipe.closed; i++) client.receive(fence);
    assert.equal(pipe.error?.code, 'rfb-slow');
    assert.ok(pipe.backlog < 2 << 20);
  });

  it('answers fences with the flags that it knows', () => {
    connect();
    client.receive(new Writer().u8(248).zeros(3).u32(0x8000000f).u8(2).u8(7).u8(8).take());
    assert.deepEqual([...pipe.take()], [248, 0, 0, 0, 0, 0, 0, 7, 2, 7, 8]);
  });

  it('passes keys, pointer and clipboard on, and lets go of keys and buttons when the client goes', () => {
    server.show(picture(64, 48, 1));
    connect();
    client.receive(new Writer().u8(4).u8(1).zeros(2).u32(0x61).take());
    client.receive(new Writer().u8(4).u8(0).zeros(2).u32(0x61).take());
    client.receive(new Writer().u8(255).u8(0).u16(1).u32(0).u32(0xe038).take());
    client.receive(new Writer().u8(255).u8(0).u16(1).u32(0x62).u32(0xb8).take());
    client.receive(Uint8Array.of(5, 0b101, 0, 10, 0, 20));
    client.receive(Uint8Array.of(5, 0b10010, 0xff, 0xff, 0, 21));
    client.receive(new Writer().u8(6).zeros(3).u32(3).latin1('h\xe9!').take());
    client.close();
    assert.deepEqual(calls.list, [
      'KeyA down', 'KeyA up', 'AltRight down', 'AltRight down', 'pointer 10 20 3 0', 'pointer 63 21 4 1', 'clipboard h\xe9!', 'AltRight up',
      'pointer 63 21 0 0',
    ]); // prettier-ignore
  });

  it('announces extensions once they are asked for', () => {
    const screen = connect();
    server.cutText('caf\xe9 \u20ac');
    assert.deepEqual(pipe.take(), Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 0, 0, 6]), text('caf\xe9 ?')]));
    server.showCursor({ width: 2, height: 1, hotX: 1, hotY: 0, pixels: Uint32Array.of(0xff0000ff, 0) });
    client.receive(setEncodings(0, -239, -258, -312, -313));
    assert.deepEqual([...pipe.take()], [150, 248, 0, 0, 0, 0x80, 0, 0, 0, 0]);
    client.receive(request(false));
    assert.deepEqual(
      read(screen)
        .slice(0, 2)
        .map(({ encoding }) => encoding),
      [-258, -239],
    );
  });

  for (const minor of [3, 7, 8]) {
    it(`3.${minor}: a password is asked for and checked`, () => {
      const challenge = Uint8Array.from({ length: 16 }, (_, i) => i * 11);
      for (const right of [true, false]) {
        pipe = new Pipe();
        client = server.connect(pipe, { password: 'secret', challenge });
        client.receive(text(`RFB 003.00${minor}\n`));
        if (minor > 3) client.receive(Uint8Array.of(2));
        const from = new Cursor(pipe.take());
        from.take(12);
        if (minor > 3) assert.deepEqual([...from.take(2)], [1, 2]);
        else assert.equal(from.u32(), 2);
        assert.deepEqual(from.take(16), Buffer.from(challenge));
        client.receive(vncResponse(right ? 'secret' : 'wrong', challenge));
        assert.equal(new Cursor(pipe.take()).u32(), right ? 0 : 1);
        assert.equal(pipe.error?.code, right ? undefined : 'rfb-password');
        if (right) client.receive(Uint8Array.of(1));
        if (right) assert.equal(new Cursor(pipe.take()).u16(), 640);
      }
    });
  }

  it('without a password, versions before 3.8 are told no result', () => {
    for (const [minor, chosen, expectedBytes] of [
      [3, [], [0, 0, 0, 1]],
      [7, [1], [1, 1]],
      [8, [1], [1, 1, 0, 0, 0, 0]],
    ] as const) {
      pipe = new Pipe();
      client = server.connect(pipe);
      client.receive(text(`RFB 003.00${minor}\n`));
      client.receive(Uint8Array.from(chosen));
      assert.deepEqual([...pipe.take()], [...text('RFB 003.008\n'), ...expectedBytes], `3.${minor}`);
      client.receive(Uint8Array.of(0));
      assert.equal(new Cursor(pipe.take()).u16(), 640);
    }
  });

  it('DES is that of a known conversation', () => {
    // NIST SP 800-17, variable key: DES with the key 01 and a plaintext of zeros; VNC mirrors each byte of the key.
    const answer = vncResponse('\x01\x80\x80\x80\x80\x80\x80\x80', new Uint8Array(16));
    assert.equal(Buffer.from(answer.subarray(0, 8)).toString('hex'), '95a8d72813daa94d');
  });

  it('what is malformed closes that client alone, with a typed error', () => {
    const other = new Pipe();
    server.connect(other);
    const bad: readonly (readonly [string, Uint8Array])[] = [
      ['rfb-message', Uint8Array.of(99)],
      ['rfb-message', Uint8Array.of(255, 9)],
      ['rfb-pixel-format', setFormat({ ...NATIVE, redShift: 30 })],
      ['rfb-pixel-format', setFormat({ ...NATIVE, greenMax: 0 })],
      ['rfb-length', new Writer().u8(2).u8(0).u16(0xffff).take()],
      ['rfb-length', new Writer().u8(6).zeros(3).u32(0xffffffff).take()],
      ['rfb-length', new Writer().u8(248).zeros(3).u32(0).u8(65).take()],
    ];
    for (const [code, bytes] of bad) {
      pipe = new Pipe();
      connect();
      client.receive(bytes);
      assert.equal(pipe.error?.code, code);
    }
    for (const [code, opening] of [
      ['rfb-version', 'GET / HTTP/1.1\r\n'],
      ['rfb-version', 'RFB 002.000\n'],
      ['rfb-security', 'RFB 003.008\n\x09'],
    ] as const) {
      pipe = new Pipe();
      server.connect(pipe).receive(text(opening));
      assert.equal(pipe.error?.code, code);
    }
    assert.equal(other.closed, false);
    assert.equal(server.connected, 1);
  });

  it('random bytes, cut anywhere, neither throw nor take much room', function () {
    this.timeout(20_000);
    const start = text('RFB 003.008\n\x01\x01');
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.constantFrom(0, 2, 3, 4, 5, 6, 150, 248, 251, 255), fc.uint8Array({ maxLength: 60 })).map(([type, rest]) => Uint8Array.of(type, ...rest)),
    );
    server.show(picture(64, 48, 1));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), fc.integer({ min: 1, max: 50 }), (messages, cut) => {
        const channel = new Pipe();
        const victim = server.connect(channel);
        const all = Buffer.concat([start, ...messages]);
        for (let at = 0; at < all.length; at += cut) victim.receive(all.subarray(at, at + cut));
        server.show(picture(64, 48, cut));
        assert.ok(channel.take().length < 4 << 20);
        victim.close();
      }),
      { numRuns: 2000, seed: 20260101 },
    );
    assert.equal(server.connected, 0);
  });
});
