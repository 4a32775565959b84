/** Memory: RAM and what lies beside it, in groups of pages. Pages of zeros cost nothing. */
import type { Machine } from '../machine/machine';
import { isMemoryPage } from '../machine/pages';
import * as layout from '../x86/layout';
import { readBlob, type BlobIndex, type BlobWriter } from './blobs';
import { asBytes, asInteger, asList, asMap, asText, fieldsOf, only, type Fields, type Value } from './cbor';
import { bad, GROUP, hex, PAGE } from './format';

/** A run of the engine's pages under a name that lasts: file offsets don't depend on where the engine puts things. */
export interface Region {
  readonly name: string;
  readonly first: number;
  readonly pages: number;
}

export function regionsOf(machine: Machine): readonly Region[] {
  const beside = machine.platform.backings.map(({ name }): Region => {
    const { bytes } = machine.engine.backing(name);
    return { name, first: bytes.byteOffset / PAGE, pages: bytes.length / PAGE };
  });
  return [{ name: 'ram', first: layout.RAM / PAGE, pages: machine.config.memory / PAGE }, ...beside];
}

/** Copies of the groups that hold something: taken at once, so that the guest may go on while they are packed. */
export interface CopiedGroup {
  readonly region: string;
  readonly index: number;
  /** Bit i: page i of the group is in `bytes`. */
  readonly mask: number;
  readonly bytes: Uint8Array;
}

export function copyMemory(machine: Machine): readonly CopiedGroup[] {
  const written = machine.pages.all();
  return regionsOf(machine).flatMap(({ name, first, pages }) => {
    const groups = new Map<number, { page: number; bytes: Uint8Array }[]>();
    for (const page of written) {
      if (page < first || page >= first + pages) continue;
      const bytes = machine.pages.contents(page);
      if (!bytes) continue;
      const index = Math.floor((page - first) / GROUP);
      const group = groups.get(index);
      if (group) group.push({ page: page - first, bytes });
      else groups.set(index, [{ page: page - first, bytes }]);
    }
    return [...groups]
      .sort(([a], [b]) => a - b)
      .map(([index, list]): CopiedGroup => ({
        region: name,
        index,
        mask: list.reduce((mask, { page }) => mask | (1 << (page % GROUP)), 0),
        bytes: Buffer.concat(list.map(({ bytes }) => bytes)),
      }));
  });
}

export async function memoryToFields(regions: readonly Region[], groups: readonly CopiedGroup[], blobs: BlobWriter): Promise<Fields> {
  const list: Value[] = [];
  for (const { name, pages } of regions) {
    const own: Value[] = [];
    for (const { region, index, mask, bytes } of groups) {
      if (region !== name) continue;
      own.push([index, mask, blobs.add(bytes)]);
      await blobs.rest();
    }
    list.push(fieldsOf({ name, pages, groups: own }));
  }
  return fieldsOf({ page: PAGE, group: GROUP, regions: list });
}

export interface GroupEntry {
  readonly index: number;
  readonly mask: number;
  readonly hash: Uint8Array;
}
export interface RegionEntry {
  readonly name: string;
  readonly pages: number;
  readonly groups: readonly GroupEntry[];
}

/** Groups come in order, each once, within their region. */
export function memoryEntries(fields: Fields): readonly RegionEntry[] {
  only(fields, ['page', 'group', 'regions'], 'memory');
  asInteger(fields.get('page'), 'memory.page', PAGE, PAGE);
  asInteger(fields.get('group'), 'memory.group', GROUP, GROUP);
  return asList(fields.get('regions'), 'memory.regions').map((item, number) => {
    const region = asMap(item, `memory region ${number}`);
    only(region, ['name', 'pages', 'groups'], `memory region ${number}`);
    const name = asText(region.get('name'), 'name of a memory region');
    const pages = asInteger(region.get('pages'), `memory.${name}.pages`, 0, 2 ** 20);
    let next = 0;
    const groups = asList(region.get('groups'), `memory.${name}`).map((entry): GroupEntry => {
      const what = `memory.${name}, a group`;
      const [index, mask, hash, ...more] = asList(entry, what);
      if (more.length > 0) throw bad(`it is damaged: ${what} has too many parts`);
      const found = {
        index: asInteger(index, what, next, Math.ceil(pages / GROUP) - 1),
        mask: asInteger(mask, what, 1, (1 << GROUP) - 1),
        hash: asBytes(hash, what, 32),
      };
      if (found.index * GROUP + 31 - Math.clz32(found.mask) >= pages) throw bad(`it is damaged: ${what} lies beyond its end`);
      next = found.index + 1;
      return found;
    });
    return { name, pages, groups };
  });
}

/** Contents of all groups by hash, each read and verified once. */
export async function readGroups(regions: readonly RegionEntry[], blobs: BlobIndex): Promise<ReadonlyMap<string, Uint8Array>> {
  const sizes = new Map<string, { readonly hash: Uint8Array; readonly size: number }>();
  for (const { name, groups } of regions)
    for (const { mask, hash } of groups) {
      const size = pagesOf(mask).length * PAGE;
      const known = sizes.get(hex(hash));
      if (known && known.size !== size) throw bad(`it is damaged: memory.${name} uses a group in two sizes`);
      sizes.set(hex(hash), { hash, size });
    }
  const found = new Map<string, Uint8Array>();
  const wanted = [...sizes];
  const worker = async (): Promise<void> => {
    for (let next = wanted.pop(); next; next = wanted.pop()) {
      const [key, { hash, size }] = next;
      const bytes = await readBlob(blobs, hash, 'a group of pages');
      if (bytes.length !== size) throw bad('it is damaged: a group of pages has another size');
      found.set(key, bytes);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return found;
}

export const pagesOf = (mask: number): readonly number[] => Array.from({ length: GROUP }, (_, page) => page).filter((page) => mask & (1 << page));

/** Puts memory back. Gives the engine's pages that were written. */
export function applyMemory(machine: Machine, regions: readonly RegionEntry[], groups: ReadonlyMap<string, Uint8Array>): Set<number> {
  const written = new Set(machine.pages.all().filter(isMemoryPage));
  for (const page of written) machine.pages.put(page, null);
  const places = new Map(regionsOf(machine).map((region) => [region.name, region]));
  for (const { name, groups: list } of regions) {
    const { first } = places.get(name)!;
    for (const { index, mask, hash } of list) {
      const bytes = groups.get(hex(hash))!;
      pagesOf(mask).forEach((page, number) => {
        const at = first + index * GROUP + page;
        machine.pages.put(at, bytes.subarray(number * PAGE, (number + 1) * PAGE));
        written.add(at);
      });
    }
  }
  return written;
}

/** The machine has these regions, in these sizes. */
export function checkRegions(machine: Machine, regions: readonly RegionEntry[]): void {
  const left = new Map(regionsOf(machine).map(({ name, pages }) => [name, pages]));
  for (const { name, pages } of regions) {
    if (left.get(name) !== pages) throw bad(`it has ${pages} pages of memory '${name.slice(0, 40)}', the machine ${left.get(name) ?? 0}`);
    left.delete(name);
  }
  for (const name of left.keys()) throw bad(`it has no memory '${name}'`);
}
