import type { Guest, MachineConfig, SaveOptions } from './api';
import type { Images, MakeHistory } from './history';
import { loadSnapshot, saveSnapshot } from '../snapshot/file';
import { Timeline } from '../snapshot/timeline';
import { LocalGuest } from './local';
import type { Machine } from './machine';
import { nodePace, readBinaries } from './node';

/** Parts of the emulator that stand on the machine: history and snapshot files. */
export interface Features {
  readonly history?: MakeHistory;
  readonly save?: (machine: Machine, images: Images, path: string, options?: SaveOptions) => Promise<void>;
  /** `config` overrides paths of the snapshot's own. */
  readonly resume?: (path: string, config: MachineConfig | undefined) => Promise<Guest>;
}

const save: Features['save'] = async (machine, images, path, options) => {
  await saveSnapshot(machine, images, path, options);
};

export const features: Features = {
  history: (context, bytes, every) => new Timeline(context, bytes, every),
  save,
  resume: async (path, config) => {
    const [snapshot, binaries] = await Promise.all([loadSnapshot(path), readBinaries()]);
    // How much of the past is kept is the host's to say; everything else is the snapshot's.
    const { historyBytes, checkpointEvery } = config ?? snapshot.config;
    return LocalGuest.create(
      { ...snapshot.config, historyBytes, checkpointEvery },
      { images: snapshot.images, binaries, pace: nodePace, begin: snapshot.apply, ...(features.history && { history: features.history }), save },
    );
  },
};
