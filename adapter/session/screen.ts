/** The guest's screen for clients: only what changed since the frame that they have. */
import { deflateSync } from 'node:zlib';
import type { Frame } from '../../emulator/machine/api';
import type { DisplayFrame, DisplayRectangle } from '../protocol/guest';

/** Height of the bands that are compared. */
const BAND = 16;

const packed = (bytes: Uint8Array): string => deflateSync(bytes, { level: 1 }).toString('base64');

export class Screen {
  private sequence = 0;
  private previous: Frame | undefined;

  /** `since` is the sequence of the frame that the client shows; only the newest can be built upon. */
  update(frame: Frame, since: number | undefined): DisplayFrame {
    const { width, height } = frame;
    const base = since === this.sequence && this.previous?.width === width && this.previous.height === height ? this.previous : undefined;
    const rectangles = base ? changes(base, frame) : [whole(frame)];
    if (rectangles.length > 0) this.sequence++;
    this.previous = { width, height, rgba: Uint8Array.from(frame.rgba) };
    return { sequence: this.sequence, width, height, rectangles };
  }
}

const whole = ({ width, height, rgba }: Frame): DisplayRectangle => ({ x: 0, y: 0, width, height, data: packed(rgba) });

/** Bands that differ, cut to the columns that do; neighbours of the same columns go together. */
function changes(before: Frame, after: Frame): DisplayRectangle[] {
  const { width, height } = after;
  const old = new Uint32Array(before.rgba.buffer, before.rgba.byteOffset, width * height);
  const bytes = Uint8Array.from(after.rgba);
  const now = new Uint32Array(bytes.buffer, 0, width * height);
  const found: { x: number; y: number; width: number; height: number }[] = [];
  for (let top = 0; top < height; top += BAND) {
    const bottom = Math.min(top + BAND, height);
    let left = width;
    let right = -1;
    for (let y = top; y < bottom; y++) {
      const row = y * width;
      for (let x = 0; x < left; x++) if (old[row + x] !== now[row + x]) left = x;
      for (let x = width - 1; x > right; x--) if (old[row + x] !== now[row + x]) right = x;
    }
    if (right < 0) continue;
    const last = found.at(-1);
    if (last && last.y + last.height === top && last.x === left && last.width === right - left + 1) last.height += bottom - top;
    else found.push({ x: left, y: top, width: right - left + 1, height: bottom - top });
  }
  return found.map((rectangle) => ({ ...rectangle, data: packed(cut(bytes, width, rectangle)) }));
}

function cut(rgba: Uint8Array, stride: number, { x, y, width, height }: { x: number; y: number; width: number; height: number }): Uint8Array {
  const part = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * stride + x) * 4;
    part.set(rgba.subarray(from, from + width * 4), row * width * 4);
  }
  return part;
}
