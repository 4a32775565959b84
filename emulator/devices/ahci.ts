/**
 * Serial ATA host bus adapter: Serial ATA AHCI 1.3, as Intel's ICH9. A command is executed at once, at the virtual time at which
 * it is done; what lies in the guest's memory may be anything, and stops a port at most.
 */
import type { AccessSize, Device, DeviceContext, MmioHandler, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { AhciDma } from './ahcidma';
import { AhciPort } from './ahciport';
import { ahciTable, CAP, GHC, HBA, PORT_LENGTH, PORT_REGISTERS, PORTS, PXIS, SLOTS } from './ahciregisters';
import type { AtaDrive } from './atacommand';
import { MsiCapability } from './pcicapability';
import { PciFunction } from './pcifunction';

/** As bhyve's: Intel's ICH9. */
const IDENTITY = { vendor: 0x8086, device: 0x2922, revision: 0x02, classCode: 0x010601 } as const;
const WINDOW = 0x1000;
const VERSION = 0x00010300;
/** Address Map and Port Control and Status: AHCI, all ports enabled (ICH9 datasheet, 14.1.29 and 14.1.30). */
const MAP_AND_PCS = 0x90;
const AHCI_MODE = 0x40;

export interface AhciOptions {
  readonly name?: string;
  /** What is behind each port, from port 0; up to six. */
  readonly drives: readonly AtaDrive[];
  /** RAM that it may use. */
  readonly reachable: (address: number, length: number) => boolean;
  /** The write that delivers a message-signalled interrupt. */
  readonly msi: (address: number, data: number) => void;
}

export class Ahci implements Device<typeof ahciTable>, MmioHandler {
  readonly name: string;
  readonly kind = 'ahci';
  readonly version = 1;
  readonly table = ahciTable;
  readonly state = initial(ahciTable);
  readonly pci: PciFunction;
  private readonly msi: MsiCapability;
  private readonly ports: readonly AhciPort[];

  constructor(context: DeviceContext, { name = 'ahci', drives, reachable, msi: send }: AhciOptions) {
    this.name = name;
    this.msi = new MsiCapability(1, () => this.state.msi, send);
    const implemented = 2 ** drives.length - 1;
    this.pci = new PciFunction(
      {
        ...IDENTITY,
        subsystemVendor: IDENTITY.vendor,
        subsystem: IDENTITY.device,
        interruptPin: 1,
        bars: { 5: { kind: 'mem32', size: WINDOW, handler: this } },
        capabilities: [this.msi],
        registers: {
          readConfig: (register) => (register === MAP_AND_PCS ? AHCI_MODE | (implemented << 16) | (implemented << 24) : 0),
          writeConfig: () => undefined,
        },
      },
      () => this.state.config,
    );
    const dma = new AhciDma(context.memory, reachable, { hostBus: PXIS.HBFS, overflow: PXIS.OFS });
    const now = (): Nanoseconds => context.now();
    const busMaster = (): boolean => this.pci.busMaster;
    this.ports = drives.slice(0, PORTS).map((drive, i) => new AhciPort({ state: () => this.state.ports[i]!, drive, dma, now, busMaster }));
    this.ports.forEach((port) => port.restart());
  }

  reset(): void {
    reset(ahciTable, this.state);
    this.ports.forEach((port) => port.restart());
    this.pci.setInterrupt(false);
    this.pci.update();
  }

  restored(): void {
    this.pci.update();
  }

  deadline(): Nanoseconds {
    let due = Infinity;
    for (const port of this.ports) due = Math.min(due, port.deadline());
    return due;
  }

  expire(now: Nanoseconds): void {
    this.ports.forEach((port) => port.expire(now));
    this.update();
  }

  // ── Interrupts (10.6) ────────────────────────────────────────────────────────────────────

  private update(again = false): void {
    const { state } = this;
    const before = state.is;
    this.ports.forEach((port, i) => (state.is = (state.is | (port.pending ? 1 << i : 0)) >>> 0));
    const active = (state.ghc & GHC.IE) !== 0 && state.is !== 0;
    // A message for each port that is new, and for those that remain when others were dealt with.
    if (this.msi.enabled) {
      if (active && (again || (state.is & ~before) !== 0)) this.msi.signal(0);
      this.pci.setInterrupt(false);
    } else this.pci.setInterrupt(active);
  }

  // ── BAR5 ─────────────────────────────────────────────────────────────────────────────────

  mmioRead(offset: number, size: AccessSize): number {
    const value = this.read(offset & ~3) >>> (8 * (offset & 3));
    return (size === 4 ? value : value & (2 ** (8 * size) - 1)) >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    // Registers are of doublewords; software that writes parts of one is not understood (3).
    if (size === 4 && (offset & 3) === 0) this.write(offset, value >>> 0);
  }

  private read(offset: number): number {
    const { state } = this;
    const { length } = this.ports;
    switch (offset) {
      case HBA.CAP:
        return (CAP.S64A + (Math.max(length, 1) - 1) + ((SLOTS - 1) << 8) + CAP.PSC + CAP.SSC + CAP.PMD + CAP.SAM + CAP.ISS_GEN3 + CAP.SCLO + CAP.SNCQ) >>> 0;
      case HBA.GHC:
        return state.ghc;
      case HBA.IS:
        return state.is;
      case HBA.PI:
        return 2 ** length - 1;
      case HBA.VS:
        return VERSION;
      default: {
        const at = offset - PORT_REGISTERS;
        return at < 0 ? 0 : (this.ports[Math.floor(at / PORT_LENGTH)]?.read(at % PORT_LENGTH) ?? 0);
      }
    }
  }

  private write(offset: number, value: number): void {
    const { state } = this;
    const at = offset - PORT_REGISTERS;
    if (offset === HBA.GHC) {
      if (value & GHC.HR) this.resetAdapter();
      else {
        const enabled = (value & ~state.ghc & GHC.IE) !== 0;
        state.ghc = ((state.ghc & ~GHC.IE) | (value & GHC.IE)) >>> 0;
        this.update(enabled);
        return;
      }
    } else if (offset === HBA.IS) {
      state.is = (state.is & ~value) >>> 0;
      this.update(true);
      return;
    } else if (at >= 0) this.ports[Math.floor(at / PORT_LENGTH)]?.write(at % PORT_LENGTH, value);
    this.update();
  }

  /** GHC.HR (10.4.3): everything but the PCI registers. */
  private resetAdapter(): void {
    Object.assign(this.state, { ghc: GHC.AE, is: 0 });
    this.ports.forEach((port) => port.restart());
  }
}
