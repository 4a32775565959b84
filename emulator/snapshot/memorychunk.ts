/** Memory: RAM and what lies beside it, in groups of pages. Pages of zeros cost nothing. */
import type { Machine } from '../machine/machine';
import { isMemoryPage, type FrozenMemory } from '../machine/pages';
import * as layout from '../x86/layout';
import { findBlob, readBlob, type BlobIndex, type BlobWriter } from './blobs';
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

/** The groups of what was frozen that hold something: memory's own, to be used before the guest runs again. */
function* groupsOf(
  frozen: FrozenMemory,
  { first, pages }: Region,
): Generator<{ readonly index: number; readonly mask: number; readonly contents: readonly Uint8Array[] }> {
  const own = frozen.pages.filter((page) => page >= first && page < first + pages);
  for (let from = 0; from < own.length;) {
    const index = Math.floor((own[from]! - first) / GROUP);
    const group: Uint8Array[] = [];
    let mask = 0;
    for (; from < own.length && Math.floor((own[from]! - first) / GROUP) === index; from++) {
      const bytes = frozen.take(own[from]!);
      if (!bytes) continue;
      group.push(bytes);
      mask |= 1 << ((own[from]! - first) % GROUP);
    }
    if (mask !== 0) yield { index, mask, contents: group };
  }
}

export async function memoryToFields(regions: readonly Region[], frozen: FrozenMemory, blobs: BlobWriter): Promise<Fields> {
  const list: Value[] = [];
  for (const region of regions) {
    const groups: Value[] = [];
    for (const { index, mask, contents } of groupsOf(frozen, region)) {
      groups.push([index, mask, blobs.add(...contents)]);
      await blobs.rest();
    }
    list.push(fieldsOf({ name: region.name, pages: region.pages, groups }));
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

/** Contents of all groups by hash, each read and verified once. `awaited`: those that may come later only have to be there. */
export async function readGroups(
  regions: readonly RegionEntry[],
  blobs: BlobIndex,
  awaited: (region: string, group: GroupEntry) => boolean = () => false,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const now = new Set<string>();
  const sizes = new Map<string, { readonly hash: Uint8Array; readonly size: number }>();
  for (const { name, groups } of regions)
    for (const group of groups) {
      const { mask, hash } = group;
      const [size, key] = [pageCount(mask) * PAGE, hex(hash)];
      if (!awaited(name, group)) now.add(key);
      else if (findBlob(blobs, hash, 'a group of pages').size !== size) throw bad('it is damaged: a group of pages has another size');
      const known = sizes.get(key);
      if (known && known.size !== size) throw bad(`it is damaged: memory.${name} uses a group in two sizes`);
      sizes.set(key, { hash, size });
    }
  const found = new Map<string, Uint8Array>();
  const wanted = [...sizes].filter(([key]) => now.has(key));
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

/** All groups are there, in the right sizes. */
export function checkGroups(regions: readonly RegionEntry[], blobs: BlobIndex): void {
  for (const { groups } of regions)
    for (const { mask, hash } of groups)
      if (findBlob(blobs, hash, 'a group of pages').size !== pageCount(mask) * PAGE) throw bad('it is damaged: a group of pages has another size');
}

function pageCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

export const pagesOf = (mask: number): readonly number[] => Array.from({ length: GROUP }, (_, page) => page).filter((page) => mask & (1 << page));

/** Puts memory back; `later` hears of groups that were not read. Gives the engine's pages that were written. */
export function applyMemory(
  machine: Machine,
  regions: readonly RegionEntry[],
  groups: ReadonlyMap<string, Uint8Array>,
  later: (first: number, pages: readonly number[], hash: Uint8Array) => void = () => undefined,
): Set<number> {
  const written = new Set(machine.pages.all().filter(isMemoryPage));
  for (const page of written) machine.pages.put(page, null);
  const places = new Map(regionsOf(machine).map((region) => [region.name, region]));
  for (const { name, groups: list } of regions) {
    const { first } = places.get(name)!;
    for (const { index, mask, hash } of list) {
      const bytes = groups.get(hex(hash));
      const pages = pagesOf(mask).map((page) => first + index * GROUP + page);
      if (bytes) pages.forEach((page, number) => machine.pages.put(page, bytes.subarray(number * PAGE, (number + 1) * PAGE)));
      else later(first + index * GROUP, pages, hash);
      for (const page of pages) written.add(page);
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
