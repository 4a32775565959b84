import type { AccessSize, Bus, Device, DeviceContext, Line, MmioHandler } from '../bus/device';
import { bit, bits, fields, initial, list, reset, u32, u8, type StateOf } from '../bus/fields';
import { DeliveryMode, widen, type ApicMessage, type EoiListener } from './apicbus';

// Intel 82093AA datasheet (290566); the EOI register of version 0x20 from the ICH datasheets.

const deliveryModes = { 0: 'Fixed', 1: 'Lowest priority', 2: 'SMI', 4: 'NMI', 5: 'INIT', 7: 'ExtINT' };

const tableOf = (pins: number) =>
  fields({
    id: u32('IOAPICID', { ID: bits(27, 24, 'I/O APIC id') }),
    select: u8('IOREGSEL: register seen through the window'),
    levels: u32('Inputs that are asserted'),
    shared: u32('Inputs that the second device on them asserts'),
    redirectionLow: list(
      pins,
      'Redirection table, bits 31-0',
      u32(
        'Redirection entry, bits 31-0',
        {
          INTVEC: bits(7, 0, 'Vector'),
          DELMOD: bits(10, 8, 'Delivery mode', deliveryModes),
          DESTMOD: bit(11, 'Logical destination'),
          DELIVS: bit(12, 'Delivery status'),
          INTPOL: bit(13, 'Active low'),
          RemoteIRR: bit(14, 'Remote IRR'),
          TriggerMode: bit(15, 'Level triggered'),
          Mask: bit(16, 'Masked'),
        },
        0x10000,
      ),
    ),
    redirectionHigh: list(pins, 'Redirection table, bits 63-32', u32('Redirection entry, bits 63-32', { DEST: bits(31, 24, 'Destination') })),
  });
type Table = ReturnType<typeof tableOf>;

const REMOTE_IRR = 0x4000;
const LEVEL = 0x8000;
const MASKED = 0x10000;
const LOW_WRITABLE = 0x1afff; // all but delivery status and remote IRR

export interface IoApicOptions {
  readonly name?: string;
  /** Number of inputs, at most 32. */
  readonly pins?: number;
  /** 0x11 as in the 82093AA, or 0x20, which adds the EOI register. */
  readonly version?: 0x11 | 0x20;
  readonly id?: number;
  /** 0xFEC00000 unless told. */
  readonly address?: number;
  /** Sends a message; false when no processor took it. */
  deliver(message: ApicMessage): boolean;
}

/**
 * An I/O APIC. A line carries "asserted", not a voltage, so the polarity bit is only remembered.
 */
export class IoApic implements Device<Table>, MmioHandler, EoiListener {
  readonly kind = 'ioapic';
  readonly version = 2;
  readonly name: string;
  readonly table: Table;
  readonly state: StateOf<Table>;
  readonly pins: number;

  constructor(
    _context: DeviceContext,
    private readonly options: IoApicOptions,
  ) {
    this.name = options.name ?? 'ioapic';
    this.pins = options.pins ?? 24;
    this.table = tableOf(this.pins);
    this.state = initial(this.table);
    this.state.id = ((options.id ?? 0) & 0xf) * 0x1000000;
  }

  attach(bus: Bus): void {
    bus.addMmio(this.options.address ?? 0xfec00000, 0x1000, this, this.name);
  }

  reset(): void {
    const { levels, shared } = this.state;
    reset(this.table, this.state);
    this.state.id = ((this.options.id ?? 0) & 0xf) * 0x1000000;
    Object.assign(this.state, { levels, shared });
  }

  /** The line of a pin. Of two devices that share one, each has its own: the pin is asserted while either is. */
  line(pin: number, source: 'levels' | 'shared' = 'levels'): Line {
    const mask = pin < this.pins ? (1 << pin) >>> 0 : 0;
    return {
      set: (level) => {
        const { state } = this;
        if (mask === 0 || ((state[source] & mask) !== 0) === level) return;
        const before = this.asserted(pin);
        state[source] = (state[source] ^ mask) >>> 0;
        if (!before) this.service(pin);
      },
    };
  }

  private asserted(pin: number): boolean {
    return ((this.state.levels | this.state.shared) & (1 << pin)) !== 0;
  }

  endOfInterrupt(vector: number): void {
    const { redirectionLow } = this.state;
    for (let pin = 0; pin < this.pins; pin++) {
      const low = redirectionLow[pin]!;
      if ((low & 0xff) !== vector || !(low & LEVEL) || !(low & REMOTE_IRR)) continue;
      redirectionLow[pin] = (low & ~REMOTE_IRR) >>> 0;
      this.serviceLevel(pin);
    }
  }

  mmioRead(offset: number, size: AccessSize): number {
    let value = 0;
    if ((offset & ~3) === 0x00) value = this.state.select;
    else if ((offset & ~3) === 0x10) value = this.readRegister(this.state.select);
    value >>>= 8 * (offset & 3);
    return size === 4 ? value : size === 2 ? value & 0xffff : value & 0xff;
  }

  mmioWrite(offset: number, _size: AccessSize, value: number): void {
    if (offset === 0x00) this.state.select = value & 0xff;
    else if (offset === 0x10) this.writeRegister(this.state.select, value >>> 0);
    else if (offset === 0x40 && this.hardwareVersion === 0x20) this.endOfInterrupt(value & 0xff);
  }

  private get hardwareVersion(): number {
    return this.options.version ?? 0x20;
  }

  private readRegister(select: number): number {
    if (select === 0x00) return this.state.id;
    if (select === 0x01) return ((this.pins - 1) << 16) | this.hardwareVersion;
    if (select === 0x02) return this.state.id; // arbitration id, loaded with the id
    const pin = (select - 0x10) >> 1;
    if (pin < 0 || pin >= this.pins) return 0;
    return select & 1 ? this.state.redirectionHigh[pin]! : this.state.redirectionLow[pin]!;
  }

  private writeRegister(select: number, value: number): void {
    const { state } = this;
    if (select === 0x00) state.id = value & 0x0f000000;
    const pin = (select - 0x10) >> 1;
    if (pin < 0 || pin >= this.pins) return;
    if (select & 1) {
      state.redirectionHigh[pin] = (value & 0xff000000) >>> 0;
      return;
    }
    let low = value & LOW_WRITABLE;
    // Turning an entry to edge clears remote IRR: how systems end an interrupt on version 0x11.
    if (low & LEVEL) low |= state.redirectionLow[pin]! & REMOTE_IRR;
    state.redirectionLow[pin] = low;
    if (isLevel(low)) this.serviceLevel(pin);
  }

  private serviceLevel(pin: number): void {
    if (this.asserted(pin)) this.service(pin);
  }

  /** Sends the message of an asserted input. An edge that comes while masked is lost. */
  private service(pin: number): void {
    const low = this.state.redirectionLow[pin]!;
    if (low & MASKED) return;
    const level = isLevel(low);
    if (level && low & REMOTE_IRR) return;
    const accepted = this.options.deliver({
      destination: widen(this.state.redirectionHigh[pin]! >>> 24),
      logical: (low & 0x800) !== 0,
      mode: (low >>> 8) & 7,
      vector: low & 0xff,
      level,
    });
    if (level && accepted) this.state.redirectionLow[pin] = (low | REMOTE_IRR) >>> 0;
  }
}

/** Only fixed and lowest priority may be level triggered: the other modes have no EOI. */
const isLevel = (low: number): boolean => (low & LEVEL) !== 0 && ((low >>> 8) & 7) <= DeliveryMode.LowestPriority;
