/** What an ATA drive is asked, and what it answers: register FISes without their packing (Serial ATA 3.0, 10.3). */
import type { Scatter } from './ahcidma';
import { ERROR, READY, STATUS, type DriveState } from './ahciregisters';

export interface AtaRequest {
  readonly command: number;
  readonly features: number;
  /** 48 bits as they are in the FIS. */
  readonly lba: number;
  readonly count: number;
  readonly device: number;
  /** ATAPI command. */
  readonly packet: Uint8Array;
  readonly data: Scatter;
}

export interface AtaAnswer {
  readonly status: number;
  readonly error: number;
  readonly lba: number;
  readonly count: number;
  /** How the data went: where by PIO, the bytes of its last DRQ block. */
  readonly pio?: { readonly toGuest: boolean; readonly block: number };
  /** NCQ: the tag. */
  readonly queued?: number;
}

/** A drive on a port. It answers at once, and throws PortFault where the guest's memory is wrong. */
export interface AtaDrive {
  /** PxSIG after reset. */
  readonly signature: number;
  readonly atapi: boolean;
  execute(request: AtaRequest, state: DriveState): AtaAnswer;
}

export const done = ({ lba = 0, count = 0, pio }: Partial<Pick<AtaAnswer, 'lba' | 'count' | 'pio'>> = {}): AtaAnswer => ({
  status: READY,
  error: 0,
  lba,
  count,
  ...(pio && { pio }),
});
export const failed = (error: number, lba = 0, count = 0): AtaAnswer => ({ status: READY | STATUS.ERR, error, lba, count });
export const aborted = (): AtaAnswer => failed(ERROR.ABRT);

/** Registers after reset, as the signature has them: Count, then LBA. */
export const signatureAnswer = (signature: number): AtaAnswer => ({ ...done({ count: signature & 0xff, lba: signature >>> 8 }), error: 1 });
/** Where a command is not for this kind of drive, it says which kind it is (ACS-3, 9.1). */
export const notThisKind = (signature: number): AtaAnswer => failed(ERROR.ABRT, signature >>> 8, signature & 0xff);

/** ATA strings: two characters a word, the first in its upper half, filled with spaces. */
export function putString(words: Uint16Array, at: number, count: number, text: string): void {
  for (let i = 0; i < count; i++) {
    const character = (index: number): number => (index < text.length ? text.charCodeAt(index) & 0x7f : 0x20);
    words[at + i] = (character(2 * i) << 8) | character(2 * i + 1);
  }
}

/** Words as bytes, with the checksum of IDENTIFY data (ACS-3, 7.12.7.81). */
export function identifyBytes(words: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint16(2 * i, word, true));
  bytes[510] = 0xa5;
  bytes[511] = 0;
  bytes[511] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return bytes;
}
