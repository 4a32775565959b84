import type { Backing, Device, DeviceContext, PhysicalMemory } from '../bus/device';
import type { EngineBinaries } from '../engine/wasm-module';
import type { Engine } from '../engine/engine';
import { WasmEngine } from '../engine/wasm-engine';
import { resetState } from '../engine/reset';
import { userError } from '../errors';
import type { BootFramebuffer } from '../firmware/plan';
import type { Command } from '../network/outside';
import type { Disk } from '../storage/disk';
import * as layout from '../x86/layout';
import type { MachineConfig } from './api';
import { enter, planBoot, type BootPlan } from './boot';
import type { Images } from './images';
import { MachineBus } from './bus';
import { Clock, INSTRUCTION_NS } from './clock';
import { MachineHost, type HostListener } from './enginehost';
import { Journal } from './journal';
import { BACKING, platformOf, type Platform } from './platform';
import { TracedHost, type Trace } from './trace';
import { isMemoryPage, WrittenPages } from './pages';
import { Vcpus } from './vcpus';
import { Board } from './wiring';

export const MAX_VCPUS = 16;
const PAGE = 4096;
const A20 = 1n << 20n;
const ALL_ADDRESS_LINES = (1n << 64n) - 1n;

/** What the machine tells while it runs. */
export interface MachineListener {
  /** A byte has left through a serial line. True: stop at the next boundary. */
  serial(port: number, byte: number): boolean;
  /** The network wants something of the host. Commands are numbered: those of a past that is run through again come with the numbers that they had. */
  network?(number: number, command: Command): void;
}

/** How it is made, beside what it is. Nothing of it shows in the guest. */
export interface MachineOptions {
  /** Another state is put into it before it runs: no image is brought to its memory. */
  readonly empty?: boolean;
  readonly traps?: HostListener;
  readonly trace?: Trace | undefined;
  /** Milliseconds of any clock, for statistics. */
  readonly clock?: () => number;
}

/**
 * A whole machine: engine, bus, chips and clock, in the state that its history has led to. It runs
 * nowhere by itself: `RunLoop` moves it.
 */
export class Machine {
  readonly engine: Engine;
  readonly bus: MachineBus;
  readonly board: Board;
  readonly clock: Clock;
  readonly vcpus: Vcpus;
  readonly pages: WrittenPages;
  readonly disks: readonly Disk[];
  readonly journal = new Journal();
  private plan: BootPlan | undefined;
  /** Whose turn it is, and the position at which it ends. Guest-visible, as interrupts depend on it. */
  turn = { vcpu: 0, end: 0 };
  /** ACPI soft off. */
  off = false;

  private constructor(
    readonly config: MachineConfig,
    private readonly images: Images,
    readonly platform: Platform,
    engine: Engine,
    readonly host: MachineHost,
    readonly listener: MachineListener,
    empty: boolean,
  ) {
    this.engine = engine;
    this.clock = new Clock(
      () => engine.count(),
      (offset) => engine.setTime(INSTRUCTION_NS, offset),
    );
    this.vcpus = new Vcpus(engine, config.cpus);
    this.disks = images.disks ?? [];
    this.pages = new WrittenPages(
      engine,
      this.disks.map(({ overlay }) => overlay),
    );
    const names = new Map<Backing, string>(platform.backings.map(({ name }) => [engine.backing(name), name]));
    this.bus = new MachineBus((backing, address) => {
      const name = names.get(backing);
      if (name !== undefined) engine.mapBacking(name, address);
    });
    this.fill();
    const memory: PhysicalMemory = {
      read: (address, into) => engine.physicalRead(address, into),
      write: (address, from) => engine.physicalWrite(address, from),
    };
    const context: DeviceContext = { now: () => this.clock.now(), rearm: () => host.rearm(), memory };
    this.board = new Board(
      config,
      this.bus,
      {
        context,
        current: () => engine.current,
        nsAtTsc: (vcpu, tsc) => Math.max(0, Math.ceil(tsc - this.vcpus.tscOffset(vcpu))),
        nmi: (vcpu) => engine.nmi(vcpu),
        init: (vcpu) => engine.init(vcpu),
        startup: (vcpu, vector) => engine.startup(vcpu, vector),
        ignoreFloatError: () => engine.ignoreFloatError(),
        a20: (enabled) => this.setA20(enabled),
        transmit: (port, byte) => void (listener.serial(port, byte) && host.stop()),
        command: (number, command) => listener.network?.(number, command),
        powerOff: () => host.request({ kind: 'power-off' }),
        reset: () => host.request({ kind: 'reset' }),
        exit: (code) => host.request({ kind: 'exit', code }),
        backing: (name) => engine.backing(name),
        store: (name, offset, from) => engine.writeBacking(name, offset, from),
        shadow: (address, length, shadow) => engine.shadow(address, length, shadow),
      },
      platform,
      images,
    );
    host.attach(engine, this.board, this.bus, this.clock);
    this.board.reset();
    this.resetProcessors();
    if (!empty) this.load();
  }

  /** Throws EmulatorError with blame `user` for a bad configuration or image. */
  static async create(
    config: MachineConfig,
    images: Images,
    binaries: EngineBinaries,
    listener: MachineListener,
    { traps, clock, trace, empty = false }: MachineOptions = {},
  ): Promise<Machine> {
    if (!Number.isInteger(config.cpus) || config.cpus < 1 || config.cpus > MAX_VCPUS) {
      throw userError('cpus', `${config.cpus} processors: 1 to ${MAX_VCPUS} are possible`);
    }
    if (!Number.isInteger(config.memory / PAGE) || config.memory < 16 * 2 ** 20 || config.memory > 3 * 2 ** 30) {
      throw userError('memory-size', `memory of ${config.memory} bytes: whole megabytes from 16 MB to 3072 MB are possible`);
    }
    const host = new MachineHost(traps);
    const platform = platformOf(config, images);
    const { backings, physicalBits, crystalHertz } = platform;
    const where = (): { position: number; vcpu: number } => ({ position: engine.count(), vcpu: engine.current });
    const engine: WasmEngine = await WasmEngine.create(
      {
        ramBytes: config.memory,
        vcpus: config.cpus,
        backings,
        host: trace ? new TracedHost(host, trace, where) : host,
        ...(physicalBits && { physicalBits }),
        crystalHertz,
        ...(config.tier && { tier: config.tier }),
        ...(clock && { clock }),
      },
      binaries,
    );
    return new Machine(config, images, platform, engine, host, listener, empty);
  }

  get position(): number {
    return this.engine.count();
  }
  get devices(): readonly Device[] {
    return this.board.devices;
  }

  /**
   * Hardware reset: all chips and processors, and memory as the loader leaves it. Where firmware starts the machine,
   * memory stays as it is, as in a PC. Position and time go on.
   */
  reset(): void {
    const { firmware, bios } = this.images;
    if (!firmware && !bios) this.clear();
    this.board.reset();
    this.resetProcessors();
    this.load();
  }

  private clear(): void {
    const pages = this.pages.all().filter(isMemoryPage);
    for (const page of pages) this.pages.put(page, null);
    this.pages.mark(pages);
  }

  /** What ROM and flash hold at power-on. The variable store is marked as written, so that its contents at power-on are in the history. */
  private fill(): void {
    const { engine, platform } = this;
    const { flash, rom, vgaBios } = platform;
    for (const { backing, bytes } of [...flash, ...(rom ? [rom] : [])]) engine.backing(backing).bytes.set(bytes);
    if (vgaBios) engine.backing(BACKING.vgaBios).bytes.set(vgaBios);
    for (const { backing, bytes } of flash) if (backing === BACKING.vars) engine.writeBacking(backing, 0, bytes);
  }

  private resetProcessors(): void {
    for (let number = 0; number < this.config.cpus; number++) resetState(this.vcpus.at(number), number === 0);
    this.engine.select(0);
    this.engine.flush();
    this.turn = { vcpu: 0, end: this.position };
    this.off = false;
  }

  /** The segments in memory, the boot processor at its entry. What is loaded follows from the board after its reset. */
  private load(): void {
    const { engine, config, images, board } = this;
    const { segments, entry } = (this.plan ??= planBoot(config, images, this.bootFramebuffer(), board.hpet.mmioRead(0, 4)));
    this.pages.load(segments);
    if (entry) enter(this.vcpus.at(0), entry);
    engine.flush();
  }

  private setA20(enabled: boolean): void {
    const view = new DataView(this.engine.memory.buffer);
    const mask = enabled ? ALL_ADDRESS_LINES : ALL_ADDRESS_LINES & ~A20;
    if (view.getBigUint64(layout.A20_MASK, true) === mask) return;
    view.setBigUint64(layout.A20_MASK, mask, true);
    this.engine.flush();
  }

  private bootFramebuffer(): BootFramebuffer | undefined {
    const mode = this.board.fbuf?.mode();
    const address = this.board.framebufferAddress();
    if (!mode || address === undefined) return undefined;
    const { width, height, stride } = mode;
    return { address, width, height, bitsPerPixel: mode.depth as 16 | 24 | 32, pitch: stride };
  }
}
