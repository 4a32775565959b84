/** Root hub ports: xHCI 1.1, 4.19 and 5.4.8 to 5.4.11. */
import type { Nanoseconds } from '../bus/device';
import type { UsbDevice } from './usbdevice';
import { LINK, PORTSC, PORT_CHANGES, USBCMD, USBSTS, type PortState, type XhciState } from './xhciregisters';
import type { XhciEvents } from './xhcievents';

/** The bus is held in reset so long: USB 2.0 asks for 10 ms or more, of which guests need see little. */
const RESET_NS = 2_000_000;
/** Bits that software writes as they are. */
const PLAIN = PORTSC.PIC | PORTSC.WAKE;

export interface PortsOptions {
  readonly state: () => XhciState;
  readonly events: XhciEvents;
  readonly now: () => Nanoseconds;
  /** What can be plugged in, by port from 1. */
  readonly device: (port: number) => UsbDevice | undefined;
  /** A port serves transfers again, or does so no more. */
  readonly changed: (port: number) => void;
}

export class RootHub {
  constructor(private readonly options: PortsOptions) {}

  private port(number: number): PortState {
    return this.options.state().ports[number - 1]!;
  }

  /** The device at a port that is enabled; `suspended` where its link is asleep. */
  reached(number: number): UsbDevice | 'suspended' | undefined {
    const portsc = this.options.state().ports[number - 1]?.portsc ?? 0;
    if (!(portsc & PORTSC.CCS) || !(portsc & PORTSC.PED)) return undefined;
    return (portsc & PORTSC.PLS) === LINK.U0 ? this.options.device(number) : 'suspended';
  }

  /** Power-on or controller reset: what is plugged in connects anew. */
  restart(): void {
    this.options.state().ports.forEach((port, i) => {
      Object.assign(port, { portsc: PORTSC.PP | LINK.RX_DETECT, portpmsc: 0, portli: 0, porthlpmc: 0, announce: false, resetDue: Infinity });
      this.options.device(i + 1)?.restart();
      this.connect(i + 1);
    });
  }

  /** Puts the port in step with what is plugged in. */
  connect(number: number): void {
    const port = this.port(number);
    const device = this.options.device(number);
    const there = device !== undefined && port.plugged && (port.portsc & PORTSC.PP) !== 0;
    if (there === ((port.portsc & PORTSC.CCS) !== 0)) return;
    const kept = port.portsc & ~(PORTSC.CCS | PORTSC.PED | PORTSC.PR | PORTSC.PLS | PORTSC.SPEED);
    if (there) {
      device.restart();
      port.portsc = (kept | PORTSC.CCS | LINK.POLLING | (device.speed << 10)) >>> 0;
    } else {
      port.portsc = (kept | (kept & PORTSC.PP ? LINK.RX_DETECT : LINK.DISABLED)) >>> 0;
      port.resetDue = Infinity;
    }
    this.change(number, PORTSC.CSC);
    this.options.changed(number);
  }

  /** An event tells of the first change until software has cleared all (4.19.2). */
  private change(number: number, bits: number): void {
    const port = this.port(number);
    const before = port.portsc & PORT_CHANGES;
    port.portsc = (port.portsc | bits) >>> 0;
    if (before !== 0) return;
    const state = this.options.state();
    state.usbsts = (state.usbsts | USBSTS.PCD) >>> 0;
    port.announce = true;
    this.announce();
  }

  /** Events come while the controller runs. */
  announce(): void {
    const { usbcmd, ports } = this.options.state();
    if (!(usbcmd & USBCMD.RS)) return;
    ports.forEach((port, i) => {
      if (!port.announce) return;
      port.announce = false;
      this.options.events.portChanged(i + 1);
    });
  }

  // ── Registers ────────────────────────────────────────────────────────────────────────────

  read(number: number, register: number): number {
    const { portsc, portpmsc, portli, porthlpmc } = this.port(number);
    return [portsc, portpmsc, portli, porthlpmc][register]!;
  }

  write(number: number, register: number, value: number): void {
    const port = this.port(number);
    if (register === 0) this.writeStatus(number, port, value);
    else if (register === 1) port.portpmsc = value;
    else if (register === 3) port.porthlpmc = value & 0x3fff;
  }

  private writeStatus(number: number, port: PortState, value: number): void {
    const cleared = value & PORT_CHANGES;
    const old = port.portsc;
    port.portsc = ((old & ~cleared & ~PLAIN & ~PORTSC.PP) | (value & (PLAIN | PORTSC.PP))) >>> 0;
    // What changes from here on is news even if it was told before.
    if ((port.portsc & PORT_CHANGES) === 0) port.announce = false;
    if ((old ^ port.portsc) & PORTSC.PP) return this.power(number, port);
    if (!(port.portsc & PORTSC.CCS)) return;
    if (value & (PORTSC.PR | PORTSC.WPR)) return this.reset(number, port);
    if (value & port.portsc & PORTSC.PED) return this.disable(number, port);
    if (value & PORTSC.LWS && port.portsc & PORTSC.PED) this.link(number, port, value & PORTSC.PLS);
  }

  private power(number: number, port: PortState): void {
    if (port.portsc & PORTSC.PP) port.portsc = ((port.portsc & ~PORTSC.PLS) | LINK.RX_DETECT) >>> 0;
    this.connect(number);
    if (!(port.portsc & PORTSC.PP)) port.portsc = ((port.portsc & ~PORTSC.PLS) | LINK.DISABLED) >>> 0;
  }

  private reset(number: number, port: PortState): void {
    if (port.portsc & PORTSC.PR) return;
    port.portsc = ((port.portsc & ~PORTSC.PED) | PORTSC.PR) >>> 0;
    port.resetDue = this.options.now() + RESET_NS;
    this.options.device(number)?.restart();
  }

  private disable(number: number, port: PortState): void {
    port.portsc = ((port.portsc & ~(PORTSC.PED | PORTSC.PLS)) | LINK.POLLING) >>> 0;
    this.options.changed(number);
  }

  /** Suspends and resumes; other states are not for software to choose (5.4.8). */
  private link(number: number, port: PortState, wanted: number): void {
    const now = port.portsc & PORTSC.PLS;
    const become = (state: number): void => void (port.portsc = ((port.portsc & ~PORTSC.PLS) | state) >>> 0);
    if (wanted === LINK.U3 && now !== LINK.RESUME) become(LINK.U3);
    else if (wanted === LINK.RESUME && now === LINK.U3) become(LINK.RESUME);
    else if (wanted === LINK.U0 && now !== LINK.U0) {
      become(LINK.U0);
      this.change(number, PORTSC.PLC);
      this.options.changed(number);
    }
  }

  // ── What happens by itself ───────────────────────────────────────────────────────────────

  deadline(): Nanoseconds {
    let due = Infinity;
    for (const { resetDue } of this.options.state().ports) due = Math.min(due, resetDue);
    return due;
  }

  expire(now: Nanoseconds): void {
    this.options.state().ports.forEach((port, i) => {
      if (port.resetDue > now) return;
      port.resetDue = Infinity;
      if (!(port.portsc & PORTSC.CCS)) return;
      port.portsc = ((port.portsc & ~(PORTSC.PR | PORTSC.PLS)) | PORTSC.PED | LINK.U0) >>> 0;
      this.change(i + 1, PORTSC.PRC);
      this.options.changed(i + 1);
    });
  }

  /** A device has something to say: one that may do so wakes its port (USB 2.0, 9.1.1.6). */
  wake(number: number): void {
    const port = this.port(number);
    if ((port.portsc & (PORTSC.PED | PORTSC.PLS)) !== (PORTSC.PED | LINK.U3) || !this.options.device(number)?.wakes) return;
    port.portsc = ((port.portsc & ~PORTSC.PLS) | LINK.RESUME) >>> 0;
    this.change(number, PORTSC.PLC);
  }
}
