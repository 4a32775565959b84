/** What differs between two snapshot files, field by field with its name and bits. Each file's own schema tells what they mean: no chip is known here. */
import { readBlob } from './blobs';
import { asBytes, asInteger, asList, type Fields, type Value } from './cbor';
import { readChunks, type Chunk } from './container';
import { bad, GROUP, hex, PAGE } from './format';
import { memoryEntries, pagesOf, type GroupEntry } from './memorychunk';
import type { OpenSnapshot } from './storage';
import { plain, withFile } from './tools';

/** A field, bit, page or event that is not the same; what is absent on one side is undefined there. */
export interface Difference {
  /** The chunk: `vcpu 0`, `lapic0`, `memory`, … */
  readonly where: string;
  /** Within the chunk: `general.rip`. */
  readonly what: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** Meaning of the field, where the files tell it. */
  readonly about?: string;
  /** Parts of the field that differ. */
  readonly bits?: readonly { readonly name: string; readonly before: string; readonly after: string }[];
}

interface Side {
  readonly chunks: ReadonlyMap<string, Chunk>;
  readonly schema: Fields;
  readonly blobs: OpenSnapshot['blobs'];
}

const DEVICE = 'device.';
const HISTORY = 'history';
const nameOf = ({ kind, instance }: Chunk): string => (kind.startsWith(DEVICE) ? instance : instance === '' ? kind : `${kind} ${instance}`);

async function sideOf({ source, manifest, blobs }: OpenSnapshot): Promise<Side> {
  const chunks = await readChunks(source, manifest);
  return { chunks: new Map(chunks.map((chunk) => [nameOf(chunk), chunk])), schema: chunks.find(({ kind }) => kind === 'schema')?.fields ?? new Map(), blobs };
}

/** In order of chunks and fields, the past last; what is told of it beside its states is no difference. Empty for snapshots of the same moment. Throws EmulatorError with blame `user` for files that can't be read. */
export const diffSnapshots = (before: string, after: string): Promise<readonly Difference[]> =>
  withFile(before, (first) =>
    withFile(after, async (second) => {
      const [a, b] = await Promise.all([sideOf(first), sideOf(second)]);
      const present = ({ chunks }: Side): string[] => [...chunks].flatMap(([name, { kind }]) => (kind === HISTORY || kind === 'chronicle' ? [] : [name]));
      const names = [...new Set([...present(a), ...present(b)])].sort();
      const found: Difference[] = [];
      for (const name of names) found.push(...(await diffChunk(name, a, b)));
      return [...found, ...diffPast(a, b)];
    }),
  );

async function diffChunk(where: string, a: Side, b: Side): Promise<readonly Difference[]> {
  const [before, after] = [a.chunks.get(where), b.chunks.get(where)];
  if (!before || !after) return [{ where, what: '', ...(before && { before: before.kind }), ...(after && { after: after.kind }) }];
  if (before.kind !== after.kind) return [{ where, what: 'kind', before: before.kind, after: after.kind }];
  switch (before.kind) {
    case 'schema':
      return []; // what fields mean; where they changed, the fields themselves tell
    case 'memory':
      return diffMemory(where, before.fields, after.fields, a, b);
    case 'disk':
      return diffDisk(where, before.fields, after.fields, a, b);
    case 'journal':
      return diffEvents(where, before.fields, after.fields);
    default: {
      const version: Difference[] = before.version === after.version ? [] : [{ where, what: 'version', before: before.version, after: after.version }];
      const schema = [b, a].map((side) => side.schema.get(before.kind)).find((value) => value instanceof Map) as Fields | undefined;
      return [...version, ...diffFields(where, before.fields, after.fields, schema)];
    }
  }
}

/** The moments that one file can be gone back to, and the other can't. What their state was follows from what else is there. */
function diffPast(a: Side, b: Side): readonly Difference[] {
  const [before, after] = [a, b].map(checkpointsOf);
  const whole = (past: readonly string[]): string => `${past.length}: ${past[0]!} to ${past.at(-1)!}`;
  if (before!.length === 0 && after!.length === 0) return [];
  if (before!.length === 0) return [{ where: HISTORY, what: 'checkpoints', after: whole(after!) }];
  if (after!.length === 0) return [{ where: HISTORY, what: 'checkpoints', before: whole(before!) }];
  const missing = (past: readonly string[], from: readonly string[]): readonly string[] => past.filter((each) => !from.includes(each));
  return [
    ...missing(before!, after!).map((each): Difference => ({ where: HISTORY, what: 'checkpoint', before: each })),
    ...missing(after!, before!).map((each): Difference => ({ where: HISTORY, what: 'checkpoint', after: each })),
  ];
}

function checkpointsOf({ chunks }: Side): readonly string[] {
  const past = [...chunks.values()].filter(({ kind }) => kind === HISTORY).sort((x, y) => (x.instance < y.instance ? -1 : 1));
  return past.map(({ fields }) => {
    const machine = fields.get('machine');
    const [position, name] = [machine instanceof Map ? (machine as Fields).get('position') : undefined, fields.get('name')];
    return `position ${String(plain(position ?? null))}${typeof name === 'string' ? ` '${name}'` : ''}`;
  });
}

// ── Fields ─────────────────────────────────────────────────────────────────────────────────

function diffFields(where: string, before: Fields, after: Fields, schema: Fields | undefined): readonly Difference[] {
  const found: Difference[] = [];
  const visit = (a: Value | undefined, b: Value | undefined, path: string, meaning: Value | undefined): void => {
    const about = meaning instanceof Map ? (meaning as Fields) : undefined;
    if (a instanceof Map && b instanceof Map) {
      const inner = path === '' ? schema : (about?.get('fields') as Fields | undefined);
      for (const name of new Set<string>([...(a as Fields).keys(), ...(b as Fields).keys()]))
        visit((a as Fields).get(name), (b as Fields).get(name), path === '' ? name : `${path}.${name}`, inner instanceof Map ? inner.get(name) : undefined);
    } else if (Array.isArray(a) && Array.isArray(b)) {
      for (let i = 0; i < Math.max(a.length, b.length); i++) visit(a[i] as Value, b[i] as Value, `${path}[${i}]`, about?.get('element'));
    } else if (!same(a, b)) {
      const text = about?.get('about');
      found.push({
        where,
        what: path,
        ...(a !== undefined && { before: plain(a) }),
        ...(b !== undefined && { after: plain(b) }),
        ...(typeof text === 'string' && { about: text }),
        ...bitsOf(a, b, about?.get('bits')),
      });
    }
  };
  visit(before, after, '', undefined);
  return found;
}

function same(a: Value | undefined, b: Value | undefined): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (isWhole(a) && isWhole(b)) return BigInt(a) === BigInt(b);
  return a === b;
}
const isWhole = (value: Value | undefined): value is number | bigint => typeof value === 'bigint' || Number.isSafeInteger(value);

/** A table of bits may be anybody's: what isn't one is left out. */
function bitsOf(a: Value | undefined, b: Value | undefined, table: Value | undefined): Pick<Difference, 'bits'> {
  if (!isWhole(a) || !isWhole(b) || !(table instanceof Map)) return {};
  const bits = [...(table as Fields)].flatMap(([name, place]) => {
    const [low, width] = Array.isArray(place) ? (place as readonly Value[]) : [];
    if (typeof low !== 'number' || typeof width !== 'number' || !(low >= 0 && width > 0 && low + width <= 128)) return [];
    const part = (value: number | bigint): bigint => BigInt.asUintN(width, BigInt.asUintN(128, BigInt(value)) >> BigInt(low));
    const text = (value: bigint): string => (value < 10n ? String(value) : `0x${value.toString(16)}`);
    return part(a) === part(b) ? [] : [{ name, before: text(part(a)), after: text(part(b)) }];
  });
  return bits.length > 0 ? { bits } : {};
}

/** A journal only grows on one branch: what both have is told by what comes after it. */
function diffEvents(where: string, before: Fields, after: Fields): readonly Difference[] {
  const [a, b] = [asList(before.get('events'), 'events'), asList(after.get('events'), 'events')].map((list) => list.map((event) => plain(event)));
  let equal = 0;
  while (equal < a!.length && equal < b!.length && JSON.stringify(a![equal]) === JSON.stringify(b![equal])) equal++;
  const rest = (list: readonly unknown[], side: 'before' | 'after'): Difference[] =>
    list.slice(equal).map((event, number) => ({ where, what: `events[${equal + number}]`, [side]: event }));
  return [...rest(a!, 'before'), ...rest(b!, 'after')];
}

// ── Pages ──────────────────────────────────────────────────────────────────────────────────

async function diffMemory(where: string, before: Fields, after: Fields, a: Side, b: Side): Promise<readonly Difference[]> {
  const [first, second] = [memoryEntries(before), memoryEntries(after)];
  const found: Difference[] = [];
  for (const name of new Set([...first, ...second].map((region) => region.name))) {
    const [mine, other] = [first.find((region) => region.name === name), second.find((region) => region.name === name)];
    if (mine?.pages !== other?.pages) found.push({ where, what: `${name}.pages`, ...(mine && { before: mine.pages }), ...(other && { after: other.pages }) });
    found.push(...(await diffGroups(where, name, mine?.groups ?? [], other?.groups ?? [], a, b)));
  }
  return found;
}

async function diffDisk(where: string, before: Fields, after: Fields, a: Side, b: Side): Promise<readonly Difference[]> {
  const head = (fields: Fields): Fields => new Map([...fields].filter(([name]) => name !== 'groups'));
  const groups = (fields: Fields): GroupEntry[] =>
    asList(fields.get('groups'), 'groups').map((item) => {
      const [index, mask, hash] = asList(item, 'a group');
      return { index: asInteger(index, 'a group', 0, 2 ** 40), mask: asInteger(mask, 'a group', 1, 2 ** GROUP - 1), hash: asBytes(hash, 'a group', 32) };
    });
  const own = await diffGroups(where, 'written', groups(before), groups(after), a, b);
  return [...diffFields(where, head(before), head(after), undefined), ...own];
}

/** One difference for each run of pages that follow each other, with the first byte that differs. */
async function diffGroups(
  where: string,
  space: string,
  before: readonly GroupEntry[],
  after: readonly GroupEntry[],
  a: Side,
  b: Side,
): Promise<readonly Difference[]> {
  const [mine, others] = [before, after].map((list) => new Map(list.map((group) => [group.index, group])));
  const pages = async (group: GroupEntry | undefined, { blobs }: Side): Promise<ReadonlyMap<number, Uint8Array>> => {
    if (!group) return new Map();
    const [bytes, numbers] = [await readBlob(blobs, group.hash, 'a group of pages'), pagesOf(group.mask)];
    if (bytes.length !== numbers.length * PAGE) throw bad('it is damaged: a group of pages has another size');
    return new Map(numbers.map((page, number) => [page, bytes.subarray(number * PAGE, (number + 1) * PAGE)]));
  };
  const runs: { first: number; last: number; at: number; bytes: number }[] = [];
  for (const index of [...new Set([...mine!.keys(), ...others!.keys()])].sort((x, y) => x - y)) {
    const [one, other] = [mine!.get(index), others!.get(index)];
    if (one && other && one.mask === other.mask && hex(one.hash) === hex(other.hash)) continue;
    const [old, now] = await Promise.all([pages(one, a), pages(other, b)]);
    for (let page = 0; page < GROUP; page++) {
      const [x, y] = [old.get(page), now.get(page)];
      const differing = countDiffering(x, y);
      if (differing.bytes === 0 && !x === !y) continue;
      const number = index * GROUP + page;
      const run = runs.at(-1);
      if (run && run.last === number - 1) {
        run.last = number;
        run.bytes += differing.bytes;
      } else runs.push({ first: number, last: number, at: number * PAGE + differing.first, bytes: differing.bytes });
    }
  }
  const address = (value: number): string => `0x${value.toString(16)}`;
  return runs.map(({ first, last, at, bytes }) => ({
    where,
    what: `${space} ${address(first * PAGE)}–${address((last + 1) * PAGE - 1)}`,
    after: `${bytes} bytes differ, the first at ${address(at)}`,
  }));
}

const ZEROS = new Uint8Array(PAGE);
function countDiffering(x: Uint8Array = ZEROS, y: Uint8Array = ZEROS): { readonly first: number; readonly bytes: number } {
  let [first, bytes] = [0, 0];
  for (let i = 0; i < PAGE; i++) if (x[i] !== y[i] && bytes++ === 0) first = i;
  return { first, bytes };
}
