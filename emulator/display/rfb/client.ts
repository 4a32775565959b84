/** One client of the RFB server: what it says, and what it is sent. It knows no sockets and no clock. */
import { keysymToCode } from '../keysym';
import { ENCODING } from './encodings/encoder';
import { RfbError } from './errors';
import { handshake, type Security } from './handshake';
import { screenLayout } from './headers';
import { Input, skip, take, type Reading } from './input';
import { NATIVE, parsePixelFormat, writePixelFormat } from './pixelformat';
import type { Rectangle } from './region';
import type { Changes, Surface } from './surface';
import { Updates, type Cursor } from './updates';
import { Writer } from './writer';
import { xtToCode } from './xtkeys';

/** Where a client's bytes go. */
export interface Channel {
  send(bytes: Uint8Array): void;
  /** Bytes that have been sent but not taken by the other side yet. */
  readonly backlog: number;
  close(error?: RfbError): void;
}

/** What clients do to the machine. */
export interface Sink {
  key(code: string, down: boolean): void;
  /** `buttons` as MouseEvent.buttons has them; `wheel` in notches, towards the user positive. */
  pointer(x: number, y: number, buttons: number, wheel: number): void;
  clipboard(text: string): void;
}

/** Answers that a client may leave unread, in bytes; updates are held back long before. */
const MOST_UNREAD = 1 << 20;
/** Clipboard text that is kept; the rest is passed over. */
const MOST_CLIPBOARD = 1 << 18;
const MOST_ENCODINGS = 1024;
const MOST_FENCE = 64;

const FENCE_REQUEST = 0x80000000;
const FENCE_KNOWN = 0x00000007;
/** SetDesktopSize is answered so: administratively prohibited. */
const PROHIBITED = 1;
const BY_CLIENT = 1;
/** Left, middle and right; the bits above are the wheel's. */
const BUTTONS = 0x07;

export class RfbClient {
  private readonly input: Input;
  private readonly updates: Updates;
  /** The handshake is over. */
  started = false;
  private closed = false;
  /** What the pointer last was. */
  private pointer = { x: 0, y: 0, mask: 0 };
  private updating = false;
  /** What the last update left unread. */
  private unread = 0;
  private readonly keysDown = new Set<string>();

  constructor(
    private readonly channel: Channel,
    private readonly sink: Sink,
    private surface: Surface,
    private readonly name: string,
    security: Security,
    cursor: Cursor | undefined,
    private readonly ended: () => void,
  ) {
    this.updates = new Updates(surface, cursor);
    this.input = new Input(this.conversation(security));
  }

  /** Bytes from the client. An error closes this client. */
  receive(bytes: Uint8Array): void {
    if (this.closed) return;
    try {
      this.input.push(bytes);
    } catch (error) {
      if (!(error instanceof RfbError)) throw error;
      this.close(error);
    }
  }

  close(error?: RfbError): void {
    if (this.closed) return;
    this.closed = true;
    for (const code of [...this.keysDown].reverse()) this.sink.key(code, false);
    const { x, y, mask } = this.pointer;
    if ((mask & BUTTONS) !== 0) this.sink.pointer(x, y, 0, 0);
    this.ended();
    this.channel.close(error);
  }

  /** Does it wait for a picture that differs from the one that it has? */
  get waiting(): boolean {
    return !this.closed && this.started && this.updates.wanted && this.channel.backlog === 0;
  }

  private send(bytes: Uint8Array): void {
    if (this.closed) return;
    this.channel.send(bytes);
    if (!this.updating && this.channel.backlog > this.unread + MOST_UNREAD) throw new RfbError('rfb-slow', 'the client does not read its answers');
  }

  // ── What the server says ─────────────────────────────────────────────────────────────────

  /** The picture is another one; what has changed comes with the next update. */
  show(surface: Surface, changes: Changes | undefined): void {
    this.surface = surface;
    this.updates.show(surface, changes);
    this.update();
  }

  showCursor(cursor: Cursor | undefined): void {
    this.updates.showCursor(cursor);
    this.update();
  }

  /** ServerCutText: RFC 6143 section 7.6.4, Latin-1. */
  cutText(text: string): void {
    if (!this.started || this.channel.backlog > 0) return;
    const latin = text.slice(0, MOST_CLIPBOARD).replace(/[^\u0000-\u00ff]/g, '?');
    this.send(new Writer(8 + latin.length).u8(3).zeros(3).u32(latin.length).latin1(latin).take());
  }

  bell(): void {
    if (this.started && this.channel.backlog === 0) this.send(Uint8Array.of(2));
  }

  /** Sends what is due: one update at a time, and none before the last has left. */
  update(): void {
    if (!this.waiting) return;
    const messages = this.updates.take();
    if (!messages) return;
    this.updating = true;
    for (const message of messages) this.send(message);
    this.updating = false;
    this.unread = this.channel.backlog;
  }

  // ── What the client says ─────────────────────────────────────────────────────────────────

  private *conversation(security: Security): Reading<void> {
    yield* handshake((bytes) => this.send(bytes), security);
    yield* take(1); // ClientInit: the machine is always shared
    this.updates.begin();
    const { width, height } = this.updates.size;
    const init = new Writer().u16(width).u16(height);
    writePixelFormat(init, NATIVE);
    const name = this.name.replace(/[^ -~]/g, '?');
    this.send(init.u32(name.length).latin1(name).take());
    this.started = true;
    // A channel may close while its bytes are being handled.
    while (!this.closed) yield* this.message((yield* take(1)).getUint8(0));
  }

  private message(type: number): Reading<void> {
    switch (type) {
      case 0:
        return this.setPixelFormat();
      case 2:
        return this.setEncodings();
      case 3:
        return this.updateRequest();
      case 4:
        return this.keyEvent();
      case 5:
        return this.pointerEvent();
      case 6:
        return this.cutTextFromClient();
      case 150:
        return this.enableContinuousUpdates();
      case 248:
        return this.fence();
      case 251:
        return this.setDesktopSize();
      case 255:
        return this.qemu();
    }
    throw new RfbError('rfb-message', `there is no message of type ${type}`);
  }

  private *setPixelFormat(): Reading<void> {
    const view = yield* take(19);
    this.updates.setFormat(parsePixelFormat(new Uint8Array(view.buffer, view.byteOffset + 3, 16)));
  }

  private *setEncodings(): Reading<void> {
    const count = (yield* take(3)).getUint16(1);
    if (count > MOST_ENCODINGS) throw new RfbError('rfb-length', `${count} encodings are more than ${MOST_ENCODINGS}`);
    const list = yield* take(count * 4);
    const added = this.updates.setEncodings(Array.from({ length: count }, (_, i) => list.getInt32(i * 4)));
    if (added.has(ENCODING.CONTINUOUS_UPDATES)) this.send(Uint8Array.of(150));
    if (added.has(ENCODING.FENCE)) this.send(new Writer().u8(248).zeros(3).u32(FENCE_REQUEST).u8(0).take());
  }

  private *updateRequest(): Reading<void> {
    const view = yield* take(9);
    this.updates.request(rectangleAt(view, 1), view.getUint8(0) !== 0);
    this.update();
  }

  private key(code: string | undefined, down: boolean): void {
    if (code === undefined) return;
    if (down) this.keysDown.add(code);
    else if (!this.keysDown.delete(code)) return;
    this.sink.key(code, down);
  }

  private *keyEvent(): Reading<void> {
    const view = yield* take(7);
    this.key(keysymToCode(view.getUint32(3)), view.getUint8(0) !== 0);
  }

  private *qemu(): Reading<void> {
    const submessage = (yield* take(1)).getUint8(0);
    if (submessage !== 0) throw new RfbError('rfb-message', `there is no QEMU message of type ${submessage}`);
    const view = yield* take(10);
    this.key(xtToCode(view.getUint32(6)) ?? keysymToCode(view.getUint32(2)), view.getUint16(0) !== 0);
  }

  /** RFB has left, middle, right as bits 0 to 2, wheel up and down as 3 and 4. */
  private *pointerEvent(): Reading<void> {
    const view = yield* take(5);
    const mask = view.getUint8(0);
    const pressed = mask & ~this.pointer.mask;
    const x = Math.min(view.getUint16(1), this.surface.width - 1);
    const y = Math.min(view.getUint16(3), this.surface.height - 1);
    this.pointer = { x, y, mask };
    const wheel = ((pressed >> 4) & 1) - ((pressed >> 3) & 1);
    this.sink.pointer(x, y, (mask & 1) | ((mask & 4) >> 1) | ((mask & 2) << 1), wheel);
  }

  private *cutTextFromClient(): Reading<void> {
    const length = (yield* take(7)).getInt32(3);
    if (length < 0) throw new RfbError('rfb-length', 'the extended clipboard was not offered');
    const view = yield* take(Math.min(length, MOST_CLIPBOARD));
    yield* skip(length - view.byteLength);
    this.sink.clipboard(Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('latin1'));
  }

  private *enableContinuousUpdates(): Reading<void> {
    const view = yield* take(9);
    const on = view.getUint8(0) !== 0;
    const before = this.updates.setContinuous(on ? rectangleAt(view, 1) : undefined);
    if (!on && before) this.send(Uint8Array.of(150));
    this.update();
  }

  /** Messages are handled in order, so a request is answered at once; the answer to ours says nothing new. */
  private *fence(): Reading<void> {
    const view = yield* take(8);
    const flags = view.getUint32(3);
    const length = view.getUint8(7);
    if (length > MOST_FENCE) throw new RfbError('rfb-length', `a fence of ${length} bytes is longer than ${MOST_FENCE}`);
    const payload = yield* take(length);
    if ((flags & FENCE_REQUEST) === 0) return;
    const bytes = new Uint8Array(payload.buffer, payload.byteOffset, length);
    this.send(
      new Writer()
        .u8(248)
        .zeros(3)
        .u32(flags & FENCE_KNOWN)
        .u8(length)
        .bytes(bytes)
        .take(),
    );
  }

  /** The guest alone says how large its screen is. */
  private *setDesktopSize(): Reading<void> {
    const screens = (yield* take(7)).getUint8(5);
    yield* skip(screens * 16);
    if (!this.updates.knows(ENCODING.EXTENDED_DESKTOP_SIZE)) return;
    const message = new Writer().u8(0).zeros(1).u16(1);
    screenLayout(message, this.updates.size, BY_CLIENT, PROHIBITED);
    this.send(message.take());
  }
}

const rectangleAt = (view: DataView, at: number): Rectangle => ({
  x: view.getUint16(at),
  y: view.getUint16(at + 2),
  width: view.getUint16(at + 4),
  height: view.getUint16(at + 6),
});
