/** One client of the RFB server: what it says, and what it is sent. It knows no sockets and no clock. */
import { keysymToCode } from '../keysym';
import { ENCODING, type Encoder } from './encodings/encoder';
import { makeEncoder } from './encodings/make';
import { RawEncoder } from './encodings/raw';
import { RfbError } from './errors';
import { handshake, type Security } from './handshake';
import { header, screenLayout } from './headers';
import { Input, skip, take, type Reading } from './input';
import { NATIVE, Translator, colourMap, parsePixelFormat, writePixelFormat } from './pixelformat';
import { around, meet, pieces } from './rectangles';
import { Region, type Rectangle } from './region';
import { Surface } from './surface';
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

export interface Cursor {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  /** Pixels 0xAABBGGRR; those whose alpha is 0 are not shown. */
  readonly pixels: Uint32Array;
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

export class RfbClient {
  private readonly input: Input;
  private translator = new Translator(NATIVE);
  private encoder: Encoder = new RawEncoder();
  /** Those that keep a stream stay for the whole connection, whatever else is chosen between. */
  private readonly encoders = new Map<number, Encoder>();
  private readonly known = new Set<number>();
  private readonly notes = new Set<number>();
  private region: Region;
  private asked: Rectangle | undefined;
  private continuous: Rectangle | undefined;
  /** Size as the client knows it, and whether it has to be told another. */
  private size: { readonly width: number; readonly height: number };
  private resized = false;
  private mapWanted = false;
  private cursorWanted = false;
  private started = false;
  private closed = false;
  private buttons = 0;
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
    private cursor: Cursor | undefined,
    private readonly ended: () => void,
  ) {
    this.region = new Region(surface.width, surface.height);
    this.size = surface;
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
    this.ended();
    this.channel.close(error);
  }

  /** Does it wait for a picture that differs from the one that it has? */
  get waiting(): boolean {
    return !this.closed && this.started && (this.asked ?? this.continuous) !== undefined && this.channel.backlog === 0;
  }

  private send(bytes: Uint8Array): void {
    if (this.closed) return;
    this.channel.send(bytes);
    if (!this.updating && this.channel.backlog > this.unread + MOST_UNREAD) throw new RfbError('rfb-slow', 'the client does not read its answers');
  }

  // ── What the server says ─────────────────────────────────────────────────────────────────

  /** The picture is another one; what has changed comes with the next update. */
  show(surface: Surface, changes: Region | undefined): void {
    this.surface = surface;
    if (changes) this.region.union(changes);
    else {
      this.region = new Region(surface.width, surface.height);
      this.region.add(surface.whole);
      this.resized = surface.width !== this.size.width || surface.height !== this.size.height;
    }
    this.update();
  }

  showCursor(cursor: Cursor | undefined): void {
    this.cursor = cursor;
    this.cursorWanted = true;
    this.update();
  }

  /** ServerCutText: RFC 6143 section 7.6.4, Latin-1. */
  cutText(text: string): void {
    if (!this.started || this.channel.backlog > 0) return;
    const latin = text.slice(0, MOST_CLIPBOARD).replace(/[^\u0000-\u00ff]/g, '?');
    this.send(new Writer(8 + latin.length).u8(3).zeros(3).u32(latin.length).latin1(latin).take());
  }

  /** Sends what is due: one update at a time, and none before the last has left. */
  update(): void {
    if (!this.waiting) return;
    const bounds = this.asked ?? this.continuous!;
    const message = new Writer(4096).u8(0).zeros(1).u16(0);
    let count = this.noteRectangles(message) + this.sizeRectangle(message) + this.cursorRectangle(message);
    const own = { x: 0, y: 0, width: Math.min(this.size.width, this.surface.width), height: Math.min(this.size.height, this.surface.height) };
    const parts = this.region.empty ? [] : this.region.take(meet(count > 0 ? own : bounds, own));
    for (const rectangle of parts.flatMap((whole) => [...pieces(whole, this.encoder.widest, own)])) {
      const { width, height } = rectangle;
      header(message, rectangle, this.encoder.encoding);
      this.encoder.encode({ width, height, values: this.surface.values(rectangle, (pixel) => this.translator.value(pixel)) }, this.translator, message);
      count++;
    }
    if (count === 0) return;
    message.patch(2, count >> 8);
    message.patch(3, count);
    this.asked = undefined;
    this.updating = true;
    if (this.mapWanted) this.send(colourMap());
    this.mapWanted = false;
    this.send(message.take());
    this.updating = false;
    this.unread = this.channel.backlog;
  }

  /** Rectangles that tell the client what this server can do. */
  private noteRectangles(message: Writer): number {
    const noted = this.notes.size;
    if (this.notes.has(ENCODING.QEMU_EXTENDED_KEY)) header(message, { x: 0, y: 0, width: 0, height: 0 }, ENCODING.QEMU_EXTENDED_KEY);
    if (this.notes.has(ENCODING.EXTENDED_DESKTOP_SIZE)) screenLayout(message, this.size, 0, 0);
    this.notes.clear();
    return noted;
  }

  private sizeRectangle(message: Writer): number {
    if (!this.resized) return 0;
    const extended = this.known.has(ENCODING.EXTENDED_DESKTOP_SIZE);
    // A client that can't change its size goes on with the part that fits.
    if (!extended && !this.known.has(ENCODING.DESKTOP_SIZE)) return 0;
    this.resized = false;
    const { width, height } = this.surface;
    this.size = { width, height };
    if (extended) screenLayout(message, this.size, 0, 0);
    else header(message, { x: 0, y: 0, width, height }, ENCODING.DESKTOP_SIZE);
    return 1;
  }

  /** Section 7.8.1: pixels in the client's format, and a mask. */
  private cursorRectangle(message: Writer): number {
    if (!this.cursorWanted || !this.known.has(ENCODING.CURSOR)) return 0;
    this.cursorWanted = false;
    const { width, height, hotX, hotY, pixels } = this.cursor ?? { width: 0, height: 0, hotX: 0, hotY: 0, pixels: new Uint32Array() };
    header(message, { x: hotX, y: hotY, width, height }, ENCODING.CURSOR);
    for (const pixel of pixels) this.translator.put(message, this.translator.value(pixel));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x += 8) {
        let mask = 0;
        for (let i = 0; i < 8 && x + i < width; i++) if (pixels[y * width + x + i]! >>> 24 !== 0) mask |= 0x80 >> i;
        message.u8(mask);
      }
    }
    return 1;
  }

  // ── What the client says ─────────────────────────────────────────────────────────────────

  private *conversation(security: Security): Reading<void> {
    yield* handshake((bytes) => this.send(bytes), security);
    yield* take(1); // ClientInit: the machine is always shared
    const { width, height } = this.surface;
    this.size = { width, height };
    this.resized = false;
    const init = new Writer().u16(width).u16(height);
    writePixelFormat(init, NATIVE);
    const name = this.name.replace(/[^ -~]/g, '?');
    this.send(init.u32(name.length).latin1(name).take());
    this.region = new Region(width, height);
    this.region.add(this.surface.whole);
    this.started = true;
    for (;;) yield* this.message((yield* take(1)).getUint8(0));
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
    const format = parsePixelFormat(new Uint8Array(view.buffer, view.byteOffset + 3, 16));
    this.translator = new Translator(format);
    this.mapWanted = !format.trueColour;
    this.cursorWanted = this.cursor !== undefined;
    this.region.add(this.surface.whole);
  }

  private *setEncodings(): Reading<void> {
    const count = (yield* take(3)).getUint16(1);
    if (count > MOST_ENCODINGS) throw new RfbError('rfb-length', `${count} encodings are more than ${MOST_ENCODINGS}`);
    const list = yield* take(count * 4);
    const before = new Set(this.known);
    this.known.clear();
    let chosen: Encoder | undefined;
    for (let i = 0; i < count; i++) {
      const encoding = list.getInt32(i * 4);
      this.known.add(encoding);
      chosen ??= this.encoderFor(encoding);
    }
    this.encoder = chosen ?? new RawEncoder();
    const added = (encoding: number): boolean => this.known.has(encoding) && !before.has(encoding);
    if (added(ENCODING.CURSOR)) this.cursorWanted = this.cursor !== undefined;
    if (added(ENCODING.CONTINUOUS_UPDATES)) this.send(Uint8Array.of(150));
    if (added(ENCODING.FENCE)) this.send(new Writer().u8(248).zeros(3).u32(FENCE_REQUEST).u8(0).take());
    for (const encoding of [ENCODING.QEMU_EXTENDED_KEY, ENCODING.EXTENDED_DESKTOP_SIZE]) if (added(encoding)) this.notes.add(encoding);
  }

  private encoderFor(encoding: number): Encoder | undefined {
    const made = this.encoders.get(encoding) ?? makeEncoder(encoding);
    if (made) this.encoders.set(encoding, made);
    return made;
  }

  private *updateRequest(): Reading<void> {
    const view = yield* take(9);
    const rectangle = { x: view.getUint16(1), y: view.getUint16(3), width: view.getUint16(5), height: view.getUint16(7) };
    if (view.getUint8(0) === 0) this.region.add(meet(rectangle, this.surface.whole));
    this.asked = this.asked ? around(this.asked, rectangle) : rectangle;
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
    const pressed = mask & ~this.buttons;
    this.buttons = mask;
    const x = Math.min(view.getUint16(1), this.surface.width - 1);
    const y = Math.min(view.getUint16(3), this.surface.height - 1);
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
    const rectangle = { x: view.getUint16(1), y: view.getUint16(3), width: view.getUint16(5), height: view.getUint16(7) };
    if (view.getUint8(0) !== 0) this.continuous = rectangle;
    else if (this.continuous) {
      this.continuous = undefined;
      this.send(Uint8Array.of(150));
    }
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
    if (!this.known.has(ENCODING.EXTENDED_DESKTOP_SIZE)) return;
    const message = new Writer().u8(0).zeros(1).u16(1);
    screenLayout(message, this.size, BY_CLIENT, PROHIBITED);
    this.send(message.take());
  }
}
