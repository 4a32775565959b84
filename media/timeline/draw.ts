/** The timeline as elements: pictures, the current branch, then the others, each in a lane, and the ruler. */
import type { Checkpoint, Timeline, TimelineEvent } from '../../adapter/protocol/guest';
import { make } from '../dom';
import { pixelOf, shownTime, ticks, type Range } from './scale';

const PICTURE = { top: 6, width: 128, most: 96, gap: 10 } as const;
const LANE = 34;
/** Of a label of the ruler. */
const LABEL = 40;

export interface Scene {
  readonly timeline: Timeline;
  readonly range: Range;
  readonly width: number;
  readonly pictures: ReadonlyMap<number, { readonly png: string }>;
  readonly restore: (checkpoint: Checkpoint) => void;
  readonly travel: (position: number) => void;
}

const at = (element: HTMLElement, left: number, top: number, size: { readonly width?: number; readonly height?: number } = {}): HTMLElement => {
  element.style.left = `${left.toFixed(1)}px`;
  element.style.top = `${top}px`;
  if (size.width !== undefined) element.style.width = `${Math.max(0, size.width).toFixed(1)}px`;
  if (size.height !== undefined) element.style.height = `${size.height}px`;
  return element;
};

const where = ({ position, time }: { readonly position: number; readonly time: number }): string =>
  `${shownTime(time, 1e6)} · ${position.toLocaleString('en')} instructions`;
const titleOf = (checkpoint: Checkpoint): string => `${checkpoint.name ?? (checkpoint.kept ? 'Checkpoint' : 'Automatic checkpoint')}\n${where(checkpoint)}`;

/** Left edge of a picture: over its checkpoint, but within the stage. */
const leftOf = (x: number, width: number): number => Math.min(Math.max(0, x - PICTURE.width / 2), Math.max(0, width - PICTURE.width - 2));

/** The checkpoints whose pictures fit side by side: bookmarks first, and then from left to right. */
export function pictured({ timeline, range, width }: Pick<Scene, 'timeline' | 'range' | 'width'>): readonly Checkpoint[] {
  const chosen: { readonly checkpoint: Checkpoint; readonly left: number }[] = [];
  const candidates = timeline.checkpoints.filter(({ picture, branch }) => picture && branch === undefined);
  for (const checkpoint of candidates.sort((a, b) => Number(b.kept) - Number(a.kept) || a.time - b.time)) {
    const x = pixelOf(checkpoint.time, range, width);
    const left = leftOf(x, width);
    if (x < 0 || x > width || chosen.some((other) => Math.abs(other.left - left) < PICTURE.width + PICTURE.gap)) continue;
    chosen.push({ checkpoint, left });
  }
  return chosen.map(({ checkpoint }) => checkpoint);
}

/** Draws anew; returns the elements and how high they are. */
export function draw(scene: Scene): { readonly elements: readonly HTMLElement[]; readonly height: number } {
  const { timeline, range, width, pictures, restore, travel } = scene;
  const elements: HTMLElement[] = [];
  const x = (time: number): number => pixelOf(time, range, width);
  const seen = (time: number): boolean => x(time) >= -1 && x(time) <= width + 1;
  const line = (from: number, to: number, top: number, kind: string): void => {
    const [left, right] = [Math.max(0, x(from)), Math.min(width, x(to))];
    if (right > left) elements.push(at(make('div', { class: `lane ${kind}` }), left, top - 1, { width: right - left }));
  };
  /** Goes to just this place, not to what lies at the pixel that was clicked. */
  const goes = (button: HTMLButtonElement, go: () => void): HTMLButtonElement => {
    button.disabled = timeline.running;
    button.addEventListener('click', (event) => {
      event.stopPropagation();
      go();
    });
    return button;
  };
  const dot = (checkpoint: Checkpoint, top: number): void => {
    if (!seen(checkpoint.time)) return;
    const other = checkpoint.branch === undefined ? '' : ' other';
    const title = titleOf(checkpoint);
    const size = checkpoint.kept || other !== '' ? 9 : 5;
    const element = make('button', { type: 'button', class: `dot${size === 5 ? ' automatic' : ''}${other}`, title, 'aria-label': title.replace('\n', ', ') });
    goes(element, () => restore(checkpoint));
    elements.push(at(element, x(checkpoint.time) - size / 2, top - size / 2));
    if (checkpoint.name !== undefined) elements.push(at(make('div', { class: `name${other}` }, checkpoint.name), x(checkpoint.time) + 7, top - 19));
  };
  const mark = ({ kind, text, count, time, position }: TimelineEvent, top: number): void => {
    if (!seen(time)) return;
    const title = `${text}${count > 1 && !text.includes(String(count)) ? ` (${count})` : ''}\n${where({ position, time })}`;
    const looks = { class: `event ${kind}`, title, 'aria-label': title.replace('\n', ', ') };
    const there = top === axis && position >= timeline.oldest && position <= timeline.newest;
    const element = there ? goes(make('button', { type: 'button', ...looks }), () => travel(position)) : make('div', { role: 'img', ...looks });
    elements.push(at(element, x(time) - 1.5, top + 4));
  };

  const shown = pictured(scene).filter(({ id }) => pictures.has(id));
  const axis = shown.length > 0 ? PICTURE.top + PICTURE.most + 26 : 30;
  for (const checkpoint of shown) {
    const image = make('img', { src: `data:image/png;base64,${pictures.get(checkpoint.id)!.png}`, alt: '', width: String(PICTURE.width) });
    image.style.maxHeight = `${PICTURE.most}px`;
    const current = checkpoint.position === timeline.position ? ' current' : '';
    const title = titleOf(checkpoint);
    const button = make('button', { type: 'button', class: `picture${current}`, title, 'aria-label': `Screen of ${title.replace('\n', ', ')}` }, image);
    goes(button, () => restore(checkpoint));
    const left = leftOf(x(checkpoint.time), width);
    elements.push(at(make('div', { class: 'stem' }), x(checkpoint.time), PICTURE.top, { height: axis - PICTURE.top }), at(button, left, PICTURE.top));
  }

  const own = timeline.checkpoints.filter(({ branch }) => branch === undefined);
  const first = Math.min(timeline.time, ...own.map(({ time }) => time));
  line(first, timeline.time, axis, 'past');
  line(timeline.time, timeline.newestTime, axis, 'future');
  for (const event of timeline.events) mark(event, axis);
  for (const checkpoint of own) dot(checkpoint, axis);

  let lane = axis;
  for (const { number, forkTime, events } of timeline.branches) {
    lane += LANE;
    const checkpoints = timeline.checkpoints.filter(({ branch }) => branch === number);
    const last = Math.max(forkTime, ...checkpoints.map(({ time }) => time), ...events.map(({ time }) => time));
    if (seen(forkTime)) elements.push(at(make('div', { class: 'branch' }), x(forkTime), axis, { height: lane - axis }));
    line(forkTime, last, lane, 'other');
    for (const event of events) mark(event, lane);
    for (const checkpoint of checkpoints) dot(checkpoint, lane);
  }

  const ruler = lane + 24;
  const marks = ticks(range, width);
  const step = marks.length > 1 ? marks[1]! - marks[0]! : range.to - range.from;
  for (const time of marks.filter((mark) => x(mark) < width - LABEL)) elements.push(at(make('div', { class: 'tick' }, shownTime(time, step)), x(time), ruler));
  if (seen(timeline.time)) elements.push(at(make('div', { class: 'now', id: 'now' }), x(timeline.time) - 1, axis - 14, { height: 28 }));
  return { elements, height: ruler + 22 };
}
