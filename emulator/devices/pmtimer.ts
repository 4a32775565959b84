import type { AccessSize, Bus, Device, DeviceContext, Mapping, Nanoseconds, PortHandler } from '../bus/device';
import { fields, initial } from '../bus/fields';
import { Frequency } from './frequency';

// Power management timer: ACPI specification 4.8.2.1. It counts from power-on and can't be
// written, so it remembers nothing.

const table = fields({});

export interface PmTimerOptions {
  readonly name?: string;
  /** Its port, a multiple of 4: 0x408 as in bhyve unless told. */
  readonly base?: number;
  /** A chip set whose firmware says where it lies: nowhere at first. */
  readonly movable?: boolean;
  /** 24 or 32 bits; the FADT's TMR_VAL_EXT says which. */
  readonly width?: 24 | 32;
}

export class PmTimer implements Device<typeof table>, PortHandler {
  readonly quietReads = true;
  readonly kind = 'pmtimer';
  readonly version = 1;
  readonly name: string;
  readonly table = table;
  readonly state = initial(table);
  private readonly clock = new Frequency(3579545);
  private readonly modulus: number;
  private port: Mapping | undefined;

  constructor(
    private readonly context: DeviceContext,
    private readonly options: PmTimerOptions = {},
  ) {
    this.name = options.name ?? 'pmtimer';
    this.modulus = options.width === 24 ? 2 ** 24 : 2 ** 32;
  }

  attach(bus: Bus): void {
    this.port = bus.addPorts(this.options.base ?? 0x408, 4, this, this.name);
    if (this.options.movable) this.place(null);
  }

  /** Moves the port, as the chip set's registers say. */
  place(port: number | null): void {
    this.port?.move(port);
  }

  reset(): void {}

  value(): number {
    // Of a power of two: exact, and quicker than %.
    const ticks = this.clock.ticksAt(this.context.now());
    return ticks - Math.floor(ticks / this.modulus) * this.modulus;
  }

  /** How often the highest bit has changed until `ns`: each change sets TMR_STS. */
  carries(ns: Nanoseconds): number {
    return Math.floor(this.clock.ticksAt(ns) / (this.modulus / 2));
  }

  /** When the highest bit next changes after `ns`. */
  nextCarry(ns: Nanoseconds): Nanoseconds {
    return this.clock.nsAt((this.carries(ns) + 1) * (this.modulus / 2));
  }

  /** The register is 32 bits wide at an aligned port. */
  portRead(port: number, size: AccessSize): number {
    const value = this.value();
    if (size === 4) return value;
    return (value >>> (8 * (port & 3))) & (size === 2 ? 0xffff : 0xff);
  }

  portWrite(): void {}
}
