import assert from 'node:assert/strict';
import type { ClipboardKeys } from '../../../../emulator/machine/viewerclipboard';
import { Viewers, type Viewer } from '../../../../emulator/machine/viewers';
import { FakeGuest } from '../../adapter/fakeguest';
import { Pipe } from '../display/rfb/scripted';

const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 20));

describe('viewers', () => {
  let guest: FakeGuest;
  let viewers: Viewers;
  beforeEach(() => {
    guest = new FakeGuest();
    viewers = new Viewers(guest, 'guest');
  });
  afterEach(() => viewers.close());

  async function connected(keys?: ClipboardKeys): Promise<{ readonly viewer: Viewer; readonly pipe: Pipe }> {
    const pipe = new Pipe();
    const viewer = viewers.connect(pipe, {}, keys);
    viewer.receive(Buffer.from('RFB 003.008\n'));
    viewer.receive(Uint8Array.of(1));
    viewer.receive(Uint8Array.of(1));
    await settled();
    assert.ok(viewer.started);
    return { viewer, pipe };
  }
  const pointer = (x: number, y: number, mask = 0): Uint8Array => Uint8Array.of(5, mask, x >> 8, x & 0xff, y >> 8, y & 0xff);
  const inputs = (): string[] => guest.calls.splice(0).filter((call) => /^(pointer|key)/.test(call));

  it('a pointer that passes over a guest that stands still is no input; buttons, wheel and keys are', async () => {
    const { viewer } = await connected();
    viewer.receive(pointer(10, 10));
    viewer.receive(pointer(20, 20));
    await settled();
    assert.deepEqual(inputs(), []);
    viewer.receive(pointer(30, 30, 1));
    await settled();
    viewer.receive(pointer(40, 30, 1));
    await settled();
    viewer.receive(pointer(40, 30));
    viewer.receive(pointer(50, 30));
    await settled();
    assert.deepEqual(inputs(), ['pointer 30 30 1 0', 'pointer 40 30 1 0', 'pointer 40 30 0 0'], 'pressed, dragged, and let go');
    viewer.receive(pointer(60, 30));
    viewer.receive(pointer(60, 30, 8));
    viewer.receive(pointer(60, 30));
    viewer.receive(Uint8Array.of(4, 1, 0, 0, 0, 0, 0, 0x61));
    viewer.receive(Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0x61));
    await settled();
    assert.deepEqual(inputs(), ['pointer 60 30 0 -1', 'key KeyA down', 'key KeyA up']);
    guest.emit({ event: 'running' });
    viewer.receive(pointer(70, 30));
    await settled();
    assert.deepEqual(inputs(), ['pointer 70 30 0 0']);
    await guest.step('in', 0);
    await settled();
    viewer.receive(pointer(80, 30));
    await settled();
    assert.deepEqual(inputs(), []);
  });

  it('tell the first one, too, the size that the screen has: not every one can take another later', async () => {
    let shown = (): void => undefined;
    const ready = new Promise<void>((done) => (shown = done));
    guest.picture = { width: 800, height: 600, rgba: new Uint8Array(800 * 600 * 4) };
    const changes = guest.frameChanges.bind(guest);
    guest.frameChanges = async (since) => {
      await ready;
      return changes(since);
    };
    const pipe = new Pipe();
    const viewer = viewers.connect(pipe, {});
    for (const bytes of [Buffer.from('RFB 003.008\n'), Uint8Array.of(1), Uint8Array.of(1)]) viewer.receive(bytes);
    await settled();
    assert.equal(pipe.take().toString('latin1'), 'RFB 003.008\n', 'while the guest has not told its size');
    shown();
    await settled();
    assert.ok(viewer.started);
    const init = pipe.take().subarray(2 + 4);
    assert.deepEqual([init.readUInt16BE(0), init.readUInt16BE(2)], [800, 600]);
  });

  it('one that floods a handshake is not kept', () => {
    let closed = false;
    const pipe = new Pipe();
    pipe.close = () => (closed = true);
    const viewer = viewers.connect(pipe, {});
    for (let i = 0; i < 10; i++) viewer.receive(new Uint8Array(1000));
    assert.ok(closed);
  });

  it("a viewer's text is typed, and the screen's read, when it presses the keys for that", async () => {
    const one = await connected({ paste: 'F12', copy: 'F11' });
    const other = await connected();
    const key = (keysym: number, down: boolean): Uint8Array => Uint8Array.of(4, down ? 1 : 0, 0, 0, 0, 0, keysym >> 8, keysym & 0xff);
    const [F11, F12] = [0xffc8, 0xffc9];
    const cutText = (text: string): Buffer => Buffer.concat([Uint8Array.of(6, 0, 0, 0, 0, 0, 0, text.length), Buffer.from(text, 'latin1')]);
    let time = 0;
    guest.status = async () => ({ running: true, position: 0, instructions: 0, time: (time += 1e9), oldest: 0, newest: 0, mips: 1, historyBytes: 0 });
    const later = (ms = 250): Promise<void> => new Promise((done) => setTimeout(done, ms));

    one.viewer.receive(cutText('Aé\r\n'));
    other.viewer.receive(cutText('secret'));
    await later();
    assert.deepEqual(inputs(), [], 'nothing is typed by itself');
    one.pipe.take();
    other.pipe.take();
    for (const down of [true, true, false]) one.viewer.receive(key(F12, down));
    await later();
    assert.deepEqual(inputs(), ['key ShiftLeft down', 'key KeyA down', 'key KeyA up', 'key ShiftLeft up', 'key Enter down', 'key Enter up']);
    assert.deepEqual([...one.pipe.take()], [2], 'a bell: not everything could be typed');

    guest.characters = 'login: ▒ü';
    for (const down of [true, false]) one.viewer.receive(key(F11, down));
    await settled();
    const copied = one.pipe.take();
    assert.deepEqual([copied[0], copied.readUInt32BE(4), copied.subarray(8).toString('latin1')], [3, 9, 'login: ?ü']);
    assert.equal(other.pipe.take().length, 0, 'it is for who asked');
    guest.characters = undefined;
    for (const down of [true, false]) one.viewer.receive(key(F11, down));
    await settled();
    assert.deepEqual([...one.pipe.take()], [2], 'there is no text');

    // For a viewer without such keys they are the guest's.
    for (const down of [true, false]) other.viewer.receive(key(F12, down));
    await settled();
    assert.deepEqual(inputs(), ['key F12 down', 'key F12 up']);

    // Who goes types no more.
    one.viewer.receive(cutText('x'.repeat(200)));
    one.viewer.receive(key(F12, true));
    await later(120);
    one.viewer.close();
    await settled();
    assert.ok(inputs().length < 100);
    await later();
    assert.deepEqual(inputs(), []);
  });

  it('what was moved while the guest ran and has not reached it when it stops is left out', async () => {
    const { viewer } = await connected();
    guest.emit({ event: 'running' });
    let goOn = (): void => undefined;
    const held = new Promise<void>((done) => (goOn = done));
    const { key } = guest;
    guest.key = async (code, down) => {
      await key.call(guest, code, down);
      await held;
    };
    viewer.receive(Uint8Array.of(4, 1, 0, 0, 0, 0, 0, 0x61));
    viewer.receive(pointer(10, 10, 1));
    viewer.receive(pointer(10, 10));
    viewer.receive(pointer(20, 10));
    viewer.receive(pointer(20, 10, 2));
    viewer.receive(pointer(20, 10));
    viewer.receive(pointer(20, 10, 16));
    viewer.receive(pointer(30, 10));
    await guest.step('in', 0);
    await settled();
    goOn();
    await settled();
    // A button that comes up does so where the pointer has come to since.
    assert.deepEqual(inputs(), ['key KeyA down', 'pointer 10 10 1 0', 'pointer 20 10 0 0', 'pointer 20 10 4 0', 'pointer 20 10 0 0', 'pointer 20 10 0 1']);
  });
});
