/** The guest's screen in a webview: noVNC over a channel that the host carries, and what is around it. */
import RFB from '@novnc/novnc';
import type { DisplaySettings, FromDisplay, ToDisplay } from '../../adapter/protocol/display';
import { HostChannel, toBase64 } from './channel';
import { CHORDS, CTRL_ALT_DEL, type Chord } from './chords';
import { chordMenu } from './menu';
import { HeldMouse } from './mouse';
import { makePage } from './page';
import { Recorder } from './recorder';
import { isSharp, sizeOf } from './scale';

declare function acquireVsCodeApi(): { postMessage(message: FromDisplay): void };

const host = acquireVsCodeApi();
const send = (message: FromDisplay): void => host.postMessage(message);
const page = makePage();
const { stage } = page;

const NO_GUEST = 'No guest is running.';
let guest = '';
let running = true;
let settings: DisplaySettings = { scale: 'fit', holdMouse: false };
let connection: { readonly rfb: RFB; readonly channel: HostChannel; readonly canvas: HTMLCanvasElement } | undefined;
let recorder: Recorder | undefined;
/** Shown in place of a screen. */
let trouble: string | undefined = NO_GUEST;

// ── What is said about it ──────────────────────────────────────────────────────────────────

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const clock = (milliseconds: number): string => `${Math.floor(milliseconds / 60_000)}:${String(Math.floor(milliseconds / 1000) % 60).padStart(2, '0')}`;

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === '';
}

const recordingText = (): string => (recorder ? `Recording ${clock(recorder.duration)} · ${recorder.frames} pictures · ${megabytes(recorder.bytes)}` : '');

function describe(): void {
  const canvas = connection?.canvas;
  const shown = trouble === undefined && canvas !== undefined && !canvas.hidden;
  const captured = shown && (document.activeElement === canvas || mouse.holds);
  setText(page.empty, shown ? '' : (trouble ?? `${guest}: no picture yet`));
  setText(page.status, shown ? `${guest} · ${canvas.width} × ${canvas.height} · ${running ? 'running' : 'stopped'}` : '');
  setText(page.captured, captured ? `${mouse.holds ? 'Keyboard and mouse are' : 'Keyboard is'} the guest's · Ctrl+Alt+G lets go` : '');
  setText(page.recording, recordingText());
  page.light.className = shown ? (running ? 'running' : 'stopped') : '';
  document.body.classList.toggle('captured', captured);
  page.keyboard.setAttribute('aria-pressed', String(captured));
  page.mouse.setAttribute('aria-pressed', String(settings.holdMouse));
  page.record.setAttribute('aria-pressed', String(recorder !== undefined));
  page.record.title = recorder ? 'End the recording and save it' : 'Record the screen';
  page.record.setAttribute('aria-label', page.record.title);
  for (const tool of [page.keyboard, page.ctrlAltDel, page.keys, page.paste, page.copy, page.screenshot]) tool.disabled = !shown;
  page.record.disabled = !shown && !recorder;
}

let noteTimer = 0;
function note(text: string): void {
  setText(page.note, text);
  window.clearTimeout(noteTimer);
  noteTimer = window.setTimeout(() => setText(page.note, ''), 8000);
}

// ── The connection ─────────────────────────────────────────────────────────────────────────

function resize(): void {
  const { width = 0, height = 0 } = connection?.canvas ?? {};
  [stage.style.width, stage.style.height] = sizeOf(settings.scale, { width, height });
  stage.classList.toggle('sharp', isSharp(settings.scale));
  describe();
}

function disconnect(): void {
  const old = connection;
  connection = undefined;
  mouse.release();
  old?.channel.end('');
  stage.replaceChildren();
}

function connect(): void {
  disconnect();
  const channel = new HostChannel(send);
  const rfb = new RFB(stage, channel, { shared: true });
  rfb.scaleViewport = true;
  rfb.showDotCursor = true;
  rfb.background = 'transparent';
  const canvas = stage.querySelector('canvas');
  if (!canvas) throw new TypeError('noVNC has made no canvas');
  canvas.id = 'screen';
  canvas.hidden = true;
  canvas.setAttribute('role', 'application');
  canvas.setAttribute('aria-label', "The guest's screen");
  connection = { rfb, channel, canvas };
  rfb.addEventListener('connect', () => {
    canvas.hidden = false;
    describe();
  });
  canvas.addEventListener('focus', () => describe());
  canvas.addEventListener('blur', () => {
    // noVNC lets go of keys when the window loses the focus; here the canvas may lose it alone.
    window.dispatchEvent(new Event('blur'));
    describe();
  });
  new MutationObserver(resize).observe(canvas, { attributeFilter: ['width', 'height'] });
}

window.addEventListener('message', ({ data }: MessageEvent<ToDisplay>) => {
  switch (data.kind) {
    case 'settings':
      ({ settings } = data);
      page.scale.value = String(settings.scale);
      mouse.enabled = settings.holdMouse;
      return resize();
    case 'session':
      guest = data.name ?? '';
      if (!data.connected) disconnect();
      trouble = data.connected ? undefined : NO_GUEST;
      return describe();
    case 'state':
      ({ running } = data);
      recorder?.setRunning(running);
      return describe();
    case 'open':
      return connect();
    case 'data':
      recorder?.dirty();
      return connection?.channel.receive(data.data);
    case 'closed':
      disconnect();
      trouble = data.problem === undefined ? NO_GUEST : `The display has been closed: ${data.problem}`;
      return describe();
  }
});

// ── Keyboard and mouse ─────────────────────────────────────────────────────────────────────

/** Any input to a guest that stands still in its past makes another future: passing over its screen shall not. */
stage.addEventListener('mousemove', (event) => !running && event.buttons === 0 && event.stopImmediatePropagation(), { capture: true });

const mouse = new HeldMouse({
  stage,
  scale: () => (connection && connection.canvas.width > 0 ? connection.canvas.clientWidth / connection.canvas.width : 1),
  moved: (dx, dy, buttons, wheel) => send({ kind: 'mouse', dx, dy, buttons, wheel }),
  began: () => connection?.rfb.focus(),
  ended: () => describe(),
  refused: (problem) => note(`The mouse can't be held here: ${problem}`),
});

/** Takes the exit key away before noVNC, which takes every other key while the canvas has the focus. */
stage.addEventListener(
  'keydown',
  (event) => {
    if (!event.ctrlKey || !event.altKey || event.code !== 'KeyG') return;
    event.preventDefault();
    event.stopPropagation();
    mouse.release();
    page.keyboard.focus();
  },
  { capture: true },
);

function press({ codes }: Chord): void {
  if (!connection) return;
  const { rfb } = connection;
  for (const code of codes) rfb.sendKey(0, code, true);
  for (const code of [...codes].reverse()) rfb.sendKey(0, code, false);
  rfb.focus();
}

page.viewport.append(chordMenu(page.keys, CHORDS, press));
page.ctrlAltDel.addEventListener('click', () => press(CTRL_ALT_DEL));
page.keyboard.addEventListener('click', () => connection?.rfb.focus());
page.paste.addEventListener('click', () => {
  send({ kind: 'paste' });
  connection?.rfb.focus();
});
page.copy.addEventListener('click', () => send({ kind: 'copyText' }));

// ── Size ───────────────────────────────────────────────────────────────────────────────────

function change(changes: Partial<DisplaySettings>): void {
  settings = { ...settings, ...changes };
  mouse.enabled = settings.holdMouse;
  send({ kind: 'settings', settings });
  resize();
}
page.scale.addEventListener('change', () => change({ scale: page.scale.value === 'fit' ? 'fit' : Number(page.scale.value) }));
page.mouse.addEventListener('click', () => change({ holdMouse: !settings.holdMouse }));

page.fullScreen.addEventListener('click', () => {
  if (!document.fullscreenEnabled) return send({ kind: 'fullScreen' });
  void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
});
const tellWidth = (): void => send({ kind: 'resized', width: window.innerWidth });
window.addEventListener('resize', tellWidth);

// ── Pictures ───────────────────────────────────────────────────────────────────────────────

page.screenshot.addEventListener('click', () => {
  connection?.canvas.toBlob((blob) => {
    void blob?.arrayBuffer().then((bytes) => send({ kind: 'screenshot', png: toBase64(new Uint8Array(bytes)) }));
  }, 'image/png');
});

function picture(): ImageData | undefined {
  const canvas = connection?.canvas;
  return canvas && !canvas.hidden && canvas.width > 0 ? canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) : undefined;
}

async function endRecording(): Promise<void> {
  const file = recorder?.stop();
  recorder = undefined;
  describe();
  const bytes = await file;
  if (bytes) send({ kind: 'recording', png: toBase64(bytes) });
}

page.record.addEventListener('click', () => {
  if (recorder) return void endRecording();
  const full = (): void => {
    if (!recorder) return;
    note('The recording is as long as it can be.');
    void endRecording();
  };
  const progress = (): void => setText(page.recording, recordingText());
  recorder = new Recorder({ picture, now: () => performance.now(), progress, full }, running);
  describe();
});

describe();
send({ kind: 'ready' });
tellWidth();
