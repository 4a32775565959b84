/**
 * The VGA of Bochs and QEMU, 1234:1111: VGA with its ports and window below 1 MiB, and modes that stock firmware sets through
 * the Bochs VBE interface, by ports 0x1CE and 0x1CF or by BAR2. BAR0 is the linear framebuffer; VGA's planes are at its start.
 */
import type { AccessSize, Backing, Bus, Device, DeviceContext, MmioHandler, PortHandler } from '../bus/device';
import { fields, group, initial, reset, u16 } from '../bus/fields';
import { Dispi, dispiGroup, type DispiMode } from './dispi';
import { PciFunction, pciHeader } from './pcifunction';
import { blankScanout, linearScanout, type Scanout } from './scanout';
import { VGA_PORTS, VgaPorts } from './vga';
import { VGA_WINDOW, VgaMemory } from './vgamemory';
import { NO_MODE, paletteScanout, vgaScanout } from './vgapicture';
import { vgaText } from './vgatext';
import { vgaFields } from './vgaregisters';
import { beamAt } from './vgatiming';

const INDEX_PORT = 0x1ce;
const DATA_PORT = 0x1cf;
/** Where the data register is on machines that need words aligned. */
const DATA_PORT_ALIGNED = 0x1d0;
export const VGA_MEMORY = 16 << 20;

/** BAR2: VGA's ports from 0x3C0 on, the VBE registers, and QEMU's extension (docs/specs/standard-vga.rst there). */
const WINDOW = { VGA: 0x400, VGA_END: 0x420, DISPI: 0x500, DISPI_END: 0x516, EXTENSION: 0x600 } as const;
const WINDOW_LENGTH = 0x1000;
const VGA_BASE = 0x3c0;
/** Modes of fewer bits a pixel than this have a palette. */
const DIRECT_COLOR = 15;
const EXTENSION_LENGTH = 8;
const LITTLE_ENDIAN = 0x1e1e1e1e;
const CLEAR_PIECE = 0x10000;

const table = fields({
  config: group('PCI configuration header', pciHeader),
  index: u16('VBE register that is selected'),
  dispi: dispiGroup,
  vga: group('VGA', vgaFields),
});

export interface BochsVgaOptions {
  readonly name?: string;
  readonly backing: Backing;
  /** Changes video memory: marks its pages as written. */
  readonly store: (offset: number, from: Uint8Array) => void;
  /** Option ROM with a BIOS for it. */
  readonly rom?: Backing;
}

export class BochsVga implements Device<typeof table>, PortHandler, MmioHandler {
  readonly name: string;
  readonly kind = 'bochsvga';
  readonly version = 2;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  readonly backing: Backing;
  private readonly dispi: Dispi;
  private readonly ports: VgaPorts;
  private readonly window: VgaMemory;

  constructor(
    private readonly context: DeviceContext,
    private readonly options: BochsVgaOptions,
  ) {
    this.name = options.name ?? 'vga';
    this.backing = options.backing;
    this.dispi = new Dispi(
      () => this.state.dispi,
      options.backing.length,
      (length) => this.clear(length),
    );
    this.ports = new VgaPorts(
      () => this.state.vga,
      () => context.now(),
      () => (this.dispi.eightBit ? 0xff : 0x3f),
    );
    this.window = new VgaMemory({
      state: () => this.state.vga,
      backing: options.backing,
      store: options.store,
      bank: () => this.dispi.bank(),
    });
    this.pci = new PciFunction(
      {
        vendor: 0x1234,
        device: 0x1111,
        revision: 0x02,
        classCode: 0x030000,
        subsystemVendor: 0x1af4,
        subsystem: 0x1100,
        bars: {
          0: { kind: 'mem32', size: options.backing.length, prefetchable: true, handler: options.backing },
          2: { kind: 'mem32', size: WINDOW_LENGTH, handler: this },
        },
        ...(options.rom && { rom: options.rom }),
      },
      () => this.state.config,
    );
  }

  attach(bus: Bus): void {
    bus.addPorts(INDEX_PORT, 3, this, this.name);
    for (const [first, count] of VGA_PORTS) bus.addPorts(first, count, this.ports, this.name);
    bus.addMmio(VGA_WINDOW.address, VGA_WINDOW.length, this.window, this.name);
  }

  reset(): void {
    reset(table, this.state);
    this.pci.update();
  }

  restored(): void {
    this.pci.update();
  }

  /** The VBE mode that is shown as its memory is. */
  mode(): DispiMode | undefined {
    const mode = this.dispi.mode();
    // Whether the screen is off (PAS) is not looked at: Linux's driver leaves it so in a mode that it shows.
    return mode && mode.depth >= DIRECT_COLOR ? mode : undefined;
  }

  scanout(): Scanout {
    const { vga } = this.state;
    const { bytes } = this.backing;
    const mode = this.dispi.mode();
    if (mode && mode.depth >= DIRECT_COLOR) return linearScanout(mode, bytes, (first, length) => bytes.subarray(first, first + length));
    if (mode) return paletteScanout(vga, bytes, mode, this.dispi.eightBit);
    if (vga.crtc.horizontalTotal === 0 || this.dispi.enabled) return blankScanout(NO_MODE);
    return vgaScanout(vga, bytes, beamAt(vga, this.context.now()).frame);
  }

  /** What a text mode shows. */
  text(): string | undefined {
    return this.dispi.enabled ? undefined : vgaText(this.state.vga, this.backing.bytes);
  }

  portRead(port: number, size: AccessSize): number {
    if (size !== 2) return 0xff;
    return port === INDEX_PORT ? this.state.index : this.dispi.read(this.state.index);
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (size !== 2) return;
    if (port === INDEX_PORT) this.state.index = value;
    else if (port === DATA_PORT || port === DATA_PORT_ALIGNED) this.dispi.write(this.state.index, value);
  }

  mmioRead(offset: number, size: AccessSize): number {
    if (offset >= WINDOW.VGA && offset < WINDOW.VGA_END) return this.ports.portRead(offset - WINDOW.VGA + VGA_BASE, size);
    if (offset >= WINDOW.DISPI && offset < WINDOW.DISPI_END) {
      const [low, high] = [this.dispi.read((offset - WINDOW.DISPI) >> 1), this.dispi.read(((offset - WINDOW.DISPI) >> 1) + 1)];
      return ((low | (high << 16)) >>> (8 * (offset & 1))) >>> 0;
    }
    if (offset === WINDOW.EXTENSION) return EXTENSION_LENGTH;
    return offset === WINDOW.EXTENSION + 4 ? LITTLE_ENDIAN : 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (offset >= WINDOW.VGA && offset < WINDOW.VGA_END) this.ports.portWrite(offset - WINDOW.VGA + VGA_BASE, size, value);
    else if (offset >= WINDOW.DISPI && offset < WINDOW.DISPI_END && (offset & 1) === 0 && size >= 2) {
      this.dispi.write((offset - WINDOW.DISPI) >> 1, value & 0xffff);
      if (size === 4) this.dispi.write(((offset - WINDOW.DISPI) >> 1) + 1, value >>> 16);
    }
  }

  private clear(length: number): void {
    const zeros = new Uint8Array(CLEAR_PIECE);
    for (let at = 0; at < length; at += CLEAR_PIECE) this.options.store(at, zeros.subarray(0, Math.min(CLEAR_PIECE, length - at)));
  }
}
