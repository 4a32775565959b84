/**
 * Which lines of the screen have changed: those whose bytes lie in pages of video memory that were written, or that depend on
 * something else that is new. Nothing is compared, and a screen that nobody writes to costs a look at its pages' flags.
 */
import type { Scanout } from '../devices/scanout';
import { RAM } from '../x86/layout';
import type { Band, FrameChanges } from './api';
import type { Machine } from './machine';
import type { PageReader } from './pages';

const PAGE = 4096;
/** RAM from here on is nothing but RAM. */
const PLAIN_RAM = 1 << 20;

/** What was last seen of the screen. */
interface Shown {
  readonly scanout: Scanout;
  readonly key: string;
  shared: string | undefined;
  readonly overlays: Int32Array;
  /** The number of the look that found each line changed. */
  readonly stamps: Uint32Array;
}

export class ScreenChanges {
  private readonly written: PageReader;
  private shown: Shown | undefined;
  /** Counts looks that found something; 0 is before the first. */
  private serial = 0;

  constructor(private readonly machine: Machine) {
    this.written = machine.pages.reader();
  }

  /** The lines that have changed since the changes of this number were given; all lines where there were none. */
  since(serial: number): FrameChanges | undefined {
    const shown = this.look();
    if (!shown) return undefined;
    const { scanout, stamps } = shown;
    const { width, height } = scanout;
    // A number that was never given is somebody else's.
    const last = serial > this.serial ? 0 : serial;
    const bands: { y: number; height: number }[] = [];
    let lines = 0;
    for (let y = 0; y < height; y++) {
      if (stamps[y]! <= last) continue;
      const band = bands.at(-1);
      if (band && band.y + band.height === y) band.height++;
      else bands.push({ y, height: 1 });
      lines++;
    }
    return { width, height, serial: this.serial, bands, rgba: draw(scanout, bands, lines) };
  }

  /** Tells, each time, whether anything has changed since the last time. */
  teller(): () => boolean {
    let last = -1;
    return () => {
      this.look();
      const changed = this.serial !== last;
      last = this.serial;
      return changed;
    };
  }

  private look(): Shown | undefined {
    const scanout = this.machine.board.scanout();
    if (!scanout) {
      if (this.shown) this.serial++;
      return (this.shown = undefined);
    }
    const { width, height } = scanout;
    const base = this.baseOf(scanout);
    const key = `${width} ${height} ${base} ${scanout.key}`;
    const pages =
      base === undefined ? undefined : this.written.takeWithin((base + scanout.first) >>> 12, (base + Math.max(scanout.first, scanout.end - 1)) >>> 12);
    const before = this.shown;
    const overlayOf = (y: number): number => scanout.overlay?.(y) ?? 0;
    if (before?.key !== key || !pages) {
      this.shown = {
        scanout,
        key,
        shared: scanout.shared?.(),
        overlays: Int32Array.from({ length: height }, (_, y) => overlayOf(y)),
        stamps: new Uint32Array(height).fill(++this.serial),
      };
      return this.shown;
    }
    const { stamps, overlays } = before;
    const shared = pages.length > 0 ? scanout.shared?.() : before.shared;
    const all = shared !== before.shared;
    const touched = pages.length > 0 ? touching(pages, base!) : undefined;
    const next = this.serial + 1;
    let found = false;
    for (let y = 0; y < height; y++) {
      const overlay = overlayOf(y);
      if (!all && overlay === overlays[y] && !(touched && scanout.reads(y, touched))) continue;
      overlays[y] = overlay;
      stamps[y] = next;
      found = true;
    }
    if (found) this.serial = next;
    return (this.shown = { ...before, scanout, shared });
  }

  /** What is to be added to a scanout's addresses to get the engine's; undefined where pages don't tell of changes. */
  private baseOf({ memory, first, end }: Scanout): number | undefined {
    if (memory) return memory.byteOffset;
    if (first === end) return 0;
    return first >= PLAIN_RAM && end <= this.machine.config.memory ? RAM : undefined;
  }
}

/** Whether bytes of the scanout lie in pages that were written. */
function touching(pages: Iterable<number>, base: number): (first: number, end: number) => boolean {
  const written = new Set(pages);
  return (first, end) => {
    for (let page = Math.floor((base + first) / PAGE); page <= Math.floor((base + end - 1) / PAGE); page++) if (written.has(page)) return true;
    return false;
  };
}

function draw(scanout: Scanout, bands: readonly Band[], lines: number): Uint8Array {
  const { width } = scanout;
  const pixels = new Uint32Array(lines * width);
  let at = 0;
  for (const { y, height } of bands) for (let line = y; line < y + height; line++, at += width) scanout.draw(line, pixels, at);
  return new Uint8Array(pixels.buffer);
}
