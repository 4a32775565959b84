/** What a client still has to be sent of the picture, in its format and encoding, and the messages that bring it. */
import { ENCODING, type Encoder } from './encodings/encoder';
import { makeEncoder } from './encodings/make';
import { RawEncoder } from './encodings/raw';
import { header, screenLayout } from './headers';
import { NATIVE, Translator, colourMap, type PixelFormat } from './pixelformat';
import { around, meet, pieces } from './rectangles';
import { Region, type Rectangle } from './region';
import type { Scroll } from './scroll';
import type { Changes, Surface } from './surface';
import { Writer } from './writer';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Cursor extends Size {
  readonly hotX: number;
  readonly hotY: number;
  /** Pixels 0xAABBGGRR; those whose alpha is 0 are not shown. */
  readonly pixels: Uint32Array;
}

/** Moves that wait for being told. */
const MOST_SCROLLS = 16;

export class Updates {
  private translator = new Translator(NATIVE);
  private encoder: Encoder = new RawEncoder();
  /** Those that keep a stream stay for the whole connection, whatever else is chosen between. */
  private readonly encoders = new Map<number, Encoder>();
  private readonly known = new Set<number>();
  private readonly notes = new Set<number>();
  /** What differs once the client has made these moves, in their order. */
  private region: Region;
  private scrolls: Scroll[] = [];
  private asked: Rectangle | undefined;
  private continuous: Rectangle | undefined;
  /** Size as the client knows it, and whether it has to be told another. */
  private told: Size;
  private resized = false;
  private mapWanted = false;
  private cursorWanted = false;

  constructor(
    private surface: Surface,
    private cursor: Cursor | undefined,
  ) {
    this.region = new Region(surface.width, surface.height);
    this.told = surface;
  }

  get size(): Size {
    return this.told;
  }

  /** Has the client asked for a picture? */
  get wanted(): boolean {
    return (this.asked ?? this.continuous) !== undefined;
  }

  /** The client is told the size of now, and has seen nothing yet. */
  begin(): void {
    const { width, height } = this.surface;
    this.told = { width, height };
    this.resized = false;
    this.region = new Region(width, height);
    this.everything();
  }

  private everything(): void {
    this.scrolls = [];
    this.region.add(this.surface.whole);
  }

  show(surface: Surface, changes: Changes | undefined): void {
    this.surface = surface;
    if (changes) return this.change(changes);
    this.region = new Region(surface.width, surface.height);
    this.everything();
    this.resized = surface.width !== this.told.width || surface.height !== this.told.height;
  }

  private change({ region, scroll }: Changes): void {
    const copies = this.known.has(ENCODING.COPY_RECT) && this.surface.sameSize(this.told) && this.scrolls.length < MOST_SCROLLS;
    if (!scroll || !copies) return this.region.union(region);
    this.region.move(scroll.to, scroll.down);
    this.region.union(scroll.rest);
    this.scrolls.push(scroll);
  }

  showCursor(cursor: Cursor | undefined): void {
    this.cursor = cursor;
    this.cursorWanted = true;
  }

  setFormat(format: PixelFormat): void {
    this.translator = new Translator(format);
    this.mapWanted = !format.trueColour;
    this.cursorWanted = this.cursor !== undefined;
    this.everything();
  }

  knows(encoding: number): boolean {
    return this.known.has(encoding);
  }

  /** The client's encodings, the best first. Returns those that it did not know before. */
  setEncodings(encodings: readonly number[]): ReadonlySet<number> {
    const added = new Set(encodings.filter((encoding) => !this.known.has(encoding)));
    this.known.clear();
    let chosen: Encoder | undefined;
    for (const encoding of encodings) {
      this.known.add(encoding);
      chosen ??= this.encoderFor(encoding);
    }
    this.encoder = chosen ?? new RawEncoder();
    if (this.scrolls.length > 0 && !this.known.has(ENCODING.COPY_RECT)) this.everything();
    if (added.has(ENCODING.CURSOR)) this.cursorWanted = this.cursor !== undefined;
    for (const encoding of [ENCODING.QEMU_EXTENDED_KEY, ENCODING.EXTENDED_DESKTOP_SIZE]) if (added.has(encoding)) this.notes.add(encoding);
    return added;
  }

  private encoderFor(encoding: number): Encoder | undefined {
    const made = this.encoders.get(encoding) ?? makeEncoder(encoding);
    if (made) this.encoders.set(encoding, made);
    return made;
  }

  /** FramebufferUpdateRequest: what is asked before the answer is one with what is asked now. */
  request(rectangle: Rectangle, incremental: boolean): void {
    if (!incremental) this.region.add(meet(rectangle, this.surface.whole));
    this.asked = this.asked ? around(this.asked, rectangle) : rectangle;
  }

  /** Without a rectangle no more updates come by themselves. Returns whether they did. */
  setContinuous(rectangle: Rectangle | undefined): boolean {
    const before = this.continuous !== undefined;
    this.continuous = rectangle;
    return before;
  }

  /** The messages that are due; undefined where nothing has changed that the client has asked for. */
  take(): readonly Uint8Array[] | undefined {
    const bounds = this.asked ?? this.continuous;
    if (!bounds) return undefined;
    const message = new Writer(4096).u8(0).zeros(1).u16(0);
    let count = this.noteRectangles(message) + this.sizeRectangle(message) + this.cursorRectangle(message) + this.copyRectangles(message);
    const own = { x: 0, y: 0, width: Math.min(this.told.width, this.surface.width), height: Math.min(this.told.height, this.surface.height) };
    const parts = this.region.empty ? [] : this.region.take(meet(count > 0 ? own : bounds, own));
    for (const rectangle of parts.flatMap((whole) => [...pieces(whole, this.encoder.widest, own)])) {
      const { width, height } = rectangle;
      header(message, rectangle, this.encoder.encoding);
      this.encoder.encode({ width, height, values: this.surface.values(rectangle, (pixel) => this.translator.value(pixel)) }, this.translator, message);
      count++;
    }
    if (count === 0) return undefined;
    message.patch(2, count >> 8);
    message.patch(3, count);
    this.asked = undefined;
    const map = this.mapWanted ? [colourMap()] : [];
    this.mapWanted = false;
    return [...map, message.take()];
  }

  /** Rectangles that tell the client what this server can do. */
  private noteRectangles(message: Writer): number {
    const noted = this.notes.size;
    if (this.notes.has(ENCODING.QEMU_EXTENDED_KEY)) header(message, { x: 0, y: 0, width: 0, height: 0 }, ENCODING.QEMU_EXTENDED_KEY);
    if (this.notes.has(ENCODING.EXTENDED_DESKTOP_SIZE)) screenLayout(message, this.told, 0, 0);
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
    this.told = { width, height };
    if (extended) screenLayout(message, this.told, 0, 0);
    else header(message, { x: 0, y: 0, width, height }, ENCODING.DESKTOP_SIZE);
    return 1;
  }

  /** Section 7.7.2. They come before all pixels, which are of the picture after them. */
  private copyRectangles(message: Writer): number {
    const { scrolls } = this;
    this.scrolls = [];
    for (const { to, down } of scrolls) {
      header(message, to, ENCODING.COPY_RECT);
      message.u16(to.x).u16(to.y + down);
    }
    return scrolls.length;
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
}
