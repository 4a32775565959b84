import type { Guest, MachineConfig } from './api';
import type { MakeHistory } from './history';
import { loadSnapshot, saveSnapshot } from '../snapshot/file';
import { Timeline } from '../snapshot/timeline';
import { LocalGuest } from './local';
import type { Machine } from './machine';
import { nodePace, readBinaries, readImages } from './node';

/** Parts of the emulator that stand on the machine: history and snapshot files. */
export interface Features {
  readonly history?: MakeHistory;
  readonly save?: (machine: Machine, path: string) => Promise<void>;
  /** `config` overrides paths of the snapshot's own. */
  readonly resume?: (path: string, config: MachineConfig | undefined) => Promise<Guest>;
}

/** The images are read again from where the configuration says, so that a snapshot is whole by itself. */
const saveMachine = async (machine: Machine, path: string): Promise<void> => saveSnapshot(machine, await readImages(machine.config), path);

export const features: Features = {
  history: (context, bytes, every) => new Timeline(context, bytes, every),
  save: saveMachine,
  resume: async (path, config) => {
    const [snapshot, binaries] = await Promise.all([loadSnapshot(path), readBinaries()]);
    // How much of the past is kept is the host's to say; everything else is the snapshot's.
    const { historyBytes, checkpointEvery } = config ?? snapshot.config;
    return LocalGuest.create(
      { ...snapshot.config, historyBytes, checkpointEvery },
      { images: snapshot.images, binaries, pace: nodePace, begin: snapshot.apply, ...(features.history && { history: features.history }), save: saveMachine },
    );
  },
};
