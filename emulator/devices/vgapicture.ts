/**
 * What VGA's serializers, attribute controller and DAC make of its memory: registers, memory and the number of the frame
 * in, a picture out. One pixel is one dot of the dot clock; modes that halve the clock have every dot twice.
 */
import { blankScanout, pictureOf, type LinearMode, type Picture, type Scanout, type Size } from './scanout';
import { PLANES_LENGTH } from './vgamemory';
import { displayedLines, lineCompare } from './vgatiming';
import type { VgaState } from './vgaregisters';

/** What is shown before a mode is set, when registers would give a picture of a few dots. */
export const NO_MODE: Size = { width: 640, height: 480 };
const PAS = 0x20;
const OFF = 0x20;
const ATTRIBUTE_MODE = { GRAPHICS: 0x01, LINE_GRAPHICS: 0x04, BLINK: 0x08, PAN: 0x20, P54: 0x80 } as const;
const GRAPHICS_MODE = { INTERLEAVE: 0x20, COLORS_256: 0x40 } as const;
const MODE = { CMS0: 0x01, CMS1: 0x02, COUNT_2: 0x08, WRAP: 0x20, BYTE: 0x40 } as const;
const COUNT_4 = 0x20;
const DOUBLEWORD = 0x40;
/** Frames that blinking characters, and the cursor, are on and off. */
const BLINK_FRAMES = 16;
const CURSOR_FRAMES = 8;
/** Bytes of a font: 256 characters of 32 rows. */
const FONT = 0x2000;

/** Dots of one character: writes indices into the DAC. */
type Serializer = (counter: number, row: number, line: Uint8Array, at: number) => void;

/** Whether the monitor gets no picture. */
export const isBlank = ({ attributeIndex, sequencer }: VgaState): boolean => !(attributeIndex & PAS) || (sequencer.clocking & OFF) !== 0;

/** The DAC's colors as RGBA words. */
export function dacColors(state: VgaState, eightBit: boolean): Uint32Array {
  const colors = new Uint32Array(256);
  const full = (value: number): number => (eightBit ? value : ((value & 0x3f) << 2) | ((value & 0x3f) >> 4));
  for (let i = 0; i < 256; i++) {
    const at = 3 * (i & state.dacMask);
    colors[i] = (full(state.dac[at]!) | (full(state.dac[at + 1]!) << 8) | (full(state.dac[at + 2]!) << 16) | 0xff000000) >>> 0;
  }
  return colors;
}

/** DAC indices of the sixteen colors that the attribute controller's palette makes. */
export function attributeColors({ attribute }: VgaState): Uint8Array {
  const { palette, mode, colorSelect } = attribute;
  const high = (colorSelect & 0x0c) << 4;
  return Uint8Array.from(palette, (color) => high | (mode & ATTRIBUTE_MODE.P54 ? ((colorSelect & 3) << 4) | (color & 0x0f) : color & 0x3f));
}

/** The address of a plane that the CRT controller puts out (IBM, "CRTC Mode Control", table of memory addresses). */
export function planeAddress({ crtc }: VgaState, counter: number, row: number): number {
  let address: number;
  if (crtc.underlineLocation & DOUBLEWORD) address = (counter << 2) | ((counter >> 14) & 3);
  else if (crtc.mode & MODE.BYTE) address = counter;
  else address = (counter << 1) | ((counter >> (crtc.mode & MODE.WRAP ? 15 : 13)) & 1);
  if (!(crtc.mode & MODE.CMS0)) address = (address & ~0x2000) | ((row & 1) << 13);
  if (!(crtc.mode & MODE.CMS1)) address = (address & ~0x4000) | ((row & 2) << 13);
  return address & 0xffff;
}

/** Where each line comes from: the address that its first character has, its row of scan lines in the character, and the dots that are passed over. */
function linesOf(state: VgaState, height: number, dots: number): { readonly addresses: Int32Array; readonly rows: Uint8Array; readonly pans: Uint8Array } {
  const { crtc, attribute } = state;
  const [addresses, rows, pans] = [new Int32Array(height), new Uint8Array(height), new Uint8Array(height)];
  const last = crtc.maximumScanLine & 0x1f;
  const repeat = crtc.maximumScanLine & 0x80 ? 2 : 1;
  const split = lineCompare(state);
  let address = ((crtc.startAddressHigh << 8) | crtc.startAddressLow) + ((crtc.presetRowScan >> 5) & 3);
  let pan = panning(state, dots);
  let row = crtc.presetRowScan & 0x1f;
  let shown = 0;
  for (let y = 0; y < height; y++) {
    [addresses[y], rows[y], pans[y]] = [address, row, pan];
    if (y === split) {
      [address, row, shown] = [0, 0, 0];
      if (attribute.mode & ATTRIBUTE_MODE.PAN) pan = 0;
    } else if (++shown === repeat) {
      shown = 0;
      if (row === last) [row, address] = [0, address + 2 * crtc.offset];
      else row = (row + 1) & 0x1f;
    }
  }
  return { addresses, rows, pans };
}

/** `frame` counts frames, for what blinks. */
export function vgaScanout(state: VgaState, memory: Uint8Array, frame: number): Scanout {
  const { crtc, sequencer, attribute } = state;
  const isText = !(attribute.mode & ATTRIBUTE_MODE.GRAPHICS);
  const dots = isText && !(sequencer.clocking & 1) ? 9 : 8;
  const characters = crtc.horizontalDisplayEnd + 1;
  const twice = (sequencer.clocking & 0x08) !== 0;
  const [width, height] = [characters * dots * (twice ? 2 : 1), displayedLines(state)];
  if (isBlank(state)) return blankScanout({ width, height });
  const colors = dacColors(state, false);
  const text = isText ? characterSerializer(state, memory, frame, dots) : undefined;
  const serializer = text?.serializer ?? graphicsSerializer(state, memory);
  const { addresses, rows, pans } = linesOf(state, height, dots);
  // One character more than is shown: panning shows a part of it.
  const line = new Uint8Array((characters + 1) * dots);
  const slow = crtc.underlineLocation & COUNT_4 ? 2 : crtc.mode & MODE.COUNT_2 ? 1 : 0;
  const counter = (y: number, column: number): number => (addresses[y]! + (column >> slow)) & 0xffff;
  return {
    width,
    height,
    memory,
    first: 0,
    end: PLANES_LENGTH,
    key: registersKey(state),
    ...(text && { shared: text.fonts, overlay: (y) => text.overlay(counter(y, 0), characters >> slow, rows[y]!) }),
    reads: (y, touched) => {
      const [from, to] = [counter(y, 0), counter(y, characters)];
      const [first, last] = [planeAddress(state, from, rows[y]!), planeAddress(state, to, rows[y]!)];
      // Where addresses begin again within the line, what lies between is not looked for.
      return to < from || last < first ? touched(0, PLANES_LENGTH) : touched(4 * first, 4 * last + 4);
    },
    draw: (y, into, at) => {
      for (let column = 0; column <= characters; column++) serializer(counter(y, column), rows[y]!, line, column * dots);
      const pan = pans[y]!;
      for (let x = 0; x < width; x++) into[at + x] = colors[line[pan + (twice ? x >> 1 : x)]!]!;
    },
  };
}

/** What every line depends on; the cursor is on some lines only. */
function registersKey(state: VgaState): string {
  const { crtc, sequencer, graphics, attribute, dacMask, dac } = state;
  const timing = { ...crtc, cursorStart: 0, cursorEnd: 0, cursorLocationHigh: 0, cursorLocationLow: 0 };
  const { palette, ...attributes } = attribute;
  const numbers = [dacMask, ...palette, ...[timing, sequencer, graphics, attributes].flatMap((file) => Object.values(file) as number[])];
  return String.fromCharCode(...numbers, ...dac);
}

export const vgaPicture = (state: VgaState, memory: Uint8Array, frame: number): Picture => pictureOf(vgaScanout(state, memory, frame));

/** Dots that AR13 takes off the left. */
function panning({ attribute, graphics }: VgaState, dots: number): number {
  const { panning: value } = attribute;
  if (dots === 9) return value >= 8 ? 0 : value + 1;
  // With 256 colors a pixel is two dots, and only even values are defined.
  return graphics.mode & GRAPHICS_MODE.COLORS_256 ? value & 6 : value & 7;
}

interface TextSerializer {
  readonly serializer: Serializer;
  /** All bytes of both fonts. */
  fonts(): string;
  /** Cursor and blinking on a row of a line of characters. */
  overlay(counter: number, characters: number, row: number): number;
}

function characterSerializer(state: VgaState, memory: Uint8Array, frame: number, dots: number): TextSerializer {
  const { crtc, attribute, sequencer } = state;
  const palette = attributeColors(state);
  const font = (map: number): number => (map & 3) * 0x4000 + (map & 4 ? 0x2000 : 0);
  const map = sequencer.characterMap;
  const fonts = [font((map & 3) | ((map >> 2) & 4)), font(((map >> 2) & 3) | ((map >> 3) & 4))] as const;
  const blinking = (attribute.mode & ATTRIBUTE_MODE.BLINK) !== 0;
  const dark = blinking && Math.floor(frame / BLINK_FRAMES) % 2 === 1;
  const lineGraphics = (attribute.mode & ATTRIBUTE_MODE.LINE_GRAPHICS) !== 0;
  const cursorShown = !(crtc.cursorStart & 0x20) && Math.floor(frame / CURSOR_FRAMES) % 2 === 0;
  const cursor = ((crtc.cursorLocationHigh << 8) | crtc.cursorLocationLow) + ((crtc.cursorEnd >> 5) & 3);
  const [first, last] = [crtc.cursorStart & 0x1f, crtc.cursorEnd & 0x1f];
  const underline = crtc.underlineLocation & 0x1f;
  const enabled = attribute.planeEnable & 0x0f;
  const serializer: Serializer = (counter, row, line, at) => {
    const address = 4 * planeAddress(state, counter, row);
    const character = memory[address]!;
    const colors = memory[address + 1]!;
    let bits = memory[4 * (fonts[(colors >> 3) & 1]! + 32 * character + row) + 2]! << 1;
    // The ninth dot is background, but for the characters that draw boxes.
    if (lineGraphics && character >= 0xc0 && character <= 0xdf) bits |= (bits >> 1) & 1;
    if (dark && colors & 0x80) bits = 0;
    if ((colors & 7) === 1 && row === underline) bits = 0x1ff;
    if (counter === cursor && cursorShown && row >= first && row <= last) bits = 0x1ff;
    const foreground = palette[colors & 0x0f & enabled]!;
    const background = palette[(colors >> 4) & (blinking ? 7 : 15) & enabled]!;
    for (let dot = 0; dot < dots; dot++) line[at + dot] = bits & (0x100 >> dot) ? foreground : background;
  };
  const blinks = (counter: number, characters: number, row: number): boolean => {
    for (let i = 0; i <= characters; i++) if (memory[4 * planeAddress(state, (counter + i) & 0xffff, row) + 1]! & 0x80) return true;
    return false;
  };
  return {
    serializer,
    fonts: () => fonts.map((font) => String.fromCharCode(...Uint8Array.from({ length: FONT }, (_, at) => memory[4 * (font + at) + 2]!))).join(''),
    overlay: (counter, characters, row) => {
      const place = (cursor - counter) & 0xffff;
      const cursorHere = cursorShown && row >= first && row <= last && place <= characters;
      return (cursorHere ? 2 * (1 + place) : 0) + (dark && blinks(counter, characters, row) ? 1 : 0);
    },
  };
}

function graphicsSerializer(state: VgaState, memory: Uint8Array): Serializer {
  const { graphics, attribute } = state;
  const palette = attributeColors(state);
  const enabled = attribute.planeEnable & 0x0f;
  if (graphics.mode & GRAPHICS_MODE.COLORS_256) {
    // Each plane gives a pixel of two dots.
    return (counter, row, line, at) => {
      const address = 4 * planeAddress(state, counter, row);
      for (let dot = 0; dot < 8; dot++) line[at + dot] = memory[address + (dot >> 1)]!;
    };
  }
  if (graphics.mode & GRAPHICS_MODE.INTERLEAVE) {
    // Planes 0 and 2, then 1 and 3, give two bits each for four pixels.
    return (counter, row, line, at) => {
      const address = 4 * planeAddress(state, counter, row);
      for (let dot = 0; dot < 8; dot++) {
        const [from, shift] = [address + (dot >> 2), 6 - 2 * (dot & 3)];
        line[at + dot] = palette[(((memory[from]! >> shift) & 3) | (((memory[from + 2]! >> shift) & 3) << 2)) & enabled]!;
      }
    };
  }
  return (counter, row, line, at) => {
    const address = 4 * planeAddress(state, counter, row);
    for (let dot = 0; dot < 8; dot++) line[at + dot] = palette[planarPixel(memory, address, dot) & enabled]!;
  };
}

/** A bit of each of four planes. */
function planarPixel(memory: Uint8Array, address: number, dot: number): number {
  const shift = 7 - dot;
  const bit = (plane: number): number => ((memory[address + plane]! >> shift) & 1) << plane;
  return bit(0) | bit(1) | bit(2) | bit(3);
}

/** VBE modes that have a palette: of 8 bits, or of four planes. */
export function paletteScanout(state: VgaState, memory: Uint8Array, mode: LinearMode, eightBit: boolean): Scanout {
  const { width, height, depth, stride, start } = mode;
  if (isBlank(state)) return blankScanout(mode);
  const colors = dacColors(state, eightBit);
  const palette = attributeColors(state);
  const length = depth === 8 ? width : 4 * ((width + 7) >> 3);
  return {
    width,
    height,
    memory,
    first: start,
    end: start + (height - 1) * stride + length,
    key: `palette ${depth} ${stride} ${start} ${String.fromCharCode(...palette, ...state.dac, state.dacMask, Number(eightBit))}`,
    reads: (y, touched) => touched(start + y * stride, start + y * stride + length),
    draw: (y, into, at) => {
      const from = start + y * stride;
      for (let x = 0; x < width; x++) {
        into[at + x] = depth === 8 ? colors[memory[from + x]!]! : colors[palette[planarPixel(memory, from + 4 * (x >> 3), x & 7)]!]!;
      }
    },
  };
}
