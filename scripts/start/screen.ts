/** The guest's screen outside of VS Code: as a PNG file, and on a local page with the panel's own code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { WebSocketServer, type WebSocket } from 'ws';
import type { FromDisplay, ToDisplay } from '../../adapter/protocol/display';
import type { GuestEvents, GuestRequests } from '../../adapter/protocol/guest';
import type { Client } from './client';

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
<html lang="en"><head><meta charset="UTF-8"><title>Guest Display</title>
<style>body { margin: 0; font: 13px sans-serif; background: #222; color: #ccc; } #bar { padding: 6px; } html, body { height: 100%; } body { display: flex; flex-direction: column; } #stage { flex: 1; min-height: 0; } canvas[hidden] { display: none; }</style>
<script>
  // What VS Code gives the panel, done over a WebSocket to this page's own server.
  const say = (data) => dispatchEvent(new MessageEvent('message', { data }));
  const socket = new WebSocket(location.href.replace('http', 'ws'));
  socket.onmessage = ({ data }) => say(JSON.parse(data));
  socket.onclose = () => say({ kind: 'session', connected: false });
  function acquireVsCodeApi() {
    return { postMessage(message) {
      if (message.kind === 'screenshot') Object.assign(document.createElement('a'), { href: 'data:image/png;base64,' + message.png, download: 'screen.png' }).click();
      else if (socket.readyState === 1) socket.send(JSON.stringify(message));
      else socket.onopen = () => socket.send(JSON.stringify(message));
    } };
  }
</script></head>
<body><div id="bar"><span id="status"></span> <button id="screenshot">Screenshot</button> <button id="ctrl-alt-del">Ctrl-Alt-Del</button></div><div id="stage"></div>
<script type="module" src="display.js"></script></body></html>`;

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
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    off();
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
  const script = readFileSync(join(dist, 'media/display.js'));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/') return void response.setHeader('Content-Type', 'text/html').end(PAGE);
    if (url.pathname === '/display.js') return void response.setHeader('Content-Type', 'text/javascript').end(script);
    response.statusCode = 404;
    response.end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      response.statusCode = 500;
      response.end();
    });
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
