/** What the xHCI controller says of itself: capability registers (5.3) and extended capabilities (7). */
import { ERST_MAX, FIRST_USB2_PORT, INTERRUPTERS, PORTS, SLOTS } from './xhciregisters';

/** BAR0: where the register spaces begin. */
export const OPERATIONAL = 0x0020;
export const PORT_REGISTERS = OPERATIONAL + 0x400;
export const EXTENDED = 0x0500;
export const RUNTIME = 0x1000;
export const INTERRUPTER_REGISTERS = RUNTIME + 0x20;
export const DOORBELLS = 0x2000;
export const MSIX_TABLE = 0x3000;
export const MSIX_PENDING = 0x3800;
export const WINDOW = 0x4000;

/** USB Legacy Support Capability. */
export const LEGACY = EXTENDED;
export const LEGACY_CONTROL = EXTENDED + 4;
const PROTOCOLS = EXTENDED + 0x10;

const VERSION = 0x0100;
const USB_NAME = 0x20425355; // "USB "
/** 64-bit addresses. */
const AC64 = 0x01;

/** Supported Protocol Capability (7.2), as doublewords. */
const protocol = (next: number, revision: number, first: number, count: number): number[] => [
  ((revision << 16) | (next << 8) | 0x02) >>> 0,
  USB_NAME,
  (count << 8) | first,
  0, // slot type of Enable Slot commands
];
const USB3_PORTS = FIRST_USB2_PORT - 1;

const WORDS: ReadonlyMap<number, number> = new Map([
  [0x00, OPERATIONAL | (VERSION << 16)],
  [0x04, SLOTS | (INTERRUPTERS << 8) | (PORTS << 24)],
  [0x08, ERST_MAX << 4],
  [0x10, AC64 | ((EXTENDED / 4) << 16)],
  [0x14, DOORBELLS],
  [0x18, RUNTIME],
  ...[...protocol(4, 0x0300, 1, USB3_PORTS), ...protocol(0, 0x0200, FIRST_USB2_PORT, PORTS - USB3_PORTS)].map((word, i): [number, number] => [
    PROTOCOLS + 4 * i,
    word,
  ]),
]);

/** The legacy capability's first byte and the way to the next one. */
export const LEGACY_HEADER = 0x01 | (((PROTOCOLS - LEGACY) / 4) << 8);

/** A doubleword of what never changes; 0 where nothing is. */
export const constant = (offset: number): number => (WORDS.get(offset) ?? 0) >>> 0;
