import { ENCODING } from './encodings/encoder';
import type { Rectangle } from './region';
import type { Writer } from './writer';

/** Header of a rectangle. */
export function header(to: Writer, { x, y, width, height }: Rectangle, encoding: number): void {
  to.u16(x).u16(y).u16(width).u16(height).u32(encoding);
}

/** ExtendedDesktopSize with one screen. */
export function screenLayout(to: Writer, { width, height }: { readonly width: number; readonly height: number }, why: number, status: number): void {
  header(to, { x: why, y: status, width, height }, ENCODING.EXTENDED_DESKTOP_SIZE);
  to.u8(1).zeros(3).u32(0).u16(0).u16(0).u16(width).u16(height).u32(0);
}
