/**
 * National Semiconductor PC16550D: Universal Asynchronous Receiver/Transmitter with FIFOs,
 * as COM1..COM4 of a PC. Register names and section numbers are the datasheet's (June 1995).
 */
import type { Bus, Device, DeviceContext, Line, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { BytePorts } from './byteports';
import {
  BASE_BAUD,
  FCR,
  FIFO_DEPTH,
  IER,
  IIR,
  INPUT_CAPACITY,
  LCR,
  LSR,
  LSR_ERRORS,
  MCR,
  MSR,
  MSR_DELTAS,
  PEER_PRESENT,
  TRIGGER_LEVELS,
  uartFields,
} from './uartregisters';

export interface UartOptions {
  readonly name: string;
  readonly base: number;
  readonly irq: Line;
  /** A byte leaves the machine. */
  readonly transmit: (byte: number) => void;
  /** Send at the programmed baud rate of virtual time; otherwise a byte leaves as it is written. */
  readonly paced?: boolean;
}

export class Uart16550 extends BytePorts implements Device<typeof uartFields> {
  // `timeoutDue` and `txDue` are set where `rearm` is called.
  readonly quietReads = true;
  readonly quietWrites = true;
  readonly kind = 'uart16550';
  readonly version = 1;
  readonly table = uartFields;
  readonly state = initial(uartFields);

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
    reset(uartFields, this.state);
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
      this.setTimeout(Infinity);
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
    if (this.options.paced) {
      state.txDue = start + this.characterTime();
      this.context.rearm();
    } else this.send(state.tsr);
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
    this.setTimeout(waiting ? this.context.now() + 4 * this.characterTime() : Infinity);
  }

  private setTimeout(due: Nanoseconds): void {
    if (due === this.state.timeoutDue) return;
    this.state.timeoutDue = due;
    this.context.rearm();
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
      ? (mcr & MCR.RTS ? MSR.CTS : 0) | (mcr & MCR.DTR ? MSR.DSR : 0) | (mcr & MCR.OUT1 ? MSR.RI : 0) | (mcr & MCR.OUT2 ? MSR.DCD : 0)
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
