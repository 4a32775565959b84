import type { Guest, MachineConfig } from './api';
import type { MakeHistory } from './history';
import { Timeline } from '../snapshot/timeline';
import type { Machine } from './machine';

/** Parts of the emulator that stand on the machine: history and snapshot files. */
export interface Features {
  readonly history?: MakeHistory;
  readonly save?: (machine: Machine, path: string) => Promise<void>;
  /** `config` overrides paths of the snapshot's own. */
  readonly resume?: (path: string, config: MachineConfig | undefined) => Promise<Guest>;
}

export const features: Features = { history: (context, bytes, every) => new Timeline(context, bytes, every) };
