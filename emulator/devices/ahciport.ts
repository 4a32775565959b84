/** A port of the AHCI adapter and the drive behind it: Serial ATA AHCI 1.3.1, 3.3 and 5. */
import type { Nanoseconds } from '../bus/device';
import { initial } from '../bus/fields';
import { PortFault, Scatter, type AhciDma } from './ahcidma';
import { driveFields, LINK, PORT, PXCMD, PXIE_WRITABLE, PXIS, SERR, SLOTS, STATUS, type PortState } from './ahciregisters';
import { signatureAnswer, type AtaAnswer, type AtaDrive, type AtaRequest } from './atacommand';

const FIS = { H2D: 0x27, D2H: 0x34, PIO_SETUP: 0x5f, SET_DEVICE_BITS: 0xa1 } as const;
/** Where received FISes go (4.2.1). */
const RECEIVED = { PIO_SETUP: 0x20, D2H: 0x40, SET_DEVICE_BITS: 0x58 } as const;
const HEADER_LENGTH = 32;
const COMMAND = { CFL: 0x1f, ATAPI: 0x20 } as const;
const TABLE = { PACKET: 0x40, PRDT: 0x80 } as const;
/** H2D register FIS: a command, not device control; and software reset there. */
const IS_COMMAND = 0x80;
const SRST = 0x04;
/** Doublewords of a H2D register FIS. */
const REGISTER_FIS = 5;

/** Virtual time of a command, and of each byte: about that of a good disk. */
const LATENCY_NS = 20_000;
const BYTES_PER_NS = 2;
/** Current Command Slot, in PxCMD. */
const CCS = 0x1f00;
/** From COMRESET until the link is up. */
const LINK_NS = 200_000;
const DET = { NONE: 0, COMRESET: 1, OFFLINE: 4 } as const;

export interface AhciPortOptions {
  readonly state: () => PortState;
  readonly drive: AtaDrive;
  readonly dma: AhciDma;
  readonly now: () => Nanoseconds;
  readonly busMaster: () => boolean;
}

export class AhciPort {
  constructor(private readonly options: AhciPortOptions) {}

  private get state(): PortState {
    return this.options.state();
  }

  /** HBA reset: the drive connects anew. */
  restart(): void {
    const { state } = this;
    Object.assign(state, { clb: 0n, fb: 0n, is: 0, ie: 0, cmd: 0, sctl: 0, serr: 0, due: Infinity, linkDue: Infinity });
    Object.assign(state, { sact: 0, ci: 0, halted: false, signature: false, resetting: false });
    this.linkUp();
  }

  /** Causes of an interrupt that is enabled. */
  get pending(): boolean {
    return (this.interruptStatus() & this.state.ie) !== 0;
  }

  private interruptStatus(): number {
    const { is, serr } = this.state;
    return (is | (serr & SERR.EXCHANGED ? PXIS.PCS : 0) | (serr & SERR.PHYRDY ? PXIS.PRCS : 0)) >>> 0;
  }

  // ── Registers ────────────────────────────────────────────────────────────────────────────

  read(register: number): number {
    const { state } = this;
    switch (register) {
      case PORT.CLB:
      case PORT.CLBU:
        return half(state.clb, register === PORT.CLBU);
      case PORT.FB:
      case PORT.FBU:
        return half(state.fb, register === PORT.FBU);
      case PORT.IS:
        return this.interruptStatus();
      case PORT.IE:
        return state.ie;
      case PORT.CMD: {
        const { ST, FRE, CR, FR, SUD, POD, ATAPI } = PXCMD;
        const { cmd } = state;
        return (cmd | SUD | POD | (cmd & ST ? CR : 0) | (cmd & FRE ? FR : 0) | (this.options.drive.atapi ? ATAPI : 0)) >>> 0;
      }
      case PORT.TFD:
        return state.tfd;
      case PORT.SIG:
        return state.sig;
      case PORT.SSTS:
        return state.ssts;
      case PORT.SCTL:
        return state.sctl;
      case PORT.SERR:
        return state.serr;
      case PORT.SACT:
        return state.sact;
      case PORT.CI:
        return state.ci;
      default:
        return 0;
    }
  }

  write(register: number, value: number): void {
    const { state } = this;
    switch (register) {
      case PORT.CLB:
      case PORT.CLBU:
        state.clb = withHalf(state.clb, register === PORT.CLBU, value) & ~0x3ffn;
        break;
      case PORT.FB:
      case PORT.FBU:
        state.fb = withHalf(state.fb, register === PORT.FBU, value) & ~0xffn;
        break;
      case PORT.IS:
        state.is = (state.is & ~value) >>> 0;
        break;
      case PORT.IE:
        state.ie = (value & PXIE_WRITABLE) >>> 0;
        break;
      case PORT.CMD:
        this.writeCommand(value);
        break;
      case PORT.SCTL:
        this.writeControl(value & 0xfff);
        break;
      case PORT.SERR:
        state.serr = (state.serr & ~value) >>> 0;
        break;
      case PORT.SACT:
      case PORT.CI:
        if (!(state.cmd & PXCMD.ST)) break;
        if (register === PORT.SACT) state.sact = (state.sact | value) >>> 0;
        else state.ci = (state.ci | value) >>> 0;
        this.schedule();
        break;
      default:
        break;
    }
  }

  private writeCommand(value: number): void {
    const { state } = this;
    const { ST, FRE, CLO, DLAE, ATAPI } = PXCMD;
    const stopped = state.cmd & ~value & ST;
    state.cmd = (state.cmd & CCS) | (value & (ST | FRE | DLAE | ATAPI));
    if (value & CLO) state.tfd = (state.tfd & ~(STATUS.BSY | STATUS.DRQ)) >>> 0;
    if (stopped) {
      Object.assign(state, { ci: 0, sact: 0, halted: false, due: Infinity });
      state.cmd &= ~CCS;
    }
    if (state.cmd & FRE) this.guarded(() => this.announce());
    this.schedule();
  }

  /** PxSCTL (3.3.11): COMRESET while DET is 1; the link comes up when it is 0 again. */
  private writeControl(value: number): void {
    const { state } = this;
    const before = state.sctl & 0xf;
    state.sctl = value;
    const after = value & 0xf;
    if (after === DET.COMRESET || after === DET.OFFLINE) {
      Object.assign(state, { ssts: after === DET.OFFLINE ? LINK.OFFLINE : LINK.DOWN, linkDue: Infinity, due: Infinity, tfd: STATUS.BSY, sig: 0xffffffff });
      state.drive = restarted(state.drive);
      state.signature = false;
    } else if (before === DET.COMRESET || before === DET.OFFLINE) state.linkDue = this.options.now() + LINK_NS;
  }

  // ── What happens by itself ───────────────────────────────────────────────────────────────

  deadline(): Nanoseconds {
    return Math.min(this.state.due, this.state.linkDue);
  }

  expire(now: Nanoseconds): void {
    const { state } = this;
    if (state.linkDue <= now) {
      state.linkDue = Infinity;
      this.linkUp();
      state.serr = (state.serr | SERR.PHYRDY | SERR.EXCHANGED) >>> 0;
      this.schedule();
    }
    if (state.due > now) return;
    state.due = Infinity;
    if (!this.ready) return;
    const bytes = this.guarded(() => this.serve()) ?? 0;
    if (this.ready) state.due = now + LATENCY_NS + Math.ceil(bytes / BYTES_PER_NS);
  }

  /** There is a command, and nothing in its way. */
  private get ready(): boolean {
    const { ci, cmd, halted, tfd } = this.state;
    return ci !== 0 && (cmd & PXCMD.ST) !== 0 && !halted && (tfd & (STATUS.BSY | STATUS.DRQ)) === 0 && this.options.busMaster();
  }

  /** The guest has changed something that may have kept a command from being executed. */
  schedule(): void {
    if (this.state.due === Infinity && this.ready) this.state.due = this.options.now() + LATENCY_NS;
  }

  private linkUp(): void {
    const { state } = this;
    const { signature } = this.options.drive;
    Object.assign(state, { ssts: LINK.UP, sig: signature, signature: true });
    state.drive = restarted(state.drive);
    state.tfd = registers(signatureAnswer(signature));
    if (state.cmd & PXCMD.FRE) this.guarded(() => this.announce());
  }

  /** The FIS that a drive sends after reset. */
  private announce(): void {
    const { state } = this;
    if (!state.signature) return;
    state.signature = false;
    this.receive(RECEIVED.D2H, registerFis(FIS.D2H, 0, signatureAnswer(this.options.drive.signature)));
  }

  /** What the guest's memory holds stops the port at most (6.2.2). */
  private guarded<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof PortFault)) throw error;
      this.halt(error.bit);
      return undefined;
    }
  }

  private halt(cause: number): void {
    const { state } = this;
    this.raise(cause);
    Object.assign(state, { halted: true, due: Infinity });
  }

  private raise(cause: number): void {
    this.state.is = (this.state.is | cause) >>> 0;
  }

  // ── Commands ─────────────────────────────────────────────────────────────────────────────

  /** Executes one command; gives the bytes that it moved. */
  private serve(): number {
    const { state } = this;
    const { dma, drive } = this.options;
    const slot = this.nextSlot();
    state.cmd = ((state.cmd & ~CCS) | (slot << 8)) >>> 0;
    const header = dma.read(state.clb + BigInt(HEADER_LENGTH * slot), 16);
    const view = new DataView(header.buffer);
    const flags = view.getUint16(0, true);
    const table = view.getBigUint64(8, true) & ~0x7fn;
    const fis = dma.read(table, 4 * REGISTER_FIS);
    if ((flags & COMMAND.CFL) < REGISTER_FIS || fis[0] !== FIS.H2D) throw new PortFault(PXIS.IFS, 'no register FIS');
    if (!(fis[1]! & IS_COMMAND)) {
      this.control(fis[15]!);
      state.ci = (state.ci & ~bitOf(slot)) >>> 0;
      return 0;
    }
    const packet = flags & COMMAND.ATAPI ? dma.read(table + BigInt(TABLE.PACKET), 16) : new Uint8Array(16);
    const data = new Scatter(dma, table + BigInt(TABLE.PRDT), view.getUint16(2, true));
    const answer = drive.execute(requestOf(fis, packet, data), state.drive);
    const moved = Uint8Array.of(data.moved, data.moved >>> 8, data.moved >>> 16, data.moved >>> 24);
    dma.write(state.clb + BigInt(HEADER_LENGTH * slot + 4), moved);
    if (data.processed) this.raise(PXIS.DPS);
    this.complete(slot, fis[7]!, answer);
    return data.moved;
  }

  /** Slots take turns (5.3.2.3). */
  private nextSlot(): number {
    const { ci, cmd } = this.state;
    const current = (cmd >>> 8) & 0x1f;
    for (let i = 1; i <= SLOTS; i++) if (ci & bitOf((current + i) % SLOTS)) return (current + i) % SLOTS;
    return current;
  }

  /** Device control: while SRST is set the drive is in reset; then it tells what it is. */
  private control(value: number): void {
    const { state } = this;
    const { signature } = this.options.drive;
    if (value & SRST) {
      state.drive = restarted(state.drive);
      state.resetting = true;
    } else if (state.resetting) {
      state.resetting = false;
      state.sig = signature;
      state.signature = true;
      state.tfd = registers(signatureAnswer(signature));
      this.announce();
    }
  }

  private complete(slot: number, device: number, answer: AtaAnswer): void {
    const { state } = this;
    const wrong = (answer.status & STATUS.ERR) !== 0;
    const { pio, queued } = answer;
    state.tfd = registers(answer);
    if (queued !== undefined) {
      // An error leaves the tag: software looks for it in the log (9.3.1).
      if (!wrong) state.sact = (state.sact & ~bitOf(queued)) >>> 0;
      state.ci = (state.ci & ~bitOf(slot)) >>> 0;
      const done = wrong ? 0 : bitOf(queued);
      this.receive(
        RECEIVED.SET_DEVICE_BITS,
        Uint8Array.of(FIS.SET_DEVICE_BITS, 0x40, answer.status & 0x77, answer.error, done, done >>> 8, done >>> 16, done >>> 24),
      );
      this.raise(PXIS.SDBS);
    } else {
      if (!wrong) state.ci = (state.ci & ~bitOf(slot)) >>> 0;
      if (pio && !wrong) {
        const fis = registerFis(FIS.PIO_SETUP, device, { ...answer, status: answer.status | STATUS.DRQ });
        if (pio.toGuest) fis[1]! |= 0x20;
        fis.set([answer.status, pio.block, pio.block >>> 8], 15);
        this.receive(RECEIVED.PIO_SETUP, fis);
        this.raise(PXIS.PSS);
      }
      // Data that comes by PIO is the end of an ATA command; everything else ends in a register FIS.
      if (wrong || !pio?.toGuest || this.options.drive.atapi) {
        this.receive(RECEIVED.D2H, registerFis(FIS.D2H, device, answer));
        this.raise(PXIS.DHRS);
      }
    }
    if (wrong) this.halt(PXIS.TFES);
  }

  private receive(at: number, fis: Uint8Array): void {
    const { state } = this;
    if (!(state.cmd & PXCMD.FRE) || !this.options.busMaster()) return;
    this.options.dma.write(state.fb + BigInt(at), fis);
  }
}

const bitOf = (number: number): number => (1 << number) >>> 0;
const half = (value: bigint, high: boolean): number => Number((high ? value >> 32n : value) & 0xffffffffn);
const withHalf = (old: bigint, high: boolean, value: number): bigint =>
  high ? (old & 0xffffffffn) | (BigInt(value) << 32n) : (old & ~0xffffffffn) | BigInt(value);
const registers = ({ status, error }: AtaAnswer): number => status | (error << 8);

/** A drive after reset: a tray stays as it is. */
function restarted({ open }: PortState['drive']): PortState['drive'] {
  return { ...initial(driveFields), open };
}

function requestOf(fis: Uint8Array, packet: Uint8Array, data: Scatter): AtaRequest {
  const view = new DataView(fis.buffer);
  return {
    command: fis[2]!,
    features: fis[3]! | (fis[11]! << 8),
    lba: (fis[4]! | (fis[5]! << 8) | (fis[6]! << 16)) + (fis[8]! | (fis[9]! << 8) | (fis[10]! << 16)) * 2 ** 24,
    count: view.getUint16(12, true),
    device: fis[7]!,
    packet,
    data,
  };
}

/** Device to host register FIS, and PIO Setup FIS, which begins in the same way (Serial ATA 3.0, 10.3.5 and 10.3.10). */
function registerFis(type: number, device: number, { status, error, lba, count }: AtaAnswer): Uint8Array {
  const fis = new Uint8Array(20);
  fis.set([type, 0x40, status, error, lba, lba >>> 8, lba >>> 16, device, lba / 2 ** 24, lba / 2 ** 32, lba / 2 ** 40]);
  fis.set([count, count >>> 8], 12);
  return fis;
}
