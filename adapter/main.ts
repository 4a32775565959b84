/** The debug adapter as a program: DAP on stdin and stdout, or with `--port N` for clients that connect. */
import { createServer } from 'node:net';
import { createGuest } from '../emulator/machine/client';
import { ROUTES } from './session/routes';
import { Session, type GuestFactory } from './session/session';

const USAGE = 'usage: adapter [--port NUMBER]\n';

const make: GuestFactory = (config, { snapshot }) => createGuest(config, snapshot === undefined ? {} : { snapshot });

/** One session over stdin and stdout; the process ends with it. */
function serveStdio(): void {
  new Session(process.stdin, process.stdout, ROUTES, { createGuest: make, ended: () => setImmediate(() => process.exit(0)) });
}

/** A session for each client that connects. */
function servePort(port: number): void {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    new Session(socket, socket, ROUTES, { createGuest: make });
  });
  server.on('error', (error) => {
    process.stderr.write(`adapter: ${error.message}\n`);
    process.exit(1);
  });
  // Whoever connects can read any file that the user can: this machine only.
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    process.stderr.write(`adapter: listening on 127.0.0.1:${typeof address === 'object' && address ? address.port : port}\n`);
  });
}

function main(args: readonly string[]): void {
  if (args.length === 0) return serveStdio();
  const text = args[0] === '--port' ? args[1] : args[0]?.startsWith('--port=') ? args[0].slice(7) : undefined;
  const port = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || port > 65535) {
    process.stderr.write(USAGE);
    process.exit(2);
  }
  servePort(port);
}

main(process.argv.slice(2));
