import type { Backing, Device, DeviceContext, Line, Nanoseconds, Shadow } from '../bus/device';
import { AcpiPm, PM_TIMER } from '../devices/acpipm';
import { ApicBus } from '../devices/apicbus';
import { BochsVga } from '../devices/bochsvga';
import { Fbuf } from '../devices/fbuf';
import { Flash } from '../devices/flash';
import { FwCfg } from '../devices/fwcfg';
import { Hpet } from '../devices/hpet';
import { IoApic } from '../devices/ioapic';
import { Lapic } from '../devices/lapic';
import { LegacyVga } from '../devices/legacyvga';
import { Lpc } from '../devices/lpc';
import { PciHost, PIRQS } from '../devices/pci';
import { assignPci } from '../devices/pciassign';
import { Pic8259 } from '../devices/pic8259';
import { Pit8254 } from '../devices/pit8254';
import { PmTimer } from '../devices/pmtimer';
import { A20Gate, DebugConsole, DebugExit, PostPort, ResetControl, SystemControlA, type ResetKind } from '../devices/ports';
import { Ps2Controller } from '../devices/ps2controller';
import { Ps2Keyboard } from '../devices/ps2keyboard';
import { Ps2Mouse } from '../devices/ps2mouse';
import { Ramfb } from '../devices/ramfb';
import { Rtc146818 } from '../devices/rtc146818';
import { blankScanout, type Scanout } from '../devices/scanout';
import { Uart16550 } from '../devices/uart16550';
import { NO_MODE } from '../devices/vgapicture';
import { VirtioConsole } from '../devices/virtioconsole';
import { VirtioRnd } from '../devices/virtiornd';
import { DEFAULT_TOPOLOGY } from '../firmware/acpi/topology';
import type { Command } from '../network/outside';
import { DEBUG_CONSOLE, VIRTIO_CONSOLE, type MachineConfig } from './api';
import type { MachineBus } from './bus';
import { chipsetParts, movedTopology, ShadowWrites, type ChipsetParts } from './chipset';
import { copyState } from './encode';
import { firmwareData } from './firmware';
import type { Images } from './images';
import { LegacyRoute } from './legacyroute';
import { networkOf, type Network } from './network';
import { BACKING, LOW_BIOS_END, type Platform } from './platform';
import { storageChips } from './storage';
import { HPET_ADDRESS, SERIAL, topologyOf } from './topology';
import { usbOf, type Usb } from './usb';
import { virtioChips } from './virtio';

/** ISA interrupts that PIRQA to PIRQH are routed to for guests that use the PIC. */
const PIRQ_ROUTES = [10, 11, 10, 11, 10, 11, 10, 11] as const;
/** Where firmware writes its log. */
const FIRMWARE_LOG = 0x402;
/** I/O windows of BARs, above the ports of the chips. */
const PCI_IO = [0xc000, 0xdfff] as const;

/** In place of the earliest deadline, where it has to be worked out. */
const UNKNOWN = -1;

/** What the board asks of the rest of the machine. */
export interface Surroundings {
  readonly context: DeviceContext;
  /** The vCPU that runs now. */
  current(): number;
  nsAtTsc(vcpu: number, tsc: number): Nanoseconds;
  nmi(vcpu: number): void;
  init(vcpu: number): void;
  startup(vcpu: number, vector: number): void;
  /** The running vCPU goes on over its x87 error. */
  ignoreFloatError(): void;
  a20(enabled: boolean): void;
  transmit(port: number, byte: number): void;
  /** The network wants something of the host; numbers go up. */
  command(number: number, command: Command): void;
  powerOff(): void;
  reset(kind: ResetKind): void;
  exit(status: number): void;
  /** Memory beside RAM. */
  backing(name: string): Backing;
  /** Changes what a backing, or `ram`, holds. */
  store(name: string, offset: number, from: Uint8Array): void;
  shadow(address: number, length: number, shadow: Shadow): void;
}

/** All chips of the machine, wired as on the board that bhyve models, or as stock firmware expects of an i440fx or q35. */
export class Board {
  readonly devices: readonly Device[];
  readonly lapics: readonly Lapic[];
  readonly pic: Pic8259;
  readonly serial: readonly Uart16550[];
  readonly keyboard: Ps2Keyboard;
  readonly mouse: Ps2Mouse;
  readonly acpi: AcpiPm;
  readonly fbuf: Fbuf | undefined;
  readonly vga: BochsVga | undefined;
  readonly legacyVga: LegacyVga | undefined;
  readonly ramfb: Ramfb | undefined;
  readonly flash: readonly Flash[];
  readonly hpet: Hpet;
  readonly virtioConsole: VirtioConsole | undefined;
  readonly entropy: VirtioRnd | undefined;
  readonly usb: Usb | undefined;
  readonly network: Network | undefined;
  private readonly lpc: Lpc;
  readonly host: PciHost;
  private readonly ioApic: IoApic;
  private readonly chipset: ChipsetParts;
  /** Those that have deadlines. */
  private readonly timed: readonly Device[];
  private due: Nanoseconds = UNKNOWN;

  constructor(config: MachineConfig, bus: MachineBus, around: Surroundings, platform: Platform, images: Images) {
    const { context } = around;
    const chipset = chipsetParts(platform.chipset, context, {
      shadow: (address, length, shadow) => around.shadow(address, length, shadow),
      ecam: (address) => this.host.placeEcam(address),
      placePm: (base) => {
        this.acpi.place(base);
        pmTimer.place(base === null ? null : base + PM_TIMER);
      },
    });
    this.chipset = chipset;
    const { movable } = chipset;
    const apicBus = new ApicBus();
    this.lapics = Array.from({ length: config.cpus }, (_, id) => {
      const lapic = new Lapic(context, {
        id,
        bsp: id === 0,
        frequency: platform.crystalHertz,
        send: (ipi) => apicBus.send(ipi),
        eoi: (vector) => apicBus.endOfInterrupt(vector),
        nsAtTsc: (tsc) => around.nsAtTsc(id, tsc),
        nmi: () => around.nmi(id),
        init: () => around.init(id),
        sipi: (vector) => around.startup(id, vector),
      });
      apicBus.attach(lapic);
      return lapic;
    });
    const ioApic = new IoApic(context, { deliver: (message) => apicBus.deliver(message) });
    this.ioApic = ioApic;
    apicBus.attachIo(ioApic);
    const pic = new Pic8259(context, { output: { set: (level) => this.lapics.forEach(({ lint0 }) => lint0.set(level)) } });
    this.pic = pic;

    // ISA interrupts reach both controllers; the timer comes to the I/O APIC at pin 2 (ACPI 6.5, 5.2.12.5).
    const isa = Array.from({ length: 16 }, (_, irq): Line => {
      const inputs = [pic.line(irq), ioApic.line(irq === 0 ? 2 : irq)];
      return { set: (level) => inputs.forEach((input) => input.set(level)) };
    });
    const timerRoute = new LegacyRoute(isa[0]!);
    const clockRoute = new LegacyRoute(isa[8]!);

    this.hpet = new Hpet(context, {
      address: HPET_ADDRESS,
      line: (pin) => ioApic.line(pin, 'shared'),
      irq0: timerRoute.input,
      irq8: clockRoute.input,
      replace: (replaced) => [timerRoute, clockRoute].forEach((route) => route.replace(replaced)),
      msi: (address, data) => void apicBus.msi(address, data),
    });
    const pit = new Pit8254(context, { output: timerRoute.chip });
    const rtc = new Rtc146818(context, {
      output: clockRoute.chip,
      startTime: config.startTime,
      memory: { below4g: config.memory, above4g: 0 },
    });
    const pmTimer = new PmTimer(context, { movable });
    const acpi = new AcpiPm(context, { sci: isa[DEFAULT_TOPOLOGY.pm.sci]!, powerOff: () => around.powerOff(), timer: pmTimer, movable });
    this.acpi = acpi;
    this.serial = SERIAL.map(
      ({ name, base, irq }, port) => new Uart16550(context, { name, base, irq: isa[irq]!, transmit: (byte) => around.transmit(port, byte) }),
    );
    const debugConsole = new DebugConsole(context, (byte) => around.transmit(DEBUG_CONSOLE, byte));
    const firmwareLog = movable ? new DebugConsole(context, (byte) => around.transmit(DEBUG_CONSOLE, byte), FIRMWARE_LOG, 'firmwarelog') : undefined;
    const a20 = new A20Gate((enabled) => around.a20(enabled));
    this.keyboard = new Ps2Keyboard(context, { typematic: config.typematic ?? false });
    this.mouse = new Ps2Mouse(context);
    const ps2 = new Ps2Controller(context, {
      irq1: isa[1]!,
      irq12: isa[12]!,
      keyboard: this.keyboard,
      mouse: this.mouse,
      a20: a20.source(true),
      reset: () => around.reset('soft'),
    });
    const portA = new SystemControlA(context, { a20: a20.source(false), reset: () => around.reset('soft') });
    const post = new PostPort(context);
    const exit = config.debugExitPort === false ? undefined : new DebugExit(context, (status) => around.exit(status), config.debugExitPort);
    const resetControl = new ResetControl(context, (kind) => around.reset(kind));

    this.lpc = new Lpc(context, {
      ...chipset.lpc,
      pic: Array.from({ length: 16 }, (_, irq) => pic.line(irq)),
      ioApic: Array.from({ length: PIRQS }, (_, index) => ioApic.line(DEFAULT_TOPOLOGY.pci.pirqGsi + index)),
      irq13: isa[13]!,
      ignoreFloatError: () => around.ignoreFloatError(),
    });
    this.host = new PciHost(context, { resetControl, pirq: (index, level) => this.lpc.setPirq(index, level), pirqOf: chipset.pirqOf });
    const { hostBridge } = chipset;
    const { display } = platform;
    this.fbuf = display === 'fbuf' && config.framebuffer ? new Fbuf(context, { backing: around.backing(BACKING.fbuf), ...config.framebuffer }) : undefined;
    const { legacyVga = 'off' } = config;
    this.legacyVga =
      this.fbuf && legacyVga !== 'off'
        ? new LegacyVga(context, {
            backing: around.backing(BACKING.planes),
            store: (offset, from) => around.store(BACKING.planes, offset, from),
            window: legacyVga === 'on',
          })
        : undefined;
    this.vga =
      display === 'vga'
        ? new BochsVga(context, {
            backing: around.backing(BACKING.vga),
            store: (offset, from) => around.store(BACKING.vga, offset, from),
            ...(platform.vgaBios && { rom: around.backing(BACKING.vgaBios) }),
          })
        : undefined;
    this.ramfb = display === 'ramfb' ? new Ramfb(context) : undefined;
    this.flash = platform.flash.map(
      ({ backing, address }) =>
        new Flash(context, {
          name: backing,
          address,
          backing: around.backing(backing),
          store: (offset, from) => around.store(backing, offset, from),
          locked: backing === BACKING.code,
        }),
    );
    const fwCfg = movable ? this.firmwareConfiguration(config, context, images) : undefined;

    // What was put on the bus first answers where windows overlap: chips at fixed addresses come before BARs.
    apicBus.attachWindow(bus, () => this.lapics[around.current()]!);
    const fixed = [ioApic, this.hpet, pic, pit, rtc, pmTimer, acpi, ...this.serial, debugConsole, ps2, portA, this.lpc, post, exit];
    for (const chip of [...fixed, firmwareLog, fwCfg, ...this.flash, this.vga, this.legacyVga, chipset.pm]) chip?.attach(bus);
    if (platform.rom) bus.addBacking(platform.rom.address, around.backing(platform.rom.backing), platform.rom.backing);
    if (platform.lowBios > 0) bus.addBacking(LOW_BIOS_END - platform.lowBios, around.backing(BACKING.low), BACKING.low);
    if (chipset.pam) {
      const writes = new ShadowWrites(chipset.pam, (address, from) => around.store('ram', address, from));
      bus.addMmio(ShadowWrites.ADDRESS, ShadowWrites.LENGTH, writes, 'shadow RAM');
    }
    this.host.attach(bus);
    this.host.add(0, 0, hostBridge.pci, hostBridge.name);
    for (const shown of [this.fbuf, this.vga]) if (shown) this.host.add(chipset.displaySlot, 0, shown.pci, shown.name);
    this.host.add(chipset.lpcSlot, 0, this.lpc.pci, this.lpc.name);
    if (chipset.pmFunction) this.host.add(chipset.lpcSlot, chipset.pmFunction.fn, chipset.pmFunction.pci, chipset.pm!.name);

    const msi = (address: number, data: number): void => void apicBus.msi(address, data);
    this.usb = usbOf(config, context, msi);
    if (this.usb) this.host.add(this.usb.chip.slot, 0, this.usb.chip.chip.pci, this.usb.chip.chip.name);
    const virtio = virtioChips(config, images.disks ?? [], context, {
      msi,
      transmit: (byte) => around.transmit(VIRTIO_CONSOLE, byte),
    });
    this.network = networkOf(config, platform.chipset, context, { msi, command: (number, command) => around.command(number, command) });
    if (this.network) this.host.add(this.network.chip.slot, 0, this.network.chip.chip.pci, this.network.chip.chip.name);
    const storage = storageChips(config, images.disks ?? [], context, msi);
    for (const { slot, chip } of [...storage, ...virtio]) this.host.add(slot, 0, chip.pci, chip.name);
    this.virtioConsole = virtio.map(({ chip }) => chip).find((chip) => chip instanceof VirtioConsole);
    this.entropy = virtio.map(({ chip }) => chip).find((chip) => chip instanceof VirtioRnd);

    const all: (Device | undefined)[] = [
      ...this.lapics, ioApic, pic, pit, rtc, this.hpet, pmTimer, acpi, ...this.serial, debugConsole, this.keyboard, this.mouse, ps2,
      portA, post, exit, resetControl, this.host, hostBridge, this.lpc, this.fbuf, this.vga, this.legacyVga, this.ramfb, chipset.pm, firmwareLog, fwCfg, ...this.flash,
      ...(this.usb?.devices ?? []), ...(this.network?.devices ?? []), ...[...storage, ...virtio].map(({ chip }) => chip),
    ]; // prettier-ignore
    this.devices = all.filter((device) => device !== undefined);
    this.timed = this.devices.filter((device) => device.deadline !== undefined);
  }

  private firmwareConfiguration(config: MachineConfig, context: DeviceContext, images: Images): FwCfg {
    const { chipset, hpet, vga, ramfb } = this;
    const base = topologyOf(config, hpet.mmioRead(0, 4));
    const { items, files } = firmwareData(config, images, () => movedTopology(base, chipset, config.memory, vga !== undefined));
    return new FwCfg(context, { items, files: [...files, ...(ramfb ? [ramfb.file] : [])] });
  }

  /** Hardware reset of every chip, then what firmware would set up where there is none. */
  reset(): void {
    for (const device of this.devices) device.reset();
    this.changed();
    this.lapics[0]!.virtualWire();
    if (this.chipset.movable) return;
    PIRQ_ROUTES.forEach((irq, index) => this.lpc.route(index, irq));
    assignPci(this.host, { io: PCI_IO, mem32: DEFAULT_TOPOLOGY.pci.mem32 }, (pirq) => PIRQ_ROUTES[pirq]!);
  }

  /** What the monitor is sent. */
  scanout(): Scanout | undefined {
    // A framebuffer that is switched off shows the VGA, or nothing.
    const behind = this.legacyVga?.scanout() ?? (this.fbuf && blankScanout(NO_MODE));
    return this.fbuf?.scanout() ?? behind ?? this.vga?.scanout() ?? this.ramfb?.scanout();
  }

  /** Where the picture lies now. */
  framebufferAddress(): number | undefined {
    const bar = this.fbuf?.state.config.bars[1];
    return bar === undefined ? undefined : (bar & ~0xf) >>> 0;
  }

  /** A chip may have another deadline now. */
  changed(): void {
    this.due = UNKNOWN;
  }

  deadline(): Nanoseconds {
    if (this.due !== UNKNOWN) return this.due;
    let due = Infinity;
    for (const device of this.timed) {
      const next = device.deadline!();
      if (next < due) due = next;
    }
    return (this.due = due);
  }

  expire(now: Nanoseconds): void {
    for (const device of this.timed) if (device.deadline!() <= now) device.expire!(now);
    this.changed();
  }

  floatError(): void {
    this.lpc.floatError();
  }

  /** After all states were replaced. */
  restored(): void {
    // While chips assert their lines one after another, shared ones go up and down. No edge of that has ever been.
    const inputs: readonly Device[] = [this.pic, this.ioApic, ...this.lapics];
    const states = inputs.map(({ table, state }) => copyState(table, state));
    for (const device of this.devices) device.restored?.();
    inputs.forEach((device, number) => {
      Object.assign(device.state, states[number]);
      device.restored?.();
    });
    this.changed();
  }

  /** The lowest-level question of a vCPU: the vector to take, acknowledged; -1 for none. */
  acknowledge(vcpu: number): number {
    const lapic = this.lapics[vcpu]!;
    if (lapic.pending() >= 0) return lapic.acknowledge();
    if (!lapic.external()) return -1;
    lapic.externalTaken();
    return this.pic.acknowledge();
  }

  interruptPending(vcpu: number): boolean {
    const lapic = this.lapics[vcpu]!;
    return lapic.pending() >= 0 || lapic.external();
  }
}
