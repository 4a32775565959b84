/** Listens for VNC viewers: TCP, a UNIX socket, or WebSocket. */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { nodeCrypto, nodeHttp } from '../builtins';
import { userError } from '../errors';
import { keyNamed } from './keytext';
import type { ClipboardKeys } from './viewerclipboard';
import type { Channel, Security, Viewer, Viewers } from './viewers';

export interface VncAddress {
  readonly kind: 'tcp' | 'websocket' | 'unix';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly passwordFile?: string;
  readonly password?: string;
  /** The guest starts when the first viewer is there. */
  readonly wait?: true;
  readonly clipboard?: ClipboardKeys;
}

const FIRST_DISPLAY = 5900;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
/** Viewers at a time. */
const MOST_VIEWERS = 32;
/** Milliseconds that a viewer has for reading the end of a conversation. */
const LAST_WORDS_MS = 5000;
/** A connection whose handshake is not over by then goes. */
const HANDSHAKE_MS = 30_000;
/** Bytes in one message of a WebSocket. */
const MOST_PAYLOAD = 1 << 20;

/**
 * `[tcp:]HOST:PORT`, `PORT`, `:DISPLAY` (5900 and on), `ws:HOST:PORT` or `unix:PATH`; each perhaps with
 * `,password-file=FILE` or `,password=TEXT`, `,wait`, and keys for the clipboard, `,paste=KEY` and `,copy=KEY`. `what` names the option in errors.
 */
export function parseVnc(what: string, text: string): VncAddress {
  const [address = '', ...options] = text.split(',');
  const refuse = (problem: string): never => {
    throw userError('vnc-address', `${what} '${text}': ${problem}`);
  };
  const more: { passwordFile?: string; password?: string; wait?: true; clipboard?: { paste?: string; copy?: string } } = {};
  for (const option of options) {
    const [, name, value] = /^(password-file|password|paste|copy)=(.+)$/.exec(option) ?? [];
    if (option === 'wait') more.wait = true;
    else if (name === undefined || value === undefined)
      refuse(`'${option}' is unknown; there are password-file=FILE, password=TEXT, wait, paste=KEY and copy=KEY`);
    else if (name === 'paste' || name === 'copy') (more.clipboard ??= {})[name] = keyNamed(value) ?? refuse(`there is no key '${value}'`);
    else more[name === 'password' ? 'password' : 'passwordFile'] = value;
  }
  if (more.clipboard?.paste !== undefined && more.clipboard.paste === more.clipboard.copy) refuse('paste= and copy= are the same key');
  if (more.password !== undefined && more.passwordFile !== undefined) refuse('password= and password-file= are two passwords');
  if (address.startsWith('unix:')) return { kind: 'unix', host: '', port: 0, path: address.slice(5) || refuse('the path is empty'), ...more };
  const match = /^(?:(tcp|ws):)?(?:(\[[0-9a-f:]+\]|[\w.-]*):)?(\d+)$/i.exec(address);
  if (!match) return refuse('is neither HOST:PORT, :DISPLAY, ws:HOST:PORT nor unix:PATH');
  const host = (match[2] ?? '').replace(/[[\]]/g, '') || '127.0.0.1';
  // As VNC has it, a number behind a bare colon is that of a display.
  const port = Number(match[3]) + (match[1] === undefined && match[2] === '' ? FIRST_DISPLAY : 0);
  if (port > 65535) refuse(`there is no port ${port}`);
  if (!LOOPBACK.test(host) && (more.passwordFile ?? more.password) === undefined)
    refuse(`whoever reaches ${host} could use the guest: it needs password-file=FILE`);
  return { kind: match[1]?.toLowerCase() === 'ws' ? 'websocket' : 'tcp', host, port, path: '', ...more };
}

function readPassword(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let password: string;
  try {
    password = readFileSync(file, 'utf8').split('\n')[0]!.replace(/\r$/, '');
  } catch (error) {
    throw userError('vnc-password', `password file '${file}': ${(error as Error).message}`, error);
  }
  if (password === '') throw userError('vnc-password', `password file '${file}' is empty`);
  return password;
}

export interface Listening {
  /** Where viewers connect to. */
  readonly where: string;
  /** The first viewer has been let in. */
  readonly first: Promise<void>;
  close(): Promise<void>;
}

/** Throws EmulatorError with blame `user` where it can't listen. */
export async function listenVnc(viewers: Viewers, address: VncAddress, patience = HANDSHAKE_MS): Promise<Listening> {
  const password = address.password ?? readPassword(address.passwordFile);
  let came = (): void => undefined;
  const first = new Promise<void>((resolve) => (came = resolve));
  const security = (): Security => (password === undefined ? {} : { password, challenge: nodeCrypto().randomBytes(16) });
  const connected: Connect = (channel) => viewers.connect(channel, security(), address.clipboard, came);
  const open = new Set<{ destroy(): void }>();
  const admit = <T extends { destroy(): void }>(connection: T): boolean => {
    if (open.size >= MOST_VIEWERS) {
      connection.destroy();
      return false;
    }
    open.add(connection);
    return true;
  };
  // Who says nothing keeps no place of somebody who would.
  const limit = (connection: { destroy(): void }, viewer: Viewer): void => {
    const timer = setTimeout(() => {
      if (!viewer.started) connection.destroy();
    }, patience);
    timer.unref();
  };
  const server: Server =
    address.kind === 'websocket' ? nodeHttp().createServer((_, response) => void response.writeHead(426).end('WebSocket only\n')) : createServer();
  if (address.kind === 'websocket') {
    const { WebSocketServer } = await import(/* webpackChunkName: "websocket" */ 'ws');
    // A page of any other site may not reach a guest that has no password.
    const sameHost = ({ origin }: { origin: string | undefined }): boolean => password !== undefined || origin === undefined || LOOPBACK.test(hostOf(origin));
    const sockets = new WebSocketServer({ server: server as never, maxPayload: MOST_PAYLOAD, verifyClient: sameHost });
    sockets.on('error', () => undefined);
    sockets.on('connection', (socket) => {
      const connection = { destroy: () => socket.terminate() };
      if (admit(connection))
        limit(
          connection,
          serveWebSocket(connected, socket, () => open.delete(connection)),
        );
    });
  } else {
    server.on('connection', (socket: Socket) => {
      if (admit(socket))
        limit(
          socket,
          serveSocket(connected, socket, () => open.delete(socket)),
        );
    });
  }
  if (address.kind === 'unix') await removeStale(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(userError('vnc-listen', `VNC on ${shown(address, address.port)}: ${error.message}`, error)));
    if (address.kind === 'unix') server.listen({ path: address.path, readableAll: false, writableAll: false }, resolve);
    else server.listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  return {
    first,
    where: shown(address, typeof bound === 'object' && bound ? bound.port : address.port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of open) connection.destroy();
      }),
  };
}

type Connect = (channel: Channel) => Viewer;

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).hostname.replace(/[[\]]/g, '') : '');

function shown({ kind, host, path }: VncAddress, port: number): string {
  if (kind === 'unix') return `unix:${path}`;
  return `${kind === 'websocket' ? 'ws://' : ''}${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** A socket that nobody listens to any more would be in the way. Other files stay: then listening fails. */
async function removeStale(path: string): Promise<void> {
  if (!(statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false)) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.on('connect', () => probe.destroy()).on('error', () => resolve(false));
  });
  if (!alive) rmSync(path, { force: true });
}

function serveSocket(join: Connect, socket: Socket, gone: () => void): Viewer {
  socket.setNoDelay(true);
  const channel: Channel = {
    get backlog() {
      return socket.writableLength;
    },
    send: (bytes) => void socket.write(bytes, () => socket.writableLength === 0 && viewer?.drained()),
    close: () => {
      // What was said last is still sent, but not to somebody who never reads it.
      socket.setTimeout(LAST_WORDS_MS, () => socket.destroy());
      socket.end();
    },
  };
  let viewer: Viewer | undefined = undefined;
  viewer = join(channel);
  const { receive, close } = viewer;
  socket.on('data', receive);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    gone();
    close();
  });
  return viewer;
}

function serveWebSocket(join: Connect, socket: WebSocket, gone: () => void): Viewer {
  const channel: Channel = {
    get backlog() {
      return socket.bufferedAmount;
    },
    send: (bytes) => socket.send(bytes, () => socket.bufferedAmount === 0 && viewer?.drained()),
    close: (error) => socket.close(error ? 1008 : 1000, error?.message.slice(0, 100)),
  };
  let viewer: Viewer | undefined = undefined;
  viewer = join(channel);
  const { receive, close } = viewer;
  socket.on('message', receive);
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    gone();
    close();
  });
  return viewer;
}
