/** Disks: which image it was, and the pages that the guest has written over it. The image itself stays where it is. */
import type { Machine } from '../machine/machine';
import { MOST_BYTES } from '../storage/image';
import { readBlob, type BlobIndex, type BlobWriter } from './blobs';
import { asBytes, asInteger, asList, fieldsOf, only, type Value } from './cbor';
import type { Chunk } from './container';
import { bad, GROUP, hex, PAGE } from './format';
import { pagesOf, type GroupEntry } from './memorychunk';

const KIND = 'disk';
/** Pages of all disks that a host is to hold: 8 GB. */
const MOST_PAGES = 2 ** 21;
const SIDE_BY_SIDE = 8;

/** A disk at one moment. Contents of overlays' pages never change, so nothing is copied. */
export interface CopiedDisk {
  readonly name: string;
  readonly size: number;
  readonly fingerprint: Uint8Array;
  readonly pages: readonly (readonly [page: number, contents: Uint8Array])[];
}

export const copyDisks = ({ disks }: Machine): readonly CopiedDisk[] =>
  disks.map(({ name, bytes, fingerprint, overlay }) => ({
    name,
    size: bytes,
    fingerprint,
    pages: overlay.list().map((page) => [page, overlay.get(page)!] as const),
  }));

export async function diskChunks(disks: readonly CopiedDisk[], version: number, blobs: BlobWriter): Promise<readonly Chunk[]> {
  const chunks: Chunk[] = [];
  for (const { name, size, fingerprint, pages } of disks) {
    const groups: Value[] = [];
    for (let from = 0; from < pages.length;) {
      const index = Math.floor(pages[from]![0] / GROUP);
      let to = from;
      while (to < pages.length && Math.floor(pages[to]![0] / GROUP) === index) to++;
      const members = pages.slice(from, to);
      const mask = members.reduce((bits, [page]) => bits | (1 << (page % GROUP)), 0);
      groups.push([index, mask, blobs.add(...members.map(([, contents]) => contents))]);
      await blobs.rest();
      from = to;
    }
    chunks.push({ kind: KIND, instance: name, version, mandatory: true, fields: fieldsOf({ size, fingerprint, page: PAGE, group: GROUP, groups }) });
  }
  return chunks;
}

/** A disk of a file, with its pages read and verified. */
export interface LoadedDisk {
  readonly name: string;
  readonly size: number;
  readonly fingerprint: Uint8Array;
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

export async function readDisks(chunks: readonly Chunk[], blobs: BlobIndex): Promise<readonly LoadedDisk[]> {
  const found: LoadedDisk[] = [];
  let total = 0;
  for (const { instance, fields } of chunks.filter(({ kind }) => kind === KIND)) {
    const what = `disk '${instance.slice(0, 40)}'`;
    only(fields, ['size', 'fingerprint', 'page', 'group', 'groups'], what);
    asInteger(fields.get('page'), what, PAGE, PAGE);
    asInteger(fields.get('group'), what, GROUP, GROUP);
    const size = asInteger(fields.get('size'), what, 1, MOST_BYTES);
    const groups = groupEntries(fields.get('groups'), Math.ceil(size / PAGE), what);
    total += groups.reduce((sum, { mask }) => sum + pagesOf(mask).length, 0);
    if (total > MOST_PAGES) throw bad('more was written to its disks than can be held');
    found.push({ name: instance, size, fingerprint: asBytes(fields.get('fingerprint'), what, 32), pages: await readPages(groups, blobs, what) });
  }
  return found;
}

/** Groups come in order, each once. */
function groupEntries(value: Value | undefined, pages: number, what: string): readonly GroupEntry[] {
  let next = 0;
  return asList(value, what).map((entry): GroupEntry => {
    const [index, mask, hash, ...more] = asList(entry, what);
    if (more.length > 0) throw bad(`it is damaged: a group of ${what} has too many parts`);
    const found = {
      index: asInteger(index, what, next, Math.ceil(pages / GROUP) - 1),
      mask: asInteger(mask, what, 1, (1 << GROUP) - 1),
      hash: asBytes(hash, what, 32),
    };
    if (found.index * GROUP + 31 - Math.clz32(found.mask) >= pages) throw bad(`it is damaged: a group of ${what} lies beyond its end`);
    next = found.index + 1;
    return found;
  });
}

async function readPages(groups: readonly GroupEntry[], blobs: BlobIndex, what: string): Promise<ReadonlyMap<number, Uint8Array>> {
  const pages = new Map<number, Uint8Array>();
  const wanted = [...groups];
  const worker = async (): Promise<void> => {
    for (let group = wanted.pop(); group; group = wanted.pop()) {
      const { index, mask, hash } = group;
      const bytes = await readBlob(blobs, hash, `a group of ${what}`);
      const members = pagesOf(mask);
      if (bytes.length !== members.length * PAGE) throw bad(`it is damaged: a group of ${what} has another size`);
      // Copies: a page must not keep its whole group.
      members.forEach((page, number) => pages.set(index * GROUP + page, Uint8Array.from(bytes.subarray(number * PAGE, (number + 1) * PAGE))));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  return pages;
}

/** The machine has these disks, with the images that they had: memory and disk belong together. */
export function checkDisks({ disks }: Machine, loaded: readonly LoadedDisk[]): void {
  for (const { name, size, fingerprint } of loaded) {
    const disk = disks.find((each) => each.name === name);
    if (!disk) throw bad(`it has a disk '${name.slice(0, 40)}', which this machine has not`);
    const { path } = disk.image;
    if (disk.bytes !== size) throw bad(`image '${path}' of ${name} has ${disk.bytes} bytes; it was made with one of ${size}`);
    if (hex(disk.fingerprint) !== hex(fingerprint))
      throw bad(`image '${path}' of ${name} is not the one that it was made with: its contents differ. Memory and disk would not fit together`);
  }
  for (const { name } of disks) if (!loaded.some((each) => each.name === name)) throw bad(`it has no disk '${name}'`);
}

/** Puts overlays as they were. */
export function applyDisks({ disks }: Machine, loaded: readonly LoadedDisk[]): void {
  for (const { name, overlay } of disks) {
    const { pages } = loaded.find((each) => each.name === name)!;
    for (const page of overlay.list()) if (!pages.has(page)) overlay.clear(page);
    for (const [page, contents] of pages) overlay.write(page, contents);
  }
}
