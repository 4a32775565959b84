/** Entry of the thread that runs a guest: requests in, replies and events out. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Guest } from './api';
import { userError } from '../errors';
import { isMethod, toSent, type Message, type Request, type WorkerStart } from './messages';
import { openGuest } from './open';

const port = parentPort;
const send = (message: Message): void => port?.postMessage(message);

async function answer(guest: Guest, { id, method, args }: Request): Promise<void> {
  try {
    if (!isMethod(method)) throw userError('no-method', `a guest has no method '${String(method)}'`);
    const call = guest[method] as (...args: unknown[]) => Promise<unknown>;
    const value = await call.apply(guest, [...args]);
    send({ kind: 'reply', id, value });
  } catch (error) {
    send({ kind: 'error', id, error: toSent(error) });
  }
  if (method === 'close') port?.close();
}

async function main(): Promise<void> {
  const { config, snapshot } = workerData as WorkerStart;
  try {
    const guest = await openGuest(config, snapshot === undefined ? {} : { snapshot });
    guest.on((event) => send({ kind: 'event', event }));
    port?.on('message', (request: Request) => void answer(guest, request));
    send({ kind: 'ready', config: guest.config });
  } catch (error) {
    send({ kind: 'failed', error: toSent(error) });
    port?.close();
  }
}

void main();
