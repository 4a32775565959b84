/**
 * Registers of VGA by their indices: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem". Each of the
 * four indexed parts has its registers in the order of the index; `mask` has the bits that exist.
 */
import { bit, bits, bytes, choice, bool, fields, group, u32, u8, type StateOf } from '../bus/fields';

const sequencer = fields({
  reset: u8('SR0 Reset', { ASYNC: bit(0, 'Asynchronous reset is off'), SYNC: bit(1, 'Synchronous reset is off') }),
  clocking: u8('SR1 Clocking Mode', {
    DOTS_8: bit(0, '8 dots a character, not 9'),
    SHIFT_LOAD: bit(2, 'Loads serializers every second clock'),
    HALF: bit(3, 'Dot clock is half the master clock'),
    SHIFT_4: bit(4, 'Loads serializers every fourth clock'),
    OFF: bit(5, 'Screen off'),
  }),
  mapMask: u8('SR2 Map Mask', { PLANES: bits(3, 0, 'Planes that writes reach') }),
  characterMap: u8('SR3 Character Map Select', {
    B: bits(1, 0, 'Font where attribute bit 3 is clear'),
    A: bits(3, 2, 'Font where attribute bit 3 is set'),
    B_HIGH: bit(4, 'High bit of font B'),
    A_HIGH: bit(5, 'High bit of font A'),
  }),
  memoryMode: u8('SR4 Memory Mode', {
    EXTENDED: bit(1, 'More than 64 KiB'),
    SEQUENTIAL: bit(2, 'Writes reach odd and even planes at every address'),
    CHAIN_4: bit(3, 'Low address bits select the plane'),
  }),
});

const crtc = fields({
  horizontalTotal: u8('CR00 Horizontal Total, less 5'),
  horizontalDisplayEnd: u8('CR01 Horizontal Display Enable End, less 1'),
  startHorizontalBlanking: u8('CR02 Start Horizontal Blanking'),
  endHorizontalBlanking: u8('CR03 End Horizontal Blanking'),
  startHorizontalRetrace: u8('CR04 Start Horizontal Retrace'),
  endHorizontalRetrace: u8('CR05 End Horizontal Retrace'),
  verticalTotal: u8('CR06 Vertical Total, less 2'),
  overflow: u8('CR07 Overflow', {
    VT8: bit(0, 'Vertical Total 8'), VDE8: bit(1, 'Vertical Display End 8'), VRS8: bit(2, 'Vertical Retrace Start 8'), VBS8: bit(3, 'Vertical Blanking Start 8'),
    LC8: bit(4, 'Line Compare 8'), VT9: bit(5, 'Vertical Total 9'), VDE9: bit(6, 'Vertical Display End 9'), VRS9: bit(7, 'Vertical Retrace Start 9'),
  }), // prettier-ignore
  presetRowScan: u8('CR08 Preset Row Scan', { ROW: bits(4, 0, 'First row scan'), BYTE_PAN: bits(6, 5, 'Byte panning') }),
  maximumScanLine: u8('CR09 Maximum Scan Line', {
    LAST: bits(4, 0, 'Scan lines of a row, less 1'), VBS9: bit(5, 'Vertical Blanking Start 9'), LC9: bit(6, 'Line Compare 9'), DOUBLE: bit(7, 'Every line twice'),
  }), // prettier-ignore
  cursorStart: u8('CR0A Cursor Start', { LINE: bits(4, 0, 'First scan line'), OFF: bit(5, 'Cursor off') }),
  cursorEnd: u8('CR0B Cursor End', { LINE: bits(4, 0, 'Last scan line'), SKEW: bits(6, 5, 'Characters to the right') }),
  startAddressHigh: u8('CR0C Start Address High'),
  startAddressLow: u8('CR0D Start Address Low'),
  cursorLocationHigh: u8('CR0E Cursor Location High'),
  cursorLocationLow: u8('CR0F Cursor Location Low'),
  verticalRetraceStart: u8('CR10 Vertical Retrace Start'),
  verticalRetraceEnd: u8('CR11 Vertical Retrace End', {
    END: bits(3, 0, 'Low bits of the last line'), CLEAR: bit(4, 'Interrupt is not cleared'), DISABLE: bit(5, 'Interrupt off'), PROTECT: bit(7, 'CR00-CR07 are read-only'),
  }), // prettier-ignore
  verticalDisplayEnd: u8('CR12 Vertical Display Enable End, less 1'),
  offset: u8('CR13 Offset: words from a row to the next'),
  underlineLocation: u8('CR14 Underline Location', {
    LINE: bits(4, 0, 'Scan line'),
    COUNT_4: bit(5, 'Counts every fourth clock'),
    DOUBLEWORD: bit(6, 'Doubleword mode'),
  }),
  startVerticalBlanking: u8('CR15 Start Vertical Blanking'),
  endVerticalBlanking: u8('CR16 End Vertical Blanking'),
  mode: u8('CR17 CRTC Mode Control', {
    CMS0: bit(0, 'Address bit 13 is not row scan 0'), CMS1: bit(1, 'Address bit 14 is not row scan 1'), HALVE: bit(2, 'Vertical timing by two'),
    COUNT_2: bit(3, 'Counts every second clock'), WRAP: bit(5, 'Word mode wraps at 64 K'), BYTE: bit(6, 'Byte mode'), SYNC: bit(7, 'Retraces are on'),
  }), // prettier-ignore
  lineCompare: u8('CR18 Line Compare'),
});

const graphics = fields({
  setReset: u8('GR0 Set/Reset'),
  enableSetReset: u8('GR1 Enable Set/Reset'),
  colorCompare: u8('GR2 Color Compare'),
  dataRotate: u8('GR3 Data Rotate', { COUNT: bits(2, 0, 'Rotates right'), FUNCTION: bits(4, 3, 'Function', { 0: 'copy', 1: 'AND', 2: 'OR', 3: 'XOR' }) }),
  readMapSelect: u8('GR4 Read Map Select'),
  mode: u8('GR5 Graphics Mode', {
    WRITE: bits(1, 0, 'Write mode'), READ: bit(3, 'Read mode 1'), ODD_EVEN: bit(4, 'Reads of odd and even planes'), INTERLEAVE: bit(5, 'Shifts as CGA does'),
    COLORS_256: bit(6, '256 colors'),
  }), // prettier-ignore
  miscellaneous: u8('GR6 Miscellaneous', {
    GRAPHICS: bit(0, 'Graphics'),
    CHAIN: bit(1, 'Odd addresses are odd planes'),
    MAP: bits(3, 2, 'Memory map', { 0: 'A0000-BFFFF', 1: 'A0000-AFFFF', 2: 'B0000-B7FFF', 3: 'B8000-BFFFF' }),
  }),
  colorDontCare: u8('GR7 Color Do Not Care'),
  bitMask: u8('GR8 Bit Mask'),
});

const attribute = fields({
  palette: bytes(16, 'AR0-ARF Palette'),
  mode: u8('AR10 Attribute Mode Control', {
    GRAPHICS: bit(0, 'Graphics'), MONO: bit(1, 'Monochrome'), LINE_GRAPHICS: bit(2, 'Characters C0-DF reach into the ninth dot'), BLINK: bit(3, 'Attribute bit 7 blinks'),
    PAN: bit(5, 'No panning behind line compare'), COLORS_256: bit(6, '256 colors'), P54: bit(7, 'Palette bits 5 and 4 come from AR14'),
  }), // prettier-ignore
  overscan: u8('AR11 Overscan Color'),
  planeEnable: u8('AR12 Color Plane Enable'),
  panning: u8('AR13 Horizontal Pixel Panning'),
  colorSelect: u8('AR14 Color Select', { C45: bits(1, 0, 'Color bits 5 and 4'), C67: bits(3, 2, 'Color bits 7 and 6') }),
});

export const vgaFields = fields({
  miscellaneous: u8('Miscellaneous Output', {
    COLOR: bit(0, 'Ports at 3Dx'), RAM: bit(1, 'Memory answers'), CLOCK: bits(3, 2, 'Clock', { 0: '25.175 MHz', 1: '28.322 MHz' }), PAGE: bit(5, 'Low page of odd and even'),
    HSYNC: bit(6, 'Horizontal sync is negative'), VSYNC: bit(7, 'Vertical sync is negative'),
  }), // prettier-ignore
  feature: u8('Feature Control'),
  sequencerIndex: u8('Sequencer index'),
  sequencer: group('Sequencer', sequencer),
  crtcIndex: u8('CRTC index'),
  crtc: group('CRT controller', crtc),
  graphicsIndex: u8('Graphics controller index'),
  graphics: group('Graphics controller', graphics),
  attributeIndex: u8('Attribute controller index', { ADDRESS: bits(4, 0, 'Register'), PAS: bit(5, 'The palette is in use: the screen is on') }),
  attributeData: bool('The next write to 0x3C0 is data'),
  attribute: group('Attribute controller', attribute),
  dacMask: u8('DAC pixel mask', undefined, 0xff),
  dacState: choice('DAC state', ['write', 'read']),
  dacIndex: u8('DAC color that is read or written'),
  dacComponent: u8('Its red, green or blue'),
  dacHeld: bytes(2, 'Red and green that wait for blue'),
  dac: bytes(768, 'DAC colors'),
  latches: u32('Latches, a byte for each plane'),
});
export type VgaState = StateOf<typeof vgaFields>;

/** A register by its index: its name and the bits that exist. */
export interface Indexed<Name extends string> {
  readonly name: Name;
  readonly mask: number;
}
type ByteNames<Table> = { [Name in keyof Table]: Table[Name] extends number ? Name : never }[keyof Table] & string;
const named = <Table extends object>(table: Table, masks: readonly number[], skip = 0): readonly Indexed<string>[] =>
  Object.keys(table)
    .slice(skip)
    .map((name, index) => ({ name, mask: masks[index] ?? 0xff }));

export const SEQUENCER = named(sequencer, [0x03, 0x3d, 0x0f, 0x3f, 0x0e]) as readonly Indexed<ByteNames<VgaState['sequencer']>>[];
export const CRTC = named(crtc, []) as readonly Indexed<ByteNames<VgaState['crtc']>>[];
export const GRAPHICS = named(graphics, [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f]) as readonly Indexed<ByteNames<VgaState['graphics']>>[];
/** From index 0x10 on, behind the palette. */
export const ATTRIBUTE = named(attribute, [0xef, 0xff, 0x3f, 0x0f, 0x0f], 1) as readonly Indexed<ByteNames<VgaState['attribute']>>[];
