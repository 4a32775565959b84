/** Where VGA's beam is at a virtual time, from the CRT controller's registers. */
import type { Nanoseconds } from '../bus/device';
import type { VgaState } from './vgaregisters';

/** Hertz, by the clock select of the miscellaneous output register; the others are not connected. */
const CLOCKS = [25_175_000, 28_322_000, 25_175_000, 25_175_000];
const SECOND = 1e9;

export interface Beam {
  readonly displayed: boolean;
  readonly verticalRetrace: boolean;
  /** Frames since power-on, if the mode had always been this one. */
  readonly frame: number;
}

/** Lines that are displayed, or in all: 10 bits from three registers. */
export function displayedLines({ crtc }: VgaState): number {
  return 1 + (crtc.verticalDisplayEnd | ((crtc.overflow & 0x02) << 7) | ((crtc.overflow & 0x40) << 3));
}

/** The last line before the address starts again at 0. */
export function lineCompare({ crtc }: VgaState): number {
  return crtc.lineCompare | ((crtc.overflow & 0x10) << 4) | ((crtc.maximumScanLine & 0x40) << 3);
}

export function beamAt(state: VgaState, now: Nanoseconds): Beam {
  const { crtc, sequencer, miscellaneous } = state;
  const dots = (sequencer.clocking & 0x01 ? 8 : 9) * (sequencer.clocking & 0x08 ? 2 : 1);
  const character = (dots * SECOND) / CLOCKS[(miscellaneous >> 2) & 3]!;
  const characters = crtc.horizontalTotal + 5;
  const lines = 2 + (crtc.verticalTotal | ((crtc.overflow & 0x01) << 8) | ((crtc.overflow & 0x20) << 4));
  const line = characters * character;
  const frame = Math.floor(now / (lines * line));
  const inFrame = now - frame * lines * line;
  const y = Math.min(Math.floor(inFrame / line), lines - 1);
  const x = Math.floor((inFrame - y * line) / character);
  const start = crtc.verticalRetraceStart | ((crtc.overflow & 0x04) << 6) | ((crtc.overflow & 0x80) << 2);
  // The end is told by the low four bits of the line only.
  const length = (crtc.verticalRetraceEnd - start) & 0x0f || 0x10;
  return {
    displayed: y < displayedLines(state) && x <= crtc.horizontalDisplayEnd,
    verticalRetrace: y >= start && y < start + length,
    frame,
  };
}
