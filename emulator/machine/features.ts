import { nodeCrypto } from '../builtins';
import type { EngineBinaries } from '../engine/wasm-module';
import type { Guest, MachineConfig, SaveOptions } from './api';
import type { Images, MakeHistory, Past } from './history';
import { loadSnapshot, saveSnapshot, type LoadedSnapshot } from '../snapshot/file';
import { Timeline } from '../snapshot/timeline';
import { EmulatorError, userError } from '../errors';
import { closeDisks, openDisks, OverlayFiles, type DiskOpening } from './disks';
import { openNetwork } from './hostnetwork';
import { LocalGuest } from './local';
import type { Machine } from './machine';
import { environmentTrace, nodePace, readBinaries, writeVars } from './node';

/** Parts of the emulator that stand on the machine: history and snapshot files. */
export interface Features {
  readonly history?: MakeHistory;
  readonly save?: (machine: Machine, images: Images, path: string, options?: SaveOptions, past?: Past) => Promise<void>;
  /** `config` overrides paths of the snapshot's own. `view`: without the images of its disks, as nothing is to run. */
  readonly resume?: (path: string, config: MachineConfig | undefined, view?: boolean) => Promise<Guest>;
}

const save: NonNullable<Features['save']> = async (machine, images, path, options, past) => {
  await saveSnapshot(machine, images, path, options, past);
};

/** Images may lie elsewhere now; what they are attached to is the snapshot's to say. */
function movedDisks({ disks }: MachineConfig, config: MachineConfig | undefined): Pick<MachineConfig, 'disks'> {
  if (!disks || !config?.disks) return disks ? { disks } : {};
  const moved = config.disks;
  return {
    disks: disks.map((disk, number) => {
      const now = moved[number];
      return now ? { ...disk, path: now.path, ...(now.overlay !== undefined && { overlay: now.overlay }) } : disk;
    }),
  };
}

/** A snapshot may be anybody's: its guest gets at the host's network, and others at the guest, only if whoever resumes it says so. */
function grantedNetwork({ network }: MachineConfig, config: MachineConfig | undefined): Pick<MachineConfig, 'network'> {
  if (!network) return {};
  const { forwards: _, ...own } = network;
  const forwards = grants(network, config) ? config?.network?.forwards : undefined;
  return { network: { ...own, ...(forwards && { forwards }) } };
}
const grants = (network: MachineConfig['network'], config: MachineConfig | undefined): boolean => network?.mode === 'user' && config?.network?.mode === 'user';

/** How much of the past is kept, how code is run, and where files are, is the host's to say; everything else is the snapshot's. */
function ownConfig(snapshot: MachineConfig, config: MachineConfig | undefined): MachineConfig {
  const { historyBytes, checkpointEvery, tier = snapshot.tier, vars } = config ?? snapshot;
  const moved = { ...movedDisks(snapshot, config), ...grantedNetwork(snapshot, config), historyBytes, checkpointEvery, ...(tier && { tier }) };
  return { ...snapshot, ...moved, ...(vars !== undefined && snapshot.vars !== undefined && { vars }) };
}

export const features: Features = {
  history: (context, bytes, every) => new Timeline(context, bytes, every),
  save,
  resume: async (path, config, view = false) => {
    const [snapshot, binaries] = await Promise.all([loadSnapshot(path), readBinaries()]);
    return goOn(snapshot, binaries, config, view).catch(async (error: unknown) => {
      await snapshot.close();
      throw error;
    });
  },
};

/** Images of a snapshot may be elsewhere here. */
function openMoved(config: MachineConfig, opening: DiskOpening): ReturnType<typeof openDisks> {
  try {
    return openDisks(config, opening);
  } catch (error) {
    if (!(error instanceof EmulatorError) || error.code !== 'disk-file') throw error;
    throw userError(error.code, `${error.message}; where an image is now is said by 'disks' of a launch configuration, or --override disk0.path=FILE`, error);
  }
}

async function goOn(snapshot: LoadedSnapshot, binaries: EngineBinaries, config: MachineConfig | undefined, view: boolean): Promise<Guest> {
  const own = ownConfig(snapshot.config, config);
  const given = (disk: number): boolean => config?.disks?.[disk]?.overlay !== undefined;
  const vars = snapshot.config.vars === undefined ? undefined : config?.vars;
  const disks = openMoved(own, view ? { fresh: true, absent: snapshot.disks } : { fresh: true });
  let timeline: Timeline | undefined;
  const network = await openNetwork(own.network && { ...own.network, mode: grants(own.network, config) ? 'user' : 'isolated' }).catch((error: unknown) => {
    closeDisks(disks);
    throw error;
  });
  return LocalGuest.create(own, {
    images: { ...snapshot.images, disks },
    network,
    binaries,
    pace: nodePace,
    entropy: (length) => nodeCrypto().randomBytes(length),
    trace: environmentTrace(),
    begin: snapshot.apply,
    rest: async (ended) => {
      await snapshot.rest(ended);
      await timeline?.rest(ended);
      await snapshot.close();
    },
    end: () => snapshot.close(),
    history: (context, bytes, every) => (timeline = new Timeline(context, bytes, every, snapshot.past)),
    save,
    // A snapshot may be anybody's: what it names itself is written to with care, its variable store not at all.
    keepDisks: new OverlayFiles(disks, own, given),
    ...(vars !== undefined && { keepVars: (bytes) => writeVars(vars, bytes) }),
  }).catch(async (error: unknown) => {
    closeDisks(disks);
    await network?.close();
    throw error;
  });
}
