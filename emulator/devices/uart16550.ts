/**
 * National Semiconductor PC16550D: Universal Asynchronous Receiver/Transmitter with FIFOs,
 * as COM1..COM4 of a PC. Register names and section numbers are the datasheet's (June 1995).
 */
import type { Bus, Device, DeviceContext, Line, Nanoseconds } from '../bus/device';
import { bit, bits, bool, fields, initial, queue, reset, time, u8 } from '../bus/fields';
import { BytePorts } from './byteports';

const FIFO_DEPTH = 16;
const INPUT_CAPACITY = 4096;
/** The PC's UART crystal, divided by 16: the baud rate of divisor 1. */
const BASE_BAUD = 115200;

const IER = { ERBFI: 0x01, ETBEI: 0x02, ELSI: 0x04, EDSSI: 0x08 } as const;
const FCR = { ENABLE: 0x01, RX_RESET: 0x02, TX_RESET: 0x04 } as const;
const LCR = { BREAK: 0x40, DLAB: 0x80 } as const;
const MCR = { DTR: 0x01, RTS: 0x02, OUT1: 0x04, OUT2: 0x08, LOOP: 0x10 } as const;
const LSR = {
  DR: 0x01,
  OE: 0x02,
  PE: 0x04,
  FE: 0x08,
  BI: 0x10,
  THRE: 0x20,
  TEMT: 0x40,
  FIFO_ERROR: 0x80,
} as const;
const LSR_ERRORS = LSR.OE | LSR.PE | LSR.FE | LSR.BI;
const MSR = {
  DCTS: 0x01,
  DDSR: 0x02,
  TERI: 0x04,
  DDCD: 0x08,
  CTS: 0x10,
  DSR: 0x20,
  RI: 0x40,
  DCD: 0x80,
} as const;
const MSR_DELTAS = MSR.DCTS | MSR.DDSR | MSR.TERI | MSR.DDCD;
/** Modem lines of a peer that is always there and ready. */
const PEER_PRESENT = MSR.CTS | MSR.DSR | MSR.DCD;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** Interrupt Identification Register values, bits 3:0, in order of priority (Table III). */
const IIR = { LINE_STATUS: 0x6, DATA: 0x4, TIMEOUT: 0xc, THRE: 0x2, MODEM: 0x0, NONE: 0x1 } as const;

const table = fields({
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

export interface UartOptions {
  readonly name: string;
  readonly base: number;
  readonly irq: Line;
  /** A byte leaves the machine. */
  readonly transmit: (byte: number) => void;
  /** Send at the programmed baud rate of virtual time; otherwise a byte leaves as it is written. */
  readonly paced?: boolean;
}

export class Uart16550 extends BytePorts implements Device<typeof table> {
  readonly kind = 'uart16550';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  readonly name: string;

  constructor(
    private readonly context: DeviceContext,
    private readonly options: UartOptions,
  ) {
    super();
    this.name = options.name;
  }

  attach(bus: Bus): void {
    bus.addPorts(this.options.base, 8, this, this.name);
  }

  /** Master reset (Table I); host input that the guest has not seen yet is kept. */
  reset(): void {
    const { input } = this.state;
    reset(table, this.state);
    this.state.input = input;
    this.update();
  }

  restored(): void {
    this.update();
  }

  /** Queues bytes from the host; returns how many of them there was room for. */
  receive(bytes: Uint8Array): number {
    const { input } = this.state;
    const taken = Math.min(bytes.length, INPUT_CAPACITY - input.length);
    for (let i = 0; i < taken; i++) input.push(bytes[i]!);
    this.fill();
    this.context.rearm();
    return taken;
  }

  /** The peer holds the line low: Linux's magic SysRq. False when the receiver FIFO is full. */
  receiveBreak(): boolean {
    if (this.state.rbr.length >= this.depth || this.looped) return false;
    this.push(0, LSR.BI);
    this.update();
    this.context.rearm();
    return true;
  }

  deadline(): Nanoseconds {
    return Math.min(this.state.timeoutDue, this.state.txDue);
  }

  expire(now: Nanoseconds): void {
    const state = this.state;
    if (state.timeoutDue <= now) {
      state.timeoutDue = Infinity;
      state.timedOut = state.rbr.length > 0;
    }
    if (state.txDue <= now) {
      const due = state.txDue;
      state.txDue = Infinity;
      this.send(state.tsr);
      if (state.thr.length > 0) this.shift(due);
    }
    this.update();
  }

  private get fifoEnabled(): boolean {
    return (this.state.fcr & FCR.ENABLE) !== 0;
  }

  private get depth(): number {
    return this.fifoEnabled ? FIFO_DEPTH : 1;
  }

  private get looped(): boolean {
    return (this.state.mcr & MCR.LOOP) !== 0;
  }

  private get divisorAccess(): boolean {
    return (this.state.lcr & LCR.DLAB) !== 0;
  }

  protected readByte(port: number): number {
    const state = this.state;
    switch (port - this.options.base) {
      case 0:
        return this.divisorAccess ? state.dll : this.readData();
      case 1:
        return this.divisorAccess ? state.dlm : state.ier;
      case 2: {
        const cause = this.cause();
        // Reading IIR clears the transmitter interrupt, if that is what it reports (8.6).
        if (cause === IIR.THRE) state.thrEmptied = false;
        this.update();
        return cause | (this.fifoEnabled ? 0xc0 : 0);
      }
      case 3:
        return state.lcr;
      case 4:
        return state.mcr;
      case 5: {
        const value = state.lsr;
        state.lsr &= ~LSR_ERRORS;
        if (state.rbrErrors.length > 0) state.rbrErrors[0] = 0;
        this.update();
        return value;
      }
      case 6: {
        const value = state.msr;
        state.msr &= ~MSR_DELTAS;
        this.update();
        return value;
      }
      case 7:
        return state.scr;
      default:
        return 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    const state = this.state;
    switch (port - this.options.base) {
      case 0:
        if (this.divisorAccess) state.dll = value;
        else this.writeData(value);
        break;
      case 1:
        if (this.divisorAccess) {
          state.dlm = value;
          break;
        }
        // Enabling the transmitter interrupt while the holding register is empty raises it at once.
        if (value & ~state.ier & IER.ETBEI && state.lsr & LSR.THRE) state.thrEmptied = true;
        state.ier = value & 0x0f;
        break;
      case 2:
        this.writeFcr(value);
        break;
      case 3: {
        const breakStarts = value & ~state.lcr & LCR.BREAK;
        state.lcr = value;
        if (breakStarts && this.looped) this.push(0, LSR.BI);
        break;
      }
      case 4:
        state.mcr = value & 0x1f;
        this.updateModem();
        this.fill();
        break;
      case 7:
        state.scr = value;
        break;
      default: // LSR is for factory tests (8.4), MSR has no writable bits
        break;
    }
    this.update();
  }

  private writeFcr(value: number): void {
    const state = this.state;
    // A change of the FIFO enable clears both FIFOs; without it the other bits aren't programmed (8.5).
    const toggled = (value ^ state.fcr) & FCR.ENABLE;
    if (toggled || value & FCR.RX_RESET) {
      state.rbr = [];
      state.rbrErrors = [];
      state.timedOut = false;
      state.timeoutDue = Infinity;
    }
    if (toggled || value & FCR.TX_RESET) {
      if (state.thr.length > 0) state.thrEmptied = true;
      state.thr = [];
    }
    state.fcr = value & FCR.ENABLE ? value & 0xc9 : 0;
    this.fill();
  }

  private readData(): number {
    const state = this.state;
    const value = state.rbr.shift() ?? 0;
    state.rbrErrors.shift();
    state.lsr |= state.rbrErrors[0] ?? 0;
    state.timedOut = false;
    this.fill();
    this.restartTimeout();
    this.update();
    return value;
  }

  private writeData(value: number): void {
    const state = this.state;
    state.thrEmptied = false;
    if (state.thr.length >= this.depth) state.thr[state.thr.length - 1] = value;
    else state.thr.push(value);
    this.update();
    if (state.txDue === Infinity) this.shift(this.context.now());
  }

  /** Moves the next byte from the holding register to the shift register, at time `start`. */
  private shift(start: Nanoseconds): void {
    const state = this.state;
    state.tsr = state.thr.shift()!;
    if (state.thr.length === 0) state.thrEmptied = true;
    if (this.options.paced) state.txDue = start + this.characterTime();
    else this.send(state.tsr);
  }

  private send(value: number): void {
    if (this.looped) this.push(value, 0);
    else this.options.transmit(value);
  }

  /** A byte arrives at the receiver. */
  private push(value: number, errors: number): void {
    const state = this.state;
    if (state.rbr.length >= this.depth) {
      state.lsr |= LSR.OE;
      // Without FIFO the new byte destroys the old; with FIFO it is lost in the shift register.
      if (this.fifoEnabled) return;
      state.rbr = [];
      state.rbrErrors = [];
    }
    state.rbr.push(value);
    state.rbrErrors.push(errors);
    if (state.rbr.length === 1) state.lsr |= errors;
    this.restartTimeout();
  }

  /** Lets host input in as far as there is room: the peer keeps to flow control, so nothing is overrun. */
  private fill(): void {
    const { input } = this.state;
    const room = this.looped ? 0 : this.depth - this.state.rbr.length;
    for (const value of input.splice(0, Math.max(0, room))) this.push(value, 0);
    this.update();
  }

  /** The timeout interrupt comes four character times after the last byte came or was read (8.6). */
  private restartTimeout(): void {
    const waiting = this.fifoEnabled && this.state.rbr.length > 0;
    this.state.timeoutDue = waiting ? this.context.now() + 4 * this.characterTime() : Infinity;
  }

  private characterTime(): Nanoseconds {
    const { lcr, dll, dlm } = this.state;
    const bitsPerCharacter = 1 + 5 + (lcr & 3) + (lcr & 0x08 ? 1 : 0) + (lcr & 0x04 ? 2 : 1);
    const divisor = dll | (dlm << 8) || 1;
    return Math.round((bitsPerCharacter * divisor * 1e9) / BASE_BAUD);
  }

  /** In loopback the four modem outputs drive the four inputs (8.7). */
  private updateModem(): void {
    const { mcr, msr } = this.state;
    const inputs = this.looped
      ? (mcr & MCR.RTS ? MSR.CTS : 0) |
        (mcr & MCR.DTR ? MSR.DSR : 0) |
        (mcr & MCR.OUT1 ? MSR.RI : 0) |
        (mcr & MCR.OUT2 ? MSR.DCD : 0)
      : PEER_PRESENT;
    const changed = inputs ^ (msr & 0xf0);
    const deltas =
      (changed & MSR.CTS ? MSR.DCTS : 0) |
      (changed & MSR.DSR ? MSR.DDSR : 0) |
      (changed & MSR.RI & ~inputs ? MSR.TERI : 0) |
      (changed & MSR.DCD ? MSR.DDCD : 0);
    this.state.msr = inputs | (msr & MSR_DELTAS) | deltas;
  }

  /** The interrupt to report now: bits 3:0 of IIR. */
  private cause(): number {
    const { ier, lsr, msr, rbr, fcr } = this.state;
    const trigger = this.fifoEnabled ? TRIGGER_LEVELS[(fcr >> 6) as 0 | 1 | 2 | 3] : 1;
    if (ier & IER.ELSI && lsr & LSR_ERRORS) return IIR.LINE_STATUS;
    if (ier & IER.ERBFI && rbr.length >= trigger) return IIR.DATA;
    if (ier & IER.ERBFI && this.state.timedOut) return IIR.TIMEOUT;
    if (ier & IER.ETBEI && this.state.thrEmptied) return IIR.THRE;
    if (ier & IER.EDSSI && msr & MSR_DELTAS) return IIR.MODEM;
    return IIR.NONE;
  }

  /** Brings the derived bits of LSR and the interrupt line in step with the rest. */
  private update(): void {
    const state = this.state;
    const idle = state.thr.length === 0;
    state.lsr =
      (state.lsr & LSR_ERRORS) |
      (state.rbr.length > 0 ? LSR.DR : 0) |
      (idle ? LSR.THRE : 0) |
      (idle && state.txDue === Infinity ? LSR.TEMT : 0) |
      (this.fifoEnabled && state.rbrErrors.some((errors) => errors !== 0) ? LSR.FIFO_ERROR : 0);
    this.options.irq.set((state.mcr & MCR.OUT2) !== 0 && this.cause() !== IIR.NONE);
  }
}
