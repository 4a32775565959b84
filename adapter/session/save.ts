import type { Guest } from '../../emulator/machine/api';

/** Pages of the past that a snapshot takes along, at most. */
const HISTORY_BYTES = 256 << 20;

/** Writes a snapshot; with the past, so that whoever resumes it can go backwards, where the guest keeps one. */
export const save = (guest: Guest, path: string, history = true): Promise<number> =>
  guest.save(path, history && guest.config.historyBytes > 0 ? { historyBytes: HISTORY_BYTES } : {});
