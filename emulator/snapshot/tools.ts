/** What can be done with a snapshot file without a machine. */
import { BlobWriter, readBlob } from './blobs';
import type { Value } from './cbor';
import { encodeContainer, readChunks, type Manifest } from './container';
import { hex } from './format';
import { about, openSnapshot, writeWhole, type OpenSnapshot } from './storage';

async function withFile<T>(path: string, action: (file: OpenSnapshot) => Promise<T>): Promise<T> {
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
function plain(value: Value): unknown {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return (value as readonly Value[]).map(plain);
  // Own properties, whatever they are called.
  if (value instanceof Map) return Object.fromEntries([...(value as ReadonlyMap<string, Value>)].map(([name, item]) => [name, plain(item)]));
  return value;
}

const heading = ({ header, id, parent, blobs }: Manifest): Record<string, unknown> => ({
  id: hex(id),
  format: header.format,
  producer: header.producer,
  architecture: header.architecture,
  parent: parent ? { id: hex(parent.id), name: parent.name } : null,
  blobs: { count: blobs.length, bytes: blobs.reduce((sum, { length }) => sum + length, 0), unpacked: blobs.reduce((sum, { size }) => sum + size, 0) },
});

/** All that the file says, as JSON has it; chunks of unknown kinds too. */
export const inspectSnapshot = (path: string): Promise<unknown> =>
  withFile(path, async ({ source, manifest }) => {
    const chunks = await readChunks(source, manifest);
    return { ...heading(manifest), chunks: chunks.map(({ fields, ...chunk }) => ({ ...chunk, fields: plain(fields) })) };
  });

/** Holds every part of the file and of its parents against its hash. Gives the number of parts. */
export const verifySnapshot = (path: string): Promise<number> =>
  withFile(path, async ({ source, manifest, blobs }) => {
    const chunks = await readChunks(source, manifest);
    for (const key of blobs.keys()) await readBlob(blobs, Buffer.from(key, 'hex'), 'a blob');
    return chunks.length + blobs.size;
  });

/** Writes a snapshot that needs no parents; chunks that this version does not know stay in it. */
export const flattenSnapshot = (path: string, to: string): Promise<void> =>
  withFile(path, async ({ source, manifest, blobs }) => {
    const writer = new BlobWriter();
    for (const [key, blob] of blobs) writer.keep(Buffer.from(key, 'hex'), await blob.read());
    const { pieces } = await encodeContainer(await readChunks(source, manifest), writer);
    await writeWhole(to, pieces);
  });
