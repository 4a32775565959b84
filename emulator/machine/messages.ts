import type { Guest, GuestEvent, MachineConfig } from './api';
import { EmulatorError, internalError, type Blame } from '../errors';

/** Methods of a guest that travel as messages: one request, one reply. */
export const METHODS = [
  'status', 'resume', 'pause', 'step', 'stepBack', 'reverseContinue', 'travel', 'reset', 'setTriggers', 'checkpoint', 'checkpoints', 'restore', 'timeline', 'thumbnails',
  'stateHash', 'profile', 'vcpuState', 'deviceState', 'setVcpuState', 'setDeviceState', 'registers', 'readMemory', 'writeMemory', 'translate', 'serialInput',
  'key', 'pointer', 'move', 'frame', 'frameChanges', 'text', 'memoryMap', 'save', 'close',
] as const satisfies readonly (keyof Guest)[]; // prettier-ignore
export type Method = (typeof METHODS)[number];

export interface SentError {
  readonly code: string;
  readonly blame: Blame;
  readonly message: string;
}

/** What the worker is started with. */
export interface WorkerStart {
  readonly config: MachineConfig | undefined;
  readonly snapshot: string | undefined;
}
export interface Request {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}
export type Message =
  | { readonly kind: 'ready'; readonly config: MachineConfig }
  | { readonly kind: 'failed'; readonly error: SentError }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: SentError }
  | { readonly kind: 'event'; readonly event: GuestEvent };

export const isMethod = (name: string): name is Method => (METHODS as readonly string[]).includes(name);

export function toSent(error: unknown): SentError {
  if (error instanceof EmulatorError) return { code: error.code, blame: error.blame, message: error.message };
  return { code: 'internal', blame: 'internal', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
export const fromSent = ({ code, blame, message }: SentError): EmulatorError => new EmulatorError(code, blame, message);

export const gone = (): EmulatorError => internalError('worker-gone', 'the thread that runs the guest has ended');
