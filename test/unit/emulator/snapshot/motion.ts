import type { Guest, Position } from '../../../../emulator/machine/api';

/** Starts a motion, and waits for its end. */
export function moved(guest: Guest, action: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = guest.on(({ event }) => {
      if (event !== 'stopped') return;
      off();
      resolve();
    });
    action().catch(reject);
  });
}

export const runTo = (guest: Guest, position: Position): Promise<void> => moved(guest, () => guest.resume({ position, unattended: true }));
