import type { Guest } from '../machine/api';
import { Viewers } from '../machine/viewers';
import { listenVnc, type VncAddress } from '../machine/vnc';

/** Shows the guest to VNC viewers as long as it runs; gives what ends that. */
export async function serveVnc(guest: Guest, address: VncAddress | undefined): Promise<() => Promise<void>> {
  if (!address) return () => Promise.resolve();
  const viewers = new Viewers(guest, 'guest');
  try {
    const { where, close } = await listenVnc(viewers, address);
    process.stderr.write(`guest: VNC viewers can connect to ${where}\n`);
    return () => {
      viewers.close();
      return close();
    };
  } catch (error) {
    viewers.close();
    await guest.close();
    throw error;
  }
}
