/**
 * Snapshot files: a line that says what it is, the length of a JSON text, the text with the configuration, every chip's
 * state under the names of its table, the journal and where bytes lie, and then the bytes: images, vCPUs, compressed memory.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { userError } from '../errors';
import type { MachineConfig } from '../machine/api';
import type { Images } from '../machine/history';
import type { JournalEvent } from '../machine/journal';
import type { Machine } from '../machine/machine';
import { capture, restore, type MachineState } from '../machine/state';
import { WINDOW_SIZE } from '../x86/layout';
import { contents, PAGE } from './checkpoint';

const MAGIC = 'guest-debug snapshot\n';
const FORMAT = 1;
/** Pages that are compressed together. */
const RUN = 256;
const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

interface Run {
  /** The engine's page numbers. */
  readonly pages: readonly number[];
  /** Their contents one after the other, raw DEFLATE. */
  readonly data: Uint8Array;
}

interface Snapshot {
  readonly format: number;
  readonly config: MachineConfig;
  readonly images: Images;
  readonly state: MachineState;
  readonly journal: readonly JournalEvent[];
  readonly memory: readonly Run[];
}

/** Writes a snapshot: the file is there whole, or not at all. */
export async function saveSnapshot(machine: Machine, images: Images, path: string): Promise<void> {
  const state = capture(machine);
  const journal = machine.journal.save();
  const memory = new Uint8Array(machine.engine.memory.buffer);
  // Copied at once, so that the guest may go on while they are compressed.
  const pages = [...machine.pages.all()].flatMap((page) => {
    const bytes = contents(memory, page);
    return bytes ? [{ page, bytes }] : [];
  });
  const runs: Run[] = [];
  for (let at = 0; at < pages.length; at += RUN) {
    const run = pages.slice(at, at + RUN);
    runs.push({ pages: run.map(({ page }) => page), data: await deflate(Buffer.concat(run.map(({ bytes }) => bytes)), { level: 1 }) });
  }
  const snapshot: Snapshot = { format: FORMAT, config: machine.config, images, state, journal, memory: runs };
  await writeWhole(path, encode(snapshot));
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  try {
    const file = await open(fresh, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw userError('snapshot-write', `snapshot '${path}' can not be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** A snapshot that was read, ready to be put into a machine of its configuration. */
export interface LoadedSnapshot {
  readonly config: MachineConfig;
  readonly images: Images;
  apply(machine: Machine): void;
}

/** Throws EmulatorError with blame `user`: no file, no snapshot, another format. */
export async function loadSnapshot(path: string): Promise<LoadedSnapshot> {
  const fail = (what: string, cause?: unknown) => userError('snapshot', `snapshot '${path}': ${what}`, cause);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fail('it can not be read', error);
  }
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw fail('this is no snapshot file');
  let snapshot: Snapshot;
  let runs: { readonly pages: readonly number[]; readonly bytes: Uint8Array }[];
  try {
    snapshot = decode(bytes) as Snapshot;
    if (snapshot.format !== FORMAT) throw fail(`its format is ${String(snapshot.format)}; this version reads ${FORMAT}`);
    runs = await Promise.all(snapshot.memory.map(async ({ pages, data }) => ({ pages, bytes: await inflate(data) })));
  } catch (error) {
    throw error instanceof Error && 'blame' in error ? error : fail('it is damaged', error);
  }
  const { config, images, state, journal } = snapshot;
  if (runs.some(({ pages, bytes: data }) => data.length !== pages.length * PAGE)) throw fail('its memory is incomplete');
  if (state.vcpus.length !== config.cpus || state.vcpus.some(({ length }) => length !== WINDOW_SIZE)) throw fail("its vCPUs are another version's");
  return { config, images, apply: (machine) => apply(machine, state, journal, runs, fail) };
}

function apply(
  machine: Machine,
  state: MachineState,
  journal: readonly JournalEvent[],
  runs: readonly { readonly pages: readonly number[]; readonly bytes: Uint8Array }[],
  fail: (what: string) => Error,
): void {
  const memory = new Uint8Array(machine.engine.memory.buffer);
  const written = new Set(machine.pages.all());
  for (const page of written) memory.fill(0, page * PAGE, (page + 1) * PAGE);
  for (const { pages, bytes } of runs)
    pages.forEach((page, index) => {
      if ((page + 1) * PAGE > memory.length) throw fail('it has memory that the machine has not');
      memory.set(bytes.subarray(index * PAGE, (index + 1) * PAGE), page * PAGE);
      written.add(page);
    });
  const devices: Record<string, MachineState['devices'][string]> = {};
  for (const { name, kind, version } of machine.devices) {
    const found = state.devices[name];
    if (!found || found.kind !== kind || found.version !== version) throw fail(`it has no state for ${name}, a ${kind} of version ${version}`);
    devices[name] = found;
  }
  machine.journal.load(journal, state.journal);
  restore(machine, { ...state, devices });
  machine.pages.mark(written);
}

// ── Text and bytes ─────────────────────────────────────────────────────────────────────────

/** What JSON has no word for. */
type Special = { readonly $bytes: readonly [offset: number, length: number] } | { readonly $integer: string } | { readonly $number: string };

function encode(snapshot: Snapshot): Uint8Array {
  const blobs: Uint8Array[] = [];
  let offset = 0;
  const text = JSON.stringify(snapshot, function (this: Record<string, unknown>, key: string): unknown {
    const value = this[key]; // before Buffer's toJSON
    if (value instanceof Uint8Array) {
      const special: Special = { $bytes: [offset, value.length] };
      blobs.push(value);
      offset += value.length;
      return special;
    }
    if (typeof value === 'bigint') return { $integer: value.toString() } satisfies Special;
    if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) } satisfies Special;
    return value;
  });
  const body = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from(MAGIC), length, body, ...blobs]);
}

function decode(file: Buffer): unknown {
  const start = MAGIC.length + 4;
  const end = start + file.readUInt32LE(MAGIC.length);
  if (end > file.length) throw new RangeError('the text is cut');
  return JSON.parse(file.toString('utf8', start, end), (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$bytes' in value) {
      const [offset, length] = (value as { $bytes: readonly [number, number] }).$bytes;
      if (end + offset + length > file.length) throw new RangeError('bytes are missing');
      return new Uint8Array(file.subarray(end + offset, end + offset + length));
    }
    if ('$integer' in value) return BigInt((value as { $integer: string }).$integer);
    if ('$number' in value) return Number((value as { $number: string }).$number);
    return value;
  });
}
