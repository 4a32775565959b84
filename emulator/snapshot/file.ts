/** Saves a machine in a file and loads it again; docs/snapshot-format.md says what the file is. */
import { basename, dirname, resolve } from 'node:path';
import type { MachineConfig, SaveOptions } from '../machine/api';
import type { Images } from '../machine/history';
import { withoutNews } from '../machine/journal';
import type { Machine } from '../machine/machine';
import { capture, restore, type MachineState } from '../machine/state';
import { AwaitedMemory, mayAwait } from './awaited';
import { BlobWriter } from './blobs';
import { configToFields, fieldsToConfig, imageChunks, readImages } from './configchunk';
import type { BlobIndex } from './blobs';
import { chronicleChunks, readChronicle } from './chroniclechunk';
import { encodeContainer, readChunks, readChunksSync, type Chunk, type ParentLink } from './container';
import { applyDisks, checkDisks, copyDisks, diskChunks, readDisks, type LoadedDisk } from './diskchunk';
import { bad, hex, ofFile } from './format';
import { AwaitedPages } from './awaitedpages';
import { historyChunks, historyEnds, NO_PAST, preparePast, readHistory, type LaterPast, type Past } from './historychunk';
import { checkCursor, fieldsToJournal, journalToFields } from './journalchunk';
import { applyMemory, checkRegions, memoryEntries, memoryToFields, readGroups, regionsOf } from './memorychunk';
import { chunksToDevices, chunksToVcpus, DEVICE, fieldsToMachine, stateToChunks, VERSIONS } from './statechunks';
import { Packer } from './packer';
import { about, openSnapshot, writeWhole } from './storage';
import { upgrade } from './upgrades';

/** With fewer pages than these, threads take longer to start than to pack. */
const MANY_PAGES = 4096;

/** Writes a snapshot: the file is there whole, or as it was. Gives its identity. */
export async function saveSnapshot(machine: Machine, images: Images, path: string, { parent }: SaveOptions = {}, past: Past = NO_PAST): Promise<string> {
  // All that belongs to this moment is taken at once: the guest may go on while it is packed and written.
  const state = capture(machine);
  const frozen = machine.pages.freeze();
  const disks = copyDisks(machine);
  const regions = regionsOf(machine);
  // What came from the network before all that can be gone back to is of no use.
  const begin = past.checkpoints[0]?.state.journal ?? state.journal;
  const journal = machine.journal.save().map((event, index) => (index < begin ? withoutNews(event) : event));
  const chunks = stateToChunks(machine, state);
  const packer = frozen.pages.length > MANY_PAGES ? new Packer() : undefined;
  return about(path, async () => {
    const known = parent === undefined ? undefined : await parentOf(parent, path);
    const blobs = new BlobWriter(known?.blobs, packer);
    const all: Chunk[] = [
      ...chunks,
      { kind: 'configuration', instance: '', version: VERSIONS.configuration, mandatory: true, fields: configToFields(machine.config) },
      { kind: 'journal', instance: '', version: VERSIONS.journal, mandatory: true, fields: journalToFields(journal) },
      ...(await imageChunks(images, blobs)),
      { kind: 'memory', instance: '', version: VERSIONS.memory, mandatory: true, fields: await memoryToFields(regions, frozen, blobs) },
      ...(await diskChunks(disks, VERSIONS.disk, blobs)),
      ...(await historyChunks(machine, past, blobs)),
      ...(await chronicleChunks(past.told, blobs)),
    ];
    const { pieces, id } = await encodeContainer(all, blobs, known?.link);
    await writeWhole(path, pieces);
    return hex(id);
  }).finally(() => {
    frozen.release();
    past.release();
    return packer?.close();
  });
}

/** Throws where the parent could not be one of a file at `path`. */
export const checkParent = (parent: string, path: string): Promise<unknown> => about(path, () => parentOf(parent, path));

async function parentOf(parent: string, path: string): Promise<{ link: ParentLink; blobs: ReadonlySet<string> }> {
  if (dirname(resolve(parent)) !== dirname(resolve(path))) throw bad(`its parent '${parent}' is not in the same folder`);
  if (resolve(parent) === resolve(path)) throw bad('it can not be its own parent');
  const file = await about(parent, () => openSnapshot(parent));
  try {
    // A chain never comes back to the file that is about to be replaced.
    if (file.ancestors.some((each) => resolve(each.path) === resolve(path))) throw bad(`it is a parent of '${parent}' itself`);
    return { link: { id: file.manifest.id, name: basename(parent) }, blobs: new Set(file.blobs.keys()) };
  } finally {
    await file.close();
  }
}

/** A snapshot that was read and held against its hashes, ready to be put into a machine of its configuration. */
export interface LoadedSnapshot {
  readonly config: MachineConfig;
  readonly images: Images;
  readonly id: string;
  readonly disks: readonly LoadedDisk[];
  /** Its past, once it is in a machine, where it carries one. */
  readonly past: LaterPast | undefined;
  /** Checks what only the machine can tell, then applies; throws before anything is changed. */
  apply(machine: Machine): void;
  /** Brings the memory that the machine goes on without, until `ended`. Throws EmulatorError where the file is damaged. */
  rest(ended: () => boolean): Promise<void>;
  /** The file is read no more: what it has not brought by then is missing. */
  close(): Promise<void>;
}

/** Kinds that a restore reads; the versions are those of today. */
const KNOWN: ReadonlyMap<string, number> = new Map(Object.entries(VERSIONS));

/** What is to be used, in today's versions. Unknown optional chunks are skipped, unknown mandatory ones refused. */
export function knownChunks(chunks: readonly Chunk[]): readonly Chunk[] {
  return chunks.flatMap((chunk) => {
    if (chunk.kind.startsWith(DEVICE)) return [chunk];
    const version = KNOWN.get(chunk.kind);
    if (version !== undefined && (chunk.mandatory || chunk.version <= version)) return [upgrade(chunk, version)];
    if (chunk.mandatory) throw bad(`it has '${chunk.kind.slice(0, 40)}', which this version does not know and which can not be left out`);
    return [];
  });
}

/**
 * Everything but memory is read and held against its hashes; memory comes when it is looked at, and with `rest`. The past is looked at
 * closely when it is opened. Close the file in any case.
 * Throws EmulatorError with blame `user`: no file, no snapshot, another format, damaged.
 */
export async function loadSnapshot(path: string): Promise<LoadedSnapshot> {
  return about(path, async () => {
    const file = await openSnapshot(path);
    try {
      // Of the past only where it begins and ends; the rest when somebody goes there. What fields mean this program knows.
      const { chunks } = file.manifest;
      const past = chunks.filter(({ kind }) => kind === 'history').sort((a, b) => (a.instance < b.instance ? -1 : 1));
      const between = new Set(past.slice(1, -1));
      const early = await readChunks(file.source, { chunks: chunks.filter((entry) => !between.has(entry) && (entry.kind !== 'schema' || entry.mandatory)) });
      const contents = await readContents(early, file.blobs, { about: ofFile(path), past: () => readChunksSync(file.source, { chunks: past }) });
      const apply = (machine: Machine): void => {
        try {
          contents.apply(machine);
        } catch (error) {
          throw ofFile(path)(error);
        }
      };
      return {
        config: contents.config,
        images: contents.images,
        id: hex(file.manifest.id),
        disks: contents.disks,
        apply,
        rest: contents.rest,
        close: file.close,
        get past() {
          return contents.past;
        },
      };
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** What is read later: `about` adds the file's name to errors, `past` gives all chunks of the history. */
interface Late {
  readonly about: (error: unknown) => unknown;
  readonly past: () => readonly Chunk[];
}

/** What chunks and blobs say, whatever file they are of. Errors don't name it. */
export async function readContents(all: readonly Chunk[], blobs: BlobIndex, late?: Late): Promise<Omit<LoadedSnapshot, 'id' | 'close'>> {
  const chunks = knownChunks(all);
  const one = (kind: string): Chunk => {
    const found = chunks.find((chunk) => chunk.kind === kind && chunk.instance === '');
    if (!found) throw bad(`it is damaged: it has no ${kind}`);
    return found;
  };
  const config = fieldsToConfig(one('configuration').fields);
  const core = fieldsToMachine(one('machine').fields, config.cpus);
  const vcpus = chunksToVcpus(chunks, config.cpus, core.position);
  const journal = fieldsToJournal(one('journal').fields, config.cpus);
  checkCursor(journal, core.journal, core.position);
  const regions = memoryEntries(one('memory').fields);
  if (regions.reduce((sum, { pages }) => sum + pages, 0) > 2 ** 20) throw bad('it has more memory than a machine can have');
  const about = late?.about ?? ((error: unknown) => error);
  const named = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw about(error);
    }
  };
  const ofImages = chunks.filter(({ kind }) => kind === 'image');
  const { images, all: files } = readImages(ofImages, blobs, about);
  const bring = async (): Promise<void> => void (await Promise.all(files.map((file) => file.bring())));
  const ends = historyEnds(chunks, core, config.cpus);
  const chronicle = readChronicle(ends ? chunks : [], ends?.oldest ?? 0, core.position, blobs);
  const history = (): ReturnType<typeof readHistory> => readHistory(late ? knownChunks(late.past()) : chunks, core, config.cpus, blobs);
  const early = late ? undefined : history();
  for (const { contents } of early ?? []) await readGroups(contents, blobs);
  const [groups, disks] = await Promise.all([readGroups(regions, blobs, late && mayAwait), readDisks(chunks, blobs), ...(late ? [] : [bring()])]);
  let past: LaterPast | undefined;
  let awaited: AwaitedMemory | undefined;
  const apply = (machine: Machine): void => {
    checkRegions(machine, regions);
    checkDisks(machine, disks);
    const state: MachineState = { ...core, vcpus, devices: chunksToDevices(chunks, machine) };
    if (early) preparePast(machine, early, chronicle, new AwaitedPages());
    machine.journal.load(journal, core.journal);
    const memory = new AwaitedMemory(machine, blobs, about);
    const written = applyMemory(machine, regions, groups, (first, pages, hash) => memory.add(first, pages, hash));
    memory.begin();
    awaited = memory;
    applyDisks(machine, disks);
    restore(machine, state);
    machine.pages.mark(written);
    const pages = new AwaitedPages(blobs, about);
    past = ends && { ...ends, awaited: pages, open: () => named(() => preparePast(machine, early ?? history(), chronicle, pages)) };
  };
  return {
    config,
    images,
    disks,
    apply,
    rest: async (ended) => {
      await awaited?.rest(ended);
      if (ended()) return;
      await bring().catch((error: unknown) => {
        throw about(error);
      });
    },
    get past() {
      return past;
    },
  };
}
