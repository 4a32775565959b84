import { EmulatorError } from '../../errors';

/** What a client can do wrong. It closes the connection of that client and concerns no other. */
export type RfbProblem = 'rfb-version' | 'rfb-security' | 'rfb-password' | 'rfb-message' | 'rfb-pixel-format' | 'rfb-length' | 'rfb-slow';

export class RfbError extends EmulatorError {
  constructor(
    override readonly code: RfbProblem,
    message: string,
  ) {
    super(code, 'user', message);
    this.name = 'RfbError';
  }
}
