/** Files that are replaced whole: they are as they were or as they are to be, even if the host fails in the middle. */
import { promises } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nodeCrypto } from '../builtins';

const SUFFIX = '.partial';
const WRITTEN_AT_ONCE = 1 << 20;
/** A writer that was killed leaves its part behind. Nobody who lives has not written to it for so long. */
const ABANDONED_MS = 10 * 60_000;

/** Throws what the file system says. What stands under a link is replaced, not the link. `mode`: of a file that is new. */
export async function replaceFile(path: string, pieces: Iterable<Uint8Array>, mode: number): Promise<void> {
  const target = await promises.realpath(path).catch(() => resolve(path));
  const fresh = `${target}.${nodeCrypto().randomUUID()}${SUFFIX}`;
  await removeAbandoned(target);
  try {
    const before = await promises.stat(target).catch(() => undefined);
    const file = await promises.open(fresh, 'wx', before ? before.mode & 0o777 : mode);
    try {
      for (const part of parts(pieces)) await writeAll(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await promises.rename(fresh, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await promises.rm(fresh, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** What did not go at once goes after it, or tells why it can't: a disk that is full takes what it still can. */
async function writeAll(file: FileHandle, part: readonly Uint8Array[]): Promise<void> {
  const { bytesWritten } = await file.writev(part);
  if (bytesWritten < part.reduce((sum, { length }) => sum + length, 0)) await file.writeFile(Buffer.concat(part).subarray(bytesWritten));
}

/** Few large writes instead of many small ones. */
function* parts(pieces: Iterable<Uint8Array>): Generator<readonly Uint8Array[]> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    if ((bytes += piece.length) < WRITTEN_AT_ONCE) continue;
    yield waiting;
    [waiting, bytes] = [[], 0];
  }
  if (bytes > 0) yield waiting;
}

const isPart = (name: string, of: string): boolean => name.startsWith(`${of}.`) && /^[0-9a-f-]{36}\.partial$/.test(name.slice(of.length + 1));

async function removeAbandoned(target: string): Promise<void> {
  const folder = dirname(target);
  const names = await promises.readdir(folder).catch(() => []);
  for (const name of names.filter((each) => isPart(each, basename(target)))) {
    const part = join(folder, name);
    const written = await promises.stat(part).catch(() => undefined);
    if (written && Date.now() - written.mtimeMs > ABANDONED_MS) await promises.rm(part, { force: true }).catch(() => undefined);
  }
}

/** The new name lasts too; where folders can't be opened, the host sees to it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await promises.open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
