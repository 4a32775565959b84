/** Errors as DAP sees them: each has a stable code and says who has to act, which decides how it is shown. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { EmulatorError } from '../../emulator/errors';

/**
 * `nobody`: an answer that happens to be no, such as a hover over a word that is no expression;
 * never shown as an alert.
 */
export type DapBlame = 'user' | 'guest' | 'internal' | 'nobody';

export class DapError extends Error {
  constructor(
    readonly code: string,
    readonly blame: DapBlame,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'DapError';
  }
}

export const badRequest = (message: string): DapError => new DapError('bad-request', 'user', message);
export const unknownCommand = (command: string): DapError => new DapError('unknown-command', 'nobody', `this debug adapter has no request '${command}'`);
export const notLaunched = (): DapError => new DapError('not-launched', 'nobody', 'no guest has been launched yet');
export const guestRuns = (): DapError => new DapError('notStopped', 'nobody', 'the guest is running; pause it first');
export const cancelled = (): DapError => new DapError('cancelled', 'nobody', 'cancelled');
export const expressionError = (message: string): DapError => new DapError('expression', 'nobody', message);
export const cannotSet = (message: string): DapError => new DapError('cannot-set', 'user', message);
export const unresolved = (message: string): DapError => new DapError('breakpoint', 'user', message);
export const noHistory = (): DapError => new DapError('no-history', 'user', "this guest has no history; the launch attribute 'historyMegabytes' gives it one");
export const noSource = (message: string): DapError => new DapError('no-source', 'nobody', message);

/** The number that DAP wants beside a code: a hash of it, so that it never changes. */
export function errorId(code: string): number {
  let hash = 0;
  for (const character of code) hash = (hash * 31 + character.charCodeAt(0)) % 0x7fff;
  return 1000 + hash;
}

interface Described {
  readonly code: string;
  readonly blame: DapBlame;
  readonly message: string;
}

/** Whatever was thrown, as a code, a blame and a text. */
export function describe(error: unknown): Described {
  if (error instanceof DapError || error instanceof EmulatorError) {
    return { code: error.code, blame: error.blame, message: error.message };
  }
  // An EmulatorError that came through a worker's message channel has lost its class, not its fields.
  if (error instanceof Error) {
    const { code, blame } = error as Error & { code?: unknown; blame?: unknown };
    if (typeof code === 'string' && (blame === 'user' || blame === 'guest' || blame === 'internal')) {
      return { code, blame, message: error.message };
    }
    return { code: 'internal', blame: 'internal', message: error.stack ?? error.message };
  }
  return { code: 'internal', blame: 'internal', message: String(error) };
}

const PREFIX: Readonly<Record<DapBlame, string>> = {
  user: '',
  guest: 'The guest: ',
  internal: 'A defect of Guest Debugger, please report it: ',
  nobody: '',
};

/** The text for a person: who is to blame, what happened, and the code to look up. */
export function errorText(error: unknown): string {
  const { code, blame, message } = describe(error);
  return blame === 'nobody' ? message : `${PREFIX[blame]}${message} [${code}]`;
}

export function errorResponse(request: DebugProtocol.Request, error: unknown): Omit<DebugProtocol.ErrorResponse, 'seq'> {
  const { code, blame } = describe(error);
  const format = errorText(error);
  return {
    type: 'response',
    request_seq: request.seq,
    success: false,
    command: request.command,
    // The protocol gives these two words a meaning; for all else the text is what simple clients show.
    message: code === 'cancelled' || code === 'notStopped' ? code : format,
    // Braces would be taken for variables.
    body: { error: { id: errorId(code), format: format.replace(/[{}]/g, (brace) => (brace === '{' ? '(' : ')')), showUser: blame !== 'nobody' } },
  };
}
