/** RFB connections that travel in the debug session itself: as many as the client opens, each with a number of its choice. */
import type { Channel, Viewer, Viewers } from '../../emulator/machine/viewers';
import type { GuestEvents } from '../protocol/guest';
import { badRequest } from './errors';

const MOST_CLIENTS = 16;
/** Bytes in one event. */
const MOST_BYTES = 1 << 20;

export interface RfbEvents {
  data(body: GuestEvents['guest/rfbData']): void;
  closed(body: GuestEvents['guest/rfbClosed']): void;
}

export class RfbConnections {
  private readonly connections = new Map<number, { readonly viewer: Viewer; taken(bytes: number): void }>();

  constructor(
    private readonly viewers: Viewers,
    private readonly events: RfbEvents,
  ) {}

  open(client: number): void {
    if (this.connections.has(client)) throw badRequest(`guest/rfbOpen: client ${client} is connected already`);
    if (this.connections.size >= MOST_CLIENTS) throw badRequest(`guest/rfbOpen: there are ${MOST_CLIENTS} clients already`);
    let backlog = 0;
    const { events } = this;
    const channel: Channel = {
      get backlog() {
        return backlog;
      },
      send: (bytes) => {
        backlog += bytes.length;
        for (let at = 0; at < bytes.length; at += MOST_BYTES) {
          events.data({ client, data: Buffer.from(bytes.subarray(at, at + MOST_BYTES)).toString('base64') });
        }
      },
      close: (error) => {
        this.connections.delete(client);
        events.closed({ client, ...(error && { problem: error.message }) });
      },
    };
    const viewer = this.viewers.connect(channel);
    const taken = (bytes: number): void => {
      backlog = Math.max(0, backlog - bytes);
      if (backlog === 0) viewer.drained();
    };
    this.connections.set(client, { viewer, taken });
  }

  private of(client: number): { readonly viewer: Viewer; taken(bytes: number): void } {
    const found = this.connections.get(client);
    if (!found) throw badRequest(`there is no RFB client ${client}`);
    return found;
  }

  send(client: number, data: string): void {
    this.of(client).viewer.receive(Buffer.from(data, 'base64'));
  }

  taken(client: number, bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw badRequest(`guest/rfbTaken: ${bytes} is no number of bytes`);
    this.of(client).taken(bytes);
  }

  close(client: number): void {
    this.of(client).viewer.close();
  }
}
