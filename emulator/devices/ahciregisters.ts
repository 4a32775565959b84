/** Registers of the AHCI host bus adapter and of the drives behind it: Serial ATA AHCI 1.3.1, 3.1 and 3.3. */
import { bit, bits, bool, fields, group, list, time, u16, u32, u64, u8, type StateOf } from '../bus/fields';
import { msiFields } from './pcicapability';
import { pciHeader } from './pcifunction';

export const PORTS = 6;
export const SLOTS = 32;

/** Generic host control. */
export const HBA = { CAP: 0x00, GHC: 0x04, IS: 0x08, PI: 0x0c, VS: 0x10, CAP2: 0x24 } as const;
export const PORT_REGISTERS = 0x100;
export const PORT_LENGTH = 0x80;
export const PORT = {
  CLB: 0x00, CLBU: 0x04, FB: 0x08, FBU: 0x0c, IS: 0x10, IE: 0x14, CMD: 0x18, TFD: 0x20,
  SIG: 0x24, SSTS: 0x28, SCTL: 0x2c, SERR: 0x30, SACT: 0x34, CI: 0x38,
} as const; // prettier-ignore

export const CAP = {
  SXS: 1 << 5,
  PSC: 1 << 13,
  SSC: 1 << 14,
  PMD: 1 << 15,
  SAM: 1 << 18,
  ISS_GEN3: 3 << 20,
  SCLO: 1 << 24,
  SNCQ: 1 << 30,
  S64A: 2 ** 31,
} as const;
export const GHC = { HR: 1, IE: 2, MRSM: 4, AE: 0x80000000 } as const;
export const PXCMD = {
  ST: 1 << 0, SUD: 1 << 1, POD: 1 << 2, CLO: 1 << 3, FRE: 1 << 4, FR: 1 << 14, CR: 1 << 15, ATAPI: 1 << 24, DLAE: 1 << 25,
} as const; // prettier-ignore
export const PXIS = {
  DHRS: 1 << 0, PSS: 1 << 1, SDBS: 1 << 3, DPS: 1 << 5, PCS: 1 << 6, PRCS: 1 << 22, OFS: 1 << 24, IFS: 1 << 27, HBFS: 1 << 29, TFES: 1 << 30,
} as const; // prettier-ignore
export const PXIE_WRITABLE = 0xfdc000ff;
export const SERR = { PHYRDY: 1 << 16, EXCHANGED: 1 << 26 } as const;
/** PxSSTS: active, third generation, present. */
export const LINK = { UP: 0x133, OFFLINE: 0x004, DOWN: 0x000 } as const;

/** Status (7.12 in ATA8-ACS) and Error registers of a drive. */
export const STATUS = { ERR: 0x01, DRQ: 0x08, SEEK: 0x10, DF: 0x20, DRDY: 0x40, BSY: 0x80 } as const;
export const READY = STATUS.DRDY | STATUS.SEEK;
export const ERROR = { ABRT: 0x04, IDNF: 0x10, UNC: 0x40 } as const;

export const driveFields = fields({
  multiple: u8('Sectors of a DRQ block of READ and WRITE MULTIPLE; 0: they are disabled'),
  writeCache: bool('Write cache is enabled', true),
  lookAhead: bool('Read look-ahead is enabled', true),
  smart: bool('SMART is enabled', true),
  power: u8('Power mode, as CHECK POWER MODE gives it', undefined, 0xff),
  transfer: u8('Transfer mode that SET FEATURES chose', undefined, 0x45),
  failed: bool('There is an NCQ error to be read from log 10h'),
  failedTag: u8('Its tag'),
  failedStatus: u8('Its Status'),
  failedError: u8('Its Error'),
  failedLba: u64('Its LBA'),
  failedCount: u16('Its Count'),
  senseKey: u8('Sense Key'),
  asc: u8('Additional Sense Code'),
  ascq: u8('Additional Sense Code Qualifier'),
  attention: bool('A unit attention waits: the medium may have changed'),
  locked: bool('PREVENT ALLOW MEDIUM REMOVAL: removal is prevented'),
  open: bool('The tray is open'),
});
export const driveGroup = group('The drive', driveFields);
export type DriveState = StateOf<typeof driveFields>;

const portFields = fields({
  clb: u64('Command List Base Address'),
  fb: u64('FIS Base Address'),
  is: u32('Interrupt Status', {
    DHRS: bit(0, 'Device to Host Register FIS'),
    PSS: bit(1, 'PIO Setup FIS'),
    SDBS: bit(3, 'Set Device Bits'),
    DPS: bit(5, 'Descriptor Processed'),
    OFS: bit(24, 'Overflow'),
    IFS: bit(27, 'Interface Fatal Error'),
    HBFS: bit(29, 'Host Bus Fatal Error'),
    TFES: bit(30, 'Task File Error'),
  }),
  ie: u32('Interrupt Enable'),
  cmd: u32('Command and Status', {
    ST: bit(0, 'Start'),
    FRE: bit(4, 'FIS Receive Enable'),
    CCS: bits(12, 8, 'Current Command Slot'),
    ATAPI: bit(24, 'Device is ATAPI'),
  }),
  tfd: u32('Task File Data', { STS: bits(7, 0, 'Status'), ERR: bits(15, 8, 'Error') }),
  sig: u32('Signature', undefined, 0xffffffff),
  ssts: u32('Serial ATA Status', { DET: bits(3, 0, 'Device Detection'), SPD: bits(7, 4, 'Speed'), IPM: bits(11, 8, 'Power Management') }),
  sctl: u32('Serial ATA Control', { DET: bits(3, 0, 'Device Detection Initialization') }),
  serr: u32('Serial ATA Error', { N: bit(16, 'PhyRdy Change'), X: bit(26, 'Exchanged') }),
  sact: u32('Serial ATA Active: tags'),
  ci: u32('Command Issue: slots'),
  halted: bool('An error stopped it: nothing goes on until ST is cleared'),
  resetting: bool('The drive is in software reset (SRST)'),
  signature: bool('The FIS with the signature waits until there is a place for it'),
  due: time('When the next command is done'),
  linkDue: time('When the link is up after COMRESET'),
  drive: driveGroup,
});
export type PortState = StateOf<typeof portFields>;

export const ahciTable = fields({
  config: group('PCI configuration header', pciHeader),
  msi: group('MSI', msiFields),
  ghc: u32('Global HBA Control', { IE: bit(1, 'Interrupt Enable'), MRSM: bit(2, 'MSI Revert to Single Message'), AE: bit(31, 'AHCI Enable') }, GHC.AE),
  is: u32('Interrupt Status: ports'),
  ports: list(PORTS, 'Ports', group('A port', portFields)),
});
export type AhciState = StateOf<typeof ahciTable>;
