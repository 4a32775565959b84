/** Snapshot files on disk: opened with their parents, written whole or not at all. */
import { promises, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmulatorError, userError } from '../errors';
import { replaceFile } from '../storage/replace';
import type { BlobIndex, BlobSource } from './blobs';
import { idOf, readManifest, type Manifest, type Source } from './container';
import { bad, hex, LIMITS, ofFile } from './format';

/** Adds the name of the file to what is wrong with it, unless that is another's. */
export async function about<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw ofFile(path)(error);
  }
}

async function openSource(path: string): Promise<{ readonly source: Source; readonly file: FileHandle }> {
  let file: FileHandle;
  try {
    file = await promises.open(path, 'r');
  } catch (error) {
    throw bad(`it can not be read${(error as NodeJS.ErrnoException).code === 'ENOENT' ? ': there is no such file' : ''}`, error);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw bad('this is no file');
    return { file, source: sourceOf(file, stat.size) };
  } catch (error) {
    await file.close();
    throw error instanceof EmulatorError ? error : bad('it can not be read', error);
  }
}

function sourceOf(file: FileHandle, length: number): Source {
  const unreadable = (error: unknown): never => {
    throw bad('it can not be read', error);
  };
  const whole = (bytes: Uint8Array, read: number): Uint8Array => {
    if (read !== bytes.length) throw bad('it is damaged: bytes are missing');
    return bytes;
  };
  return {
    length,
    read: async (offset, size) => {
      const bytes = new Uint8Array(size);
      const { bytesRead } = await file.read(bytes, 0, size, offset).catch(unreadable);
      return whole(bytes, bytesRead);
    },
    readSync: (offset, size) => {
      const bytes = new Uint8Array(size);
      let read = 0;
      try {
        read = readSync(file.fd, bytes, 0, size, offset);
      } catch (error) {
        unreadable(error);
      }
      return whole(bytes, read);
    },
  };
}

/** A file that is open, with those that hold what it lacks. */
export interface OpenSnapshot {
  readonly path: string;
  readonly source: Source;
  readonly manifest: Manifest;
  /** Own blobs and those of all ancestors. */
  readonly blobs: BlobIndex;
  /** Parent first. */
  readonly ancestors: readonly { readonly path: string; readonly manifest: Manifest }[];
  close(): Promise<void>;
}

/** Close it in any case. Errors don't name the file: wrap in `about`. */
export async function openSnapshot(path: string): Promise<OpenSnapshot> {
  const files: FileHandle[] = [];
  const close = async (): Promise<void> => void (await Promise.all(files.map((file) => file.close())));
  try {
    const chain: { path: string; source: Source; manifest: Manifest }[] = [];
    const load = async (at: string): Promise<Manifest> => {
      const { file, source } = await openSource(at);
      files.push(file);
      const manifest = await readManifest(source);
      chain.push({ path: at, source, manifest });
      return manifest;
    };
    let manifest = await load(path);
    const seen = new Set([idOf(manifest)]);
    while (manifest.parent) {
      const { id, name } = manifest.parent;
      if (chain.length >= LIMITS.chain || seen.has(hex(id))) throw bad('its parents have no end');
      seen.add(hex(id));
      const at = join(dirname(await promises.realpath(path)), name);
      try {
        manifest = await load(at);
      } catch (error) {
        throw bad(`its parent '${name}' can not be used: ${(error as Error).message}`, error);
      }
      if (idOf(manifest) !== hex(id)) throw bad(`its parent '${name}' is another snapshot than the one it was made from`);
    }
    const blobs = new Map<string, BlobSource>();
    for (const { source, manifest: from } of chain)
      for (const { hash, codec, size, offset, length } of from.blobs)
        if (!blobs.has(hex(hash)))
          blobs.set(hex(hash), {
            size,
            stored: length,
            read: async () => ({ codec, size, data: await source.read(offset, length) }),
            readSync: () => ({ codec, size, data: source.readSync(offset, length) }),
          });
    const [own, ...ancestors] = chain;
    return { path, source: own!.source, manifest: own!.manifest, blobs, ancestors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'the folder may not be written to',
  EPERM: 'the folder may not be written to',
  ENOENT: 'there is no such folder',
  EISDIR: 'this is a folder',
};

/** The file is there whole, as it was or as it is to be, even if the host fails in the middle. */
export async function writeWhole(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  try {
    await replaceFile(path, pieces, 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw userError('snapshot-write', `snapshot '${path}' can not be written: ${REASONS[code ?? ''] ?? message}`, error);
  }
}
