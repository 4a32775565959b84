/** Transfers: what is on an endpoint's ring is carried to the device and back. xHCI 1.1, 4.10 and 4.11. */
import type { Nanoseconds } from '../bus/device';
import type { NoData, Setup, UsbDevice } from './usbdevice';
import { DEFAULT_PIPE, ENDPOINTS, ENDPOINT_STATE, ENDPOINT_TYPE, endpointAddress, OutputContext, type EndpointContext } from './xhcicontext';
import type { XhciDma } from './xhcidma';
import type { XhciEvents } from './xhcievents';
import type { SlotState, XhciState } from './xhciregisters';
import { RingReader, type Position } from './xhciring';
import { CODE, encode, FLAG, interrupterOf, is, lengthOf, TYPE, typeOf, type Trb } from './xhcitrb';

/** Transfers that are served at once; if there are more, the rest comes later. */
const MOST_TRANSFERS = 64;
/** Bytes that a control request may bring: no device takes more. */
const MOST_OUT = 4096;

export interface TransferOptions {
  readonly state: () => XhciState;
  readonly dma: XhciDma;
  readonly events: XhciEvents;
  readonly now: () => Nanoseconds;
  /** The device at a root hub port, if it can be spoken to. */
  readonly reached: (port: number) => UsbDevice | 'suspended' | undefined;
}

/** How a transfer went: bytes moved, and where it failed if it did. */
interface Outcome {
  readonly code: number;
  readonly moved: number;
  readonly failed?: Trb;
}

type Served = 'done' | 'waiting' | 'idle';

export class Transfers {
  private readonly ring: RingReader;

  constructor(private readonly options: TransferOptions) {
    this.ring = new RingReader(options.dma);
  }

  private slot(number: number): SlotState | undefined {
    const slot = this.options.state().slots[number - 1];
    return slot?.enabled && slot.context !== 0n ? slot : undefined;
  }

  /** A doorbell of a slot: its endpoint runs, unless software has to see to it first (4.8.3). */
  doorbell(number: number, endpoint: number): void {
    const slot = this.slot(number);
    if (!slot || endpoint < DEFAULT_PIPE || endpoint > ENDPOINTS) return;
    const output = new OutputContext(this.options.dma, slot);
    const { state } = output.endpoint(endpoint);
    if (state !== ENDPOINT_STATE.RUNNING && state !== ENDPOINT_STATE.STOPPED) return;
    if (state === ENDPOINT_STATE.STOPPED) output.setEndpointState(endpoint, ENDPOINT_STATE.RUNNING);
    slot.ringing = (slot.ringing | (1 << endpoint)) >>> 0;
    slot.offered = (slot.offered & ~(1 << endpoint)) >>> 0;
  }

  /** Nothing is done for this endpoint any more until its doorbell rings. */
  silence(slot: SlotState, endpoint: number): void {
    slot.ringing = (slot.ringing & ~(1 << endpoint)) >>> 0;
    slot.offered = (slot.offered & ~(1 << endpoint)) >>> 0;
  }

  /** A stopped endpoint tells which TRB it was at, if it had begun with it (4.6.9). */
  stopped(number: number, endpoint: number, position: Position): void {
    const slot = this.slot(number);
    if (!slot || !(slot.offered & (1 << endpoint))) return;
    const found = this.ring.next(position);
    if (typeof found === 'string') return;
    this.tell(number, endpoint, found.trb, CODE.STOPPED, lengthOf(found.trb));
  }

  // ── When ─────────────────────────────────────────────────────────────────────────────────

  private *endpoints(): Generator<{ number: number; slot: SlotState; endpoint: number; context: EndpointContext }> {
    const { slots } = this.options.state();
    for (let number = 1; number <= slots.length; number++) {
      const slot = this.slot(number);
      if (!slot) continue;
      for (let endpoint = DEFAULT_PIPE; endpoint <= ENDPOINTS && slot.ringing >>> endpoint !== 0; endpoint++) {
        if (!(slot.ringing & (1 << endpoint))) continue;
        yield { number, slot, endpoint, context: new OutputContext(this.options.dma, slot).endpoint(endpoint) };
      }
    }
  }

  /** When the next interrupt endpoint is to be served: those that found nothing wait until there is something. */
  nextFrame(): Nanoseconds {
    const now = this.options.now();
    let due = Infinity;
    for (const { slot, endpoint, context } of this.endpoints()) {
      if (!isInterrupt(context)) continue;
      const device = this.options.reached(slot.port);
      const idle = slot.offered & (1 << endpoint) && (device === 'suspended' || (device && !device.ready(endpointAddress(endpoint))));
      if (!idle) due = Math.min(due, (Math.floor(now / context.period) + 1) * context.period);
    }
    return due;
  }

  /** Serves all endpoints but those that have their times; true if there is more to do. */
  serveAsync(): boolean {
    let left = MOST_TRANSFERS;
    for (const { number, slot, endpoint, context } of this.endpoints()) {
      if (isInterrupt(context)) continue;
      while (slot.ringing & (1 << endpoint)) {
        if (left-- <= 0 || !this.options.events.room) return true;
        if (this.serve(number, slot, endpoint) === 'waiting') break;
      }
    }
    return false;
  }

  /** Serves interrupt endpoints whose time is now: a transfer each. */
  serveFrame(): void {
    const now = this.options.now();
    for (const { number, slot, endpoint, context } of this.endpoints()) {
      if (!isInterrupt(context) || now % context.period !== 0 || !this.options.events.room) continue;
      this.serve(number, slot, endpoint);
    }
  }

  // ── One transfer ─────────────────────────────────────────────────────────────────────────

  private serve(number: number, slot: SlotState, endpoint: number): Served {
    const output = new OutputContext(this.options.dma, slot);
    const context = output.endpoint(endpoint);
    const idle = (): Served => (this.silence(slot, endpoint), 'idle');
    if (context.state !== ENDPOINT_STATE.RUNNING) return idle();
    const transfer = this.ring.transfer(context.position);
    if (transfer === 'empty') return idle();
    if (transfer === 'loop') {
      this.post(number, endpoint, 0, context.position.at, CODE.TRB, 0);
      output.setEndpointState(endpoint, ENDPOINT_STATE.ERROR);
      return idle();
    }
    const outcome = this.carry(slot, endpoint, context, transfer.trbs);
    if (outcome === 'nak') {
      slot.offered = (slot.offered | (1 << endpoint)) >>> 0;
      return 'waiting';
    }
    this.report(number, endpoint, transfer.trbs, outcome);
    if (outcome.failed) {
      output.setEndpointState(endpoint, outcome.code === CODE.TRB ? ENDPOINT_STATE.ERROR : ENDPOINT_STATE.HALTED);
      // Software finds the ring at what failed.
      output.move(endpoint, { at: BigInt(outcome.failed.at), cycle: is(outcome.failed, FLAG.CYCLE) });
      return idle();
    }
    output.move(endpoint, transfer.after);
    slot.offered = (slot.offered & ~(1 << endpoint)) >>> 0;
    return 'done';
  }

  private carry(slot: SlotState, endpoint: number, { type }: EndpointContext, trbs: readonly Trb[]): Outcome | 'nak' {
    const first = trbs[0]!;
    const fail = (code: number, failed = first, moved = 0): Outcome => ({ code, moved, failed });
    // What only tells of itself needs no device.
    if (trbs.every((trb) => typeOf(trb) === TYPE.NO_OP || typeOf(trb) === TYPE.EVENT_DATA)) return { code: CODE.SUCCESS, moved: 0 };
    const device = this.options.reached(slot.port);
    if (device === 'suspended') return 'nak';
    const allowed = type === ENDPOINT_TYPE.CONTROL ? CONTROL_TYPES : DATA_TYPES;
    const wrong = trbs.find((trb, i) => !allowed.includes(typeOf(trb)) || (typeOf(trb) === TYPE.SETUP) !== (i === 0 && type === ENDPOINT_TYPE.CONTROL));
    if (wrong) return fail(CODE.TRB, wrong);
    if (!device) return fail(CODE.TRANSACTION);
    if (type === ENDPOINT_TYPE.CONTROL) return endpoint === DEFAULT_PIPE ? this.control(device, trbs) : fail(CODE.TRANSACTION);
    // No device has other endpoints that take data.
    if ((endpoint & 1) === 0) return fail(CODE.TRANSACTION);
    const data = device.take(endpointAddress(endpoint));
    if (typeof data === 'string') return data === 'nak' ? data : fail(REFUSED[data]);
    return this.deliver(trbs, data);
  }

  private control(device: UsbDevice, trbs: readonly Trb[]): Outcome {
    const setup = setupOf(trbs[0]!);
    const stages = trbs.filter((trb) => typeOf(trb) === TYPE.DATA || typeOf(trb) === TYPE.NORMAL);
    const status = trbs.find((trb) => typeOf(trb) === TYPE.STATUS)!;
    const input = (setup.requestType & 0x80) !== 0;
    const room = stages.reduce((sum, trb) => sum + lengthOf(trb), 0);
    const stall: Outcome = { code: CODE.STALL, moved: 0, failed: stages[0] ?? status };
    // A Data Stage goes the way that the request says (6.4.1.2.1).
    const data = stages[0];
    if (data && is(data, FLAG.DIR_IN) !== input) return { code: CODE.TRB, moved: 0, failed: data };
    if (input) {
      const answer = device.control(setup, new Uint8Array(0));
      return answer === 'stall' ? stall : this.deliver(trbs, answer);
    }
    if (room < setup.length || setup.length > MOST_OUT) return stall;
    const answer = device.control(setup, this.collect(stages, setup.length));
    return answer === 'stall' ? stall : { code: CODE.SUCCESS, moved: setup.length };
  }

  private collect(stages: readonly Trb[], length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const trb of stages) {
      const count = Math.min(lengthOf(trb), length - done);
      bytes.set(is(trb, FLAG.IDT) ? immediate(trb).subarray(0, count) : this.options.dma.read(trb.parameter, count), done);
      done += count;
    }
    return bytes;
  }

  /** Puts what the device sent into the buffers. More than fits is babble (4.10.2.4). */
  private deliver(trbs: readonly Trb[], bytes: Uint8Array): Outcome {
    let done = 0;
    let last = trbs[0]!;
    for (const trb of trbs) {
      if (typeOf(trb) !== TYPE.DATA && typeOf(trb) !== TYPE.NORMAL) continue;
      const piece = bytes.subarray(done, done + lengthOf(trb));
      // Immediate data is for the other direction: there is no buffer.
      if (is(trb, FLAG.IDT) && piece.length > 0) return { code: CODE.TRB, moved: done, failed: trb };
      this.options.dma.write(trb.parameter, piece);
      done += piece.length;
      last = trb;
    }
    return done < bytes.length ? { code: CODE.BABBLE, moved: done, failed: last } : { code: CODE.SUCCESS, moved: done };
  }

  // ── Events ───────────────────────────────────────────────────────────────────────────────

  /** Transfer Events of a transfer (4.10.1, 4.11.5.2). */
  private report(number: number, endpoint: number, trbs: readonly Trb[], { code, moved, failed }: Outcome): void {
    let [left, sum, short, told] = [moved, 0, false, false];
    for (const trb of trbs) {
      const type = typeOf(trb);
      const buffer = type === TYPE.NORMAL || type === TYPE.DATA;
      const length = buffer ? lengthOf(trb) : 0;
      const count = Math.min(length, left);
      left -= count;
      sum += count;
      if (type === TYPE.STATUS) [short, told] = [false, false];
      if (trb === failed) return this.tell(number, endpoint, trb, code, length - count);
      if (count < length) short = true;
      const how = short ? CODE.SHORT_PACKET : CODE.SUCCESS;
      if (type === TYPE.EVENT_DATA) {
        if (is(trb, FLAG.IOC)) this.post(number, endpoint, interrupterOf(trb), trb.parameter, how, sum & 0xffffff, trb, FLAG.EVENT_DATA);
        sum = 0;
      } else if (!told && (is(trb, FLAG.IOC) || (short && is(trb, FLAG.ISP)))) {
        this.tell(number, endpoint, trb, how, length - count);
        told = type !== TYPE.SETUP;
      }
    }
  }

  private tell(number: number, endpoint: number, trb: Trb, code: number, residue: number): void {
    this.post(number, endpoint, interrupterOf(trb), BigInt(trb.at), code, residue, trb);
  }

  private post(number: number, endpoint: number, interrupter: number, pointer: bigint, code: number, length: number, trb?: Trb, flags = 0): void {
    const control = (TYPE.TRANSFER_EVENT << 10) | (endpoint << 16) | (number << 24) | flags;
    const quiet = trb !== undefined && typeOf(trb) !== TYPE.SETUP && (trb.control & BLOCK_EVENT_INTERRUPT) !== 0;
    this.options.events.post(interrupter, encode(pointer, (code << 24) | length, control), quiet);
  }
}

const BLOCK_EVENT_INTERRUPT = 0x200;
const CONTROL_TYPES: readonly number[] = [TYPE.SETUP, TYPE.DATA, TYPE.NORMAL, TYPE.STATUS, TYPE.EVENT_DATA, TYPE.NO_OP];
const DATA_TYPES: readonly number[] = [TYPE.NORMAL, TYPE.EVENT_DATA, TYPE.NO_OP];
const REFUSED: Readonly<Record<Exclude<NoData, 'nak'>, number>> = { stall: CODE.STALL, silent: CODE.TRANSACTION };

const isInterrupt = ({ type }: EndpointContext): boolean => type === ENDPOINT_TYPE.INTERRUPT_IN || type === ENDPOINT_TYPE.INTERRUPT_OUT;

function immediate({ parameter }: Trb): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, parameter, true);
  return bytes;
}

function setupOf(trb: Trb): Setup {
  const view = new DataView(immediate(trb).buffer);
  const word = (at: number): number => view.getUint16(at, true);
  return { requestType: view.getUint8(0), request: view.getUint8(1), value: word(2), index: word(4), length: word(6) };
}
