/** The guest's history along its virtual time, in a webview. */
import type { Timeline } from '../../adapter/protocol/guest';
import type { FromTimeline, ToTimeline } from '../../adapter/protocol/timeline';
import { button } from '../dom';
import { draw, pictured } from './draw';
import { moved, positionAt, shownTime, timeOf, wholeOf, zoomed, type Range } from './scale';

declare function acquireVsCodeApi(): { postMessage(message: FromTimeline): void };

const host = acquireVsCodeApi();
const send = (message: FromTimeline): void => host.postMessage(message);
const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const [stage, status, menu, bookmark] = [element('stage'), element('status'), element('menu'), element<HTMLButtonElement>('bookmark')];

let timeline: Timeline | undefined;
/** Undefined: everything, as it grows. */
let chosen: Range | undefined;
const pictures = new Map<number, { readonly png: string }>();
const wanted = new Set<number>();

const rangeOf = (shown: Timeline): Range => chosen ?? wholeOf(shown);

function show(): void {
  bookmark.disabled = !timeline || timeline.running;
  if (!timeline) {
    stage.replaceChildren();
    status.textContent = 'No guest is being debugged.';
    return;
  }
  const scene = {
    timeline,
    range: rangeOf(timeline),
    width: stage.clientWidth,
    pictures,
    restore: ({ id }: { id: number }) => send({ kind: 'restore', id }),
    travel: (position: number) => send({ kind: 'travel', position }),
  };
  const ids = pictured(scene).flatMap(({ id }) => (pictures.has(id) || wanted.has(id) ? [] : [id]));
  if (ids.length > 0) {
    for (const id of ids) wanted.add(id);
    send({ kind: 'thumbnails', ids });
  }
  const { elements, height } = draw(scene);
  stage.replaceChildren(...elements);
  stage.style.height = `${height}px`;
  const { position, time, oldest, newest } = timeline;
  const recorded = `history ${oldest.toLocaleString('en')}–${newest.toLocaleString('en')}`;
  status.textContent = `${shownTime(time, 1e6)} · position ${position.toLocaleString('en')} · ${recorded}${timeline.running ? ' · running' : ''}`;
}

/** The place under the pointer. */
function placeOf(event: MouseEvent): number | undefined {
  if (!timeline) return undefined;
  const time = timeOf(event.clientX - stage.getBoundingClientRect().left, rangeOf(timeline), stage.clientWidth);
  return Math.max(timeline.oldest, positionAt(timeline, time));
}

function openMenu(event: MouseEvent, position: number): void {
  if (!timeline) return;
  const item = (text: string, message: FromTimeline): HTMLButtonElement => {
    const entry = button(text, () => {
      menu.hidden = true;
      send(message);
    });
    entry.setAttribute('role', 'menuitem');
    return entry;
  };
  const shown = position.toLocaleString('en');
  const recorded = position <= timeline.newest;
  const items = recorded
    ? [item(`Travel to ${shown}`, { kind: 'travel', position }), item('Bookmark…', { kind: 'bookmark', position })]
    : [item(`Run to ${shown}`, { kind: 'runTo', position })];
  if (recorded && position > timeline.position) items.unshift(item(`Run to ${shown}`, { kind: 'runTo', position }));
  menu.replaceChildren(...items);
  menu.hidden = false;
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.min(event.clientX, window.innerWidth - width - 4)}px`;
  menu.style.top = `${Math.max(4, Math.min(event.clientY, window.innerHeight - height - 4))}px`;
  items[0]!.focus();
}

stage.addEventListener('click', (event) => {
  const position = placeOf(event);
  if (position === undefined || !timeline || timeline.running) return;
  if (position <= timeline.newest) send({ kind: 'travel', position });
  else openMenu(event, position);
});
stage.addEventListener('contextmenu', (event) => {
  event.preventDefault();
  const position = placeOf(event);
  if (position !== undefined && timeline?.running === false) openMenu(event, position);
});
document.addEventListener('pointerdown', (event) => {
  if (!menu.contains(event.target as Node)) menu.hidden = true;
});
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') menu.hidden = true;
  if (!timeline) return;
  const dots = [...stage.querySelectorAll<HTMLButtonElement>('button.dot')];
  const at = dots.indexOf(document.activeElement as HTMLButtonElement);
  if (at >= 0 && (key === 'ArrowLeft' || key === 'ArrowRight')) dots[at + (key === 'ArrowLeft' ? -1 : 1)]?.focus();
});

function zoom(factor: number, around?: number): void {
  if (!timeline) return;
  const whole = wholeOf(timeline);
  const range = zoomed(rangeOf(timeline), factor, around ?? timeline.time, whole);
  chosen = range.from === whole.from && range.to === whole.to ? undefined : range;
  show();
}
stage.addEventListener(
  'wheel',
  (event) => {
    if (!timeline) return;
    event.preventDefault();
    const range = rangeOf(timeline);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      const by = ((event.deltaX || event.deltaY) / stage.clientWidth) * (range.to - range.from);
      if (chosen) chosen = moved(range, by, wholeOf(timeline));
      return show();
    }
    zoom(event.deltaY > 0 ? 1.25 : 0.8, timeOf(event.clientX - stage.getBoundingClientRect().left, range, stage.clientWidth));
  },
  { passive: false },
);
element('in').addEventListener('click', () => zoom(0.5));
element('out').addEventListener('click', () => zoom(2));
element('all').addEventListener('click', () => {
  chosen = undefined;
  show();
});
bookmark.addEventListener('click', () => timeline && send({ kind: 'bookmark', position: timeline.position }));
new ResizeObserver(() => show()).observe(stage);

window.addEventListener('message', ({ data }: MessageEvent<ToTimeline>) => {
  switch (data.kind) {
    case 'timeline':
      ({ timeline } = data);
      return show();
    case 'thumbnails':
      for (const { id, png } of data.thumbnails) pictures.set(id, { png });
      return show();
    case 'nothing':
      timeline = chosen = undefined;
      pictures.clear();
      wanted.clear();
      return show();
  }
});
send({ kind: 'ready' });
