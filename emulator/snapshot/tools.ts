/** What can be done with a snapshot file without a machine. */
import type { MachineConfig } from '../machine/api';
import { BlobWriter, readBlob } from './blobs';
import { asList, asMap, type Value } from './cbor';
import { encodeContainer, readChunks, type Chunk, type Manifest } from './container';
import { fieldsToConfig } from './configchunk';
import { knownChunks } from './file';
import { bad, hex } from './format';
import { chipOf } from './historychunk';
import { about, openSnapshot, writeWhole, type OpenSnapshot } from './storage';
import { upgrade, UPGRADES, type Upgrades } from './upgrades';

export async function withFile<T>(path: string, action: (file: OpenSnapshot) => Promise<T>): Promise<T> {
  return about(path, async () => {
    const file = await openSnapshot(path);
    try {
      return await action(file);
    } finally {
      await file.close();
    }
  });
}

/** A value for people and JSON: numbers beyond its own as text, bytes as digits. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };
export const isMap = (value: Plain | undefined): value is { readonly [name: string]: Plain } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function plain(value: Value): Plain {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return (value as readonly Value[]).map(plain);
  // Own properties, whatever they are called.
  if (value instanceof Map) return Object.fromEntries([...(value as ReadonlyMap<string, Value>)].map(([name, item]) => [name, plain(item)]));
  return value as null | boolean | number | string;
}

export interface InspectedChunk extends Pick<Chunk, 'kind' | 'instance' | 'version' | 'mandatory'> {
  readonly fields: { readonly [name: string]: Plain };
}
/** All that a file says. */
export interface Inspected {
  readonly id: string;
  readonly format: number;
  readonly producer: string;
  readonly architecture: string;
  readonly parent: { readonly id: string; readonly name: string } | null;
  /** `bytes` in the file, `unpacked` without compression. */
  readonly blobs: { readonly count: number; readonly bytes: number; readonly unpacked: number };
  readonly chunks: readonly InspectedChunk[];
}

const heading = ({ header, id, parent, blobs }: Manifest): Omit<Inspected, 'chunks'> => ({
  id: hex(id),
  format: header.format,
  producer: header.producer,
  architecture: header.architecture,
  parent: parent ? { id: hex(parent.id), name: parent.name } : null,
  blobs: { count: blobs.length, bytes: blobs.reduce((sum, { length }) => sum + length, 0), unpacked: blobs.reduce((sum, { size }) => sum + size, 0) },
});

/** All that the file says, as JSON has it; chunks of unknown kinds too. */
export const inspectSnapshot = (path: string): Promise<Inspected> =>
  withFile(path, async ({ source, manifest }) => {
    const chunks = await readChunks(source, manifest);
    return { ...heading(manifest), chunks: chunks.map(({ fields, ...chunk }) => ({ ...chunk, fields: plain(fields) as InspectedChunk['fields'] })) };
  });

/** The machine that the file is of. */
export const readConfiguration = (path: string): Promise<MachineConfig> =>
  withFile(path, async ({ source, manifest }) => {
    const found = knownChunks(await readChunks(source, manifest)).find(({ kind }) => kind === 'configuration');
    if (!found) throw bad('it is damaged: it has no configuration');
    return fieldsToConfig(found.fields);
  });

/** Holds every part of the file and of its parents against its hash. Gives the number of parts. */
export const verifySnapshot = (path: string): Promise<number> =>
  withFile(path, async ({ source, manifest, blobs }) => {
    const chunks = await readChunks(source, manifest);
    for (const key of blobs.keys()) await readBlob(blobs, Buffer.from(key, 'hex'), 'a blob');
    return chunks.length + blobs.size;
  });

/** Writes a snapshot that needs no parents; chunks that this version does not know stay in it. */
export const flattenSnapshot = (path: string, to: string): Promise<void> => rewrite(path, to, (chunk) => chunk);

/** As flatten, with every chunk in its newest version. Gives the kinds that were older. */
export async function upgradeSnapshot(path: string, to: string, upgrades: Upgrades = UPGRADES): Promise<readonly string[]> {
  const older = new Set<string>();
  const renew = (chunk: Chunk): Chunk => {
    const version = newestOf(chunk, upgrades);
    if (version > chunk.version) older.add(chunk.kind);
    return upgrade(chunk, version, upgrades);
  };
  await rewrite(path, to, (chunk) => (chunk.kind === 'history' ? renewPast(renew(chunk), renew) : renew(chunk)), older);
  return [...older].sort();
}

/** A version beyond those that upgrades lead to stays as it is. */
function newestOf({ kind, version }: Chunk, upgrades: Upgrades): number {
  const steps = Object.hasOwn(upgrades, kind) ? Object.keys(upgrades[kind]!).map((step) => Number(step) + 1) : [];
  return Math.max(version, ...steps);
}

/** A checkpoint of the past holds chips too. */
function renewPast(chunk: Chunk, renew: (chip: Chunk) => Chunk): Chunk {
  const devices = asList(chunk.fields.get('devices'), 'devices of the history').map((item): Value => {
    const device = asMap(item, 'a device of the history');
    const { version, fields } = renew(chipOf(device, 'a device of the history'));
    return new Map(device).set('version', version).set('fields', fields);
  });
  return { ...chunk, fields: new Map(chunk.fields).set('devices', devices) };
}

/** `older`: kinds whose meaning in the schema is not that of the new fields. */
async function rewrite(path: string, to: string, change: (chunk: Chunk) => Chunk, older: ReadonlySet<string> = new Set()): Promise<void> {
  await withFile(path, async ({ source, manifest, blobs }) => {
    const writer = new BlobWriter();
    for (const [key, blob] of blobs) writer.keep(Buffer.from(key, 'hex'), await blob.read());
    const chunks = (await readChunks(source, manifest)).map(change);
    const meant = chunks.map((chunk) =>
      chunk.kind === 'schema' && older.size > 0 ? { ...chunk, fields: new Map([...chunk.fields].filter(([kind]) => !older.has(kind))) } : chunk,
    );
    const { pieces } = await encodeContainer(meant, writer);
    await writeWhole(to, pieces);
  });
}
