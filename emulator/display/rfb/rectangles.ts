import type { Rectangle } from './region';

export function meet(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  return { x, y, width: Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x), height: Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y) };
}

export function around(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}

/** Pixels in one rectangle: what is made of it is bounded too. */
const MOST_PIXELS = 1 << 18;

/** Cuts what an encoding can't have in one, and what lies beyond the client's picture. */
export function* pieces(whole: Rectangle, widest: number, own: Rectangle): Generator<Rectangle> {
  const { x, y, width, height } = meet(whole, own);
  for (let left = x; left < x + width; left += widest) {
    const wide = Math.min(widest, x + width - left);
    const high = Math.max(1, Math.floor(MOST_PIXELS / wide));
    for (let top = y; top < y + height; top += high) yield { x: left, y: top, width: wide, height: Math.min(high, y + height - top) };
  }
}
