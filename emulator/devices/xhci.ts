/**
 * USB host controller: eXtensible Host Controller Interface 1.0, with root hub ports and no hubs. Rings and contexts lie in the
 * guest's memory and may hold anything: each is checked where it is read, and only so much is done at once.
 */
import type { AccessSize, Device, DeviceContext, MmioHandler, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { MsixCapability } from './msix';
import { MsiCapability } from './pcicapability';
import { PciFunction } from './pcifunction';
import type { UsbDevice } from './usbdevice';
import { constant, DOORBELLS, INTERRUPTER_REGISTERS, LEGACY, LEGACY_CONTROL, LEGACY_HEADER, MSIX_PENDING, MSIX_TABLE } from './xhcicapability';
import { OPERATIONAL, PORT_REGISTERS, RUNTIME, WINDOW } from './xhcicapability';
import { Commands } from './xhcicommand';
import { HostFault, XhciDma } from './xhcidma';
import { XhciEvents } from './xhcievents';
import { RootHub } from './xhciports';
import { INTERRUPTERS, PORTS, RING, SLOTS, USBCMD, USBSTS, withHalf, xhciTable } from './xhciregisters';
import { fromPosition, RingReader, toPosition } from './xhciring';
import { Transfers } from './xhcitransfer';
import { CODE } from './xhcitrb';

/** As bhyve's: Intel's 7 Series. */
const IDENTITY = { vendor: 0x8086, device: 0x1e31, revision: 0x04, classCode: 0x0c0330 } as const;
/** Serial Bus Release Number 3.0 and Frame Length Adjustment (5.2.3, 5.2.4). */
const RELEASE = 0x60;
const RELEASE_AND_FRAME = 0x2030;

/** From a doorbell until it is served. */
const LATENCY_NS = 10_000;
const MICROFRAME_NS = 125_000;
const MFINDEX = 0x4000;
/** Commands that are executed at once. */
const MOST_COMMANDS = 64;
const CRCR = { RCS: 1, CS: 2, CA: 4, CRR: 8 } as const;
const LEGACY_BIOS = 0x00010000;
const LEGACY_OS = 0x01000000;

export interface XhciOptions {
  readonly name?: string;
  /** What is plugged in at power-on, by port from 1; see `FIRST_USB2_PORT`. */
  readonly devices: Readonly<Record<number, UsbDevice>>;
  /** RAM that it may use. */
  readonly reachable: (address: number, length: number) => boolean;
  /** The write that delivers a message-signalled interrupt. */
  readonly msi: (address: number, data: number) => void;
}

export class Xhci implements Device<typeof xhciTable>, MmioHandler {
  readonly name: string;
  readonly kind = 'xhci';
  readonly version = 1;
  readonly table = xhciTable;
  readonly state = initial(xhciTable);
  readonly pci: PciFunction;
  private readonly devices: XhciOptions['devices'];
  private readonly msix: MsixCapability;
  private readonly dma: XhciDma;
  private readonly events: XhciEvents;
  private readonly hub: RootHub;
  private readonly transfers: Transfers;
  private readonly commands: Commands;
  private readonly ring: RingReader;

  constructor(
    private readonly context: DeviceContext,
    options: XhciOptions,
  ) {
    const { name = 'xhci', devices, reachable, msi: send } = options;
    this.name = name;
    this.devices = devices;
    const state = (): Xhci['state'] => this.state;
    const now = (): Nanoseconds => context.now();
    const msi = new MsiCapability(INTERRUPTERS, () => this.state.msi, send);
    this.msix = new MsixCapability({ vectors: INTERRUPTERS, bar: 0, tableOffset: MSIX_TABLE, pendingOffset: MSIX_PENDING, send }, () => this.state.msix);
    this.pci = new PciFunction(
      {
        ...IDENTITY,
        subsystemVendor: IDENTITY.vendor,
        subsystem: IDENTITY.device,
        interruptPin: 1,
        bars: { 0: { kind: 'mem32', size: WINDOW, handler: this } },
        capabilities: [this.msix, msi],
        registers: { readConfig: (register) => (register === RELEASE ? RELEASE_AND_FRAME : 0), writeConfig: () => undefined },
      },
      () => this.state.config,
    );
    const message = (interrupter: number): boolean => {
      if (this.msix.enabled) this.msix.signal(interrupter);
      else if (msi.enabled) msi.signal(interrupter);
      else return false;
      return true;
    };
    this.dma = new XhciDma(context.memory, reachable);
    this.ring = new RingReader(this.dma);
    this.events = new XhciEvents({ state, dma: this.dma, now, message, line: (level) => this.pci.setInterrupt(level) });
    const device = (port: number): UsbDevice | undefined => devices[port];
    this.hub = new RootHub({ state, events: this.events, now, device, changed: (port) => this.portChanged(port) });
    const reached = (port: number): UsbDevice | 'suspended' | undefined => this.hub.reached(port);
    this.transfers = new Transfers({ state, dma: this.dma, events: this.events, now, reached });
    this.commands = new Commands({ state, dma: this.dma, transfers: this.transfers, reached });
    for (const [port, usb] of Object.entries(devices)) {
      this.state.ports[Number(port) - 1]!.plugged = true;
      usb.onData(() => this.dataAt(Number(port)));
    }
    this.hub.restart();
  }

  // ── Device ───────────────────────────────────────────────────────────────────────────────

  reset(): void {
    const plugged = this.state.ports.map((port) => port.plugged);
    reset(xhciTable, this.state);
    plugged.forEach((is, i) => (this.state.ports[i]!.plugged = is));
    this.hub.restart();
    this.pci.update();
  }

  restored(): void {
    this.pci.update();
    // Somebody may have plugged a device in or out.
    this.guarded(() => {
      for (let port = 1; port <= PORTS; port++) this.hub.connect(port);
    });
    this.context.rearm();
  }

  deadline(): Nanoseconds {
    const { due, frame, wrap } = this.state;
    return Math.min(due, frame, wrap, this.hub.deadline(), this.events.deadline());
  }

  expire(now: Nanoseconds): void {
    const { state } = this;
    this.guarded(() => {
      this.hub.expire(now);
      this.events.moderateAll();
      if (state.wrap <= now) {
        state.wrap = this.nextWrap(now);
        this.events.wrapped();
      }
    });
    if (state.due <= now) {
      state.due = Infinity;
      if (this.running) this.guarded(() => this.serve(now));
    }
    if (state.frame <= now) {
      state.frame = Infinity;
      if (this.running) this.guarded(() => this.transfers.serveFrame());
    }
    this.schedule();
    // What could not be served in this time is looked at again in another.
    if (state.wrap <= now) state.wrap = Infinity;
  }

  /** The guest's driver has started it, and it may use memory. */
  private get running(): boolean {
    return (this.state.usbcmd & USBCMD.RS) !== 0 && this.pci.busMaster;
  }

  /** The guest's driver asks the device at a port for its data, or has put it to sleep until it wakes it. */
  drives(port: number): boolean {
    const device = this.running ? this.hub.reached(port) : undefined;
    return device === 'suspended' ? this.devices[port]?.wakes === true : device?.driven === true;
  }

  /** Nothing that the guest has in its memory goes beyond the controller. */
  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof HostFault)) throw error;
      const { state } = this;
      state.usbsts = (state.usbsts | error.status | USBSTS.HCH) >>> 0;
      state.usbcmd = (state.usbcmd & ~USBCMD.RS) >>> 0;
      Object.assign(state, { commands: false, commandStop: false, due: Infinity, frame: Infinity, wrap: Infinity, held: [] });
    }
  }

  // ── Work ─────────────────────────────────────────────────────────────────────────────────

  private wake(): void {
    this.state.due = Math.min(this.state.due, this.context.now() + LATENCY_NS);
  }

  /** A device has something to say. */
  private dataAt(port: number): void {
    this.guarded(() => this.hub.wake(port));
    this.schedule();
    this.context.rearm();
  }

  private portChanged(port: number): void {
    for (const slot of this.state.slots) if (slot.port === port) slot.offered = 0;
    if (this.running) this.wake();
  }

  private schedule(): void {
    if (!this.running) return;
    this.guarded(() => (this.state.frame = this.events.room ? this.transfers.nextFrame() : Infinity));
  }

  private serve(now: Nanoseconds): void {
    this.hub.announce();
    const more = this.executeCommands() || this.transfers.serveAsync();
    // Without room for events nothing goes on until the guest has made some.
    if (more && this.events.room) this.state.due = now + MICROFRAME_NS;
  }

  /** True if there is more to do. */
  private executeCommands(): boolean {
    const { state, events } = this;
    for (let count = 0; state.commands; count++) {
      if (!events.room || count === MOST_COMMANDS) return true;
      const position = toPosition(state.crcr);
      if (state.commandStop) {
        Object.assign(state, { commands: false, commandStop: false });
        events.command(Number(position.at), CODE.COMMAND_RING_STOPPED);
        return false;
      }
      const found = this.ring.next(position);
      if (found === 'empty') return false;
      if (found === 'loop') throw new HostFault(USBSTS.HCE, 'the command ring has no end');
      state.crcr = fromPosition(found.after);
      const { code, slot } = this.commands.execute(found.trb);
      events.command(found.trb.at, code, slot);
    }
    return false;
  }

  /** MFINDEX (5.5.1). */
  private frameIndex(): number {
    const { started, usbcmd } = this.state;
    const now = this.context.now();
    return usbcmd & USBCMD.RS && started <= now ? Math.floor((now - started) / MICROFRAME_NS) % MFINDEX : 0;
  }

  private nextWrap(now: Nanoseconds): Nanoseconds {
    const { usbcmd, started } = this.state;
    if (!(usbcmd & USBCMD.RS) || !(usbcmd & USBCMD.EWE) || started > now) return Infinity;
    const round = MFINDEX * MICROFRAME_NS;
    return started + (Math.floor((now - started) / round) + 1) * round;
  }

  // ── BAR0 ─────────────────────────────────────────────────────────────────────────────────

  mmioRead(offset: number, size: AccessSize): number {
    if (this.msix.covers(offset)) return this.msix.mmioRead(offset, size);
    const value = this.read(offset & ~3) >>> (8 * (offset & 3));
    return (size === 4 ? value : value & (2 ** (8 * size) - 1)) >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (this.msix.covers(offset)) this.msix.mmioWrite(offset, size, value);
    else if (size === 4 && (offset & 3) === 0) {
      this.guarded(() => this.write(offset, value >>> 0));
      this.schedule();
    } else if ((offset & ~3) === LEGACY) {
      // Software takes the semaphores a byte at a time too (7.1.1).
      const shift = 8 * (offset & 3);
      const mask = (2 ** (8 * size) - 1) << shift;
      this.write(LEGACY, ((this.read(LEGACY) & ~mask) | ((value << shift) & mask)) >>> 0);
    }
  }

  private read(offset: number): number {
    if (offset === LEGACY) return (this.state.legacy | LEGACY_HEADER) >>> 0;
    if (offset === LEGACY_CONTROL) return this.state.legacyControl;
    const port = offset - PORT_REGISTERS;
    if (port >= 0 && port < 0x10 * PORTS) return this.hub.read((port >> 4) + 1, (port & 0xc) >> 2) >>> 0;
    if (offset === RUNTIME) return this.frameIndex();
    if (offset >= INTERRUPTER_REGISTERS && offset < DOORBELLS) return this.events.readRegister(offset - INTERRUPTER_REGISTERS) >>> 0;
    if (offset >= OPERATIONAL && offset < PORT_REGISTERS) return this.readOperational(offset - OPERATIONAL) >>> 0;
    return constant(offset);
  }

  private write(offset: number, value: number): void {
    const port = offset - PORT_REGISTERS;
    if (offset === LEGACY) {
      // Firmware would give way at once, where it has the controller.
      this.state.legacy = value & LEGACY_OS ? LEGACY_OS : value & LEGACY_BIOS;
    } else if (offset === LEGACY_CONTROL) this.state.legacyControl = value & 0x0000e011;
    else if (port >= 0 && port < 0x10 * PORTS) this.hub.write((port >> 4) + 1, (port & 0xc) >> 2, value);
    else if (offset >= DOORBELLS && offset < DOORBELLS + 4 * (SLOTS + 1)) this.doorbell((offset - DOORBELLS) >> 2, value);
    else if (offset >= INTERRUPTER_REGISTERS && offset < DOORBELLS) {
      this.events.writeRegister(offset - INTERRUPTER_REGISTERS, value);
      // There may be room for events now.
      if (this.running) this.wake();
    } else if (offset >= OPERATIONAL && offset < PORT_REGISTERS) this.writeOperational(offset - OPERATIONAL, value);
  }

  private doorbell(slot: number, value: number): void {
    if (!this.running) return;
    if (slot > 0) this.transfers.doorbell(slot, value & 0xff);
    else if ((value & 0xff) === 0) this.state.commands = true;
    this.wake();
  }

  // ── Operational registers (5.4) ──────────────────────────────────────────────────────────

  private readOperational(offset: number): number {
    const { usbcmd, usbsts, dnctrl, commands, dcbaap, configure } = this.state;
    switch (offset) {
      case 0x00:
        return usbcmd;
      case 0x04:
        return usbsts;
      case 0x08: // pages of 4096 bytes
        return 1;
      case 0x14:
        return dnctrl;
      case 0x18: // the pointer is not for software to read (5.4.5)
        return commands ? CRCR.CRR : 0;
      case 0x30:
        return Number(dcbaap & 0xffffffffn);
      case 0x34:
        return Number(dcbaap >> 32n);
      case 0x38:
        return configure;
      default:
        return 0;
    }
  }

  private writeOperational(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case 0x00:
        return this.writeCommand(value);
      case 0x04:
        state.usbsts = (state.usbsts & ~(value & (USBSTS.HSE | USBSTS.EINT | USBSTS.PCD | USBSTS.SRE))) >>> 0;
        return;
      case 0x14:
        state.dnctrl = value & 0xffff;
        return;
      case 0x18:
      case 0x1c:
        return this.writeCommandRing(offset === 0x1c, value);
      case 0x30:
      case 0x34:
        state.dcbaap = withHalf(state.dcbaap, offset === 0x34, value) & RING;
        return;
      case 0x38:
        state.configure = Math.min(value & 0xff, SLOTS);
        return;
      default:
        return;
    }
  }

  private writeCommand(value: number): void {
    const { state } = this;
    if (value & USBCMD.HCRST) return this.restart();
    const started = value & ~state.usbcmd & USBCMD.RS;
    const stopped = ~value & state.usbcmd & USBCMD.RS;
    const { RS, INTE, HSEE, EWE, EU3S } = USBCMD;
    state.usbcmd = value & (RS | INTE | HSEE | EWE | EU3S);
    const now = this.context.now();
    if (started) {
      // A controller that has failed has to be reset first (4.24.1).
      if (state.usbsts & USBSTS.HCE) state.usbcmd &= ~RS;
      else {
        state.usbsts = (state.usbsts & ~USBSTS.HCH) >>> 0;
        state.started = now;
        this.wake();
      }
    }
    if (stopped) {
      state.usbsts = (state.usbsts | USBSTS.HCH) >>> 0;
      Object.assign(state, { commands: false, commandStop: false, due: Infinity, frame: Infinity, started: Infinity });
    }
    state.wrap = this.nextWrap(now);
    // It never loses its state, so there is nothing to do but to know of it (4.23.2).
    if (value & USBCMD.CSS) state.saved = true;
    if (value & USBCMD.CRS && !state.saved) state.usbsts = (state.usbsts | USBSTS.SRE) >>> 0;
    this.events.assert();
  }

  /** Host Controller Reset: everything but PCI and the legacy capability (4.2, 5.4.1). */
  private restart(): void {
    const { config, msi, msix, legacy, legacyControl, ports } = this.state;
    const kept = { config, msi, msix, legacy, legacyControl, ports };
    reset(xhciTable, this.state);
    Object.assign(this.state, kept);
    this.pci.setInterrupt(false);
    this.hub.restart();
  }

  private writeCommandRing(high: boolean, value: number): void {
    const { state } = this;
    if (!state.commands) {
      const pointer = withHalf(state.crcr, high, high ? value : value & ~0x3e);
      state.crcr = pointer & (RING | 1n);
    } else if (!high && value & (CRCR.CS | CRCR.CA)) {
      state.commandStop = true;
      this.wake();
    }
  }
}
