/**
 * RFB server (RFC 6143) for any number of clients that watch one machine. It is given pictures and channels, and
 * gives back keys and pointer; what listens, and when there is a new picture, is decided elsewhere.
 */
import { RfbClient, type Channel, type Sink } from './client';
import type { Security } from './handshake';
import { Surface, wholeOf, type Bands, type Picture } from './surface';
import type { Cursor } from './updates';

/** What is shown before there is a picture. */
const BLANK = { width: 640, height: 480 } as const;

export class RfbServer {
  private surface = new Surface(BLANK.width, BLANK.height);
  private readonly clients = new Set<RfbClient>();
  private cursor: Cursor | undefined;

  constructor(
    private readonly name: string,
    private readonly sink: Sink,
  ) {}

  /** Bytes from the channel go into the client's `receive`; when the channel has been emptied, call its `update`. */
  connect(channel: Channel, security: Security = {}, sink = this.sink): RfbClient {
    const client: RfbClient = new RfbClient(channel, sink, this.surface, this.name, security, this.cursor, () => this.clients.delete(client));
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

  show(picture: Picture): boolean {
    return this.change(wholeOf(picture));
  }

  /** Some rows of the picture, all of them where its size is another. Whether it differs from the one before. */
  change(picture: Bands): boolean {
    const resized = !this.surface.sameSize(picture);
    if (resized) this.surface = new Surface(picture.width, picture.height);
    const changes = this.surface.apply(picture);
    if (changes.region.empty && !resized) return false;
    for (const client of this.clients) client.show(this.surface, resized ? undefined : changes);
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
