/**
 * An overlay in a file of its own: a qcow2 image of version 3 whose backing file is the disk's image, so that other programs
 * can read it, check it and merge it. Clusters are the overlay's pages.
 */
import { existsSync, promises, realpathSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { userError } from '../errors';
import { openDiskFile } from './file';
import type { Image, ImageFormat } from './image';
import { PAGE, type Overlay } from './overlay';
import { EXTENSION, HEADER_V3, MAGIC, Qcow2Image } from './qcow2';
import { replaceFile } from './replace';

/** Set in table entries whose cluster has one user: all of them here. */
const COPIED = 1n << 63n;
const ZERO = 1n;
const ENTRIES = PAGE / 8;
/** Refcounts have 16 bits. */
const COUNTS = PAGE / 2;
const PIECE = 256;

type Contents = ReadonlyMap<number, Uint8Array>;
const isZeros = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
const clusters = (entries: number): number => Math.ceil(entries / ENTRIES);

/** The file, piece by piece. `backing`: the image's path as the file is to have it. */
export function* encodeOverlay(pages: Contents, size: number, backing: { readonly path: string; readonly format: ImageFormat }): Generator<Uint8Array> {
  const numbers = [...pages.keys()].sort((a, b) => a - b);
  const data = numbers.filter((page) => !isZeros(pages.get(page)!));
  const tables = [...new Set(numbers.map((page) => Math.floor(page / ENTRIES)))];
  const l1Length = Math.ceil(Math.ceil(size / PAGE) / ENTRIES);
  const l1Clusters = clusters(l1Length);
  const rest = 1 + l1Clusters + tables.length + data.length;
  // Refcount blocks count themselves and their table too.
  let [blocks, table] = [0, 0];
  for (let total = rest; blocks * COUNTS < total; total = rest + blocks + table) {
    blocks = Math.ceil(total / COUNTS);
    table = clusters(blocks);
  }
  const at = {
    table: 1,
    blocks: 1 + table,
    l1: 1 + table + blocks,
    l2: 1 + table + blocks + l1Clusters,
    data: 1 + table + blocks + l1Clusters + tables.length,
  };
  yield header({ size, l1Length, l1: at.l1, refcounts: at.table, refcountClusters: table, backing });
  yield quads(table, (index) => (index < blocks ? BigInt((at.blocks + index) * PAGE) : 0n));
  yield refcounts(blocks, at.data + data.length);
  const order = new Map(tables.map((index, number) => [index, number]));
  yield quads(l1Clusters, (index) => {
    const number = order.get(index);
    return number === undefined ? 0n : COPIED | BigInt((at.l2 + number) * PAGE);
  });
  const places = new Map(data.map((page, number) => [page, number]));
  for (const index of tables)
    yield quads(1, (entry) => {
      const page = index * ENTRIES + entry;
      const place = places.get(page);
      if (place !== undefined) return COPIED | BigInt((at.data + place) * PAGE);
      return pages.has(page) ? ZERO : 0n;
    });
  for (let first = 0; first < data.length; first += PIECE) yield Buffer.concat(data.slice(first, first + PIECE).map((page) => pages.get(page)!));
}

function quads(count: number, value: (index: number) => bigint): Uint8Array {
  const bytes = new Uint8Array(count * PAGE);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count * ENTRIES; index++) view.setBigUint64(8 * index, value(index));
  return bytes;
}

function refcounts(blocks: number, used: number): Uint8Array {
  const bytes = new Uint8Array(blocks * PAGE);
  const view = new DataView(bytes.buffer);
  for (let cluster = 0; cluster < used; cluster++) view.setUint16(2 * cluster, 1);
  return bytes;
}

interface Places {
  readonly size: number;
  readonly l1Length: number;
  readonly l1: number;
  readonly refcounts: number;
  readonly refcountClusters: number;
  readonly backing: { readonly path: string; readonly format: ImageFormat };
}

function header({ size, l1Length, l1, refcounts: table, refcountClusters, backing }: Places): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  const [name, format] = [backing.path, backing.format].map((text) => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array];
  const nameAt = HEADER_V3 + 16 + 8;
  if (name.length > 1023) throw userError('overlay-file', `disk image '${backing.path}': its name is too long for an overlay file`);
  view.setUint32(0, MAGIC);
  view.setUint32(4, 3);
  view.setBigUint64(8, BigInt(nameAt));
  view.setUint32(16, name.length);
  view.setUint32(20, Math.log2(PAGE));
  view.setBigUint64(24, BigInt(size));
  view.setUint32(36, l1Length);
  view.setBigUint64(40, BigInt(l1 * PAGE));
  view.setBigUint64(48, BigInt(table * PAGE));
  view.setUint32(56, refcountClusters);
  view.setUint32(96, 4); // refcounts of 2^4 bits
  view.setUint32(100, HEADER_V3);
  view.setUint32(HEADER_V3, EXTENSION.BACKING_FORMAT);
  view.setUint32(HEADER_V3 + 4, format.length);
  bytes.set(format, HEADER_V3 + 8);
  bytes.set(name, nameAt);
  return bytes;
}

/** Pages of an overlay as they are now: the guest may go on while they are written. */
export const contentsOf = (overlay: Overlay): Contents => new Map(overlay.list().map((page) => [page, overlay.get(page)!]));

/** The file is there whole, as it was or as it is to be. Throws EmulatorError with blame `user`. */
export async function writeOverlay(path: string, pages: Contents, image: Image, size: number): Promise<void> {
  try {
    // As whoever opens the file finds it: a link stays one.
    const target = await promises.realpath(path).catch(() => resolve(path));
    const backing = { path: relative(dirname(target), await promises.realpath(image.path)), format: image.format };
    await replaceFile(path, encodeOverlay(pages, size, backing), 0o600);
  } catch (error) {
    throw userError('overlay-write', `overlay '${path}' can not be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** What an overlay file holds; nothing where there is no file yet. Throws EmulatorError with blame `user`. */
export function readOverlay(path: string, image: Image, size: number): Contents {
  const pages = new Map<number, Uint8Array>();
  if (!existsSync(path)) return pages;
  const file = openDiskFile(path);
  try {
    let backing: string | undefined;
    const overlay = Qcow2Image.open(file, (name) => {
      backing = resolve(dirname(realpathSync(path)), name);
      return image;
    });
    const of = backing !== undefined && existsSync(backing) ? realpathSync(backing) : backing;
    if (of !== realpathSync(image.path)) throw userError('overlay-file', `overlay '${path}' belongs to ${of ?? 'no image'}, not to '${image.path}'`);
    if (overlay.size !== size) throw userError('overlay-file', `overlay '${path}' is of a disk of ${overlay.size} bytes; '${image.path}' has ${size}`);
    const step = Math.max(overlay.clusterBytes, PAGE);
    for (let at = 0; at < size; at = next(overlay, at + step, step))
      for (let offset = at; offset < Math.min(at + step, size); offset += PAGE) {
        if (!holdsAny(overlay, offset)) continue;
        const contents = new Uint8Array(PAGE);
        overlay.read(offset, contents.subarray(0, Math.min(PAGE, size - offset)));
        pages.set(offset / PAGE, contents);
      }
    return pages;
  } finally {
    file.close();
  }
}

/** Clusters may be smaller than pages. */
function holdsAny(overlay: Qcow2Image, offset: number): boolean {
  const size = overlay.clusterBytes;
  for (let at = offset; at < Math.min(offset + PAGE, overlay.size); at += size) if (overlay.holds(Math.floor(at / size))) return true;
  return false;
}

/** Whole tables that are missing are skipped. */
function next(overlay: Qcow2Image, at: number, step: number): number {
  let offset = at;
  while (offset < overlay.size && !overlay.tableAt(offset)) offset = Math.ceil((offset + 1) / overlay.tableBytes) * overlay.tableBytes;
  return Math.ceil(offset / step) * step;
}
