/** VNC authentication, RFC 6143 section 7.2.2: the challenge enciphered with the password by DES. */
import { nodeCrypto } from '../../builtins';

export const CHALLENGE_BYTES = 16;
const BLOCK = 8;

/** Each byte's bits in reverse: the key as VNC has it. */
const mirrored = (byte: number): number => {
  let mirror = 0;
  for (let bit = 0; bit < 8; bit++) mirror |= ((byte >> bit) & 1) << (7 - bit);
  return mirror;
};

/** Eight characters of the password count. */
function key(password: string): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  Buffer.from(password, 'latin1').copy(bytes, 0, 0, BLOCK);
  return bytes.map(mirrored) as Buffer;
}

/** What a client that knows the password answers. */
export function vncResponse(password: string, challenge: Uint8Array): Uint8Array {
  const single = key(password);
  // Triple DES with three times one key is DES, which OpenSSL 3 no longer offers by itself.
  const triple = Buffer.concat([single, single, single]);
  const blocks = [challenge.subarray(0, BLOCK), challenge.subarray(BLOCK, CHALLENGE_BYTES)];
  return Buffer.concat(blocks.map((block) => nodeCrypto().createCipheriv('des-ede3-cbc', triple, Buffer.alloc(BLOCK)).setAutoPadding(false).update(block)));
}

export function isRightResponse(password: string, challenge: Uint8Array, response: Uint8Array): boolean {
  const right = vncResponse(password, challenge);
  return right.length === response.length && nodeCrypto().timingSafeEqual(right, response);
}
