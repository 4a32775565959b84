/** A guest in a thread of its own, for the adapter, the command line and tests. */
import { join } from 'node:path';
import type { Guest, GuestEvent, MachineConfig } from './api';
import { fromSent, gone, METHODS, type Message, type Method, type Request, type WorkerStart } from './messages';
import type { OpenOptions } from './open';
import { startThread } from '../thread';
import { tuneV8 } from './v8flags';

/** The bundle of worker.ts, beside the program's own. */
const BUNDLE = 'guest-worker.js';
/** How long an unwilling thread is waited for when the guest is closed. */
const CLOSE_MS = 2000;
/** Where what was written to disks goes to files first. */
const CLOSE_DISKS_MS = 120_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Starts a thread and makes the guest in it. Rejects with the EmulatorError of the thread. */
export function createGuest(config: MachineConfig | undefined, options: OpenOptions = {}): Promise<Guest> {
  const data: WorkerStart = { config, snapshot: options.snapshot };
  tuneV8();
  const worker = startThread(BUNDLE, join(__dirname, 'worker'), data);
  const listeners = new Set<(event: GuestEvent) => void>();
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let ended = false;
  let patience = CLOSE_MS;

  const end = (error: Error): void => {
    ended = true;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const call = (method: Method, args: readonly unknown[]): Promise<unknown> => {
    if (ended) return Promise.reject(gone());
    const id = next++;
    const request: Request = { id, method, args };
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      worker.postMessage(request);
    });
  };
  const settle = (id: number, how: (waiting: Waiting) => void): void => {
    const found = waiting.get(id);
    waiting.delete(id);
    if (found) how(found);
  };
  const close = async (): Promise<void> => {
    if (ended) return;
    const timer = setTimeout(() => void worker.terminate(), patience);
    try {
      await call('close', []);
    } finally {
      clearTimeout(timer);
      ended = true;
      await worker.terminate();
    }
  };

  return new Promise((resolve, reject) => {
    worker.on('message', (message: Message) => {
      switch (message.kind) {
        case 'ready': {
          if (message.config.disks?.some(({ overlay }) => overlay !== undefined)) patience = CLOSE_DISKS_MS;
          const methods = Object.fromEntries(METHODS.map((method) => [method, (...args: readonly unknown[]) => call(method, args)]));
          const on = (listener: (event: GuestEvent) => void): (() => void) => {
            listeners.add(listener);
            return () => void listeners.delete(listener);
          };
          return resolve({ ...methods, close, on, config: message.config } as unknown as Guest);
        }
        case 'failed':
          return reject(fromSent(message.error));
        case 'reply':
          return settle(message.id, (found) => found.resolve(message.value));
        case 'error':
          return settle(message.id, (found) => found.reject(fromSent(message.error)));
        case 'event':
          return listeners.forEach((listener) => listener(message.event));
      }
    });
    worker.on('error', (error) => {
      reject(error);
      end(error);
    });
    worker.on('exit', () => {
      reject(gone());
      end(gone());
    });
  });
}
