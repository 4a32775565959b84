import type { AccessSize, Backing, Device, DeviceContext, MmioHandler } from '../bus/device';
import { bool, fields, group, initial, reset, u16 } from '../bus/fields';
import { PciFunction, pciHeader } from './pcifunction';
import { linearScanout, type Scanout } from './scanout';

/** bhyve's framebuffer device, FB5D:40FB. BAR0 holds these registers, BAR1 is the picture. */
const REGISTER = { FBSIZE: 0x00, WIDTH: 0x04, HEIGHT: 0x06, DEPTH: 0x08, REFRESH: 0x0a } as const;
const REGISTERS_LENGTH = 128;

export const FBUF_DEFAULT_LENGTH = 32 << 20;
export const FBUF_LIMITS = { width: [640, 3840], height: [480, 2160] } as const;
const DEPTHS = [16, 24, 32];

const table = fields({
  config: group('PCI configuration header', pciHeader),
  width: u16('Width in pixels, as last written', undefined, 1024),
  height: u16('Height in pixels, as last written', undefined, 768),
  depth: u16('Bits per pixel, as last written', undefined, 32),
  refresh: u16('Refresh rate, for information'),
  mode: group('The last valid mode: what is shown', {
    width: u16('Width in pixels', undefined, 1024),
    height: u16('Height in pixels', undefined, 768),
    depth: u16('Bits per pixel', undefined, 32),
    vga: bool('Width or height is zero: the VGA picture is shown instead'),
  }),
});

export interface FbufOptions {
  readonly name?: string;
  readonly backing: Backing;
  readonly width?: number;
  readonly height?: number;
}

export interface FbufMode {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** Bytes from a row to the next. */
  readonly stride: number;
}

export class Fbuf implements Device<typeof table>, MmioHandler {
  readonly name: string;
  readonly kind = 'fbuf';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  readonly backing: Backing;

  constructor(
    _context: DeviceContext,
    private readonly options: FbufOptions,
  ) {
    this.name = options.name ?? 'fbuf';
    this.backing = options.backing;
    this.pci = new PciFunction(
      {
        vendor: 0xfb5d,
        device: 0x40fb,
        classCode: 0x030000,
        bars: {
          0: { kind: 'mem32', size: REGISTERS_LENGTH, handler: this },
          1: {
            kind: 'mem32',
            size: 2 ** Math.ceil(Math.log2(options.backing.length)),
            prefetchable: true,
            handler: options.backing,
          },
        },
      },
      () => this.state.config,
    );
    this.setDefaults();
  }

  reset(): void {
    reset(table, this.state);
    this.setDefaults();
    this.pci.update();
  }

  restored(): void {
    this.pci.update();
  }

  /** The mode of the linear framebuffer; undefined while VGA is selected. */
  mode(): FbufMode | undefined {
    const { vga, width, height, depth } = this.state.mode;
    return vga || !this.fits(width, height, depth) ? undefined : { width, height, depth, stride: width * (depth >> 3) };
  }

  /** Undefined while VGA is selected. */
  scanout(): Scanout | undefined {
    const mode = this.mode();
    const { bytes } = this.backing;
    return mode && linearScanout({ ...mode, start: 0 }, bytes, (first, length) => bytes.subarray(first, first + length));
  }

  mmioRead(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= ((this.word((offset + i) & ~1) >>> (8 * ((offset + i) & 1))) & 0xff) << (8 * i);
    return value >>> 0;
  }

  /** Accesses of any size merge into the 16-bit registers; then a valid mode takes effect at once. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) {
      const at = (offset + i) & ~1;
      const shift = 8 * ((offset + i) & 1);
      this.setWord(at, (this.word(at) & ~(0xff << shift)) | (((value >>> (8 * i)) & 0xff) << shift));
    }
    this.latch();
  }

  private setDefaults(): void {
    const { width = 1024, height = 768 } = this.options;
    Object.assign(this.state, { width, height });
    this.latch();
  }

  private latch(): void {
    const { width, height, depth, mode } = this.state;
    if (width === 0 || height === 0) mode.vga = true;
    else if (this.fits(width, height, depth)) Object.assign(mode, { width, height, depth, vga: false });
  }

  private fits(width: number, height: number, depth: number): boolean {
    const [minWidth, maxWidth] = FBUF_LIMITS.width;
    const [minHeight, maxHeight] = FBUF_LIMITS.height;
    return (
      width >= minWidth &&
      width <= maxWidth &&
      height >= minHeight &&
      height <= maxHeight &&
      DEPTHS.includes(depth) &&
      width * height * (depth >> 3) <= this.backing.length
    );
  }

  private word(at: number): number {
    switch (at) {
      case REGISTER.FBSIZE:
        return this.backing.length & 0xffff;
      case REGISTER.FBSIZE + 2:
        return this.backing.length >>> 16;
      case REGISTER.WIDTH:
        return this.state.width;
      case REGISTER.HEIGHT:
        return this.state.height;
      case REGISTER.DEPTH:
        return this.state.depth;
      case REGISTER.REFRESH:
        return this.state.refresh;
      default:
        return 0;
    }
  }

  private setWord(at: number, value: number): void {
    switch (at) {
      case REGISTER.WIDTH:
        this.state.width = value;
        break;
      case REGISTER.HEIGHT:
        this.state.height = value;
        break;
      case REGISTER.DEPTH:
        this.state.depth = value;
        break;
      case REGISTER.REFRESH:
        this.state.refresh = value;
        break;
      default: // the size is what it is
        break;
    }
  }
}
