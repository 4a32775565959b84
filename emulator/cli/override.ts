/** `guest resume --override NAME=VALUE`: what of a snapshot's machine is the host's to say. */
import { resolve } from 'node:path';
import { userError } from '../errors';
import type { DiskConfig, MachineConfig } from '../machine/api';
import { readConfiguration } from '../snapshot/tools';
import { parseCount, parseNetwork, parseTier, part } from './config';

type Change = (config: MachineConfig, value: string) => MachineConfig;

const CHANGES: Readonly<Record<string, Change>> = {
  historyMegabytes: (config, value) => ({ ...config, historyBytes: parseCount('--override historyMegabytes', value) * 2 ** 20 }),
  checkpointEvery: (config, value) => ({ ...config, checkpointEvery: parseCount('--override checkpointEvery', value) }),
  tier: (config, value) => ({ ...config, tier: parseTier('--override tier', value) }),
  // Access to the host's network is given by who resumes the guest; the adapter stays the snapshot's.
  network: (config, value) => ({ ...config, ...part('network', parseNetwork('--override network', value)) }),
  vars: (config, value) => ({ ...config, vars: resolve(value) }),
};

/** What of the machine has to be there to be changed, and how it is called. */
const PARTS: Readonly<Record<string, string>> = { network: 'network adapter', vars: 'variable store' };

/** Disks are named as in the machine: `disk0`, `cdrom0`, in the order of their kind. */
function disksOf({ disks = [] }: MachineConfig): ReadonlyMap<string, number> {
  const counts = { disk: 0, cdrom: 0 };
  return new Map(disks.map(({ kind = 'disk' }, number) => [`${kind}${counts[kind]++}`, number]));
}

/** The snapshot's configuration with what is said otherwise; only what was said names files that may be written. */
export async function overridden(path: string, overrides: readonly string[]): Promise<MachineConfig> {
  const whole = await readConfiguration(path);
  const { vars: _, network: ___, ...saved } = whole;
  const disks = disksOf(saved);
  // A change of a disk names its image and its overlay; other disks' overlays stay the snapshot's.
  let config: MachineConfig = { ...saved, ...(saved.disks && { disks: saved.disks.map(({ overlay: __, ...disk }) => disk) }) };
  for (const override of overrides) {
    const at = override.indexOf('=');
    const [name, value] = [override.slice(0, at), override.slice(at + 1)];
    if (at <= 0 || value === '') throw userError('option', `--override '${override}' is no NAME=VALUE`);
    const [, disk, part] = /^((?:disk|cdrom)\d+)\.(path|overlay)$/.exec(name) ?? [];
    if (disk !== undefined) {
      const number = disks.get(disk);
      if (number === undefined) throw userError('option', `--override '${name}': the snapshot's machine has ${[...disks.keys()].join(', ') || 'no disks'}`);
      const change = { [part as 'path']: resolve(value) };
      config = { ...config, disks: config.disks!.map((each, index): DiskConfig => (index === number ? { ...each, ...change } : each)) };
    } else if (Object.hasOwn(PARTS, name) && whole[name as 'vars'] === undefined) {
      throw userError('option', `--override '${name}': the snapshot's machine has no ${PARTS[name]!}`);
    } else if (Object.hasOwn(CHANGES, name)) config = CHANGES[name]!(config, value);
    else {
      const names = [...[...disks.keys()].flatMap((each) => [`${each}.path`, `${each}.overlay`]), ...Object.keys(CHANGES)];
      throw userError('option', `--override '${name}': that is the snapshot's own; there are ${names.join(', ')}`);
    }
  }
  return config;
}
