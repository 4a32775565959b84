/** Waits for something on the guest's screen. The looks are at positions and times of the guest: two runs stop at the same place. */
import type { Nanoseconds } from '../bus/device';
import type { Frame, Position, ScreenCondition } from './api';
import type { Machine } from './machine';
import type { Halt } from './runloop';
import { readFrame } from './screen';
import { ScreenText } from './screentext';

/** Between looks: so many instructions, or so much time while the guest is idle. */
const LOOK_EVERY = 25_000_000;
const LOOK_TIME = 100e6;
/** Looks between searches for fonts. */
const LEARN_EVERY = 16;

export class ScreenWatch {
  /** When to look next, whichever comes first. */
  due: { readonly position: Position; readonly time: Nanoseconds };
  private shown: Frame | undefined;
  /** The picture has changed since fonts were searched for. */
  private changed = true;
  private looks = 0;
  private readonly order: Uint32Array | undefined;

  constructor(
    private readonly machine: Machine,
    private readonly text: ScreenText,
    private readonly condition: ScreenCondition,
  ) {
    this.due = { position: machine.position, time: machine.clock.now() };
    if (condition.kind === 'image') this.order = orderOf(condition.image);
  }

  /** Whether the machine stands where to look. A guest that nothing wakes changes no more. */
  isDue(halt: Halt | undefined): boolean {
    const { due, machine } = this;
    return machine.position >= due.position || halt?.kind === 'idle' || (halt?.kind === 'ahead' && halt.due > due.time);
  }

  /** Whether what is waited for is there. */
  look(halt: Halt | undefined): boolean {
    const { machine, condition } = this;
    // Idle time passes in one: to what ends it nothing changes.
    const awake = halt?.kind === 'ahead' ? halt.due : 0;
    this.due = { position: machine.position + LOOK_EVERY, time: Math.max(machine.clock.now() + LOOK_TIME, awake) };
    const frame = readFrame(machine.board);
    const same = frame !== undefined && this.shown !== undefined && Buffer.compare(frame.rgba, this.shown.rgba) === 0;
    this.shown = frame;
    if (condition.kind === 'image') return !same && frame !== undefined && showsImage(frame, condition, this.order);
    this.changed ||= !same;
    if (!same && this.reads(condition.text)) return true;
    const learn = this.changed && this.looks++ % LEARN_EVERY === 0;
    if (!learn) return false;
    this.changed = false;
    return this.text.learn() && this.reads(condition.text);
  }

  private reads(text: string): boolean {
    return this.text.read(this.shown).some((line) => line.includes(text));
  }
}

type ImageCondition = Extract<ScreenCondition, { kind: 'image' }>;

/** Whether a picture shows an image: at its place if it has one, anywhere otherwise. `order` are the image's dots that count. */
export function showsImage(frame: Frame, { image, at, tolerance, percent }: ImageCondition, order = orderOf(image)): boolean {
  const most = Math.floor((order.length * percent) / 100);
  const [right, bottom] = [frame.width - image.width, frame.height - image.height];
  const here = (left: number, top: number): boolean => {
    let wrong = 0;
    for (const dot of order) {
      const [x, y] = [dot % image.width, Math.floor(dot / image.width)];
      if (differs(frame.rgba, 4 * ((top + y) * frame.width + left + x), image.rgba, 4 * dot, tolerance) && ++wrong > most) return false;
    }
    return true;
  };
  if (at) return at.x <= right && at.y <= bottom && here(at.x, at.y);
  for (let top = 0; top <= bottom; top++) for (let left = 0; left <= right; left++) if (here(left, top)) return true;
  return false;
}

function differs(a: Uint8Array, atA: number, b: Uint8Array, atB: number, tolerance: number): boolean {
  for (let i = 0; i < 3; i++) if (Math.abs(a[atA + i]! - b[atB + i]!) > tolerance) return true;
  return false;
}

/** Dots that are not transparent, in an order that soon shows a difference. */
function orderOf({ width, height, rgba }: Frame): Uint32Array {
  const count = width * height;
  const step = coprime(count);
  return Uint32Array.from({ length: count }, (_, i) => (i * step) % count).filter((dot) => rgba[4 * dot + 3] !== 0);
}

/** A number about 0.6 of another that has no divisor in common with it: its multiples come to all places, far from each other. */
function coprime(count: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.max(1, Math.floor(count * 0.618));
  while (divisor(count, step) !== 1) step++;
  return step;
}
