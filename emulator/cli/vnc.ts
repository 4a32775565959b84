import type { Guest } from '../machine/api';
import { Viewers } from '../machine/viewers';
import { listenVnc, type VncAddress } from '../machine/vnc';

export interface Served {
  /** The guest may start: the first viewer is there, where it is to be waited for. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Shows the guest to VNC viewers as long as it runs. */
export async function serveVnc(guest: Guest, address: VncAddress | undefined): Promise<Served> {
  if (!address) return { ready: Promise.resolve(), close: () => Promise.resolve() };
  const viewers = new Viewers(guest, 'guest');
  try {
    const { where, first, close } = await listenVnc(viewers, address);
    process.stderr.write(`guest: VNC viewers can connect to ${where}${address.wait ? '; the guest starts when the first one does' : ''}\n`);
    return {
      ready: address.wait ? first : Promise.resolve(),
      close: () => {
        viewers.close();
        return close();
      },
    };
  } catch (error) {
    viewers.close();
    await guest.close();
    throw error;
  }
}
