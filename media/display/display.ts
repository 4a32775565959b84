/** The guest's screen in a webview: noVNC over a channel that the host carries. */
import RFB from '@novnc/novnc';
import type { FromDisplay, ToDisplay } from '../../adapter/protocol/display';
import { HostChannel, toBase64 } from './channel';

declare function acquireVsCodeApi(): { postMessage(message: FromDisplay): void };

const host = acquireVsCodeApi();
const send = (message: FromDisplay): void => host.postMessage(message);

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`the page has no ${type.name} '${id}'`);
  return found;
}

const stage = element('stage', HTMLElement);
const status = element('status', HTMLElement);
let guest = '';
let connection: { readonly rfb: RFB; readonly channel: HostChannel; readonly canvas: HTMLCanvasElement } | undefined;

function describe(text?: string): void {
  const canvas = connection?.canvas;
  if (text !== undefined || !canvas || canvas.hidden) {
    status.textContent = text ?? `${guest}: no picture yet`;
    return;
  }
  const hint = document.activeElement === canvas ? 'keys go to the guest; Ctrl+Alt+G lets go' : 'click to type into the guest';
  status.textContent = `${guest} · ${canvas.width} × ${canvas.height} · ${hint}`;
}

function disconnect(): void {
  const old = connection;
  connection = undefined;
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
  new MutationObserver(() => describe()).observe(canvas, { attributeFilter: ['width', 'height'] });
}

window.addEventListener('message', ({ data }: MessageEvent<ToDisplay>) => {
  switch (data.kind) {
    case 'session':
      guest = data.name ?? '';
      if (!data.connected) disconnect();
      return describe(data.connected ? undefined : 'No guest is running.');
    case 'open':
      return connect();
    case 'data':
      return connection?.channel.receive(data.data);
    case 'closed':
      disconnect();
      return describe(data.problem === undefined ? 'No guest is running.' : `The display has been closed: ${data.problem}`);
  }
});

// ── Keyboard ───────────────────────────────────────────────────────────────────────────────

/** Takes the exit key away before noVNC, which takes every other key while the canvas has the focus. */
stage.addEventListener(
  'keydown',
  (event) => {
    if (!event.ctrlKey || !event.altKey || event.code !== 'KeyG') return;
    event.preventDefault();
    event.stopPropagation();
    connection?.rfb.blur();
  },
  { capture: true },
);

element('ctrl-alt-del', HTMLButtonElement).addEventListener('click', () => {
  connection?.rfb.sendCtrlAltDel();
  connection?.rfb.focus();
});

element('screenshot', HTMLButtonElement).addEventListener('click', () => {
  connection?.canvas.toBlob((blob) => {
    void blob?.arrayBuffer().then((bytes) => send({ kind: 'screenshot', png: toBase64(new Uint8Array(bytes)) }));
  }, 'image/png');
});

send({ kind: 'ready' });
