import type { Guest, Position, Stop } from '../emulator/machine/api';

/** Starts a motion, and waits for its end. */
export function moved(guest: Guest, action: () => Promise<void>): Promise<Stop> {
  return new Promise((resolve, reject) => {
    const off = guest.on((event) => {
      if (event.event !== 'stopped') return;
      off();
      resolve(event.stop);
    });
    action().catch(reject);
  });
}

export const runTo = (guest: Guest, position: Position): Promise<Stop> => moved(guest, () => guest.resume({ position, unattended: true }));
