/** What the commands of `guest snapshot` do. */
import { diffSnapshots, type Difference } from '../snapshot/diff';
import { userError } from '../errors';
import type { Guest } from '../machine/api';
import { openGuest } from '../machine/open';
import { inspectionText } from './inspection';
import { flattenSnapshot, inspectSnapshot, readConfiguration, upgradeSnapshot, verifySnapshot } from '../snapshot/tools';
import { writeScreenshot } from './png';
import { shownValue } from './shown';

const asJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
const print = (text: string): void => void process.stdout.write(text);

export async function inspect(file: string, json = false): Promise<void> {
  const contents = await inspectSnapshot(file);
  print(json ? asJson(contents) : inspectionText(contents));
}

export async function verify(file: string): Promise<void> {
  print(`${file}: ${await verifySnapshot(file)} parts are as they were written\n`);
}

export { flattenSnapshot as flatten };

export async function upgrade(file: string, to: string): Promise<void> {
  const older = await upgradeSnapshot(file, to);
  print(older.length === 0 ? `${file}: nothing in it is of an older version\n` : `${file}: ${older.join(', ')} brought up to date\n`);
}

export function picture(file: string, png: string): Promise<void> {
  return withGuest(file, (guest) => writeScreenshot(guest, png));
}

export async function memory(file: string, address: string, length = '256', linear = false): Promise<void> {
  const [from, size] = [parseBig('address', address), Number(parseBig('length', length))];
  if (size < 1 || size > MOST_MEMORY) throw userError('memory-length', `a length of ${length}: 1 to ${MOST_MEMORY} are possible`);
  const bytes = await withGuest(file, (guest) => guest.readMemory(0, linear ? 'linear' : 'physical', from, size));
  print(hexDump(from, bytes));
  if (bytes.length < size) throw userError('no-memory', `there is no memory at 0x${(from + BigInt(bytes.length)).toString(16)}`);
}

export async function map(file: string, json = false): Promise<void> {
  const hex = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  const regions = (await withGuest(file, (guest) => guest.memoryMap())).map(({ space, first, last, owner }) => {
    const digits = space === 'port' ? 4 : 16;
    return { space, first: hex(first, digits), last: hex(last, digits), owner };
  });
  print(json ? asJson(regions) : regions.map(({ space, first, last, owner }) => `${space.padEnd(6)}  ${`${first}–${last}`.padEnd(37)}  ${owner}\n`).join(''));
}

export async function diff(before: string, after: string, json = false): Promise<void> {
  const differences = await diffSnapshots(before, after);
  print(json ? asJson(differences) : differenceText(differences));
  // As diff(1) has it.
  if (differences.length > 0) process.exitCode = 1;
}

const MOST_MEMORY = 1 << 20;

/** The machine of a file, to be looked at: nothing of the host is its to use. */
async function withGuest<T>(file: string, look: (guest: Guest) => Promise<T>): Promise<T> {
  const { network: _, vars: __, ...config } = await readConfiguration(file);
  const guest = await openGuest({ ...config, historyBytes: 0 }, { snapshot: file, view: true });
  try {
    return await look(guest);
  } finally {
    await guest.close();
  }
}

function parseBig(what: string, text: string): bigint {
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) || BigInt(text) >= 2n ** 64n) throw userError(what, `'${text}' is no ${what}`);
  return BigInt(text);
}

/** Lines of 16 bytes: address, bytes, and what of them is printable. */
export function hexDump(from: bigint, bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    const digits = [...line].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = [...line].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    text += `${(from + BigInt(at)).toString(16).padStart(16, '0')}  ${digits.padEnd(47)}  ${letters}\n`;
  }
  return text;
}

const WIDEST = 60;

/** A heading for each chunk, and a line for each difference; what a field means is told once where several of the same kind follow each other. */
export function differenceText(differences: readonly Difference[]): string {
  const lines: string[] = [];
  let [heading, told] = ['', ''];
  for (const { where, what, before, after, about = '', bits = [] } of differences) {
    if (where !== heading) {
      lines.push((heading = where));
      told = '';
    }
    const show = (value: unknown): string => shownValue(value, about !== '', WIDEST);
    const change = before === undefined ? show(after) : `${show(before)} → ${after === undefined ? 'nothing' : show(after)}`;
    const parts = bits.map(({ name, before: old, after: now }) => `${name} ${old} → ${now}`).join(', ');
    lines.push([`  ${what.padEnd(24)} ${change}`, parts, about === told ? '' : `(${about})`].filter((part) => part !== '').join('   '));
    told = about;
  }
  return lines.map((line) => `${line}\n`).join('');
}
