/** The beginning of a conversation: RFC 6143 section 7.1 to 7.3, in the server's part. */
import { CHALLENGE_BYTES, isRightResponse } from './authentication';
import { RfbError } from './errors';
import { take, type Reading } from './input';
import { Writer } from './writer';

export interface Security {
  /** Without one there is no authentication. */
  readonly password?: string;
  /** Sixteen bytes of chance, for a password. */
  readonly challenge?: Uint8Array;
}

const NONE = 1;
const VNC_AUTHENTICATION = 2;
const FAILED = 1;
const VERSION_BYTES = 12;
export const SERVER_VERSION = 'RFB 003.008\n';

const reason = (text: string): Uint8Array => new Writer().u32(text.length).latin1(text).take();

/** Versions and security. Returns when the client is let in. */
export function* handshake(send: (bytes: Uint8Array) => void, security: Security): Reading<void> {
  send(new Writer().latin1(SERVER_VERSION).take());
  const minor = versionOf(yield* take(VERSION_BYTES));
  const type = security.password === undefined ? NONE : VNC_AUTHENTICATION;
  if (minor >= 7) {
    send(new Writer().u8(1).u8(type).take());
    const chosen = (yield* take(1)).getUint8(0);
    if (chosen !== type) {
      const text = `security type ${chosen} was not offered`;
      if (minor >= 8) send(new Writer().u32(FAILED).bytes(reason(text)).take());
      throw new RfbError('rfb-security', text);
    }
  } else send(new Writer().u32(type).take());
  if (security.password !== undefined) yield* authenticate(send, security.password, security.challenge, minor);
  // Before 3.8, SecurityResult follows authentication only.
  if (minor >= 8 || type === VNC_AUTHENTICATION) send(new Writer().u32(0).take());
}

/** 3.3, 3.7 or 3.8; whatever else a client says is taken for 3.3, as the RFC wants it. */
function versionOf(view: DataView): number {
  const text = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset, VERSION_BYTES));
  const parts = /^RFB (\d{3})\.(\d{3})\n$/.exec(text);
  if (!parts) throw new RfbError('rfb-version', 'the client does not speak RFB');
  const [major, minor] = [Number(parts[1]), Number(parts[2])];
  if (major < 3) throw new RfbError('rfb-version', `RFB ${major}.${minor} is older than 3.3`);
  if (major > 3 || minor >= 8) return 8;
  return minor === 7 ? 7 : 3;
}

function* authenticate(send: (bytes: Uint8Array) => void, password: string, challenge: Uint8Array | undefined, minor: number): Reading<void> {
  if (challenge?.length !== CHALLENGE_BYTES) throw new RfbError('rfb-security', 'a challenge of 16 bytes is needed');
  send(challenge);
  const view = yield* take(CHALLENGE_BYTES);
  if (isRightResponse(password, challenge, new Uint8Array(view.buffer, view.byteOffset, CHALLENGE_BYTES))) return;
  const text = 'the password is wrong';
  const result = new Writer().u32(FAILED);
  if (minor >= 8) result.bytes(reason(text));
  send(result.take());
  throw new RfbError('rfb-password', text);
}
