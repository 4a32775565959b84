/** Human interface devices with one interface and one interrupt endpoint: Device Class Definition for HID 1.11. */
import type { DeviceContext, Nanoseconds } from '../bus/device';
import { bool, choice, fields, time, u8, type StateOf } from '../bus/fields';
import { REQUEST, StandardRequests, usbFields, type Identity, type NoData, type Setup, type UsbDevice } from './usbdevice';

export const HID_ENDPOINT = 0x81;
const DESCRIPTOR = { HID: 0x21, REPORT: 0x22 } as const;
const HID = { GET_REPORT: 1, GET_IDLE: 2, GET_PROTOCOL: 3, SET_REPORT: 9, SET_IDLE: 10, SET_PROTOCOL: 11 } as const;
const INPUT = 1;
const OUTPUT = 2;
/** Unit of the idle rate (7.2.4). */
const IDLE_NS = 4_000_000;
/** Largest packet of the interrupt endpoint: as long as the longest report. */
const PACKET = 8;
const NONE = new Uint8Array(0);

export const hidFields = fields({
  ...usbFields,
  protocol: choice('Protocol', ['report', 'boot']),
  idle: u8('Idle rate: a report is repeated after so many times 4 ms; 0 for never'),
  idleDue: time('When the last report is repeated'),
  repeat: bool('That time has come'),
});
export type HidState = StateOf<typeof hidFields>;

export interface HidOptions {
  readonly identity: Pick<Identity, 'vendor' | 'product' | 'strings'>;
  /** 1 for a device that speaks a boot protocol, and which: 1 keyboard, 2 mouse. */
  readonly subclass: 0 | 1;
  readonly bootProtocol: 0 | 1 | 2;
  /** Microframes between polls, log 2, plus 1. */
  readonly interval: number;
  readonly reportDescriptor: readonly number[];
  readonly state: () => HidState;
  /** How things are now, as a report. */
  readonly report: () => Uint8Array;
  /** What has changed, a report at a time; undefined where nothing has. */
  readonly changed: () => Uint8Array | undefined;
  readonly changes: () => boolean;
  readonly output?: (report: Uint8Array) => void;
  /** What is waiting for the host is of no use any more. */
  readonly discard: () => void;
}

/** What a HID device does beside its reports; devices of the kind hold one. */
export class HidInterface implements UsbDevice {
  /** High speed: no transaction translator is between. */
  readonly speed = 3;
  private readonly standard: StandardRequests;
  private readonly hidDescriptor: readonly number[];
  private listener: () => void = () => {};

  constructor(
    private readonly context: DeviceContext,
    private readonly options: HidOptions,
  ) {
    const { reportDescriptor, subclass, bootProtocol, interval, identity } = options;
    const length = [reportDescriptor.length & 0xff, reportDescriptor.length >> 8];
    this.hidDescriptor = [9, DESCRIPTOR.HID, 0x11, 0x01, 0, 1, DESCRIPTOR.REPORT, ...length];
    const interfaces = [
      ...[9, 4, 0, 0, 1, 3, subclass, bootProtocol, 0], // interface 0 with one endpoint, of the class HID
      ...this.hidDescriptor,
      ...[7, 5, HID_ENDPOINT, 3, PACKET, 0, interval], // interrupt IN
    ];
    this.standard = new StandardRequests({
      identity: { ...identity, interfaces },
      state: options.state,
      endpoint: HID_ENDPOINT,
      descriptor: (type) => this.descriptor(type),
      configured: () => this.configured(),
    });
  }

  get wakes(): boolean {
    return this.options.state().wakeup;
  }

  get driven(): boolean {
    const { configuration, polled } = this.options.state();
    return configuration !== 0 && polled;
  }

  onData(listener: () => void): void {
    this.listener = listener;
  }

  /** There is something to report. */
  notify(): void {
    this.listener();
  }

  restart(): void {
    this.standard.restart();
  }

  private configured(): void {
    // Report protocol is what a device begins with (7.2.6).
    Object.assign(this.options.state(), { protocol: 'report', idle: 0, idleDue: Infinity, repeat: false });
    this.options.discard();
  }

  private descriptor(type: number): Uint8Array | undefined {
    if (type === DESCRIPTOR.HID) return Uint8Array.from(this.hidDescriptor);
    return type === DESCRIPTOR.REPORT ? Uint8Array.from(this.options.reportDescriptor) : undefined;
  }

  // ── Default pipe ─────────────────────────────────────────────────────────────────────────

  control(setup: Setup, out: Uint8Array): Uint8Array | 'stall' {
    const { requestType, index } = setup;
    if ((requestType & 0x7f) !== (REQUEST.CLASS | REQUEST.INTERFACE)) return this.standard.answer(setup);
    if (index !== 0 || this.options.state().configuration === 0) return 'stall';
    return requestType & REQUEST.IN ? this.read(setup) : this.write(setup, out);
  }

  private read({ request, value, length }: Setup): Uint8Array | 'stall' {
    const { state, report } = this.options;
    const { idle, protocol } = state();
    switch (request) {
      case HID.GET_REPORT:
        return value >> 8 === INPUT ? report().subarray(0, length) : 'stall';
      case HID.GET_IDLE:
        return Uint8Array.of(idle).subarray(0, length);
      case HID.GET_PROTOCOL:
        return Uint8Array.of(protocol === 'boot' ? 0 : 1).subarray(0, length);
      default:
        return 'stall';
    }
  }

  private write({ request, value }: Setup, out: Uint8Array): Uint8Array | 'stall' {
    const { state, output, subclass } = this.options;
    switch (request) {
      case HID.SET_REPORT:
        if (value >> 8 !== OUTPUT || !output) return 'stall';
        output(out);
        return NONE;
      case HID.SET_IDLE:
        state().idle = value >> 8;
        this.startIdle();
        return NONE;
      case HID.SET_PROTOCOL:
        if (subclass === 0 || value > 1) return 'stall';
        state().protocol = value === 0 ? 'boot' : 'report';
        return NONE;
      default:
        return 'stall';
    }
  }

  // ── Interrupt endpoint ───────────────────────────────────────────────────────────────────

  ready(endpoint: number): boolean {
    if (endpoint !== HID_ENDPOINT) return true;
    const { configuration, halted, repeat } = this.options.state();
    return configuration === 0 || halted || repeat || this.options.changes();
  }

  take(endpoint: number): Uint8Array | NoData {
    const state = this.options.state();
    if (endpoint !== HID_ENDPOINT || state.configuration === 0) return 'silent';
    state.polled = true;
    if (state.halted) return 'stall';
    const changed = this.options.changed();
    if (!changed && !state.repeat) return 'nak';
    this.startIdle();
    return changed ?? this.options.report();
  }

  left(endpoint: number): void {
    if (endpoint === HID_ENDPOINT) this.options.state().polled = false;
  }

  deadline(): Nanoseconds {
    return this.options.state().idleDue;
  }

  expire(now: Nanoseconds): void {
    const state = this.options.state();
    if (state.idleDue > now) return;
    Object.assign(state, { idleDue: Infinity, repeat: true });
    this.listener();
  }

  private startIdle(): void {
    const state = this.options.state();
    state.repeat = false;
    state.idleDue = state.idle === 0 ? Infinity : this.context.now() + state.idle * IDLE_NS;
  }
}
