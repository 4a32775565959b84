/** Registers of the 82540EM and 82545EM: PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453), 13. */
import { bit, bits, bool, buffer, choice, fields, group, list, time, u16, u32, u8, type StateOf } from '../bus/fields';
import { pciHeader } from './pcifunction';
import { phyFields } from './e1000phy';

export const WINDOW = 0x20000;

export const REGISTER = {
  CTRL:   0x0000,  STATUS: 0x0008,  EECD:   0x0010,  EERD:   0x0014,  CTRL_EXT: 0x0018, MDIC:   0x0020,  FCAL:   0x0028,  FCAH:   0x002c,
  FCT:    0x0030,  VET:    0x0038,  ICR:    0x00c0,  ITR:    0x00c4,  ICS:    0x00c8,   IMS:    0x00d0,  IMC:    0x00d8,  RCTL:   0x0100,
  FCTTV:  0x0170,  TXCW:   0x0178,  RXCW:   0x0180,  TCTL:   0x0400,  TIPG:   0x0410,   AIFS:   0x0458,  LEDCTL: 0x0e00,  PBA:    0x1000,
  FCRTL:  0x2160,  FCRTH:  0x2168,  RDBAL:  0x2800,  RDBAH:  0x2804,  RDLEN:  0x2808,   RDH:    0x2810,  RDT:    0x2818,  RDTR:   0x2820,
  RXDCTL: 0x2828,  RADV:   0x282c,  RSRPD:  0x2c00,  TXDMAC: 0x3000,  TDBAL:  0x3800,   TDBAH:  0x3804,  TDLEN:  0x3808,  TDH:    0x3810,
  TDT:    0x3818,  TIDV:   0x3820,  TXDCTL: 0x3828,  TADV:   0x382c,  TSPMT:  0x3830,   RXCSUM: 0x5000,  WUC:    0x5800,  WUFC:   0x5808,
  IPAV:   0x5838,  MANC:   0x5820,
} as const; // prettier-ignore
export type RegisterName = keyof typeof REGISTER;

/** Arrays: statistics, multicast table, receive addresses, VLAN filter. */
export const STATISTICS = { at: 0x4000, count: 64 } as const;
export const MTA = { at: 0x5200, count: 128 } as const;
export const RA = { at: 0x5400, count: 32 } as const;
export const VFTA = { at: 0x5600, count: 128 } as const;

export const CTRL = { FD: 1 << 0, ASDE: 1 << 5, SLU: 1 << 6, SPEED: 3 << 8, RST: 1 << 26, VME: 1 << 30, PHY_RST: 2 ** 31 } as const;
/** Full duplex, link up, 1000 Mb/s. */
export const STATUS = { FD: 0x01, LU: 0x02, SPEED_1000: 0x80 } as const;
export const INTERRUPT = { TXDW: 1 << 0, TXQE: 1 << 1, LSC: 1 << 2, RXDMT0: 1 << 4, RXO: 1 << 6, RXT0: 1 << 7, MDAC: 1 << 9, ALL: 0x1fffff } as const;
export const RCTL = { EN: 1 << 1, UPE: 1 << 3, MPE: 1 << 4, LPE: 1 << 5, BAM: 1 << 15, BSEX: 1 << 25, SECRC: 1 << 26 } as const;
export const TCTL = { EN: 1 << 1, PSP: 1 << 3 } as const;
export const RAH_VALID = 2 ** 31;

/** What the last context descriptor said (3.3.6). */
const contextFields = fields({
  ipStart: u8('IPCSS'),
  ipOffset: u8('IPCSO'),
  ipEnd: u16('IPCSE'),
  start: u8('TUCSS'),
  offset: u8('TUCSO'),
  end: u16('TUCSE'),
  payload: u32('PAYLEN'),
  command: u8('TUCMD', { TCP: bit(0, 'TCP, not UDP'), IP: bit(1, 'IPv4, not IPv6'), TSE: bit(2, 'TCP Segmentation Enable') }),
  header: u8('HDRLEN'),
  segment: u16('MSS'),
});
export type TransmitContext = StateOf<typeof contextFields>;

/** Longest packet that is gathered: 64 KB and headers. */
export const MOST_PACKET = 0x10000 + 0x100;

export const e1000Table = fields({
  config: group('PCI configuration header', pciHeader),
  ioAddress: u32('IOADDR: register that IODATA is'),
  CTRL: u32(
    'Device Control',
    { FD: bit(0, 'Full Duplex'), ASDE: bit(5, 'Auto-Speed Detection'), SLU: bit(6, 'Set Link Up'), VME: bit(30, 'VLAN Mode') },
    CTRL.FD,
  ),
  EECD: u32('EEPROM Control', {
    SK: bit(0, 'Clock'),
    CS: bit(1, 'Chip Select'),
    DI: bit(2, 'To the EEPROM'),
    DO: bit(3, 'From it'),
    REQ: bit(6, 'Request'),
    GNT: bit(7, 'Grant'),
  }),
  eepromBits: u8('Bits that have gone to the EEPROM since it was selected'),
  eepromShift: u32('What they were'),
  EERD: u32('EEPROM Read', { DONE: bit(4, 'Done'), ADDRESS: bits(15, 8, 'Word'), DATA: bits(31, 16, 'Data') }),
  CTRL_EXT: u32('Extended Device Control'),
  MDIC: u32('MDI Control', {
    DATA: bits(15, 0, 'Data'),
    REGADD: bits(20, 16, 'Register'),
    PHYADD: bits(25, 21, 'PHY'),
    OP: bits(27, 26, 'Operation'),
    R: bit(28, 'Ready'),
    I: bit(29, 'Interrupt'),
    E: bit(30, 'Error'),
  }),
  phy: group('PHY', phyFields),
  FCAL: u32('Flow Control Address Low'),
  FCAH: u32('Flow Control Address High'),
  FCT: u32('Flow Control Type'),
  VET: u32('VLAN Ether Type'),
  ICR: u32('Interrupt Cause Read', {
    TXDW: bit(0, 'Transmit Descriptor Written Back'),
    TXQE: bit(1, 'Transmit Queue Empty'),
    LSC: bit(2, 'Link Status Change'),
    RXDMT0: bit(4, 'Receive Descriptor Minimum Threshold'),
    RXO: bit(6, 'Receiver Overrun'),
    RXT0: bit(7, 'Receiver Timer Interrupt'),
    MDAC: bit(9, 'MDI/O Access Complete'),
  }),
  ITR: u32('Interrupt Throttling: 256 ns each'),
  IMS: u32('Interrupt Mask'),
  throttled: time('No interrupt before this', 0),
  RCTL: u32('Receive Control', {
    EN: bit(1, 'Enable'),
    UPE: bit(3, 'Unicast Promiscuous'),
    MPE: bit(4, 'Multicast Promiscuous'),
    LPE: bit(5, 'Long Packets'),
    RDMTS: bits(9, 8, 'Minimum Threshold'),
    MO: bits(13, 12, 'Multicast Offset'),
    BAM: bit(15, 'Broadcast Accept'),
    BSIZE: bits(17, 16, 'Buffer Size'),
    BSEX: bit(25, 'Buffer Size Extension'),
    SECRC: bit(26, 'Strip CRC'),
  }),
  FCTTV: u32('Flow Control Transmit Timer Value'),
  TXCW: u32('Transmit Configuration Word'),
  RXCW: u32('Receive Configuration Word'),
  TCTL: u32('Transmit Control', { EN: bit(1, 'Enable'), PSP: bit(3, 'Pad Short Packets') }),
  TIPG: u32('Transmit Inter-Packet Gap'),
  AIFS: u32('Adaptive Inter-Frame Spacing'),
  LEDCTL: u32('LED Control', undefined, 0x07068302),
  PBA: u32('Packet Buffer Allocation', undefined, 0x00100030),
  FCRTL: u32('Flow Control Receive Threshold Low'),
  FCRTH: u32('Flow Control Receive Threshold High'),
  RDBAL: u32('Receive Descriptor Base Address Low'),
  RDBAH: u32('Receive Descriptor Base Address High'),
  RDLEN: u32('Receive Descriptor Length'),
  RDH: u32('Receive Descriptor Head'),
  RDT: u32('Receive Descriptor Tail'),
  RDTR: u32('Receive Delay Timer'),
  RXDCTL: u32('Receive Descriptor Control'),
  RADV: u32('Receive Interrupt Absolute Delay Timer'),
  RSRPD: u32('Receive Small Packet Detect'),
  TXDMAC: u32('TX DMA Control'),
  TDBAL: u32('Transmit Descriptor Base Address Low'),
  TDBAH: u32('Transmit Descriptor Base Address High'),
  TDLEN: u32('Transmit Descriptor Length'),
  TDH: u32('Transmit Descriptor Head'),
  TDT: u32('Transmit Descriptor Tail'),
  TIDV: u32('Transmit Interrupt Delay Value'),
  TXDCTL: u32('Transmit Descriptor Control'),
  TADV: u32('Transmit Interrupt Absolute Delay'),
  TSPMT: u32('TCP Segmentation Pad and Minimum Threshold'),
  RXCSUM: u32('Receive Checksum Control'),
  WUC: u32('Wake Up Control'),
  WUFC: u32('Wake Up Filter Control'),
  IPAV: u32('IP Address Valid'),
  MANC: u32('Management Control'),
  statistics: list(STATISTICS.count, 'Statistics', u32('A counter, cleared by reading')),
  MTA: list(MTA.count, 'Multicast Table Array', u32('32 of the hashes that are let in')),
  RA: list(RA.count, 'Receive Addresses', u32('RAL, or RAH with AV in bit 31')),
  VFTA: list(VFTA.count, 'VLAN Filter Table Array', u32('32 VLANs')),
  context: group('Context of checksums and segmentation', contextFields),
  packet: buffer(MOST_PACKET, 'What has been gathered of the packet that is sent'),
  options: u8('Its checksums', { IXSM: bit(0, 'Of IP'), TXSM: bit(1, 'Of TCP or UDP') }),
  segmented: bool('It is cut into segments'),
  legacy: choice('Kind of its descriptors', ['extended', 'legacy']),
  tooLong: bool('It is longer than anything that is sent'),
  due: time('When the transmit ring is looked at next'),
});
export type E1000State = StateOf<typeof e1000Table>;
