import type { Guest, MachineConfig } from './api';
import { closeDisks, openDisks, OverlayFiles } from './disks';
import { features } from './features';
import { LocalGuest } from './local';
import { environmentTrace, nodePace, readBinaries, readImages, writeVars } from './node';
import { userError } from '../errors';

export interface OpenOptions {
  /** A snapshot file to resume; its configuration is the machine's. */
  readonly snapshot?: string;
}

/** Makes a guest in this thread. Throws EmulatorError with blame `user` for what can't be started. */
export async function openGuest(config: MachineConfig | undefined, { snapshot }: OpenOptions = {}): Promise<Guest> {
  if (snapshot !== undefined) {
    if (!features.resume) throw userError('no-snapshots', 'snapshot files can not be resumed by this build');
    return features.resume(snapshot, config);
  }
  if (!config) throw userError('no-configuration', 'neither a configuration nor a snapshot is given');
  const [images, binaries] = await Promise.all([readImages(config), readBinaries()]);
  const disks = openDisks(config);
  return LocalGuest.create(config, {
    images: { ...images, disks },
    binaries,
    pace: nodePace,
    trace: environmentTrace(),
    keepDisks: new OverlayFiles(disks, config),
    ...(features.history && { history: features.history }),
    ...(features.save && { save: features.save }),
    ...(config.vars !== undefined && { keepVars: (bytes) => writeVars(config.vars!, bytes) }),
  }).catch((error: unknown) => {
    closeDisks(disks);
    throw error;
  });
}
