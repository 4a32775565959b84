/** Registers and internal state of the xHCI host controller: eXtensible Host Controller Interface 1.0/1.1, chapter 5. */
import { bit, bits, bool, fields, group, list, queue, time, u16, u32, u64, u8, type StateOf } from '../bus/fields';
import { msixFields } from './msix';
import { msiFields } from './pcicapability';
import { pciHeader } from './pcifunction';

export const SLOTS = 64;
/** Ports 1 to 4 are USB 3, 5 to 8 USB 2. */
export const PORTS = 8;
export const FIRST_USB2_PORT = 5;
export const INTERRUPTERS = 4;
export const EVENT = 16;
/** Event ring segments, log 2 (HCSPARAMS2.ERST Max). */
export const ERST_MAX = 4;

export const USBCMD = { RS: 0x0001, HCRST: 0x0002, INTE: 0x0004, HSEE: 0x0008, CSS: 0x0100, CRS: 0x0200, EWE: 0x0400, EU3S: 0x0800 } as const;
export const USBSTS = { HCH: 0x0001, HSE: 0x0004, EINT: 0x0008, PCD: 0x0010, SRE: 0x0400, HCE: 0x1000 } as const;
export const IMAN = { IP: 1, IE: 2 } as const;
export const PORTSC = {
  CCS: 0x00000001,
  PED: 0x00000002,
  PR: 0x00000010,
  PLS: 0x000001e0,
  PP: 0x00000200,
  SPEED: 0x00003c00,
  PIC: 0x0000c000,
  LWS: 0x00010000,
  CSC: 0x00020000,
  PEC: 0x00040000,
  WRC: 0x00080000,
  OCC: 0x00100000,
  PRC: 0x00200000,
  PLC: 0x00400000,
  CEC: 0x00800000,
  WAKE: 0x0e000000,
  WPR: 0x80000000,
} as const;
/** Bits that a write of one clears. */
export const PORT_CHANGES = PORTSC.CSC | PORTSC.PEC | PORTSC.WRC | PORTSC.OCC | PORTSC.PRC | PORTSC.PLC | PORTSC.CEC;
/** Port link states, where they are in PORTSC. */
export const LINK = { U0: 0 << 5, U2: 2 << 5, U3: 3 << 5, DISABLED: 4 << 5, RX_DETECT: 5 << 5, POLLING: 7 << 5, RESUME: 15 << 5 } as const;

const LINK_STATES = { 0: 'U0', 2: 'U2', 3: 'U3, suspended', 4: 'disabled', 5: 'RxDetect', 7: 'polling', 15: 'resume' };

const portFields = fields({
  portsc: u32(
    'Port Status and Control',
    {
      CCS: bit(0, 'Current Connect Status'),
      PED: bit(1, 'Port Enabled'),
      OCA: bit(3, 'Over-current Active'),
      PR: bit(4, 'Port Reset'),
      PLS: bits(8, 5, 'Port Link State', LINK_STATES),
      PP: bit(9, 'Port Power'),
      SPEED: bits(13, 10, 'Port Speed', { 1: 'full', 2: 'low', 3: 'high', 4: 'super' }),
      PIC: bits(15, 14, 'Port Indicator Control'),
      CSC: bit(17, 'Connect Status Change'),
      PEC: bit(18, 'Port Enabled/Disabled Change'),
      WRC: bit(19, 'Warm Port Reset Change'),
      OCC: bit(20, 'Over-current Change'),
      PRC: bit(21, 'Port Reset Change'),
      PLC: bit(22, 'Port Link State Change'),
      CEC: bit(23, 'Port Config Error Change'),
      WCE: bit(25, 'Wake on Connect'),
      WDE: bit(26, 'Wake on Disconnect'),
      WOE: bit(27, 'Wake on Over-current'),
    },
    PORTSC.PP | LINK.RX_DETECT,
  ),
  portpmsc: u32('Port Power Management Status and Control'),
  portli: u32('Port Link Info'),
  porthlpmc: u32('Port Hardware LPM Control'),
  plugged: bool('A device is plugged in: set and cleared by hand'),
  announce: bool('A change has not been told in an event'),
  resetDue: time('When the reset of the port is over'),
});
export const portGroup = group('A root hub port', portFields);
export type PortState = StateOf<typeof portFields>;

const interrupterFields = fields({
  iman: u32('Interrupter Management', { IP: bit(0, 'Interrupt Pending'), IE: bit(1, 'Interrupt Enable') }),
  imod: u16('Interrupt Moderation interval, in units of 250 ns', undefined, 4000),
  erstsz: u16('Event Ring Segment Table Size'),
  erstba: u64('Event Ring Segment Table Base Address'),
  erdp: u64('Event Ring Dequeue Pointer', { DESI: bits(2, 0, 'Dequeue ERST Segment Index'), EHB: bit(3, 'Event Handler Busy') }),
  segment: u16('Segment of the event ring that is written next'),
  index: u16('TRB in that segment'),
  cycle: bool('Producer Cycle State', true),
  wanted: bool('An event has come that asks for an interrupt'),
  full: bool('An Event Ring Full Error has been told'),
  open: time('When the moderation interval is over', 0),
});
export const interrupterGroup = group('An interrupter', interrupterFields);
export type InterrupterState = StateOf<typeof interrupterFields>;

const slotFields = fields({
  enabled: bool('The slot is enabled'),
  port: u8('Root hub port of its device; 0 while it has none'),
  context: u64('Address of the output device context'),
  ringing: u32('Endpoints (by device context index) whose rings are to be looked at'),
  offered: u32('Those that found nothing at the device for what is on their rings'),
});
export const slotGroup = group('A device slot', slotFields);
export type SlotState = StateOf<typeof slotFields>;

/** Events that a full ring has no room for; work stops while there are some. */
const MOST_HELD = 640;
export const HELD_EVENT = EVENT + 1;

export const xhciTable = fields({
  config: group('PCI configuration header', pciHeader),
  msi: group('MSI', msiFields),
  msix: group('MSI-X', msixFields(INTERRUPTERS)),
  usbcmd: u32('USB Command', {
    RS: bit(0, 'Run'),
    INTE: bit(2, 'Interrupter Enable'),
    HSEE: bit(3, 'Host System Error Enable'),
    EWE: bit(10, 'Enable Wrap Event'),
    EU3S: bit(11, 'Enable U3 MFINDEX Stop'),
  }),
  usbsts: u32(
    'USB Status',
    {
      HCH: bit(0, 'Halted'),
      HSE: bit(2, 'Host System Error'),
      EINT: bit(3, 'Event Interrupt'),
      PCD: bit(4, 'Port Change Detect'),
      SRE: bit(10, 'Save/Restore Error'),
      HCE: bit(12, 'Host Controller Error'),
    },
    USBSTS.HCH,
  ),
  dnctrl: u16('Device Notification Control'),
  crcr: u64('Command ring: where the controller is', { RCS: bit(0, 'Consumer Cycle State') }),
  commands: bool('Command Ring Running'),
  commandStop: bool('The command ring is to stop'),
  dcbaap: u64('Device Context Base Address Array Pointer'),
  configure: u32('Configure', { SLOTS: bits(7, 0, 'Slots Enabled') }),
  legacy: u32('USB Legacy Support Capability', { BIOS: bit(16, 'HC BIOS Owned'), OS: bit(24, 'HC OS Owned') }),
  legacyControl: u32('USB Legacy Support Control/Status'),
  saved: bool('State has been saved since the last reset'),
  slots: list(SLOTS, 'Device slots', slotGroup),
  ports: list(PORTS, 'Root hub ports', portGroup),
  interrupters: list(INTERRUPTERS, 'Interrupters', interrupterGroup),
  held: queue(HELD_EVENT * MOST_HELD, 'Events that wait for room: interrupter, then the TRB'),
  started: time('When it was started'),
  due: time('When commands and doorbells are served'),
  frame: time('When interrupt endpoints are served'),
  wrap: time('When MFINDEX begins anew, if that is told'),
});
export type XhciState = StateOf<typeof xhciTable>;

/** What registers keep of pointers to rings and tables: 64 bytes are the least alignment. */
export const RING = 0xffffffffffffffc0n;
/** A 64-bit register with one half replaced. */
export const withHalf = (old: bigint, high: boolean, value: number): bigint =>
  high ? (old & 0xffffffffn) | (BigInt(value >>> 0) << 32n) : (old & ~0xffffffffn) | BigInt(value >>> 0);
