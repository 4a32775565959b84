/** The container: header, chunks, blobs, manifest. It knows nothing of what the chunks mean. */
import { asBool, asBytes, asInteger, asList, asMap, asText, fieldsOf, fromCbor, only, toCbor, type Fields, type Value } from './cbor';
import { isCodec, packChunk, unpack, unpackSync, verify, type BlobWriter, type Stored } from './blobs';
import { bad, decodeHeader, encodeHeader, HEADER, hex, LIMITS, sha256, type Header } from './format';

/** A piece of the machine's state: what it is, of which instance, in which version of its fields. */
export interface Chunk {
  readonly kind: string;
  readonly instance: string;
  readonly version: number;
  /** A reader that does not know it must refuse the file; what isn't mandatory is skipped and kept. */
  readonly mandatory: boolean;
  readonly fields: Fields;
}

/** The file that holds the blobs which this one lacks. */
export interface ParentLink {
  readonly id: Uint8Array;
  /** File name, in the same folder. */
  readonly name: string;
}

export interface BlobEntry {
  readonly hash: Uint8Array;
  readonly codec: Stored['codec'];
  readonly size: number;
  readonly offset: number;
  readonly length: number;
}
export interface ChunkEntry extends BlobEntry {
  readonly kind: string;
  readonly instance: string;
  readonly version: number;
  readonly mandatory: boolean;
}
export interface Manifest {
  readonly header: Header;
  /** SHA-256 of the manifest: the identity of the snapshot. */
  readonly id: Uint8Array;
  readonly parent: ParentLink | undefined;
  readonly chunks: readonly ChunkEntry[];
  readonly blobs: readonly BlobEntry[];
}

// ── Writing ────────────────────────────────────────────────────────────────────────────────

const order = (a: Chunk, b: Chunk): number => compare(a.kind, b.kind) || compare(a.instance, b.instance);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The file in pieces, in the order in which they are written. The same contents give the same bytes. */
export async function encodeContainer(
  chunks: readonly Chunk[],
  blobs: BlobWriter,
  parent?: ParentLink,
): Promise<{ pieces: readonly Uint8Array[]; id: Uint8Array }> {
  const pieces: Uint8Array[] = [];
  let offset: number = HEADER.size;
  const place = (hash: Uint8Array, { codec, size, data }: Stored): BlobEntry => {
    const entry = { hash, codec, size, offset, length: data.length };
    pieces.push(data);
    offset += data.length;
    return entry;
  };
  blobs.flush();
  const chunkList: Value[] = [];
  for (const { kind, instance, version, mandatory, fields } of [...chunks].sort(order)) {
    const contents = toCbor(fields);
    if (contents.length > LIMITS.chunk) throw bad(`${kind} '${instance}' is too large for a snapshot`);
    chunkList.push(fieldsOf({ kind, instance, version, mandatory, ...placed(place(sha256(contents), await packChunk(contents))) }));
  }
  const blobList: Value[] = [];
  for (const { hash, stored } of blobs.fresh.values()) blobList.push(fieldsOf(placed(place(hash, await stored))));
  const manifest = toCbor(fieldsOf({ parent: parent ? fieldsOf({ id: parent.id, name: parent.name }) : null, chunks: chunkList, blobs: blobList }));
  if (manifest.length > LIMITS.manifest) throw bad('it has too many parts');
  const id = sha256(manifest);
  return { pieces: [encodeHeader({ offset, length: manifest.length, hash: id }), ...pieces, manifest], id };
}

const placed = ({ hash, codec, size, offset, length }: BlobEntry): Record<string, Value> => ({ hash, codec, size, offset, length });

// ── Reading ────────────────────────────────────────────────────────────────────────────────

/** Bytes of a file, wherever they are. */
export interface Source {
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  readSync(offset: number, length: number): Uint8Array;
}

const PLACE = ['hash', 'codec', 'size', 'offset', 'length'];

function placeOf(map: Fields, most: number, what: string): BlobEntry {
  const codec = asText(map.get('codec'), `${what}.codec`);
  if (!isCodec(codec)) throw bad(`${what} is packed in a way that this version does not know`);
  const size = asInteger(map.get('size'), `${what}.size`, 0, most);
  const length = asInteger(map.get('length'), `${what}.length`, 0, size);
  return { hash: asBytes(map.get('hash'), `${what}.hash`, 32), codec, size, offset: asInteger(map.get('offset'), `${what}.offset`), length };
}

/** Header and manifest, held against the length of the file: its parts follow each other without gap or overlap. */
export async function readManifest(source: Source): Promise<Manifest> {
  const header = decodeHeader(await source.read(0, Math.min(HEADER.size, source.length)), source.length);
  const { offset, length, hash } = header.manifest;
  const bytes = await source.read(offset, length);
  verify(bytes, hash, 'the manifest');
  const map = asMap(fromCbor(bytes, 'the manifest'), 'the manifest');
  only(map, ['parent', 'chunks', 'blobs'], 'the manifest');
  const chunks = asList(map.get('chunks'), 'chunks').map((item, index): ChunkEntry => {
    const what = `chunk ${index}`;
    const entry = asMap(item, what);
    only(entry, ['kind', 'instance', 'version', 'mandatory', ...PLACE], what);
    return {
      kind: asText(entry.get('kind'), `${what}.kind`),
      instance: asText(entry.get('instance'), `${what}.instance`),
      version: asInteger(entry.get('version'), `${what}.version`, 1, 0xffff),
      mandatory: asBool(entry.get('mandatory'), `${what}.mandatory`),
      ...placeOf(entry, LIMITS.chunk, what),
    };
  });
  const blobs = asList(map.get('blobs'), 'blobs').map((item, index) => {
    const entry = asMap(item, `blob ${index}`);
    only(entry, PLACE, `blob ${index}`);
    return placeOf(entry, LIMITS.blob, `blob ${index}`);
  });
  if (chunks.length > LIMITS.chunks || blobs.length > LIMITS.blobs) throw bad('it has too many parts');
  if (chunks.reduce((sum, { size }) => sum + size, 0) > LIMITS.total) throw bad('its parts are too large');
  checkPlaces([...chunks, ...blobs], offset);
  checkNames(chunks);
  return { header, id: hash, parent: parentOf(map.get('parent')), chunks, blobs };
}

function checkPlaces(entries: readonly BlobEntry[], end: number): void {
  let at: number = HEADER.size;
  for (const { offset, length } of entries) {
    if (offset !== at) throw bad('it is damaged: its parts overlap, or something lies between them');
    at += length;
  }
  if (at !== end) throw bad('it is damaged: its parts do not end where the manifest begins');
}

function checkNames(chunks: readonly ChunkEntry[]): void {
  const names = new Set<string>();
  for (const { kind, instance } of chunks) {
    const name = JSON.stringify([kind, instance]);
    if (names.has(name)) throw bad(`it is damaged: it has ${kind} '${instance}' twice`);
    names.add(name);
  }
}

function parentOf(value: Value | undefined): ParentLink | undefined {
  if (value === null) return undefined;
  const map = asMap(value, 'parent');
  only(map, ['id', 'name'], 'parent');
  const name = asText(map.get('name'), 'parent.name');
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) throw bad('its parent is not a file of the same folder');
  return { id: asBytes(map.get('id'), 'parent.id', 32), name };
}

/** All chunks, or those that are asked for, each held against its hash. */
export function readChunks(source: Source, { chunks }: Pick<Manifest, 'chunks'>): Promise<readonly Chunk[]> {
  return Promise.all(
    chunks.map(async (entry) => {
      const { codec, size, offset, length } = entry;
      return chunkOf(entry, await unpack({ codec, size, data: await source.read(offset, length) }, whatOf(entry)));
    }),
  );
}

/** The same at once, for who can't wait. */
export const readChunksSync = (source: Source, { chunks }: Pick<Manifest, 'chunks'>): readonly Chunk[] =>
  chunks.map((entry) => {
    const { codec, size, offset, length } = entry;
    return chunkOf(entry, unpackSync({ codec, size, data: source.readSync(offset, length) }, whatOf(entry)));
  });

const whatOf = ({ kind, instance }: ChunkEntry): string => `${kind} '${instance}'`;

function chunkOf(entry: ChunkEntry, contents: Uint8Array): Chunk {
  const { kind, instance, version, mandatory, hash } = entry;
  verify(contents, hash, whatOf(entry));
  return { kind, instance, version, mandatory, fields: asMap(fromCbor(contents, whatOf(entry)), whatOf(entry)) };
}

export const idOf = ({ id }: Manifest): string => hex(id);
