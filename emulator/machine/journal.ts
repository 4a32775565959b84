import type { News } from '../network/outside';
import type { Position } from './api';

/** What comes from outside. Everything else follows from the configuration, the images and these. */
export type Input =
  | { readonly kind: 'serial'; readonly port: number; readonly bytes: Uint8Array }
  | { readonly kind: 'key'; readonly code: string; readonly down: boolean }
  | {
      readonly kind: 'pointer';
      readonly dx: number;
      readonly dy: number;
      readonly wheel: number;
      readonly buttons: number;
      /** Where it is on the screen, from 0 to 32767, for what knows places. */
      readonly x?: number;
      readonly y?: number;
    }
  /** What has come from the host's network since the last time. */
  | { readonly kind: 'network'; readonly news: readonly News[] }
  /** What the entropy device has waited for. */
  | { readonly kind: 'entropy'; readonly bytes: Uint8Array }
  | { readonly kind: 'reset' }
  | { readonly kind: 'vcpu'; readonly vcpu: number; readonly path: readonly string[]; readonly value: bigint }
  | { readonly kind: 'device'; readonly path: readonly string[]; readonly value: bigint }
  | { readonly kind: 'memory'; readonly address: number; readonly bytes: Uint8Array };

export interface JournalEvent {
  /** The event comes before the instruction that makes the position one greater. */
  readonly position: Position;
  readonly input: Input;
}

/** Bytes from the network in an event. */
const receivedIn = ({ input }: JournalEvent): number =>
  input.kind === 'network' ? input.news.reduce((sum, news) => sum + ('bytes' in news ? news.bytes.length : 0), 0) : 0;

/** An event that nobody runs through again: that something came from the network, and not what. */
export const withoutNews = (event: JournalEvent): JournalEvent => (event.input.kind === 'network' ? { ...event, input: { kind: 'network', news: [] } } : event);

/**
 * The events from outside, each with its position in the machine's history. The cursor is the first
 * event that has not happened yet: what lies behind it is the recorded future, which is replayed.
 */
export class Journal {
  private events: JournalEvent[] = [];
  private next = 0;
  /** What came from the network in events before this one is not kept. */
  private forgotten = 0;
  private bytes = 0;
  /** The future that the last event from outside put an end to. */
  lost: readonly JournalEvent[] = [];

  get cursor(): number {
    return this.next;
  }
  get length(): number {
    return this.events.length;
  }
  get replaying(): boolean {
    return this.next < this.events.length;
  }
  /** Position of the next recorded event; Infinity at the end. */
  get nextPosition(): Position {
    return this.events[this.next]?.position ?? Infinity;
  }

  /** Takes the next event if it comes at this position. */
  take(position: Position): Input | undefined {
    const event = this.events[this.next];
    if (!event || event.position > position) return undefined;
    this.next++;
    return event.input;
  }

  /** Something happens now: a recorded future is given up. Returns the events of that future. */
  append(position: Position, input: Input): readonly JournalEvent[] {
    this.lost = this.events.splice(this.next);
    for (const event of this.lost) this.bytes -= receivedIn(event);
    const event = { position, input };
    this.events.push(event);
    this.bytes += receivedIn(event);
    this.next++;
    return this.lost;
  }

  /** Bytes from the network that are kept. */
  get received(): number {
    return this.bytes;
  }
  /** Nobody goes back beyond this point: what came from the network before it is of no use. */
  forget(cursor: number): void {
    for (; this.forgotten < Math.min(cursor, this.next); this.forgotten++) {
      const event = this.events[this.forgotten]!;
      this.bytes -= receivedIn(event);
      this.events[this.forgotten] = withoutNews(event);
    }
  }

  /** Goes to another point of the history. */
  seek(cursor: number): void {
    this.next = Math.max(0, Math.min(cursor, this.events.length));
  }

  /** All events, for a file or another branch; and back. */
  save(): readonly JournalEvent[] {
    return [...this.events];
  }
  load(events: readonly JournalEvent[], cursor: number): void {
    this.events = [...events];
    this.forgotten = 0;
    this.bytes = events.reduce((sum, event) => sum + receivedIn(event), 0);
    this.seek(cursor);
  }
}
