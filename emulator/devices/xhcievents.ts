/** Event rings and interrupters: xHCI 1.1, 4.9.4 and 4.17. */
import type { Nanoseconds } from '../bus/device';
import { HostFault, type XhciDma } from './xhcidma';
import { ERST_MAX, HELD_EVENT, IMAN, INTERRUPTERS, RING, USBCMD, USBSTS, withHalf, xhciTable, type InterrupterState, type XhciState } from './xhciregisters';
import { CODE, encode, TRB, TYPE } from './xhcitrb';

/** Unit of the moderation interval. */
const IMOD_NS = 250;
const EHB = 8n;
const SEGMENT = { LEAST: 16, MOST: 4096 } as const;
const MOST_SEGMENTS = 1 << ERST_MAX;

/** A place on an event ring. */
interface Place {
  readonly segment: number;
  readonly index: number;
  readonly cycle: boolean;
  readonly address: bigint;
}

export interface EventsOptions {
  readonly state: () => XhciState;
  readonly dma: XhciDma;
  readonly now: () => Nanoseconds;
  /** Sends a message; false where messages are not enabled. */
  readonly message: (interrupter: number) => boolean;
  readonly line: (level: boolean) => void;
}

export class XhciEvents {
  constructor(private readonly options: EventsOptions) {}

  // ── Events ───────────────────────────────────────────────────────────────────────────────

  command(at: number, code: number, slot = 0, parameter = 0): void {
    this.post(0, encode(BigInt(at), (code << 24) | parameter, (TYPE.COMMAND_COMPLETION << 10) | (slot << 24)));
  }
  portChanged(port: number): void {
    this.post(0, encode(BigInt(port) << 24n, CODE.SUCCESS << 24, TYPE.PORT_STATUS_CHANGE << 10));
  }
  wrapped(): void {
    this.post(0, encode(0n, CODE.SUCCESS << 24, TYPE.MFINDEX_WRAP << 10));
  }
  /** `quiet`: no interrupt for it. */
  post(interrupter: number, event: Uint8Array, quiet = false): void {
    if (interrupter >= INTERRUPTERS) return;
    const { held } = this.options.state();
    // Where the ring has no room, events wait and keep their order.
    if ((held.length > 0 || !this.write(interrupter, event, quiet)) && held.length + HELD_EVENT <= xhciTable.held.capacity) {
      held.push((quiet ? 0x80 : 0) | interrupter, ...event);
    }
  }

  /** Work may go on: no event waits for room. */
  get room(): boolean {
    return this.options.state().held.length === 0;
  }

  /** Writes what waits, as far as there is room now. */
  drain(): void {
    const { held } = this.options.state();
    while (held.length >= HELD_EVENT) {
      const head = held[0]!;
      if (!this.write(head & 0x7f, Uint8Array.from(held.slice(1, HELD_EVENT)), head >= 0x80)) return;
      held.splice(0, HELD_EVENT);
    }
    // Less than an event can only come from outside.
    held.length = 0;
  }

  // ── Event ring ───────────────────────────────────────────────────────────────────────────

  private place(ring: InterrupterState, segment: number, index: number, cycle: boolean): Place {
    const { dma } = this.options;
    const wraps = (at: number): boolean => at >= Math.min(ring.erstsz, MOST_SEGMENTS);
    for (let [at, offset, state, tries] = [wraps(segment) ? 0 : segment, index, cycle, 0]; tries < 2; tries++) {
      const [low, high, words] = dma.words(ring.erstba + BigInt(TRB * at), 3) as [number, number, number];
      const size = words & 0xffff;
      if (size < SEGMENT.LEAST || size > SEGMENT.MOST) throw new HostFault(USBSTS.HCE, `an event ring segment has ${size} TRBs`);
      const base = (BigInt(high) << 32n) | BigInt((low & ~0x3f) >>> 0);
      if (offset < size) return { segment: at, index: offset, cycle: state, address: base + BigInt(TRB * offset) };
      [at, offset] = [at + 1, 0];
      if (wraps(at)) [at, state] = [0, !state];
    }
    throw new HostFault(USBSTS.HCE, 'the event ring has no place');
  }

  /** False where the ring is full: but for the place that says so. */
  private write(number: number, event: Uint8Array, quiet: boolean): boolean {
    const ring = this.options.state().interrupters[number];
    // A ring that is not set up, or does not exist, takes no events (4.9.4).
    if (!ring || ring.erstsz === 0) return true;
    const dequeue = ring.erdp & ~0xfn;
    const here = this.place(ring, ring.segment, ring.index, ring.cycle);
    const next = this.place(ring, here.segment, here.index + 1, here.cycle);
    if (next.address === dequeue) return false;
    if (this.place(ring, next.segment, next.index + 1, next.cycle).address === dequeue) {
      if (ring.full) return false;
      ring.full = true;
      this.produce(number, ring, here, next, encode(0n, CODE.EVENT_RING_FULL << 24, TYPE.HOST_CONTROLLER << 10), false);
      return false;
    }
    this.produce(number, ring, here, next, event, quiet);
    return true;
  }

  private produce(number: number, ring: InterrupterState, here: Place, next: Place, event: Uint8Array, quiet: boolean): void {
    event[12] = (event[12]! & ~1) | (here.cycle ? 1 : 0);
    this.options.dma.write(here.address, event);
    Object.assign(ring, { segment: next.segment, index: next.index, cycle: next.cycle });
    if (!quiet) ring.wanted = true;
    this.moderate(number);
  }

  /** The producer begins at the first segment (4.9.4). */
  private restart(ring: InterrupterState): void {
    Object.assign(ring, { segment: 0, index: 0, cycle: true, full: false });
  }

  /** Event Ring Dequeue Pointer was written: there may be room now, and the handler may be done. */
  private dequeued(number: number): void {
    const ring = this.options.state().interrupters[number]!;
    ring.full = false;
    // Of events that were taken already nobody needs to be told (4.17.2).
    if (ring.wanted && ring.erstsz > 0 && this.place(ring, ring.segment, ring.index, ring.cycle).address === (ring.erdp & ~0xfn)) ring.wanted = false;
    this.drain();
    this.moderate(number);
  }

  // ── Interrupts ───────────────────────────────────────────────────────────────────────────

  /** When the next interrupt may go out; Infinity where none waits, or its handler is busy. */
  deadline(): Nanoseconds {
    let due = Infinity;
    for (const { wanted, erdp, open } of this.options.state().interrupters) if (wanted && !(erdp & EHB)) due = Math.min(due, open);
    return due;
  }

  private moderate(number: number): void {
    const state = this.options.state();
    const ring = state.interrupters[number]!;
    const now = this.options.now();
    if (!ring.wanted || ring.erdp & EHB || ring.open > now) return;
    ring.wanted = false;
    ring.erdp |= EHB;
    ring.iman = (ring.iman & IMAN.IE) | IMAN.IP;
    ring.open = now + ring.imod * IMOD_NS;
    state.usbsts = (state.usbsts | USBSTS.EINT) >>> 0;
    this.assert();
  }

  moderateAll(): void {
    for (let number = 0; number < INTERRUPTERS; number++) this.moderate(number);
  }

  /** Tells of pending interrupts that are enabled: a message ends them, the pin stays (4.17.5). */
  assert(): void {
    const { usbcmd, interrupters } = this.options.state();
    const enabled = (usbcmd & USBCMD.INTE) !== 0;
    let level = false;
    interrupters.forEach((ring, number) => {
      if (!enabled || (ring.iman & (IMAN.IP | IMAN.IE)) !== (IMAN.IP | IMAN.IE)) return;
      if (this.options.message(number)) ring.iman = IMAN.IE;
      else level = true;
    });
    this.options.line(level);
  }

  // ── Interrupter Register Sets (5.5.2) ────────────────────────────────────────────────────

  readRegister(offset: number): number {
    const ring = this.options.state().interrupters[offset >> 5];
    if (!ring) return 0;
    const half = (value: bigint): number => Number(offset & 4 ? value >> 32n : value & 0xffffffffn);
    switch (offset & 0x1c) {
      case 0x00:
        return ring.iman;
      case 0x04: {
        const left = Math.ceil((ring.open - this.options.now()) / IMOD_NS);
        return ring.imod | (Math.min(Math.max(left, 0), 0xffff) << 16);
      }
      case 0x08:
        return ring.erstsz;
      case 0x10:
      case 0x14:
        return half(ring.erstba);
      case 0x18:
      case 0x1c:
        return half(ring.erdp);
      default:
        return 0;
    }
  }

  writeRegister(offset: number, value: number): void {
    const number = offset >> 5;
    const ring = this.options.state().interrupters[number];
    if (!ring) return;
    const high = (offset & 4) !== 0;
    switch (offset & 0x1c) {
      case 0x00:
        ring.iman = (ring.iman & IMAN.IP & ~value) | (value & IMAN.IE);
        return this.assert();
      case 0x04:
        ring.imod = value & 0xffff;
        // The counter is written too: what is left of the interval (5.5.2.2).
        ring.open = this.options.now() + (value >>> 16) * IMOD_NS;
        return this.moderate(number);
      case 0x08:
        ring.erstsz = value & 0xffff;
        return;
      case 0x10:
      case 0x14:
        ring.erstba = withHalf(ring.erstba, high, value) & RING;
        return this.restart(ring);
      case 0x18: {
        const busy = value & Number(EHB) ? 0n : ring.erdp & EHB;
        ring.erdp = (withHalf(ring.erdp, false, value) & ~EHB) | busy;
        return this.dequeued(number);
      }
      case 0x1c:
        ring.erdp = withHalf(ring.erdp, true, value);
        return this.dequeued(number);
    }
  }
}
