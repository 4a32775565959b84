/** What a USB device is to a host controller, and the requests that every device answers: Universal Serial Bus 2.0, chapter 9. */
import { bool, fields, u8, type StateOf } from '../bus/fields';

/** The eight bytes of a setup stage (9.3). */
export interface Setup {
  readonly requestType: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

/** Nothing is there now; the endpoint is halted; there is no such endpoint to answer. */
export type NoData = 'nak' | 'stall' | 'silent';

export interface UsbDevice {
  /** Protocol speed as host controllers number it: 1 full, 2 low, 3 high, 4 super. */
  readonly speed: 1 | 2 | 3 | 4;
  /** It may wake a port that is suspended. */
  readonly wakes: boolean;
  /** The guest's driver asks for its data. */
  readonly driven: boolean;
  /** Reset on the bus, or power gone. */
  restart(): void;
  /** A whole control transfer; data for the host comes back, empty where there is none. */
  control(setup: Setup, out: Uint8Array): Uint8Array | 'stall';
  /** Whether an IN token at this endpoint would be answered otherwise than with NAK. */
  ready(endpoint: number): boolean;
  take(endpoint: number): Uint8Array | NoData;
  /** The host has stopped asking this endpoint. */
  left(endpoint: number): void;
  /** The host controller hears through this when there may be something at an endpoint. */
  onData(listener: () => void): void;
}

export const REQUEST = { DEVICE: 0x00, INTERFACE: 0x01, ENDPOINT: 0x02, CLASS: 0x20, IN: 0x80 } as const;
const STANDARD = {
  GET_STATUS: 0,
  CLEAR_FEATURE: 1,
  SET_FEATURE: 3,
  SET_ADDRESS: 5,
  GET_DESCRIPTOR: 6,
  GET_CONFIGURATION: 8,
  SET_CONFIGURATION: 9,
  GET_INTERFACE: 10,
  SET_INTERFACE: 11,
} as const;
const DESCRIPTOR = { DEVICE: 1, CONFIGURATION: 2, STRING: 3, QUALIFIER: 6 } as const;
const FEATURE = { ENDPOINT_HALT: 0, REMOTE_WAKEUP: 1 } as const;

/** Configuration: self-powered, may wake the host. */
const ATTRIBUTES = 0xe0;
const SELF_POWERED = 1;
const REMOTE_WAKEUP = 2;
/** Maximum packet size of the default pipe, at high speed. */
const PACKET = 64;

/** State that every device has. */
export const usbFields = fields({
  address: u8('Device address'),
  configuration: u8('Configuration; 0 while there is none'),
  wakeup: bool('May wake the host'),
  halted: bool('Interrupt endpoint is halted'),
  polled: bool('The host asks the interrupt endpoint'),
});
export type UsbState = StateOf<typeof usbFields>;

export interface Identity {
  readonly vendor: number;
  readonly product: number;
  readonly strings: readonly string[];
  /** Interface, class and endpoint descriptors. */
  readonly interfaces: readonly number[];
}

const word = (value: number): [number, number] => [value & 0xff, (value >> 8) & 0xff];
const NONE = new Uint8Array(0);

/** Device descriptor (9.6.1); class and protocol are the interface's to say. */
export const deviceDescriptor = ({ vendor, product }: Identity): Uint8Array =>
  Uint8Array.of(18, DESCRIPTOR.DEVICE, ...word(0x0200), 0, 0, 0, PACKET, ...word(vendor), ...word(product), ...word(0x0100), 1, 2, 3, 1);

/** Device qualifier (9.6.2): at full speed it would be the same. */
const qualifier = (): Uint8Array => Uint8Array.of(10, DESCRIPTOR.QUALIFIER, ...word(0x0200), 0, 0, 0, PACKET, 1, 0);

export const configurationDescriptor = ({ interfaces }: Identity): Uint8Array =>
  Uint8Array.of(9, DESCRIPTOR.CONFIGURATION, ...word(9 + interfaces.length), 1, 1, 0, ATTRIBUTES, 0, ...interfaces);

/** String 0 is the list of languages: English (United States). */
function stringDescriptor({ strings }: Identity, index: number): Uint8Array | 'stall' {
  if (index === 0) return Uint8Array.of(4, DESCRIPTOR.STRING, 0x09, 0x04);
  const text = strings[index - 1];
  if (text === undefined) return 'stall';
  return Uint8Array.of(2 + 2 * text.length, DESCRIPTOR.STRING, ...[...text].flatMap((letter) => word(letter.charCodeAt(0))));
}

export interface StandardOptions {
  readonly identity: Identity;
  readonly state: () => UsbState;
  /** The one endpoint beside the default pipe, as in its descriptor. */
  readonly endpoint: number;
  /** Descriptors that belong to an interface. */
  readonly descriptor: (type: number) => Uint8Array | undefined;
  /** The device has got a configuration or lost it. */
  readonly configured: () => void;
}

/** Standard requests, for a device with one configuration, one interface and one interrupt endpoint. */
export class StandardRequests {
  constructor(private readonly options: StandardOptions) {}

  restart(): void {
    Object.assign(this.options.state(), { address: 0, configuration: 0, wakeup: false, halted: false, polled: false } satisfies UsbState);
    this.options.configured();
  }

  answer(setup: Setup): Uint8Array | 'stall' {
    const { requestType, request } = setup;
    switch (requestType) {
      case REQUEST.IN | REQUEST.DEVICE:
        return this.readDevice(setup);
      case REQUEST.DEVICE:
        return this.writeDevice(setup);
      case REQUEST.IN | REQUEST.INTERFACE:
        return this.readInterface(setup);
      case REQUEST.INTERFACE:
        // The interface has no alternate settings.
        return request === STANDARD.SET_INTERFACE && setup.value === 0 && this.ofInterface(setup) ? NONE : 'stall';
      case REQUEST.IN | REQUEST.ENDPOINT:
      case REQUEST.ENDPOINT:
        return this.endpoint(setup);
      default:
        return 'stall';
    }
  }

  private readDevice({ request, value, length }: Setup): Uint8Array | 'stall' {
    const { identity, state } = this.options;
    switch (request) {
      case STANDARD.GET_STATUS:
        return Uint8Array.of(SELF_POWERED | (state().wakeup ? REMOTE_WAKEUP : 0), 0).subarray(0, length);
      case STANDARD.GET_CONFIGURATION:
        return Uint8Array.of(state().configuration).subarray(0, length);
      case STANDARD.GET_DESCRIPTOR: {
        const found = this.descriptor(identity, value >> 8, value & 0xff);
        return found === 'stall' ? found : found.subarray(0, length);
      }
      default:
        return 'stall';
    }
  }

  private descriptor(identity: Identity, type: number, index: number): Uint8Array | 'stall' {
    if (type === DESCRIPTOR.STRING) return stringDescriptor(identity, index);
    if (index > 0) return 'stall';
    if (type === DESCRIPTOR.DEVICE) return deviceDescriptor(identity);
    if (type === DESCRIPTOR.CONFIGURATION) return configurationDescriptor(identity);
    return type === DESCRIPTOR.QUALIFIER ? qualifier() : 'stall';
  }

  private writeDevice({ request, value }: Setup): Uint8Array | 'stall' {
    const state = this.options.state();
    switch (request) {
      case STANDARD.SET_ADDRESS:
        if (value > 127) return 'stall';
        state.address = value;
        return NONE;
      case STANDARD.SET_CONFIGURATION:
        if (value > 1) return 'stall';
        Object.assign(state, { configuration: value, halted: false, polled: false });
        this.options.configured();
        return NONE;
      case STANDARD.SET_FEATURE:
      case STANDARD.CLEAR_FEATURE:
        if (value !== FEATURE.REMOTE_WAKEUP) return 'stall';
        state.wakeup = request === STANDARD.SET_FEATURE;
        return NONE;
      default:
        return 'stall';
    }
  }

  private ofInterface({ index }: Setup): boolean {
    return index === 0 && this.options.state().configuration !== 0;
  }

  private readInterface(setup: Setup): Uint8Array | 'stall' {
    const { request, value, length } = setup;
    if (request === STANDARD.GET_DESCRIPTOR) return this.options.descriptor(value >> 8)?.subarray(0, length) ?? 'stall';
    if (!this.ofInterface(setup)) return 'stall';
    if (request === STANDARD.GET_INTERFACE) return Uint8Array.of(0).subarray(0, length);
    return request === STANDARD.GET_STATUS ? Uint8Array.of(0, 0).subarray(0, length) : 'stall';
  }

  private endpoint({ requestType, request, value, index, length }: Setup): Uint8Array | 'stall' {
    const state = this.options.state();
    const interrupt = index === this.options.endpoint && state.configuration !== 0;
    if (!interrupt && (index & 0x7f) !== 0) return 'stall';
    if (requestType & REQUEST.IN) {
      return request === STANDARD.GET_STATUS ? Uint8Array.of(interrupt && state.halted ? 1 : 0, 0).subarray(0, length) : 'stall';
    }
    if (value !== FEATURE.ENDPOINT_HALT || (request !== STANDARD.SET_FEATURE && request !== STANDARD.CLEAR_FEATURE)) return 'stall';
    // The default pipe is never halted for longer than one request.
    if (interrupt) state.halted = request === STANDARD.SET_FEATURE;
    return NONE;
  }
}
