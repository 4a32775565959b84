/** Who has to act on an error. */
export type Blame = 'user' | 'guest' | 'internal';

/**
 * Every error that leaves the emulator: a stable code, who is to blame, and a message
 * that names what went wrong and where.
 */
export class EmulatorError extends Error {
  constructor(
    readonly code: string,
    readonly blame: Blame,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'EmulatorError';
  }
}

/** The configuration or an input file is wrong: `what` names it. */
export const userError = (code: string, message: string, cause?: unknown): EmulatorError =>
  new EmulatorError(code, 'user', message, cause === undefined ? undefined : { cause });

/** The guest did something that has no defined outcome here. */
export const guestError = (code: string, message: string): EmulatorError => new EmulatorError(code, 'guest', message);

/** A defect of this program. */
export const internalError = (code: string, message: string): EmulatorError => new EmulatorError(code, 'internal', message);
