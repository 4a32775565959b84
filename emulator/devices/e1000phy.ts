/** The PHY of an e1000, an 88E1011: IEEE 802.3, 22.2.4, and the manual of the controller, 13.4.3. The link is always up. */
import { fields, list, u16, type StateOf } from '../bus/fields';

const COUNT = 32;
export const phyFields = fields({ registers: list(COUNT, 'Registers', u16('A register')) });
export type PhyState = StateOf<typeof phyFields>;

const ADDRESS = 1;
const OPERATION = { WRITE: 1, READ: 2 } as const;
const READY = 1 << 28;
const ERROR = 1 << 30;

const REGISTER = {
  CONTROL: 0, STATUS: 1, ID1: 2, ID2: 3, ADVERTISEMENT: 4, PARTNER: 5, EXPANSION: 6, GIGABIT_CONTROL: 9, GIGABIT_STATUS: 10, EXTENDED_STATUS: 15,
  SPECIFIC_CONTROL: 16, SPECIFIC_STATUS: 17, EXTENDED_CONTROL: 20,
} as const; // prettier-ignore
/** Reset, and restart of auto-negotiation, are over at once. */
const SELF_CLEARING = 0x8200;

const START: Readonly<Record<number, number>> = {
  [REGISTER.CONTROL]: 0x1140, // auto-negotiation, full duplex, 1000 Mb/s
  [REGISTER.STATUS]: 0x796d, // all of 10 and 100 Mb/s, extended status, auto-negotiation complete, link up
  [REGISTER.ID1]: 0x0141,
  [REGISTER.ID2]: 0x0c20,
  [REGISTER.ADVERTISEMENT]: 0x0de1,
  [REGISTER.PARTNER]: 0x45e1,
  [REGISTER.EXPANSION]: 0x0005,
  [REGISTER.GIGABIT_CONTROL]: 0x0e00,
  [REGISTER.GIGABIT_STATUS]: 0x7c00,
  [REGISTER.EXTENDED_STATUS]: 0x3000,
  [REGISTER.SPECIFIC_CONTROL]: 0x0360,
  [REGISTER.SPECIFIC_STATUS]: 0xac08, // 1000 Mb/s, full duplex, resolved, link up
  [REGISTER.EXTENDED_CONTROL]: 0x0d60,
};
const READ_ONLY: ReadonlySet<number> = new Set([
  REGISTER.STATUS, REGISTER.ID1, REGISTER.ID2, REGISTER.PARTNER, REGISTER.EXPANSION, REGISTER.GIGABIT_STATUS, REGISTER.EXTENDED_STATUS, REGISTER.SPECIFIC_STATUS,
]); // prettier-ignore

export function resetPhy(phy: PhyState): void {
  phy.registers = Array.from({ length: COUNT }, (_, number) => START[number] ?? 0);
}

/** What MDIC reads as after a write of a command. */
export function mdic(phy: PhyState, command: number): number {
  const number = (command >>> 16) & 0x1f;
  const operation = (command >>> 26) & 3;
  const kept = command & ~(READY | ERROR);
  if (((command >>> 21) & 0x1f) !== ADDRESS || (operation !== OPERATION.READ && operation !== OPERATION.WRITE)) return (kept | READY | ERROR) >>> 0;
  if (operation === OPERATION.READ) return ((kept & ~0xffff) | phy.registers[number]! | READY) >>> 0;
  const value = command & 0xffff;
  if (number === REGISTER.CONTROL && value & 0x8000) resetPhy(phy);
  else if (number === REGISTER.CONTROL) phy.registers[number] = value & ~SELF_CLEARING;
  else if (!READ_ONLY.has(number)) phy.registers[number] = value;
  return (kept | READY) >>> 0;
}
