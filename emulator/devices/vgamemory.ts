/**
 * The window of VGA at 0xA0000-0xBFFFF: how an access becomes reads and writes of four planes (IBM PS/2 Hardware Interface
 * Technical Reference, "Video Memory Read/Write Operations"). In memory the four bytes of a plane address lie side by side.
 */
import type { AccessSize, Backing, MmioHandler } from '../bus/device';
import type { VgaState } from './vgaregisters';

export const VGA_WINDOW = { address: 0xa0000, length: 0x20000 } as const;
/** Bytes of a plane. */
const PLANE = 0x10000;
export const PLANES_LENGTH = 4 * PLANE;
const BANK = 0x10000;

const RAM_ENABLE = 0x02;
const LOW_PAGE = 0x20;
const MEMORY_MODE = { SEQUENTIAL: 0x04, CHAIN_4: 0x08 } as const;
const MODE = { WRITE: 0x03, READ_1: 0x08, ODD_EVEN: 0x10 } as const;
const CHAIN = 0x02;
/** GR6 Memory Map: start in the window and length. */
const MAPS = [
  [0x00000, 0x20000],
  [0x00000, 0x10000],
  [0x10000, 0x08000],
  [0x18000, 0x08000],
] as const;

/** A byte for each plane of four bits: ones where the bit is set. */
export const planes = (bits: number): number =>
  ((bits & 1 ? 0xff : 0) | (bits & 2 ? 0xff00 : 0) | (bits & 4 ? 0xff0000 : 0) | (bits & 8 ? 0xff000000 : 0)) >>> 0;
const everyPlane = (byte: number): number => Math.imul(byte, 0x01010101);

export interface VgaMemoryOptions {
  readonly state: () => VgaState;
  readonly backing: Backing;
  /** Changes video memory: marks its pages as written. */
  readonly store: (offset: number, from: Uint8Array) => void;
  /** Where the linear bank starts that a VBE mode shows at 0xA0000; undefined while VGA is in use. */
  readonly bank?: () => number | undefined;
}

export class VgaMemory implements MmioHandler {
  private readonly four = new Uint8Array(4);
  private readonly one = this.four.subarray(0, 1);
  private readonly two = this.four.subarray(0, 2);

  constructor(private readonly options: VgaMemoryOptions) {}

  mmioRead(offset: number, size: AccessSize): number {
    const bank = this.options.bank?.();
    const { bytes } = this.options.backing;
    let value = 0;
    for (let i = 0; i < size; i++)
      value |= (bank === undefined ? this.read(offset + i) : offset + i < BANK ? (bytes[bank + offset + i] ?? 0xff) : 0xff) << (8 * i);
    return value >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const bank = this.options.bank?.();
    if (bank === undefined) {
      for (let i = 0; i < size; i++) this.write(offset + i, (value >>> (8 * i)) & 0xff);
      return;
    }
    if (offset + size > BANK || bank + offset + size > this.options.backing.length) return;
    const from = size === 1 ? this.one : size === 2 ? this.two : this.four;
    for (let i = 0; i < size; i++) from[i] = value >>> (8 * i);
    this.options.store(bank + offset, from);
  }

  /** Offset in the memory map that GR6 selects; -1 where VGA does not answer. */
  private mapped(offset: number): number {
    const { miscellaneous, graphics } = this.options.state();
    const [start, length] = MAPS[(graphics.miscellaneous >> 2) & 3]!;
    return miscellaneous & RAM_ENABLE && offset >= start && offset < start + length ? offset - start : -1;
  }

  /** Where A0 selects odd or even planes, another bit takes its place in the plane's address. */
  private oddEven(at: number): number {
    const { miscellaneous, graphics } = this.options.state();
    if (!(graphics.miscellaneous & CHAIN)) return at & (PLANE - 1);
    const high = (graphics.miscellaneous >> 2) & 3 ? !(miscellaneous & LOW_PAGE) : at >= PLANE;
    return (at & (PLANE - 2)) | (high ? 1 : 0);
  }

  private group(at: number): number {
    const { bytes } = this.options.backing;
    const from = 4 * at;
    return (bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24)) >>> 0;
  }

  private read(offset: number): number {
    const state = this.options.state();
    const { sequencer, graphics } = state;
    const at = this.mapped(offset);
    if (at < 0) return 0xff;
    const chain4 = (sequencer.memoryMode & MEMORY_MODE.CHAIN_4) !== 0;
    state.latches = this.group(chain4 ? at & (PLANE - 4) : this.oddEven(at));
    if (graphics.mode & MODE.READ_1) {
      // A bit is set where all planes that count have the color's bit.
      const wrong = (state.latches ^ planes(graphics.colorCompare)) & planes(graphics.colorDontCare);
      return ~(wrong | (wrong >>> 8) | (wrong >>> 16) | (wrong >>> 24)) & 0xff;
    }
    const oddEven = (graphics.mode & MODE.ODD_EVEN) !== 0;
    const plane = chain4 ? at & 3 : oddEven ? (graphics.readMapSelect & 2) | (at & 1) : graphics.readMapSelect & 3;
    return (state.latches >>> (8 * plane)) & 0xff;
  }

  private write(offset: number, byte: number): void {
    const { sequencer } = this.options.state();
    const at = this.mapped(offset);
    if (at < 0) return;
    let mask = sequencer.mapMask;
    let to: number;
    if (sequencer.memoryMode & MEMORY_MODE.CHAIN_4) {
      mask &= 1 << (at & 3);
      to = at & (PLANE - 4);
    } else {
      if (!(sequencer.memoryMode & MEMORY_MODE.SEQUENTIAL)) mask &= at & 1 ? 0xa : 0x5;
      to = this.oddEven(at);
    }
    if (mask === 0) return;
    const bits = planes(mask);
    const merged = (this.group(to) & ~bits) | (this.data(byte) & bits);
    for (let i = 0; i < 4; i++) this.four[i] = merged >>> (8 * i);
    this.options.store(4 * to, this.four);
  }

  /** What the graphics controller makes of a byte for the four planes, by the write mode. */
  private data(byte: number): number {
    const { graphics, latches } = this.options.state();
    const mode = graphics.mode & MODE.WRITE;
    if (mode === 1) return latches;
    const count = graphics.dataRotate & 7;
    const rotated = ((byte >>> count) | (byte << (8 - count))) & 0xff;
    const setReset = planes(graphics.setReset);
    const mask = everyPlane(mode === 3 ? rotated & graphics.bitMask : graphics.bitMask);
    const enabled = planes(graphics.enableSetReset);
    const source = mode === 3 ? setReset : mode === 2 ? planes(byte) : (everyPlane(rotated) & ~enabled) | (setReset & enabled);
    return (this.combined(source, latches) & mask) | (latches & ~mask);
  }

  /** GR3 Function. */
  private combined(source: number, latches: number): number {
    switch ((this.options.state().graphics.dataRotate >> 3) & 3) {
      case 1:
        return source & latches;
      case 2:
        return source | latches;
      case 3:
        return source ^ latches;
      default:
        return source;
    }
  }
}
