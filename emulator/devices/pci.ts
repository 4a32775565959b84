/**
 * PCI configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2), optional memory-mapped
 * configuration (PCI Express 7.2.2), and the routing of interrupt pins. One bus, number 0.
 */
import type { AccessSize, Bus, Device, DeviceContext, Mapping, MmioHandler, PortHandler } from '../bus/device';
import { bit, bits, fields, initial, reset, u32 } from '../bus/fields';
import type { PciFunction } from './pcifunction';

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
/** A byte in the middle of CONFIG_ADDRESS, but a chip of its own: PCI leaves it alone as it is no doubleword. */
const RESET_CONTROL = 0xcf9;
const ENABLE = 0x80000000;
/** Bit 7 of Header Type, in the doubleword at 0x0C. */
const MULTIFUNCTION = 0x00800000;
export const PIRQS = 8;
/** Bytes of memory-mapped configuration of one bus. */
const ECAM_BUS = 0x100000;

const openBus = (size: AccessSize): number => (size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff);
const lanes = (size: AccessSize, at: number): number => (openBus(size) << (8 * at)) >>> 0;

const table = fields({
  configAddress: u32('CONFIG_ADDRESS', {
    REGISTER: bits(7, 2, 'Register'),
    FUNCTION: bits(10, 8, 'Function'),
    DEVICE: bits(15, 11, 'Device'),
    BUS: bits(23, 16, 'Bus'),
    ENABLE: bit(31, 'Enable'),
  }),
});

export interface PciHostOptions {
  readonly name?: string;
  /** Reset control register at 0xCF9, which shares CONFIG_ADDRESS's ports. */
  readonly resetControl?: PortHandler;
  /** One of the PIRQ lines (0 is PIRQA) changes: the LPC bridge routes it on. */
  readonly pirq: (index: number, level: boolean) => void;
  /** Address of memory-mapped configuration (1 MiB for bus 0), where it doesn't move. */
  readonly ecam?: number;
  /** How the board wires interrupt pins; neighbours get different PIRQs unless told. */
  readonly pirqOf?: (device: number, pin: number) => number;
}

/** The PIRQ of an interrupt pin: neighbours get different ones. The ACPI _PRT says the same. */
export const pirqOf = (device: number, pin: number): number => (device + pin - 1) % PIRQS;

export class PciHost implements Device<typeof table>, PortHandler, MmioHandler {
  readonly name: string;
  readonly kind = 'pcihost';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private readonly functions = new Map<number, PciFunction>();
  /** Wired-OR of the pins on each PIRQ; follows the functions' status bits. */
  private readonly asserted = Array.from({ length: PIRQS }, () => new Set<number>());
  private bus: Bus | undefined;
  private ecam: Mapping | undefined;

  constructor(
    _context: DeviceContext,
    private readonly options: PciHostOptions,
  ) {
    this.name = options.name ?? 'pci';
  }

  attach(bus: Bus): void {
    this.bus = bus;
    bus.addPorts(CONFIG_ADDRESS, 8, this, this.name);
    this.ecam = bus.addMmio(this.options.ecam ?? null, ECAM_BUS, this, `${this.name} ECAM`);
  }

  /** Memory-mapped configuration is moved by the host bridge; null: there is none. Call after `attach`. */
  placeEcam(address: number | null): void {
    this.ecam?.move(address);
  }

  /** Puts a function at device:function of bus 0. Call after `attach`. */
  add(device: number, fn: number, pciFunction: PciFunction, owner: string): void {
    const key = (device << 3) | fn;
    this.functions.set(key, pciFunction);
    pciFunction.attach({
      bus: this.bus!,
      owner,
      interrupt: (pin, level) => this.interrupt(key, (this.options.pirqOf ?? pirqOf)(device, pin), level),
    });
  }

  /** Functions in order of their number. */
  *list(): IterableIterator<{ device: number; fn: number; pci: PciFunction }> {
    for (const key of [...this.functions.keys()].sort((a, b) => a - b)) yield { device: key >> 3, fn: key & 7, pci: this.functions.get(key)! };
  }

  reset(): void {
    reset(table, this.state);
  }

  portRead(port: number, size: AccessSize): number {
    if (port === CONFIG_ADDRESS && size === 4) return this.state.configAddress;
    if (port === RESET_CONTROL && size === 1 && this.options.resetControl) return this.options.resetControl.portRead(port, size);
    const at = port - CONFIG_DATA;
    if (at < 0 || !(this.state.configAddress & ENABLE)) return openBus(size);
    return this.readConfig(this.state.configAddress & 0xfffffc, at, size);
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (port === CONFIG_ADDRESS && size === 4) this.state.configAddress = (value & 0x80fffffc) >>> 0;
    else if (port === RESET_CONTROL && size === 1) this.options.resetControl?.portWrite(port, size, value);
    const at = port - CONFIG_DATA;
    if (at < 0 || !(this.state.configAddress & ENABLE)) return;
    this.writeConfig(this.state.configAddress & 0xfffffc, at, size, value);
  }

  mmioRead(offset: number, size: AccessSize): number {
    const [address, at] = this.ecamAddress(offset);
    return address === undefined ? openBus(size) : this.readConfig(address, at, size);
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const [address, at] = this.ecamAddress(offset);
    if (address !== undefined) this.writeConfig(address, at, size, value);
  }

  /** The extended registers above 255 don't exist: they read as ones like an absent function. */
  private ecamAddress(offset: number): [address: number | undefined, at: number] {
    const register = offset & 0xfff;
    const address = ((offset >>> 12) << 8) | (register & 0xfc);
    return [register < 0x100 ? address : undefined, offset & 3];
  }

  /** `address` is laid out as CONFIG_ADDRESS; `at` is the first byte lane. Accesses end with the doubleword. */
  private readConfig(address: number, at: number, size: AccessSize): number {
    const found = this.functions.get(address >>> 8);
    if (!found) return openBus(size);
    let value = found.read(address & 0xfc);
    if ((address & 0x7fc) === 0x00c && this.isMultifunction(address >>> 11)) value |= MULTIFUNCTION;
    const beyond = at === 0 ? 0 : 0xffffffff << (8 * (4 - at));
    return (((value >>> (8 * at)) | beyond) & openBus(size)) >>> 0;
  }

  private writeConfig(address: number, at: number, size: AccessSize, value: number): void {
    const found = this.functions.get(address >>> 8);
    found?.write(address & 0xfc, (value << (8 * at)) >>> 0, lanes(size, at));
  }

  private isMultifunction(device: number): boolean {
    return [1, 2, 3, 4, 5, 6, 7].some((fn) => this.functions.has((device << 3) | fn));
  }

  private interrupt(key: number, index: number, level: boolean): void {
    const holders = this.asserted[index]!;
    const before = holders.size > 0;
    if (level) holders.add(key);
    else holders.delete(key);
    if (holders.size > 0 !== before) this.options.pirq(index, !before);
  }
}
