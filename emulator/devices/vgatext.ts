/** The characters of VGA's text modes, as text: what its serializers draw with a font. */
import { isBlank, planeAddress } from './vgapicture';
import type { VgaState } from './vgaregisters';
import { displayedLines, lineCompare } from './vgatiming';

const GRAPHICS = 0x01;
/** Code page 437, which the fonts of VGA's ROM draw. */
const CHARACTERS = [
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼',
  ...Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)),
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»',
  '░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀',
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ',
].join('');

/** Lines without the blanks at their ends; undefined where dots are shown, or nothing. */
export function vgaText(state: VgaState, memory: Uint8Array): string | undefined {
  const { crtc, attribute } = state;
  if (isBlank(state) || attribute.mode & GRAPHICS || crtc.horizontalTotal === 0) return undefined;
  const columns = crtc.horizontalDisplayEnd + 1;
  const height = displayedLines(state);
  const split = lineCompare(state);
  const tall = ((crtc.maximumScanLine & 0x1f) + 1) * (crtc.maximumScanLine & 0x80 ? 2 : 1);
  const lines: string[] = [];
  let address = (crtc.startAddressHigh << 8) | crtc.startAddressLow;
  for (let y = 0, start = 0; y < height; y++) {
    if ((y - start) % tall === 0) {
      let line = '';
      for (let column = 0; column < columns; column++) line += CHARACTERS[memory[4 * planeAddress(state, (address + column) & 0xffff, 0)]!]!;
      lines.push(line.trimEnd());
      address += 2 * crtc.offset;
    }
    if (y === split) [address, start] = [0, y + 1];
  }
  return lines.join('\n').trimEnd();
}
