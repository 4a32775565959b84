/**
 * The network's end of TCP connections (RFC 9293), with congestion control (RFC 5681): what the guest sends is given to the
 * host, and the other way round. The wire loses a frame only where the adapter has no room for it.
 */
import type { Nanoseconds } from '../bus/device';
import { joined } from './bytes';
import type { Packet } from './ip';
import type { Command } from './outside';
import { FLAG, MOST_SHIFT, segmentOf, type Outgoing, type Ports, type Segment } from './segment';
import { TO_GUEST, type Connection } from './tables';

const OWN_SEGMENT = 1460;
const LEAST_SEGMENT = 64;
/** Bytes that the guest may have on their way, and what they are scaled by. */
const FROM_GUEST = 256 << 10;
const OWN_SHIFT = 3;
const FIRST_WINDOW = 10;
const MOST_CONGESTION = 1 << 20;
const DUPLICATES = 3;
/** Segments that go out at once. */
const MOST_SEGMENTS = 256;

/** What is lost was lost by the adapter: a round trip takes no time worth measuring. */
const RETRY_NS = 200_000_000;
const MOST_RETRY_NS = 60_000_000_000;
const MOST_TRIES = 10;
/** Segments that come in one after the other have one acknowledgment. */
const ACKNOWLEDGE_NS = 20_000;

const DIFFERENT = 0x100000000;
const minus = (a: number, b: number): number => (a - b) >>> 0;
const plus = (a: number, b: number): number => (a + b) >>> 0;
/** a < b, as sequence numbers. */
const before = (a: number, b: number): boolean => a !== b && minus(b, a) < DIFFERENT / 2;
const NOTHING = new Uint8Array(0);

export interface TcpContext {
  now(): Nanoseconds;
  send(packet: Packet): void;
  command(command: Command): void;
}

/** An answer to a segment of no connection (3.10.7.1). */
export function refuse(context: Pick<TcpContext, 'send'>, source: number, destination: number, ports: Ports, segment: Segment): void {
  const { flags, sequence, acknowledgment, data } = segment;
  if (flags & FLAG.RST) return;
  const length = data.length + (flags & FLAG.SYN ? 1 : 0) + (flags & FLAG.FIN ? 1 : 0);
  const answer =
    flags & FLAG.ACK
      ? { sequence: acknowledgment, acknowledgment: 0, flags: FLAG.RST }
      : { sequence: 0, acknowledgment: plus(sequence, length), flags: FLAG.RST | FLAG.ACK };
  context.send(segmentOf(source, destination, ports, { ...answer, window: 0 }));
}

/** What can be done with a connection; each method leaves it with its timers set. */
export class Tcp {
  constructor(private readonly context: TcpContext) {}

  // ── From outside ─────────────────────────────────────────────────────────────────────────

  /** The guest's SYN has come, for a connection that is free: the host is asked. */
  dial(connection: Connection, { sequence, window, segment, shift }: Segment): void {
    const start = this.start();
    Object.assign(connection, {
      stage: 'dialling',
      unacknowledged: start,
      next: start,
      highest: start,
      window,
      windowSegment: sequence,
      windowShift: shift ?? 0,
      scaled: shift !== undefined,
      segment: clampSegment(segment),
      expected: plus(sequence, 1),
      edge: plus(sequence, 1),
    });
  }

  /** Somebody wants to reach the guest. */
  call(connection: Connection): void {
    const start = this.start();
    Object.assign(connection, { stage: 'calling', unacknowledged: start, next: plus(start, 1), highest: plus(start, 1), segment: OWN_SEGMENT });
    this.synchronize(connection);
    this.arm(connection);
  }

  connected(connection: Connection): void {
    if (connection.stage !== 'dialling') return;
    connection.stage = 'answering';
    connection.next = connection.highest = plus(connection.unacknowledged, 1);
    this.synchronize(connection);
    this.arm(connection);
  }

  /** Bytes for the guest: as many as there is room for. */
  deliver(connection: Connection, bytes: Uint8Array): void {
    if (connection.hostEnded) return;
    connection.toGuest = joined(connection.toGuest, bytes.subarray(0, roomOf(connection)));
    this.output(connection);
  }
  ended(connection: Connection): void {
    connection.hostEnded = true;
    this.output(connection);
  }
  /** The host has passed bytes on. The guest is told when there is much more room than it knows of. */
  taken(connection: Connection, count: number): void {
    connection.given -= Math.min(count, connection.given);
    if (connection.stage === 'open' && this.windowOf(connection) - this.known(connection) >= FROM_GUEST / 8) this.acknowledge(connection);
  }

  /** Nobody is interested any more: the guest hears of it. */
  reset(connection: Connection): void {
    const { stage, next, expected } = connection;
    // Before the host has answered there is no sequence number of ours: the SYN is refused (3.10.7.1).
    if (stage === 'dialling') this.send(connection, { sequence: 0, flags: FLAG.RST | FLAG.ACK });
    else if (stage !== 'free') this.transmit(connection, { sequence: next, acknowledgment: expected, flags: FLAG.RST | FLAG.ACK, window: 0 });
    this.free(connection);
  }

  free(connection: Connection): void {
    Object.assign(connection, { stage: 'free', toGuest: NOTHING, retransmit: Infinity, acknowledge: Infinity });
  }

  /** The guest has given up: so does the host. */
  private abort(connection: Connection): void {
    this.context.command({ kind: 'abort', flow: connection.flow });
    this.free(connection);
  }

  /** A timer has come. */
  expire(connection: Connection, now: Nanoseconds): void {
    if (connection.acknowledge <= now) this.acknowledge(connection);
    if (connection.retransmit > now) return;
    if (connection.tries >= MOST_TRIES) {
      this.context.command({ kind: 'abort', flow: connection.flow });
      return this.reset(connection);
    }
    connection.tries++;
    this.retransmit(connection);
  }

  // ── From the guest ───────────────────────────────────────────────────────────────────────

  /** A segment of a connection that is not free (3.10.7.3 and 3.10.7.4). */
  arrive(connection: Connection, segment: Segment): void {
    const { stage } = connection;
    if (stage === 'dialling') {
      if (segment.flags & FLAG.RST) this.abort(connection);
    } else if (stage === 'calling') this.answered(connection, segment);
    else this.synchronized(connection, segment);
  }

  private answered(connection: Connection, segment: Segment): void {
    const { flags, acknowledgment, sequence } = segment;
    if (!(flags & FLAG.ACK)) return;
    if (acknowledgment !== connection.next) {
      if (!(flags & FLAG.RST)) this.transmit(connection, { sequence: acknowledgment, acknowledgment: 0, flags: FLAG.RST, window: 0 });
      return;
    }
    if (flags & FLAG.RST) return this.abort(connection);
    if (!(flags & FLAG.SYN)) return;
    Object.assign(connection, {
      expected: plus(sequence, 1),
      edge: plus(sequence, 0x10000),
      windowShift: segment.shift ?? 0,
      scaled: segment.shift !== undefined,
      segment: clampSegment(segment.segment),
    });
    this.open(connection, segment);
    this.acknowledge(connection);
    this.output(connection);
  }

  /** `window` is as it is, not scaled. */
  private open(connection: Connection, { acknowledgment, sequence, window }: Pick<Segment, 'acknowledgment' | 'sequence' | 'window'>): void {
    Object.assign(connection, {
      stage: 'open',
      unacknowledged: acknowledgment,
      window,
      windowSegment: sequence,
      windowAcknowledgment: acknowledgment,
      congestion: FIRST_WINDOW * connection.segment,
      threshold: MOST_CONGESTION,
      tries: 0,
      retransmit: Infinity,
    });
  }

  private synchronized(connection: Connection, segment: Segment): void {
    const { flags, acknowledgment, sequence, data } = segment;
    const length = data.length + (flags & FLAG.SYN ? 1 : 0) + (flags & FLAG.FIN ? 1 : 0);
    if (!this.acceptable(connection, sequence, length)) {
      if (!(flags & FLAG.RST)) this.acknowledge(connection);
      return;
    }
    // A reset has to be exact (RFC 5961, 3.2); a SYN in the middle is answered as one that may be forged (4.2).
    if (flags & FLAG.RST) return sequence === connection.expected ? this.abort(connection) : this.acknowledge(connection);
    if (flags & FLAG.SYN) return this.acknowledge(connection);
    if (!(flags & FLAG.ACK)) return;
    if (connection.stage === 'answering') {
      if (acknowledgment !== connection.next) return this.transmit(connection, { sequence: acknowledgment, acknowledgment: 0, flags: FLAG.RST, window: 0 });
      this.open(connection, { acknowledgment, sequence, window: scaledWindow(connection, segment) });
    } else if (!this.acknowledged(connection, segment)) return;
    this.receive(connection, segment);
    this.output(connection);
    if (connection.guestEnded && this.allAcknowledged(connection)) this.free(connection);
  }

  private acceptable(connection: Connection, sequence: number, length: number): boolean {
    const { expected, edge } = connection;
    const window = minus(edge, expected);
    const inside = (at: number): boolean => minus(at, expected) < window;
    if (length === 0) return sequence === expected || inside(sequence);
    // A segment that begins before the window and ends in it or at its beginning is a retransmission.
    return inside(sequence) || (inside(plus(sequence, length - 1)) && before(sequence, expected)) || (window === 0 && sequence === expected);
  }

  /** What ACK says; false: the segment is of no more use. */
  private acknowledged(connection: Connection, { acknowledgment, sequence, window, data, flags }: Segment): boolean {
    const { unacknowledged, highest, toGuest } = connection;
    const scaled = scaledWindow(connection, { window });
    if (before(highest, acknowledgment)) {
      this.acknowledge(connection);
      return false;
    }
    if (before(unacknowledged, acknowledgment)) this.progress(connection, minus(acknowledgment, unacknowledged));
    else if (acknowledgment === unacknowledged) {
      connection.tries = Math.min(connection.tries, scaled === 0 ? 1 : connection.tries);
      const duplicate = data.length === 0 && !(flags & FLAG.FIN) && scaled === connection.window && connection.next !== unacknowledged;
      connection.duplicates = duplicate ? Math.min(connection.duplicates + 1, 0xff) : 0;
      if (connection.duplicates === DUPLICATES && (toGuest.length > 0 || connection.finished)) this.lost(connection);
    }
    const { windowSegment, windowAcknowledgment } = connection;
    if (before(windowSegment, sequence) || (windowSegment === sequence && !before(acknowledgment, windowAcknowledgment)))
      Object.assign(connection, { window: scaled, windowSegment: sequence, windowAcknowledgment: acknowledgment });
    return true;
  }

  private progress(connection: Connection, count: number): void {
    const { toGuest, segment, congestion, threshold } = connection;
    connection.unacknowledged = plus(connection.unacknowledged, count);
    connection.toGuest = toGuest.subarray(Math.min(count, toGuest.length));
    // After a retransmission what had been sent before it may be acknowledged.
    if (before(connection.next, connection.unacknowledged)) {
      connection.next = connection.unacknowledged;
      connection.finished ||= count > toGuest.length;
    }
    const growth = congestion < threshold ? count : Math.ceil((segment * segment) / Math.max(congestion, 1));
    connection.congestion = Math.min(congestion + growth, MOST_CONGESTION);
    Object.assign(connection, { tries: 0, duplicates: 0, retransmit: Infinity });
    if (connection.next !== connection.unacknowledged) this.arm(connection);
  }

  private receive(connection: Connection, { sequence, data, flags }: Segment): void {
    const skip = minus(connection.expected, sequence);
    // Something is missing before it: the guest has to send that again.
    if (before(connection.expected, sequence)) return this.acknowledge(connection);
    if (connection.guestEnded) return data.length > 0 || flags & FLAG.FIN ? this.acknowledge(connection) : undefined;
    const fresh = data.subarray(Math.min(skip, data.length), Math.min(data.length, skip + minus(connection.edge, connection.expected)));
    if (fresh.length > 0) {
      connection.expected = plus(connection.expected, fresh.length);
      connection.given = Math.min(connection.given + fresh.length, FROM_GUEST);
      this.context.command({ kind: 'send', flow: connection.flow, bytes: fresh });
      connection.acknowledge = Math.min(connection.acknowledge, this.context.now() + ACKNOWLEDGE_NS);
    }
    if (flags & FLAG.FIN && plus(sequence, data.length) === connection.expected) {
      connection.expected = plus(connection.expected, 1);
      connection.guestEnded = true;
      this.context.command({ kind: 'end', flow: connection.flow });
      this.acknowledge(connection);
    } else if (data.length > fresh.length) this.acknowledge(connection);
  }

  private allAcknowledged({ finished, next, unacknowledged, toGuest }: Connection): boolean {
    return finished && next === unacknowledged && toGuest.length === 0;
  }

  // ── To the guest ─────────────────────────────────────────────────────────────────────────

  /** Sends what may be sent. */
  private output(connection: Connection): void {
    if (connection.stage !== 'open' || connection.finished) return;
    const { toGuest, segment, unacknowledged } = connection;
    const limit = Math.min(connection.window, connection.congestion);
    for (let sent = 0; sent < MOST_SEGMENTS; sent++) {
      const offset = minus(connection.next, unacknowledged);
      const length = Math.min(toGuest.length - offset, limit - offset, segment);
      // A piece that is small because of the window waits for a better one (RFC 1122, 4.2.3.4).
      if (length <= 0 || (length < segment && offset + length < toGuest.length && offset > 0)) break;
      this.data(connection, toGuest.subarray(offset, offset + length), offset + length === toGuest.length);
    }
    if (connection.hostEnded && minus(connection.next, unacknowledged) === toGuest.length) this.finish(connection);
    if ((toGuest.length > 0 || connection.next !== unacknowledged) && connection.retransmit === Infinity) this.arm(connection);
  }

  private data(connection: Connection, data: Uint8Array, last: boolean): void {
    this.send(connection, { sequence: connection.next, flags: FLAG.ACK | (last ? FLAG.PSH : 0), data });
    this.advance(connection, data.length);
  }
  private finish(connection: Connection): void {
    this.send(connection, { sequence: connection.next, flags: FLAG.ACK | FLAG.FIN });
    this.advance(connection, 1);
    connection.finished = true;
  }
  private advance(connection: Connection, count: number): void {
    connection.next = plus(connection.next, count);
    if (before(connection.highest, connection.next)) connection.highest = connection.next;
  }

  /** Everything that is not acknowledged goes again, slowly at first. */
  private lost(connection: Connection): void {
    const { segment, next, unacknowledged } = connection;
    connection.threshold = Math.max(Math.floor(Math.min(minus(next, unacknowledged), MOST_CONGESTION) / 2), 2 * segment);
    connection.congestion = segment;
    connection.next = unacknowledged;
    connection.finished = false;
    connection.retransmit = Infinity;
  }

  private retransmit(connection: Connection): void {
    const { stage, window } = connection;
    if (stage === 'answering' || stage === 'calling') this.synchronize(connection);
    else if (stage === 'open') {
      this.lost(connection);
      // One byte asks whether the window is still closed (3.8.6.1).
      if (window === 0 && connection.toGuest.length > 0) this.data(connection, connection.toGuest.subarray(0, 1), false);
      else this.output(connection);
    }
    const outstanding = stage === 'open' ? connection.next !== connection.unacknowledged || connection.toGuest.length > 0 : stage !== 'dialling';
    if (outstanding) this.arm(connection);
    else connection.retransmit = Infinity;
  }

  private arm(connection: Connection): void {
    connection.retransmit = this.context.now() + Math.min(RETRY_NS * 2 ** connection.tries, MOST_RETRY_NS);
  }

  /** SYN, or SYN and ACK. */
  private synchronize(connection: Connection): void {
    const { stage, unacknowledged, expected, scaled } = connection;
    const answer = stage === 'answering';
    connection.edge = plus(expected, 0xffff);
    this.transmit(connection, {
      sequence: unacknowledged,
      acknowledgment: answer ? expected : 0,
      flags: FLAG.SYN | (answer ? FLAG.ACK : 0),
      window: 0xffff,
      segment: OWN_SEGMENT,
      ...((!answer || scaled) && { shift: OWN_SHIFT }),
    });
  }

  private acknowledge(connection: Connection): void {
    if (connection.stage === 'open' || connection.stage === 'answering') this.send(connection, { sequence: connection.next, flags: FLAG.ACK });
    connection.acknowledge = Infinity;
  }

  /** A segment that tells what is expected, and how much. */
  private send(connection: Connection, outgoing: Pick<Outgoing, 'sequence' | 'flags' | 'data'>): void {
    const { expected, scaled } = connection;
    const shift = scaled ? OWN_SHIFT : 0;
    // The window's right edge never goes back (3.8.6.2.1).
    const known = this.known(connection);
    const window = Math.min(Math.max(this.windowOf(connection), known) >>> shift, 0xffff);
    connection.edge = plus(expected, Math.max(window * 2 ** shift, known));
    connection.acknowledge = Infinity;
    this.transmit(connection, { ...outgoing, acknowledgment: expected, window });
  }

  private transmit({ remote, guest, remotePort, guestPort }: Connection, outgoing: Outgoing): void {
    this.context.send(segmentOf(remote, guest, { sourcePort: remotePort, destinationPort: guestPort }, outgoing));
  }

  /** Bytes that the guest thinks it may send. */
  private known({ expected, edge }: Connection): number {
    return before(expected, edge) ? Math.min(minus(edge, expected), FROM_GUEST) : 0;
  }
  /** Bytes that may come from the guest. */
  private windowOf({ given, scaled }: Connection): number {
    return Math.max(0, Math.min(FROM_GUEST - given, scaled ? FROM_GUEST : 0xffff));
  }

  /** Initial sequence numbers follow the clock, 4 µs each (3.4.1). */
  private start(): number {
    return Math.floor(this.context.now() / 4000) % DIFFERENT;
  }
}

const scaledWindow = ({ windowShift }: Connection, { window }: Pick<Segment, 'window'>): number => window * 2 ** Math.min(windowShift, MOST_SHIFT);
const clampSegment = (segment: number): number => Math.max(LEAST_SEGMENT, Math.min(segment, OWN_SEGMENT));

/** Bytes for the guest that there is room for. */
export const roomOf = ({ toGuest }: Connection): number => Math.max(0, TO_GUEST - toGuest.length);
