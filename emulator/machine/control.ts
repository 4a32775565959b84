/**
 * A running guest's control socket: a UNIX domain socket on which each line is a request as JSON, answered by a line.
 *
 *   {"command":"checkpoint","file":"/a/b.guest"}   ->  {"ok":true,"position":123,...}
 *   {"command":"fly"}                              ->  {"ok":false,"code":"control-command","error":"..."}
 */
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { EmulatorError, userError } from '../errors';

export const COMMANDS = ['status', 'pause', 'resume', 'checkpoint', 'suspend', 'screenshot', 'quit'] as const;
export type Command = (typeof COMMANDS)[number];
export const isCommand = (text: unknown): text is Command => (COMMANDS as readonly unknown[]).includes(text);
/** Those that write a file. */
export const WITH_FILE: ReadonlySet<Command> = new Set<Command>(['checkpoint', 'suspend', 'screenshot']);

export interface ControlRequest {
  readonly command: Command;
  /** An absolute path, for those that write a file. */
  readonly file?: string;
  /** A checkpoint or suspend carries the past, as far as its pages fit into so many bytes. */
  readonly historyBytes?: number;
}
export type Reply = Readonly<Record<string, string | number | boolean>>;
/** Does what is asked; throws EmulatorError where that can't be done. */
export type Controlled = (request: ControlRequest) => Promise<Reply>;

/** Bytes of a request, and clients at a time. */
const LONGEST = 1 << 16;
const MOST_CLIENTS = 16;
const NAME = /^[\w][\w.-]{0,63}$/;
/** Longest path that the host's socket addresses hold (sun_path, with its zero). */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103;

/** The folder of this user's sockets: nobody else may look into it. */
export const controlFolder = (environment: NodeJS.ProcessEnv = process.env): string =>
  join(environment['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `guest-${userInfo().uid}`), 'guest');

/** Where a guest listens: a path, or a name in the user's folder. */
export function controlPath(nameOrPath: string, environment: NodeJS.ProcessEnv = process.env): string {
  const path = nameOrPath.includes('/') ? nameOrPath : join(controlFolder(environment), `${nameOrPath}.sock`);
  if (!nameOrPath.includes('/') && !NAME.test(nameOrPath)) throw userError('control-name', `'${nameOrPath}': a name has letters, digits, '.', '_' and '-'`);
  if (Buffer.byteLength(path) > LONGEST_PATH) throw userError('control-name', `'${path}': longer than the ${LONGEST_PATH} bytes of a socket's address`);
  return path;
}

/** Makes the user's folder, and sees that it is nobody else's. */
function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Somebody else may have made the one above first.
  for (const each of [dirname(folder), folder]) {
    const stat = lstatSync(each);
    if (!stat.isDirectory() || stat.uid !== userInfo().uid || stat.mode & 0o022)
      throw userError('control-folder', `${each}: belongs to others, or they may write to it`);
  }
  if (lstatSync(folder).mode & 0o077) throw userError('control-folder', `${folder}: is open to others`);
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('connect', end(true)).on('error', end(false));
  });

/** Listens; gives what ends it. A socket that nobody listens to any more is taken over; no other file is. */
export async function listenControl(nameOrPath: string, controlled: Controlled): Promise<{ readonly path: string; close(): Promise<void> }> {
  const path = controlPath(nameOrPath);
  if (!nameOrPath.includes('/')) prepareFolder(dirname(path));
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isSocket()) throw userError('control-socket', `${path}: is there already, and is no socket`);
  if (there && (await answers(path))) throw userError('control-socket', `${path}: a guest listens there already`);
  if (there) unlinkSync(path);
  const clients = new Set<Socket>();
  const server = createServer((socket) => serve(socket, clients, controlled));
  await listen(server, path);
  return {
    path,
    close: () => {
      for (const client of clients) client.destroy();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  // Nobody else may connect, from the first moment on.
  const mask = process.umask(0o177);
  return new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(userError('control-socket', `${path}: ${error.message}`, error)));
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  }).finally(() => process.umask(mask));
}

function serve(socket: Socket, clients: Set<Socket>, controlled: Controlled): void {
  if (clients.size >= MOST_CLIENTS)
    return void socket.end(`${JSON.stringify(refusal(userError('control-busy', `there are ${MOST_CLIENTS} clients already`)))}\n`);
  clients.add(socket);
  let text = '';
  let work: Promise<void> = Promise.resolve();
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('close', () => clients.delete(socket));
  socket.on('data', (chunk: string) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop()!;
    // No more is read than is answered.
    socket.pause();
    for (const line of lines) work = work.then(() => answer(socket, line, controlled));
    if (text.length <= LONGEST) {
      work = work.then(() => void socket.resume());
      return;
    }
    text = '';
    const complaint = userError('control-request', `a request is longer than ${LONGEST} bytes`);
    work = work.then(() => void socket.end(`${JSON.stringify(refusal(complaint))}\n`));
  });
}

async function answer(socket: Socket, line: string, controlled: Controlled): Promise<void> {
  if (line.trim() === '') return;
  let reply: Reply;
  try {
    reply = { ok: true, ...(await controlled(parseRequest(line))) };
  } catch (error) {
    reply = refusal(error);
  }
  if (!socket.destroyed) await new Promise<void>((sent) => socket.write(`${JSON.stringify(reply)}\n`, () => sent()));
}

function refusal(error: unknown): Reply {
  return { ok: false, code: error instanceof EmulatorError ? error.code : 'internal', error: error instanceof Error ? error.message : String(error) };
}

/** Throws EmulatorError with blame `user`. */
export function parseRequest(line: string): ControlRequest {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch (error) {
    throw userError('control-request', `a request is no JSON: ${(error as Error).message}`, error);
  }
  if (typeof request !== 'object' || request === null || Array.isArray(request)) throw userError('control-request', 'a request is no object');
  const { command, file, historyBytes, ...others } = request as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw userError('control-request', `a request has the unknown field '${unknown.slice(0, 40)}'`);
  if (!isCommand(command)) throw userError('control-command', `${JSON.stringify(command)?.slice(0, 60)} is no command; there are ${COMMANDS.join(', ')}`);
  if (historyBytes !== undefined) {
    if (command !== 'checkpoint' && command !== 'suspend') throw userError('control-request', `${command} takes no historyBytes`);
    if (!Number.isSafeInteger(historyBytes) || (historyBytes as number) < 0) throw userError('control-request', 'historyBytes is no number of bytes');
  }
  if (!WITH_FILE.has(command)) {
    if (file !== undefined) throw userError('control-request', `${command} takes no file`);
    return { command };
  }
  if (typeof file !== 'string' || !isAbsolute(file)) throw userError('control-request', `${command} needs a file, as an absolute path`);
  return { command, file, ...(historyBytes !== undefined && { historyBytes: historyBytes as number }) };
}
