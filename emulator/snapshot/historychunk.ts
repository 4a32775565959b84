/** The past that a snapshot carries: checkpoints, whose pages are kept where they differ from those of the snapshot itself. */
import { internalError } from '../errors';
import type { Position } from '../machine/api';
import { NOTHING_TOLD, type Told } from '../machine/told';
import type { Machine } from '../machine/machine';
import { pageOfDisk } from '../machine/pages';
import type { MachineState } from '../machine/state';
import { AwaitedPages } from './awaitedpages';
import type { BlobIndex, BlobWriter } from './blobs';
import { prepareChronicle, type ReadChronicle } from './chroniclechunk';
import { asBool, asBytes, asInteger, asList, asMap, asNumber, asText, fieldsOf, only, type Fields, type Value } from './cbor';
import { Pages, type Checkpoint } from './checkpoint';
import type { Chunk } from './container';
import { stateToFields } from './fieldvalues';
import { bad, GROUP, PAGE } from './format';
import { isCopy } from './slabs';
import { checkGroups, pagesOf, regionsOf, type GroupEntry, type RegionEntry } from './memorychunk';
import { chunksToDevices, DEVICE, fieldsToMachine, machineToFields, VERSIONS } from './statechunks';
import { fieldsToVcpu, vcpuToFields } from './vcpufields';

/** A checkpoint of the past, without what only the machine that it is put into knows. */
export type PastCheckpoint = Pick<Checkpoint, 'state' | 'time' | 'kept' | 'pages'> & { readonly name?: string };

export interface Past {
  /** From the oldest to the moment of the snapshot. */
  readonly checkpoints: readonly PastCheckpoint[];
  /** Contents of their pages that have not been read yet. */
  readonly awaited: AwaitedPages;
  readonly told: Told;
  /** Nobody looks at it any more. */
  release(): void;
}
export const NO_PAST: Past = { checkpoints: [], awaited: new AwaitedPages(), told: NOTHING_TOLD, release: () => undefined };

/** The past of a snapshot that was opened: it is looked at closely once somebody goes there, or while the guest runs. */
export interface LaterPast {
  readonly oldest: Position;
  /** Of its last checkpoint, the moment of the snapshot. */
  readonly last: Pick<PastCheckpoint, 'kept' | 'name'>;
  readonly awaited: AwaitedPages;
  /** Throws where its checkpoints don't fit together, or not the machine. */
  open(): OpenedPast;
}

export interface OpenedPast {
  /** The checkpoints before the moment of the snapshot, oldest first. */
  readonly earlier: readonly EarlierCheckpoint[];
  /** Pages that were written between the last of them and that moment. */
  readonly written: readonly number[];
  readonly told: Told;
}
export interface EarlierCheckpoint {
  readonly checkpoint: PastCheckpoint;
  /** Pages as they are at the moment of the snapshot: they are not among its own. */
  readonly same: readonly number[];
}

/** Pages that a history may have: 1 GB. */
const MOST_PAGES = 2 ** 18;

/** A run of page numbers of the checkpoints, under a name that lasts. */
interface Space {
  readonly name: string;
  readonly first: number;
  readonly pages: number;
}

/** Memory, and the disks' overlays. */
const spacesOf = (machine: Machine): readonly Space[] => [
  ...regionsOf(machine),
  ...machine.disks.map(({ name, bytes }, disk): Space => ({ name: `disk.${name}`, first: pageOfDisk(disk, 0), pages: Math.ceil(bytes / PAGE) })),
];

type Kind = 'contents' | 'none' | 'same';

/**
 * Pages of a checkpoint in groups, by space: with contents; without any, which is zeros in memory and the image's in a disk;
 * and those that the snapshot itself has, as they have not changed since.
 */
async function pagesToFields(spaces: readonly Space[], pages: Pages, awaited: AwaitedPages, blobs: BlobWriter): Promise<Record<Kind, Fields>> {
  const groups: Record<Kind, Map<string, Map<number, [page: number, bytes: Uint8Array | null][]>>> = { contents: new Map(), none: new Map(), same: new Map() };
  for (const [page, bytes] of [...pages].sort(([a], [b]) => a - b)) {
    const space = spaces.find(({ first, pages: count }) => page >= first && page < first + count);
    if (!space) throw internalError('history-page', `page ${page} of the history is nowhere`);
    const of = groups[!bytes ? 'none' : isCopy(bytes) ? 'contents' : 'same'];
    const [own, index] = [page - space.first, Math.floor((page - space.first) / GROUP)];
    const list = of.get(space.name) ?? new Map<number, [number, Uint8Array | null][]>();
    of.set(space.name, list);
    const group = list.get(index);
    const member: [number, Uint8Array | null] = [own, isCopy(bytes) ? bytes : null];
    if (group) group.push(member);
    else list.set(index, [member]);
  }
  const toFields = async (kind: Kind): Promise<Fields> => {
    const fields = new Map<string, Value>();
    for (const [name, list] of groups[kind]) {
      const own: Value[] = [];
      for (const [index, members] of list) {
        const mask = members.reduce((bits, [page]) => bits | (1 << (page % GROUP)), 0);
        own.push(kind === 'contents' ? [index, mask, blobs.add(...members.map(([, bytes]) => awaited.fetch(bytes!)))] : [index, mask]);
        await blobs.rest();
      }
      fields.set(name, own);
    }
    return fields;
  };
  return { contents: await toFields('contents'), none: await toFields('none'), same: await toFields('same') };
}

/** Chunks of the past, the last one being the moment of the snapshot itself. */
export async function historyChunks(machine: Machine, { checkpoints, awaited }: Past, blobs: BlobWriter): Promise<readonly Chunk[]> {
  const spaces = spacesOf(machine);
  const chunks: Chunk[] = [];
  for (const [number, { state, time, name, kept, pages }] of checkpoints.entries()) {
    const fields = fieldsOf({
      machine: machineToFields(state),
      vcpus: state.vcpus.map((window): Value => vcpuToFields(window, state.position)),
      devices: machine.devices.map(({ name: device, kind, version, table }): Value =>
        fieldsOf({ name: device, kind, version, fields: stateToFields(table, state.devices[device]!.state) }),
      ),
      time,
      kept,
      ...(name !== undefined && { name }),
      ...(await pagesToFields(spaces, pages, awaited, blobs)),
    });
    chunks.push({ kind: 'history', instance: String(number).padStart(6, '0'), version: VERSIONS.history, mandatory: false, fields });
  }
  return chunks;
}

/** A checkpoint as it was read: its chips wait for the machine's tables. */
export interface ReadCheckpoint {
  readonly core: Pick<MachineState, 'position' | 'clock' | 'turn' | 'off' | 'journal'>;
  readonly vcpus: readonly Uint8Array[];
  readonly devices: readonly Chunk[];
  readonly time: number;
  readonly kept: boolean;
  readonly name?: string;
  readonly contents: readonly RegionEntry[];
  readonly none: readonly Masks[];
  readonly same: readonly Masks[];
}

/** Pages of one space, by group. */
interface Masks {
  readonly name: string;
  readonly groups: readonly { readonly index: number; readonly mask: number }[];
}

const WHAT = 'pages of the history';

function readMasks(fields: Value | undefined, more: (rest: readonly Value[]) => object = () => ({})): Masks[] {
  return [...asMap(fields, WHAT)].map(([name, list]) => ({
    name,
    groups: asList(list, WHAT).map((item) => {
      const [index, mask, ...rest] = asList(item, WHAT);
      return { index: asInteger(index, WHAT, 0, 2 ** 32), mask: asInteger(mask, WHAT, 1, 2 ** GROUP - 1), ...more(rest) };
    }),
  }));
}
const readContents = (fields: Value | undefined): RegionEntry[] =>
  readMasks(fields, ([hash]) => ({ hash: asBytes(hash, WHAT, 32) })).map(({ name, groups }) => ({ name, pages: 0, groups: groups as GroupEntry[] }));
const count = (list: readonly Masks[]): number => list.reduce((sum, { groups }) => sum + groups.reduce((own, { mask }) => own + pagesOf(mask).length, 0), 0);

/** A chip of a checkpoint, as its own chunk would be. */
export function chipOf(device: Fields, what: string): Chunk {
  only(device, ['name', 'kind', 'version', 'fields'], what);
  return {
    kind: DEVICE + asText(device.get('kind'), what),
    instance: asText(device.get('name'), what),
    version: asInteger(device.get('version'), what, 1, 0xffff),
    mandatory: true,
    fields: asMap(device.get('fields'), what),
  };
}

const earlier = (a: Chunk, b: Chunk): number => (a.instance < b.instance ? -1 : 1);
const whatOf = ({ instance }: Chunk): string => `checkpoint ${Number(instance)} of the history`;
const ofHistory = (chunks: readonly Chunk[]): readonly Chunk[] => chunks.filter(({ kind }) => kind === 'history').sort(earlier);

function headOf(chunk: Chunk, cpus: number): Pick<ReadCheckpoint, 'core' | 'kept' | 'name'> {
  const what = whatOf(chunk);
  const name = chunk.fields.get('name');
  return {
    core: fieldsToMachine(asMap(chunk.fields.get('machine'), what), cpus),
    kept: asBool(chunk.fields.get('kept'), what),
    ...(name !== undefined && { name: asText(name, what) }),
  };
}

/** Where the past begins, and its end, which is the moment of the snapshot. Undefined: the file has none. */
export function historyEnds(chunks: readonly Chunk[], now: ReadCheckpoint['core'], cpus: number): Pick<LaterPast, 'oldest' | 'last'> | undefined {
  const [first, ...others] = ofHistory(chunks);
  if (!first) return undefined;
  const { core, kept, name } = headOf(others.at(-1) ?? first, cpus);
  if (core.position !== now.position || core.journal !== now.journal) throw bad('it is damaged: its history does not end at its moment');
  return { oldest: headOf(first, cpus).core.position, last: { kept, ...(name !== undefined && { name }) } };
}

/** Reads the past, oldest first, but for the contents of its pages. Throws where it does not fit together, or where something is missing. */
export function readHistory(chunks: readonly Chunk[], now: ReadCheckpoint['core'], cpus: number, blobs: BlobIndex): readonly ReadCheckpoint[] {
  historyEnds(chunks, now, cpus);
  const read: ReadCheckpoint[] = [];
  let total = 0;
  for (const chunk of ofHistory(chunks)) {
    const [{ fields }, what] = [chunk, whatOf(chunk)];
    only(fields, ['machine', 'vcpus', 'devices', 'time', 'kept', 'name', 'contents', 'none', 'same'], what);
    const head = headOf(chunk, cpus);
    const { core } = head;
    const before = read.at(-1)?.core;
    if (before && (core.position < before.position || core.journal < before.journal)) throw bad(`it is damaged: ${what} is not after the one before it`);
    const vcpus = asList(fields.get('vcpus'), what).map((item) => fieldsToVcpu(asMap(item, what), core.position, what));
    if (vcpus.length !== cpus) throw bad(`it is damaged: ${what} has ${vcpus.length} of ${cpus} vCPUs`);
    const devices = asList(fields.get('devices'), what).map((item) => chipOf(asMap(item, what), what));
    const contents = readContents(fields.get('contents'));
    if ((total += count(contents)) > MOST_PAGES) throw bad('its history has more than 1 GB of pages');
    checkGroups(contents, blobs);
    const time = asNumber(fields.get('time'), what);
    read.push({ ...head, vcpus, devices, time, contents, none: readMasks(fields.get('none')), same: readMasks(fields.get('same')) });
  }
  return read;
}

/** Holds the past against the machine that is to take it; nothing is changed. `awaited` gets to know its pages. */
export function preparePast(machine: Machine, read: readonly ReadCheckpoint[], chronicle: ReadChronicle, awaited: AwaitedPages): OpenedPast {
  const spaces = new Map(spacesOf(machine).map((space) => [space.name, space]));
  /** Pages of later checkpoints. */
  const written = new Set<number>();
  const pagesAt = <G extends { readonly index: number; readonly mask: number }>(
    name: string,
    groups: readonly G[],
    visit: (page: number, number: number, group: G) => void,
  ): void => {
    const space = spaces.get(name);
    if (!space) throw bad(`its history has pages of '${name.slice(0, 40)}', which the machine has not`);
    for (const group of groups)
      pagesOf(group.mask).forEach((page, number) => {
        const own = group.index * GROUP + page;
        if (own >= space.pages) throw bad(`it is damaged: its history has page ${own} of '${name}', which has ${space.pages}`);
        visit(space.first + own, number, group);
      });
  };
  const found = [...read].reverse().map(({ core, vcpus, devices, time, kept, name, contents, none, same }): EarlierCheckpoint => {
    const pages = new Pages();
    const unwritten = new Set<number>();
    for (const { name: space, groups } of contents)
      pagesAt(space, groups, (page, number, { hash, mask }) =>
        pages.set(page, awaited.place(hash, pagesOf(mask).length * PAGE).subarray(number * PAGE, (number + 1) * PAGE)),
      );
    for (const { name: space, groups } of none) pagesAt(space, groups, (page) => pages.set(page, null));
    for (const { name: space, groups } of same)
      pagesAt(space, groups, (page) => {
        if (written.has(page) || pages.has(page) || unwritten.has(page))
          throw bad(`it is damaged: its history has page ${page} as the snapshot has it, and has it otherwise later`);
        unwritten.add(page);
      });
    for (const page of [...pages.keys(), ...unwritten]) written.add(page);
    const state = { ...core, vcpus, devices: chunksToDevices(devices, machine) };
    return { checkpoint: { state, time, kept, ...(name !== undefined && { name }), pages }, same: [...unwritten] };
  });
  const [last, ...before] = found;
  const told = prepareChronicle(chronicle, read.length, awaited);
  return { earlier: before.reverse(), written: last ? [...last.checkpoint.pages.keys(), ...last.same] : [], told };
}
