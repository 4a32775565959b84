/** The guest's screen outside of VS Code: as a PNG file, and on a local page with the panel's own code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import type { FromDisplay } from '../../adapter/protocol/display';
import type { GuestRequests } from '../../adapter/protocol/guest';
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
<style>body { margin: 0; font: 13px sans-serif; background: #222; color: #ccc; } #bar { padding: 6px; } canvas { background: #000; max-width: 100%; }</style>
<script>
  // What VS Code gives the panel, done with requests to this page's own server.
  let known;
  async function frame() {
    const reply = await fetch('frame' + (known === undefined ? '' : '?since=' + known)).then((r) => r.json(), () => undefined);
    if (!reply) return dispatchEvent(new MessageEvent('message', { data: { kind: 'session', connected: false } }));
    if (reply.frame && reply.frame.rectangles.length) dispatchEvent(new MessageEvent('message', { data: { kind: 'frame', frame: reply.frame } }));
    else setTimeout(frame, 150);
  }
  function acquireVsCodeApi() {
    return { postMessage(message) {
      if (message.kind === 'ready') { dispatchEvent(new MessageEvent('message', { data: { kind: 'session', connected: true, name: 'hello' } })); frame(); }
      else if (message.kind === 'painted') { known = message.sequence; setTimeout(frame, 33); }
      else fetch('input', { method: 'POST', body: JSON.stringify(message) });
    } };
  }
</script></head>
<body><div id="bar"><span id="status"></span> <button id="ctrl-alt-del">Ctrl-Alt-Del</button></div><canvas id="screen" tabindex="0" hidden></canvas>
<script type="module" src="display.js"></script></body></html>`;

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function input(client: Client, message: FromDisplay): Promise<void> {
  if (message.kind === 'key') await client.request('guest/key', { code: message.code, down: message.down });
  if (message.kind === 'chord') await client.request('guest/key', { chord: message.codes });
  if (message.kind === 'pointer') await client.request('guest/pointer', message);
}

/** Serves the live display to this machine's browser; gives its address. */
export function serveDisplay(client: Client, dist: string): Promise<string> {
  const script = readFileSync(join(dist, 'media/display.js'));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/') return void response.setHeader('Content-Type', 'text/html').end(PAGE);
    if (url.pathname === '/display.js') return void response.setHeader('Content-Type', 'text/javascript').end(script);
    if (url.pathname === '/frame') {
      const since = url.searchParams.get('since');
      const reply = await client.request<FrameReply>('guest/frame', since === null ? {} : { since: Number(since) });
      return void response.setHeader('Content-Type', 'application/json').end(JSON.stringify(reply));
    }
    if (url.pathname === '/input' && request.method === 'POST') {
      await input(client, JSON.parse(await body(request)) as FromDisplay);
      return void response.end();
    }
    response.statusCode = 404;
    response.end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      response.statusCode = 500;
      response.end();
    });
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
  });
}
