/**
 * The VGA that is behind bhyve's framebuffer device: shown while that one's width or height is zero. By its option `vga` only
 * the ports answer (`io`), or memory at 0xA0000 too (`on`).
 */
import type { Backing, Bus, Device, DeviceContext } from '../bus/device';
import { fields, group, initial, reset } from '../bus/fields';
import { blankScanout, type Scanout } from './scanout';
import { VGA_PORTS, VgaPorts } from './vga';
import { VGA_WINDOW, VgaMemory } from './vgamemory';
import { NO_MODE, vgaScanout } from './vgapicture';
import { vgaFields } from './vgaregisters';
import { beamAt } from './vgatiming';

const table = fields({ vga: group('VGA', vgaFields) });

export interface LegacyVgaOptions {
  readonly backing: Backing;
  /** Changes video memory: marks its pages as written. */
  readonly store: (offset: number, from: Uint8Array) => void;
  /** Whether memory at 0xA0000 is there. */
  readonly window: boolean;
}

export class LegacyVga implements Device<typeof table> {
  readonly name = 'vga';
  readonly kind = 'legacyvga';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  constructor(
    private readonly context: DeviceContext,
    private readonly options: LegacyVgaOptions,
  ) {}

  attach(bus: Bus): void {
    const state = (): typeof this.state.vga => this.state.vga;
    const { backing, store, window } = this.options;
    const ports = new VgaPorts(state, () => this.context.now());
    for (const [first, count] of VGA_PORTS) bus.addPorts(first, count, ports, this.name);
    if (window) bus.addMmio(VGA_WINDOW.address, VGA_WINDOW.length, new VgaMemory({ state, backing, store }), this.name);
  }

  reset(): void {
    reset(table, this.state);
  }

  scanout(): Scanout {
    const { vga } = this.state;
    if (vga.crtc.horizontalTotal === 0) return blankScanout(NO_MODE);
    return vgaScanout(vga, this.options.backing.bytes, beamAt(vga, this.context.now()).frame);
  }
}
