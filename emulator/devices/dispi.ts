/** The Bochs VBE display interface (VBE_DISPI): 16-bit registers by index, that set modes of a linear framebuffer. */
import { bit, fields, group, u16 } from '../bus/fields';
import type { StateOf } from '../bus/fields';

export const DISPI = {
  ID: 0, XRES: 1, YRES: 2, BPP: 3, ENABLE: 4, BANK: 5, VIRT_WIDTH: 6, VIRT_HEIGHT: 7, X_OFFSET: 8, Y_OFFSET: 9, VIDEO_MEMORY_64K: 10,
} as const; // prettier-ignore
const ID5 = 0xb0c5;
const ID_FAMILY = 0xb0c0;
const ENABLE = { ENABLED: 0x01, GETCAPS: 0x02, DAC_8BIT: 0x20, LFB: 0x40, NOCLEAR: 0x80 } as const;
const LIMITS = { width: 2560, height: 1600, depth: 32 } as const;
const DEPTHS = [4, 8, 15, 16, 24, 32];

export const dispiFields = fields({
  id: u16('Interface version that the guest asked for', undefined, ID5),
  xres: u16('Width in pixels'),
  yres: u16('Height in pixels'),
  bpp: u16('Bits per pixel', undefined, 8),
  enable: u16('Enable', {
    ENABLED: bit(0, 'Extended mode is on'),
    GETCAPS: bit(1, 'Resolution registers give their maxima'),
    DAC_8BIT: bit(5, 'Palette of 8 bits a colour'),
    LFB: bit(6, 'Linear framebuffer'),
    NOCLEAR: bit(7, 'Setting a mode keeps memory as it is'),
  }),
  bank: u16('Bank of 64 KiB at 0xA0000'),
  virtWidth: u16('Width of a line in memory, in pixels'),
  xOffset: u16('First pixel shown of a line'),
  yOffset: u16('First line shown'),
});
export const dispiGroup = group('Bochs VBE', dispiFields);

/** A picture in memory: bytes from a row to the next, and of the first. */
export interface DispiMode {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly stride: number;
  readonly start: number;
}

export class Dispi {
  constructor(
    private readonly registers: () => StateOf<typeof dispiFields>,
    private readonly memory: number,
    /** Sets bytes from the start of memory to zero. */
    private readonly clear: (length: number) => void,
  ) {}

  get enabled(): boolean {
    return (this.registers().enable & ENABLE.ENABLED) !== 0;
  }

  /** Whether the palette has 8 bits a color, not 6. */
  get eightBit(): boolean {
    return (this.registers().enable & ENABLE.DAC_8BIT) !== 0;
  }

  /** Where in memory the window at 0xA0000 starts; undefined where VGA's planes are there. */
  bank(): number | undefined {
    const { bank, bpp } = this.registers();
    return this.enabled && bpp >= 8 ? bank * 0x10000 : undefined;
  }

  /** The mode that is shown; undefined while VGA is, or where it doesn't fit into memory. */
  mode(): DispiMode | undefined {
    const { xres, yres, bpp, xOffset, yOffset } = this.registers();
    if (!this.enabled || xres === 0 || yres === 0 || !DEPTHS.includes(bpp)) return undefined;
    const stride = this.lineBytes();
    const start = yOffset * stride + ((xOffset * this.bits()) >> 3);
    return start + (yres - 1) * stride + ((xres * this.bits() + 7) >> 3) <= this.memory ? { width: xres, height: yres, depth: bpp, stride, start } : undefined;
  }

  read(index: number): number {
    const state = this.registers();
    const caps = (state.enable & ENABLE.GETCAPS) !== 0;
    switch (index) {
      case DISPI.ID:
        return state.id;
      case DISPI.XRES:
        return caps ? LIMITS.width : state.xres;
      case DISPI.YRES:
        return caps ? LIMITS.height : state.yres;
      case DISPI.BPP:
        return caps ? LIMITS.depth : state.bpp;
      case DISPI.ENABLE:
        return state.enable;
      case DISPI.BANK:
        return state.bank;
      case DISPI.VIRT_WIDTH:
        return state.virtWidth;
      case DISPI.VIRT_HEIGHT:
        return this.lineBytes() === 0 ? 0 : Math.min(0xffff, Math.floor(this.memory / this.lineBytes()));
      case DISPI.X_OFFSET:
        return state.xOffset;
      case DISPI.Y_OFFSET:
        return state.yOffset;
      case DISPI.VIDEO_MEMORY_64K:
        return this.memory >>> 16;
      default:
        return 0;
    }
  }

  write(index: number, value: number): void {
    const state = this.registers();
    switch (index) {
      case DISPI.ID:
        if ((value & 0xfff0) === ID_FAMILY && value <= ID5) state.id = value;
        break;
      case DISPI.XRES:
        if (!this.enabled && value <= LIMITS.width) state.xres = value;
        break;
      case DISPI.YRES:
        if (!this.enabled && value <= LIMITS.height) state.yres = value;
        break;
      case DISPI.BPP:
        if (!this.enabled) state.bpp = DEPTHS.includes(value) ? value : 8;
        break;
      case DISPI.ENABLE:
        this.setEnable(value);
        break;
      case DISPI.BANK:
        state.bank = Math.min(value & 0x1ff, (this.memory >>> 16) - 1);
        break;
      case DISPI.VIRT_WIDTH:
        state.virtWidth = Math.max(value, state.xres);
        break;
      case DISPI.X_OFFSET:
        state.xOffset = value;
        break;
      case DISPI.Y_OFFSET:
        state.yOffset = value;
        break;
      default: // the others tell what there is
        break;
    }
  }

  private setEnable(value: number): void {
    const state = this.registers();
    const starts = (value & ENABLE.ENABLED) !== 0 && !this.enabled;
    state.enable = value & 0xe3;
    if (!starts) return;
    Object.assign(state, { virtWidth: state.xres, xOffset: 0, yOffset: 0, bank: 0 });
    if (!(value & ENABLE.NOCLEAR)) this.clear(Math.min(this.memory, state.yres * this.lineBytes()));
  }

  private bits(): number {
    const { bpp } = this.registers();
    return bpp === 15 ? 16 : bpp;
  }
  private lineBytes(): number {
    const { virtWidth, xres } = this.registers();
    return (Math.max(virtWidth, xres) * this.bits()) >> 3;
  }
}
