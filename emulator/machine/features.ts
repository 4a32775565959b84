import type { EngineBinaries } from '../engine/wasm-module';
import type { Guest, MachineConfig, SaveOptions } from './api';
import type { Images, MakeHistory, PastCheckpoint } from './history';
import { loadSnapshot, saveSnapshot, type LoadedSnapshot } from '../snapshot/file';
import { Timeline } from '../snapshot/timeline';
import { closeDisks, openDisks, OverlayFiles } from './disks';
import { LocalGuest } from './local';
import type { Machine } from './machine';
import { environmentTrace, nodePace, readBinaries, writeVars } from './node';

/** Parts of the emulator that stand on the machine: history and snapshot files. */
export interface Features {
  readonly history?: MakeHistory;
  readonly save?: (machine: Machine, images: Images, path: string, options?: SaveOptions, past?: readonly PastCheckpoint[]) => Promise<void>;
  /** `config` overrides paths of the snapshot's own. */
  readonly resume?: (path: string, config: MachineConfig | undefined) => Promise<Guest>;
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

/** How much of the past is kept, how code is run, and where files are, is the host's to say; everything else is the snapshot's. */
function ownConfig(snapshot: MachineConfig, config: MachineConfig | undefined): MachineConfig {
  const { historyBytes, checkpointEvery, tier = snapshot.tier, vars } = config ?? snapshot;
  const moved = { ...movedDisks(snapshot, config), historyBytes, checkpointEvery, ...(tier && { tier }) };
  return { ...snapshot, ...moved, ...(vars !== undefined && snapshot.vars !== undefined && { vars }) };
}

export const features: Features = {
  history: (context, bytes, every) => new Timeline(context, bytes, every),
  save,
  resume: async (path, config) => {
    const [snapshot, binaries] = await Promise.all([loadSnapshot(path), readBinaries()]);
    return goOn(snapshot, binaries, config).catch(async (error: unknown) => {
      await snapshot.close();
      throw error;
    });
  },
};

async function goOn(snapshot: LoadedSnapshot, binaries: EngineBinaries, config: MachineConfig | undefined): Promise<Guest> {
  const own = ownConfig(snapshot.config, config);
  const given = (disk: number): boolean => config?.disks?.[disk]?.overlay !== undefined;
  const vars = snapshot.config.vars === undefined ? undefined : config?.vars;
  const disks = openDisks(own, { fresh: true });
  return LocalGuest.create(own, {
    images: { ...snapshot.images, disks },
    binaries,
    pace: nodePace,
    trace: environmentTrace(),
    begin: snapshot.apply,
    rest: (ended) => snapshot.rest(ended).then(() => snapshot.close()),
    end: () => snapshot.close(),
    history: (context, bytes, every) => new Timeline(context, bytes, every, snapshot.past),
    save,
    // A snapshot may be anybody's: what it names itself is written to with care, its variable store not at all.
    keepDisks: new OverlayFiles(disks, own, given),
    ...(vars !== undefined && { keepVars: (bytes) => writeVars(vars, bytes) }),
  }).catch((error: unknown) => {
    closeDisks(disks);
    throw error;
  });
}
