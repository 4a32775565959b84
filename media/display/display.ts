/** The guest's screen in a webview: changed rectangles onto a canvas; keys and pointer back. */
import type { FromDisplay, ToDisplay } from '../../adapter/protocol/display';
import type { DisplayFrame, DisplayRectangle } from '../../adapter/protocol/guest';
import { Keys } from './keys';

declare function acquireVsCodeApi(): { postMessage(message: FromDisplay): void };

const host = acquireVsCodeApi();
const send = (message: FromDisplay): void => host.postMessage(message);

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`the page has no ${type.name} '${id}'`);
  return found;
}

const canvas = element('screen', HTMLCanvasElement);
const status = element('status', HTMLElement);
const painter = canvas.getContext('2d', { alpha: false });
let guest = '';

async function unpack({ data }: DisplayRectangle): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8ClampedArray(await new Response(stream).arrayBuffer());
}

async function paint({ sequence, width, height, rectangles }: DisplayFrame): Promise<void> {
  try {
    const pixels = await Promise.all(rectangles.map(unpack));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    rectangles.forEach((rectangle, index) => {
      const image = new ImageData(pixels[index]!, rectangle.width, rectangle.height);
      painter?.putImageData(image, rectangle.x, rectangle.y);
    });
    canvas.hidden = false;
    describe(`${guest} · ${width} × ${height}`);
    send({ kind: 'painted', sequence });
  } catch {
    send({ kind: 'painted' }); // a whole frame, please
  }
}

function describe(text: string): void {
  const hint = document.activeElement === canvas ? 'keys go to the guest; Ctrl+Alt+G lets go' : 'click to type into the guest';
  status.textContent = canvas.hidden ? text : `${text} · ${hint}`;
}

window.addEventListener('message', ({ data }: MessageEvent<ToDisplay>) => {
  switch (data.kind) {
    case 'frame':
      void paint(data.frame);
      return;
    case 'session':
      guest = data.name ?? '';
      if (!data.connected) canvas.hidden = true;
      if (canvas.hidden) describe(data.connected ? `${guest}: no picture yet` : 'No guest is running.');
      return;
  }
});

// ── Keyboard ───────────────────────────────────────────────────────────────────────────────

const keys = new Keys((code, down) => send({ kind: 'key', code, down }));
const release = (): void => {
  keys.releaseAll();
  canvas.blur();
};

/** What is handled here must not reach VS Code, which would take it for a command. */
function onKey(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopPropagation();
  if (event.type === 'keydown' && event.ctrlKey && event.altKey && event.code === 'KeyG') return release();
  keys.event(event.code, event.type === 'keydown', event.repeat);
}
canvas.addEventListener('keydown', onKey);
canvas.addEventListener('keyup', onKey);
canvas.addEventListener('blur', () => {
  keys.releaseAll();
  describe(`${guest} · ${canvas.width} × ${canvas.height}`);
});
canvas.addEventListener('focus', () => describe(`${guest} · ${canvas.width} × ${canvas.height}`));
element('ctrl-alt-del', HTMLButtonElement).addEventListener('click', () => {
  send({ kind: 'chord', codes: ['ControlLeft', 'AltLeft', 'Delete'] });
  canvas.focus();
});

// ── Pointer ────────────────────────────────────────────────────────────────────────────────

/** Buttons as DOM has them: 1 left, 2 right, 4 middle. Positions are those of the guest's pixels. */
function onPointer(event: PointerEvent | WheelEvent): void {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const clamp = (value: number, most: number): number => Math.max(0, Math.min(most - 1, Math.floor(value)));
  const x = clamp(((event.clientX - left) * canvas.width) / width, canvas.width);
  const y = clamp(((event.clientY - top) * canvas.height) / height, canvas.height);
  send({ kind: 'pointer', x, y, buttons: event.buttons, wheel: event instanceof WheelEvent ? Math.sign(event.deltaY) : 0 });
}
canvas.addEventListener('pointerdown', (event) => {
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  onPointer(event);
});
canvas.addEventListener('pointerup', onPointer);
canvas.addEventListener('pointermove', (event) => {
  if (document.activeElement === canvas) onPointer(event);
});
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  onPointer(event);
}, { passive: false });
canvas.addEventListener('contextmenu', (event) => event.preventDefault());

send({ kind: 'ready' });
