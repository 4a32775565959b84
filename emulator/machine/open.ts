import { nodeCrypto } from '../builtins';
import type { Guest, MachineConfig } from './api';
import { closeDisks, openDisks, OverlayFiles } from './disks';
import { features } from './features';
import { openNetwork } from './hostnetwork';
import { LocalGuest } from './local';
import { environmentTrace, nodePace, readBinaries, readImages, writeVars } from './node';
import { userError } from '../errors';

export interface OpenOptions {
  /** A snapshot file to resume; its configuration is the machine's. */
  readonly snapshot?: string;
  /** The machine of a snapshot is only looked at: images of its disks need not be there. */
  readonly view?: boolean;
}

/** Makes a guest in this thread. Throws EmulatorError with blame `user` for what can't be started. */
export async function openGuest(config: MachineConfig | undefined, { snapshot, view = false }: OpenOptions = {}): Promise<Guest> {
  if (snapshot !== undefined) {
    if (!features.resume) throw userError('no-snapshots', 'snapshot files can not be resumed by this build');
    return features.resume(snapshot, config, view);
  }
  if (!config) throw userError('no-configuration', 'neither a configuration nor a snapshot is given');
  // V8 compiles while files are read.
  const [binaries, images] = await Promise.all([readBinaries(), readImages(config)]);
  const disks = openDisks(config);
  const network = await openNetwork(config.network).catch((error: unknown) => {
    closeDisks(disks);
    throw error;
  });
  return LocalGuest.create(config, {
    images: { ...images, disks },
    network,
    binaries,
    pace: nodePace,
    entropy: (length) => nodeCrypto().randomBytes(length),
    trace: environmentTrace(),
    keepDisks: new OverlayFiles(disks, config),
    ...(features.history && { history: features.history }),
    ...(features.save && { save: features.save }),
    ...(config.vars !== undefined && { keepVars: (bytes) => writeVars(config.vars!, bytes) }),
  }).catch(async (error: unknown) => {
    closeDisks(disks);
    await network?.close();
    throw error;
  });
}
