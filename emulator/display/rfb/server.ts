/**
 * RFB server (RFC 6143) for any number of clients that watch one machine. It is given pictures and channels, and
 * gives back keys and pointer; what listens, and when there is a new picture, is decided elsewhere.
 */
import { RfbClient, type Channel, type Sink } from './client';
import type { Security } from './handshake';
import { Surface, type Picture } from './surface';
import type { Cursor } from './updates';

/** What is shown before there is a picture. */
const BLANK = { width: 640, height: 480 } as const;

export class RfbServer {
  private surface = Surface.blank(BLANK.width, BLANK.height);
  private readonly clients = new Set<RfbClient>();
  private cursor: Cursor | undefined;

  constructor(
    private readonly name: string,
    private readonly sink: Sink,
  ) {}

  /** Bytes from the channel go into the client's `receive`; when the channel has been emptied, call its `update`. */
  connect(channel: Channel, security: Security = {}): RfbClient {
    const client: RfbClient = new RfbClient(channel, this.sink, this.surface, this.name, security, this.cursor, () => this.clients.delete(client));
    this.clients.add(client);
    return client;
  }

  get connected(): number {
    return this.clients.size;
  }

  /** Is there a client that would be sent a change at once? */
  get waiting(): boolean {
    return [...this.clients].some((client) => client.waiting);
  }

  /** Whether the picture differs from the one before. */
  show(picture: Picture): boolean {
    const surface = Surface.of(picture);
    const before = this.surface;
    const changes = surface.sameSize(before) ? surface.changes(before) : undefined;
    if (changes?.empty) return false;
    this.surface = surface;
    for (const client of this.clients) client.show(surface, changes);
    return true;
  }

  showCursor(cursor: Cursor | undefined): void {
    this.cursor = cursor;
    for (const client of this.clients) client.showCursor(cursor);
  }

  cutText(text: string): void {
    for (const client of this.clients) client.cutText(text);
  }

  close(): void {
    for (const client of [...this.clients]) client.close();
  }
}
