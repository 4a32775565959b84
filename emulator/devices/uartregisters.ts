/** Registers of the PC16550D, with the names of its datasheet (June 1995, section 8). */
import { bit, bits, bool, fields, queue, time, u8 } from '../bus/fields';

export const FIFO_DEPTH = 16;
export const INPUT_CAPACITY = 4096;
/** The PC's UART crystal, divided by 16: the baud rate of divisor 1. */
export const BASE_BAUD = 115200;

export const IER = { ERBFI: 0x01, ETBEI: 0x02, ELSI: 0x04, EDSSI: 0x08 } as const;
export const FCR = { ENABLE: 0x01, RX_RESET: 0x02, TX_RESET: 0x04 } as const;
export const LCR = { BREAK: 0x40, DLAB: 0x80 } as const;
export const MCR = { DTR: 0x01, RTS: 0x02, OUT1: 0x04, OUT2: 0x08, LOOP: 0x10 } as const;
export const LSR = {
  DR: 0x01,
  OE: 0x02,
  PE: 0x04,
  FE: 0x08,
  BI: 0x10,
  THRE: 0x20,
  TEMT: 0x40,
  FIFO_ERROR: 0x80,
} as const;
export const LSR_ERRORS = LSR.OE | LSR.PE | LSR.FE | LSR.BI;
export const MSR = {
  DCTS: 0x01,
  DDSR: 0x02,
  TERI: 0x04,
  DDCD: 0x08,
  CTS: 0x10,
  DSR: 0x20,
  RI: 0x40,
  DCD: 0x80,
} as const;
export const MSR_DELTAS = MSR.DCTS | MSR.DDSR | MSR.TERI | MSR.DDCD;
/** Modem lines of a peer that is always there and ready. */
export const PEER_PRESENT = MSR.CTS | MSR.DSR | MSR.DCD;
export const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** Interrupt Identification Register values, bits 3:0, in order of priority (Table III). */
export const IIR = { LINE_STATUS: 0x6, DATA: 0x4, TIMEOUT: 0xc, THRE: 0x2, MODEM: 0x0, NONE: 0x1 } as const;

export const uartFields = fields({
  rbr: queue(FIFO_DEPTH, 'Receiver FIFO (Receiver Buffer Register)'),
  rbrErrors: queue(FIFO_DEPTH, 'Error bits (as in LSR) of each byte in the receiver FIFO'),
  thr: queue(FIFO_DEPTH, 'Transmitter FIFO (Transmitter Holding Register)'),
  tsr: u8('Transmitter Shift Register'),
  ier: u8('Interrupt Enable Register', {
    ERBFI: bit(0, 'Received Data Available'),
    ETBEI: bit(1, 'Transmitter Holding Register Empty'),
    ELSI: bit(2, 'Receiver Line Status'),
    EDSSI: bit(3, 'Modem Status'),
  }),
  fcr: u8('FIFO Control Register', {
    ENABLE: bit(0, 'FIFO Enable'),
    DMA: bit(3, 'DMA Mode Select'),
    TRIGGER: bits(7, 6, 'Receiver trigger level', { 0: '1 byte', 1: '4 bytes', 2: '8 bytes', 3: '14 bytes' }),
  }),
  lcr: u8('Line Control Register', {
    WLS: bits(1, 0, 'Word Length', { 0: '5 bits', 1: '6 bits', 2: '7 bits', 3: '8 bits' }),
    STB: bit(2, 'Number of Stop Bits'),
    PEN: bit(3, 'Parity Enable'),
    EPS: bit(4, 'Even Parity Select'),
    STICK: bit(5, 'Stick Parity'),
    BREAK: bit(6, 'Set Break'),
    DLAB: bit(7, 'Divisor Latch Access'),
  }),
  mcr: u8('Modem Control Register', {
    DTR: bit(0, 'Data Terminal Ready'),
    RTS: bit(1, 'Request to Send'),
    OUT1: bit(2, 'Out 1'),
    OUT2: bit(3, 'Out 2: connects the interrupt line on a PC'),
    LOOP: bit(4, 'Loopback'),
  }),
  lsr: u8(
    'Line Status Register',
    {
      DR: bit(0, 'Data Ready'),
      OE: bit(1, 'Overrun Error'),
      PE: bit(2, 'Parity Error'),
      FE: bit(3, 'Framing Error'),
      BI: bit(4, 'Break Interrupt'),
      THRE: bit(5, 'Transmitter Holding Register Empty'),
      TEMT: bit(6, 'Transmitter Empty'),
      ERROR: bit(7, 'Error in the receiver FIFO'),
    },
    LSR.THRE | LSR.TEMT,
  ),
  msr: u8(
    'Modem Status Register',
    {
      DCTS: bit(0, 'Delta Clear to Send'),
      DDSR: bit(1, 'Delta Data Set Ready'),
      TERI: bit(2, 'Trailing Edge Ring Indicator'),
      DDCD: bit(3, 'Delta Data Carrier Detect'),
      CTS: bit(4, 'Clear to Send'),
      DSR: bit(5, 'Data Set Ready'),
      RI: bit(6, 'Ring Indicator'),
      DCD: bit(7, 'Data Carrier Detect'),
    },
    PEER_PRESENT,
  ),
  scr: u8('Scratch Register'),
  dll: u8('Divisor Latch, low', undefined, 1),
  dlm: u8('Divisor Latch, high'),
  thrEmptied: bool('The transmitter-empty interrupt is pending'),
  timedOut: bool('The character timeout interrupt is pending'),
  timeoutDue: time('When bytes left in the receiver FIFO raise the timeout interrupt'),
  txDue: time('When the byte in the shift register has left'),
  input: queue(INPUT_CAPACITY, 'Bytes from the host which wait for room in the receiver FIFO'),
});
