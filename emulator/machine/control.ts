/**
 * A running guest's control socket: a UNIX domain socket on which each line is a request as JSON, answered by a line.
 *
 *   {"command":"checkpoint","file":"/a/b.guest"}   ->  {"ok":true,"file":"/a/b.guest","position":123}
 *   {"command":"paste","text":"ls\n"}              ->  {"ok":true,"typed":3,"skipped":""}
 *   {"command":"fly"}                              ->  {"ok":false,"code":"control-command","error":"..."}
 */
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { nodeCrypto } from '../builtins';
import { EmulatorError, userError } from '../errors';

export const COMMANDS = ['status', 'pause', 'resume', 'checkpoint', 'suspend', 'screenshot', 'paste', 'copy', 'power', 'quit'] as const;
export type Command = (typeof COMMANDS)[number];
export const isCommand = (text: unknown): text is Command => (COMMANDS as readonly unknown[]).includes(text);
/** Those that write a file. */
export const WITH_FILE: ReadonlySet<Command> = new Set<Command>(['checkpoint', 'suspend', 'screenshot']);

export interface ControlRequest {
  readonly command: Command;
  /** An absolute path, for those that write a file. */
  readonly file?: string;
  /** What is pasted. */
  readonly text?: string;
  /** A checkpoint or suspend carries the past, as far as its pages fit into so many bytes. */
  readonly historyBytes?: number;
  /** A snapshot of the same folder, as an absolute path: what it holds is not written again. */
  readonly parent?: string;
}
export type Reply = Readonly<Record<string, string | number | boolean>>;
/** Does what is asked; throws EmulatorError where that can't be done. */
export type Controlled = (request: ControlRequest) => Promise<Reply>;

/** Bytes of a request, and clients at a time. */
const LONGEST = 1 << 17;
const MOST_CLIENTS = 16;
/** How often a socket is taken over before others have it, and how long one that was just made may take to listen. */
const [ATTEMPTS, SETTLED_MS] = [4, 50];
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
  const clients = new Set<Socket>();
  const server = createServer((socket) => serve(socket, clients, controlled));
  // To bind is to make the file: of several guests one comes first, and the others find it there.
  for (let attempt = 0; !(await listen(server, path)); attempt++) {
    if (attempt === ATTEMPTS) throw userError('control-socket', `${path}: other guests are about to listen there too`);
    await removeStale(path);
  }
  return {
    path,
    close: () => {
      for (const client of clients) client.destroy();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

/** False where there is such a file already. */
function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(userError('control-socket', `${path}: ${existsSync(dirname(path)) ? error.message : 'there is no such folder'}`, error));
    };
    server.once('error', failed);
    // Nobody else may connect, from the first moment on. The file is made before `listen` comes back.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        chmodSync(path, 0o600);
        resolve(true);
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** Takes away a socket whose guest is no more. Throws where one listens, or where the file is none. */
async function removeStale(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return;
  if (!there.isSocket()) throw userError('control-socket', `${path}: is there already, and is no socket`);
  // One that was made just now listens in a moment.
  for (let i = 0; i < 2; i++) {
    if (await answers(path)) throw userError('control-socket', `${path}: a guest listens there already`);
    if (i === 0) await new Promise((later) => setTimeout(later, SETTLED_MS));
  }
  // Another guest may have taken it over meanwhile: what listens after all is put back.
  const aside = `${path}.${nodeCrypto().randomUUID()}`;
  try {
    renameSync(path, aside);
    if (lstatSync(aside).ino !== there.ino || (await answers(aside))) linkSync(aside, path);
  } catch (error) {
    // It is gone, or yet another one is there.
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'EEXIST'].includes(code)) throw userError('control-socket', `${path}: ${message}`, error);
  }
  rmSync(aside, { force: true });
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
  const { command, file, text, historyBytes, parent, ...others } = request as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw userError('control-request', `a request has the unknown field '${unknown.slice(0, 40)}'`);
  if (!isCommand(command)) throw userError('control-command', `${JSON.stringify(command)?.slice(0, 60)} is no command; there are ${COMMANDS.join(', ')}`);
  for (const [name, value] of Object.entries({ historyBytes, parent }))
    if (value !== undefined && command !== 'checkpoint' && command !== 'suspend') throw userError('control-request', `${command} takes no ${name}`);
  if (parent !== undefined && (typeof parent !== 'string' || !isAbsolute(parent))) throw userError('control-request', 'parent is no absolute path');
  if (historyBytes !== undefined) {
    if (!Number.isSafeInteger(historyBytes) || (historyBytes as number) < 0) throw userError('control-request', 'historyBytes is no number of bytes');
  }
  if ((command === 'paste') !== (typeof text === 'string') || (text !== undefined && command !== 'paste'))
    throw userError('control-request', command === 'paste' ? 'paste needs a text' : `${command} takes no text`);
  if (!WITH_FILE.has(command)) {
    if (file !== undefined) throw userError('control-request', `${command} takes no file`);
    return { command, ...(typeof text === 'string' && { text }) };
  }
  if (typeof file !== 'string' || !isAbsolute(file)) throw userError('control-request', `${command} needs a file, as an absolute path`);
  return { command, file, ...(historyBytes !== undefined && { historyBytes: historyBytes as number }), ...(parent !== undefined && { parent }) };
}
