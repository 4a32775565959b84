/**
 * A Linux System.map, or the output of `nm`: lines of address, type letter and name. The letters are
 * nm's: t, T, w, W code; d, D, b, B, r, R, v, V data; a, A absolute values, which are no addresses.
 */
import { userError } from '../errors';

export interface SystemMapEntry {
  readonly address: bigint;
  /** In lower case. */
  readonly letter: string;
  readonly name: string;
}

/** Does this look like a System.map? */
export const isSystemMap = (bytes: Uint8Array): boolean => /^[0-9a-f]{4,16} [a-zA-Z?-] \S/.test(Buffer.from(bytes.subarray(0, 64)).toString('latin1'));

/** All its addresses, in the file's order. Throws EmulatorError with blame `user`, naming the line. */
export function readSystemMap(name: string, bytes: Uint8Array): SystemMapEntry[] {
  const entries: SystemMapEntry[] = [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  let line = 0;
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const row = text.slice(start, end);
    start = end + 1;
    line++;
    if (row.trim() === '') continue;
    const match = /^([0-9a-fA-F]{1,16}) ([a-zA-Z?-]) (\S+)/.exec(row);
    if (!match) {
      throw userError('system-map-format', `${name}: line ${line} is no "address type name" line: ${JSON.stringify(row.slice(0, 60))}`);
    }
    const letter = match[2]!.toLowerCase();
    if (letter !== 'a') entries.push({ address: BigInt(`0x${match[1]!}`), letter, name: match[3]! });
  }
  return entries;
}
