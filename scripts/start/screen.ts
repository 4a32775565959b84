/** The guest's screen outside of VS Code: as a PNG file, and on a local page with the panel's own code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { WebSocketServer, type WebSocket } from 'ws';
import type { FromDisplay, ToDisplay } from '../../adapter/protocol/display';
import type { GuestEvents, GuestRequests } from '../../adapter/protocol/guest';
import type { Client } from './client';

/** Between two looks at whether the guest runs. */
const STATE_MS = 200;

type FrameReply = GuestRequests['guest/frame']['body'];

/** Whether there was a picture. */
export async function writePicture(client: Client, path: string): Promise<boolean> {
  const { frame } = await client.request<FrameReply>('guest/frame');
  const whole = frame?.rectangles[0];
  if (!frame || !whole || whole.width !== frame.width || whole.height !== frame.height) return false;
  const png = new PNG({ width: frame.width, height: frame.height });
  png.data = inflateSync(Buffer.from(whole.data, 'base64'));
  writeFileSync(path, PNG.sync.write(png));
  return true;
}

const PAGE = `<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>Guest Display</title><link rel="stylesheet" href="display.css">
<style>
  :root { --vscode-foreground: #ccc; --vscode-icon-foreground: #ccc; --vscode-descriptionForeground: #9d9d9d; --vscode-disabledForeground: #666;
    --vscode-editor-background: #1f1f1f; --vscode-panel-border: #2b2b2b; --vscode-focusBorder: #0078d4; --vscode-toolbar-hoverBackground: #5a5d5e50;
    --vscode-inputOption-activeForeground: #fff; --vscode-inputOption-activeBackground: #2489db82; --vscode-inputOption-activeBorder: #2488db;
    --vscode-dropdown-background: #313131; --vscode-dropdown-foreground: #ccc; --vscode-dropdown-border: #3c3c3c; --vscode-menu-background: #1f1f1f;
    --vscode-menu-foreground: #ccc; --vscode-menu-selectionBackground: #0078d4; --vscode-menu-selectionForeground: #fff; --vscode-errorForeground: #f85149;
    --vscode-badge-background: #616161; --vscode-badge-foreground: #f8f8f8; --vscode-statusBarItem-errorBackground: #b91007; --vscode-widget-shadow: #0005;
    --vscode-statusBarItem-errorForeground: #fff; --vscode-charts-green: #89d185; --vscode-charts-orange: #d18616; --vscode-editorWarning-foreground: #cca700; }
  #toolbar #paste, #toolbar #copy { display: none; } /* the editor's clipboard is not there */
</style>
<script>
  // What VS Code gives the panel, done over a WebSocket to this page's own server.
  const say = (data) => dispatchEvent(new MessageEvent('message', { data }));
  const socket = new WebSocket(location.href.replace('http', 'ws'));
  socket.onmessage = ({ data }) => say(JSON.parse(data));
  socket.onclose = () => say({ kind: 'session', connected: false });
  const files = { screenshot: 'screen.png', recording: 'recording.png' };
  function acquireVsCodeApi() {
    return { postMessage(message) {
      if (message.kind in files) Object.assign(document.createElement('a'), { href: 'data:image/png;base64,' + message.png, download: files[message.kind] }).click();
      else if (message.kind === 'settings') localStorage.setItem('settings', JSON.stringify(message.settings));
      else if (message.kind === 'ready') {
        const settings = localStorage.getItem('settings');
        if (settings) say({ kind: 'settings', settings: JSON.parse(settings) });
        if (socket.readyState === 1) socket.send(JSON.stringify(message));
        else socket.onopen = () => socket.send(JSON.stringify(message));
      } else if (socket.readyState === 1) socket.send(JSON.stringify(message));
    } };
  }
</script></head>
<body><script type="module" src="display.js"></script></body></html>`;

/** One page: an RFB connection through the debug session. */
function relay(client: Client, socket: WebSocket, id: number): void {
  const say = (message: ToDisplay): void => socket.send(JSON.stringify(message));
  const ask = (command: string, args: object): void => void client.request(command, { client: id, ...args }).catch(() => socket.close());
  const off = client.on(({ event, body }) => {
    const about = body as GuestEvents['guest/rfbData'] & GuestEvents['guest/rfbClosed'];
    if (about?.client !== id) return;
    if (event === 'guest/rfbData') say({ kind: 'data', data: about.data });
    if (event === 'guest/rfbClosed') say({ kind: 'closed', ...(about.problem !== undefined && { problem: about.problem }) });
  });
  socket.on('message', (data) => {
    const message = JSON.parse(Buffer.from(data).toString()) as FromDisplay;
    if (message.kind === 'ready') {
      say({ kind: 'session', connected: true, name: 'hello' });
      say({ kind: 'open' });
      ask('guest/rfbOpen', {});
    }
    if (message.kind === 'data') ask('guest/rfbSend', { data: message.data });
    if (message.kind === 'taken') ask('guest/rfbTaken', { bytes: message.bytes });
    if (message.kind === 'mouse') ask('guest/pointer', { dx: message.dx, dy: message.dy, buttons: message.buttons, wheel: message.wheel });
  });
  let running: boolean | undefined;
  const look = async (): Promise<void> => {
    const status = await client.request<GuestRequests['guest/status']['body']>('guest/status');
    if (status.running !== running) say({ kind: 'state', running: (running = status.running) });
  };
  const looking = setInterval(() => void look().catch(() => undefined), STATE_MS);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    off();
    clearInterval(looking);
    void client.request('guest/rfbClose', { client: id }).catch(() => undefined);
  });
}

/** A page that is being served. */
export interface Page {
  readonly url: string;
  close(): void;
}

/** Serves the live display to this machine's browser. */
export function serveDisplay(client: Client, dist: string): Promise<Page> {
  const files: ReadonlyMap<string, readonly [type: string, content: Buffer]> = new Map([
    ['/', ['text/html', Buffer.from(PAGE)]],
    ['/display.js', ['text/javascript', readFileSync(join(dist, 'media/display.js'))]],
    ['/display.css', ['text/css', readFileSync(join(dist, 'media/display.css'))]],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (!file) return void response.writeHead(404).end();
    response.setHeader('Content-Type', file[0]).end(file[1]);
  });
  let next = 1;
  // Other sites' pages may not look.
  const sameOrigin = ({ origin, req }: { origin: string | undefined; req: IncomingMessage }): boolean => origin === `http://${req.headers.host}`;
  const sockets = new WebSocketServer({ server, verifyClient: sameOrigin });
  sockets.on('connection', (socket) => relay(client, socket, next++));
  const close = (): void => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  };
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close }));
  });
}
