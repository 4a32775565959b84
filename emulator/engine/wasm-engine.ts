import type { Backing, Shadow } from '../bus/device';
import { guestError, internalError, type EmulatorError } from '../errors';
import { IF, RF, TF } from '../x86/flags';
import * as layout from '../x86/layout';
import { generalProtection, GuestException, MF } from '../x86/system/exceptions';
import { deliver, deliverException } from '../x86/system/deliver';
import { HostInstruction } from '../x86/system/instruction';
import { portBreakpoints, portDenied } from '../x86/system/io';
import { systemInstructions } from '../x86/system';
import { ACTIVE, CR0_NE, HALTED, SHUTDOWN, Vcpu, WAIT_FOR_SIPI } from '../x86/vcpu';
import { Exit, type Engine, type EngineOptions, type KeptPages, type Look, type Watch, type WatchHit } from './engine';
import { EngineContext } from './context';
import { FORMS_SECTION, NumberedForms } from './handlers';
import { hostCount, hostName } from './host';
import { Stopped } from './interpreter';
import { MachineMemory } from './machine-memory';
import { deriveMode } from './mode';
import { resetState } from './reset';
import { RegionTier } from './region/tier';
import { debugBreakpoints, Watches } from './watches';
import { ExitCounts, type EngineStatistics } from './statistics';
import { allocate, link, type EngineBinaries, type HelperExports } from './wasm-module';

/** Longest stretch without coming back to the driver, in instructions. */
const STRETCH = 1 << 22;
/** Interrupts that are taken one in the other before an instruction has to run. */
const MOST_NESTED = 64;
const PAGE = 0x1000;
/** Changes of breakpoints, after more than which all code is decoded again. */
const MARKS_AT_ONCE = 64;
/** ES and B of the x87 status word. */
const FPU_SUMMARY = 0x8080;
/** DR6: single step; DR7: general detect (SDM vol. 3, 17.2). */
const DR6_BS = 1 << 14;
const DR7_GD = 1 << 13;
/** Base of the code segment; 32 bits of it where it counts. */
const CODE_BASE = layout.SEGMENTS + layout.CS * layout.SEGMENT_SIZE + layout.SEG_BASE;
const CONTINUE = 2;
const FAULTED = 1;
const LEFT = 3;

/** The same as bits of EFLAGS' low half. */
const TRAP = Number(TF);
const INTERRUPTIBLE = Number(IF);
const RESUME = Number(RF);

/** Instructions that enter a handler with TF clear. */
const SWALLOWS_TRAP: ReadonlySet<string> = new Set(['int', 'int3', 'int1', 'into', 'syscall', 'sysenter']);

/** By their numbers. */
const SYSTEM = Array.from({ length: hostCount }, (_, number) => systemInstructions[hostName(number)]);
const SWALLOWING = Array.from({ length: hostCount }, (_, number) => SWALLOWS_TRAP.has(hostName(number)));

/** The deterministic engine: interpreter and helpers in WebAssembly, rare work in TypeScript. */
export class WasmEngine implements Engine {
  readonly memory: WebAssembly.Memory;
  readonly vcpu: Vcpu;
  private readonly store: MachineMemory;
  private readonly insn: HostInstruction;
  private readonly context: EngineContext;
  private readonly tier: RegionTier;
  private table!: WebAssembly.Table;
  private helpers!: HelperExports;
  private runBlocks!: () => Stopped;
  private readonly breakpoints = new Set<bigint>();
  /** Backing pages that bear PAGE_WATCHED. */
  private readonly watchedPages = new Set<number>();
  /** Where the last breakpoint was hit: the next run goes past it. */
  private resuming: bigint | undefined;
  /** Count at which BUDGET is 0. */
  private end = 0;
  private wanted = 0;
  private requested = false;
  private selected = 0;
  private readonly watches: Watches;
  private watchHit: WatchHit | undefined;
  /** A software interrupt or system call took TF away: no single-step trap after it. */
  private trapSwallowed = false;
  private failure: EmulatorError | undefined;
  private readonly exits = new ExitCounts();
  private kept: (kept: KeptPages) => void = () => undefined;
  private bring: (page: number) => void = () => undefined;

  private constructor(
    private readonly options: EngineOptions,
    { signatures, interpreter }: EngineBinaries,
  ) {
    const backingBytes = options.backings.reduce((sum, { length, of }) => sum + (of ? 0 : length), 0);
    this.memory = allocate(options.ramBytes, backingBytes);
    this.store = new MachineMemory(this.memory, options.ramBytes, options.backings);
    this.vcpu = new Vcpu(this.memory.buffer);
    this.watches = new Watches(this.store.view);
    this.insn = new HostInstruction(this.store.view, this.vcpu);
    this.tier = new RegionTier(
      {
        memory: this.memory,
        view: this.store.view,
        forms: onFirstUse(() => new NumberedForms(WebAssembly.Module.customSections(interpreter, FORMS_SECTION)[0]!)),
        signatures,
        helpers: () => this.helpers,
        table: () => this.table,
        probe: (linear) => this.helpers.probeFetch(linear) >>> 0,
        count: () => this.count(),
        comeBack: (instructions) => this.endAt(Math.min(this.end, this.count() + instructions)),
        endSlice: () => this.shorten(0),
        dropAll: () => this.dropBlocks(),
        clock: options.clock ?? (() => 0),
      },
      options.tier ?? 'auto',
    );
    this.context = new EngineContext(this);
  }

  static async create(options: EngineOptions, binaries: EngineBinaries): Promise<WasmEngine> {
    const engine = new WasmEngine(options, binaries);
    const { host } = options;
    const { helpers, run, table } = await link(binaries, engine.memory, {
      mmioRead: (address, size) => {
        engine.exits.add('device read');
        const value = host.mmioRead(address, size as 1 | 2 | 4);
        engine.lookAround();
        return value;
      },
      mmioWrite: (address, size, value) => {
        engine.exits.add('device write');
        host.mmioWrite(address, size as 1 | 2 | 4, value >>> 0);
        engine.lookAround();
      },
      portRead: (port, size) => engine.portRead(port, size as 1 | 2 | 4),
      portWrite: (port, size, value) => engine.portWrite(port, size as 1 | 2 | 4, value >>> 0),
      portDenied: (port, size) => engine.portDenied(port, size),
      watch: (index, address, size, write) => {
        const bit = engine.watches.touched(index, BigInt.asUintN(64, address), size, write !== 0);
        if (bit) engine.vcpu.setU32(layout.PENDING_DEBUG, engine.vcpu.u32(layout.PENDING_DEBUG) | bit);
        engine.kick();
      },
      marked: (linear) => (engine.marked(BigInt.asUintN(64, linear)) ? 1 : 0),
      dropBlocks: () => engine.dropBlocks(),
      kept: () => engine.tellKept(),
      awaited: (page) => engine.bring(page >>> 0),
      instruction: (index, record) => engine.instruction(index, record >>> 0),
      interruptible: () => {
        if (engine.interruptPending()) engine.kick();
      },
      exception: (vector, hasCode, code) => {
        engine.exits.add('exception');
        engine.resuming = undefined;
        host.exception?.(engine.selected, vector, hasCode ? code >>> 0 : undefined);
      },
      hot: (block) => engine.tier.hot(block >>> 0),
      prepareRegion: (slot, entry) => (engine.tier.prepare(slot, entry) ? 1 : 0),
      dropRegions: (address, size) => engine.tier.drop(address >>> 0, size),
    });
    engine.helpers = helpers;
    engine.runBlocks = run;
    engine.table = table;
    helpers.initialise();
    const { view } = engine.store;
    view.setUint32(layout.RECORDS_NEXT, layout.RECORDS, true);
    view.setInt32(layout.HEAT_AT_FIRST, engine.tier.threshold, true);
    view.setUint32(layout.PHYSICAL_WIDTH, options.physicalBits ?? layout.PHYSICAL_BITS, true);
    view.setUint32(layout.CRYSTAL_CLOCK, options.crystalHertz ?? layout.CRYSTAL_HERTZ, true);
    for (let lane = 0; lane < 4; lane++) {
      const [f32, f64] = [layout.FLOAT_CONSTANTS + lane * 4, layout.FLOAT_CONSTANTS + layout.FLOAT_CONSTANTS_F64 + (lane & 1) * 8];
      view.setUint32(f32 + layout.FLOAT_MAGNITUDE, 0x7fffffff, true);
      view.setUint32(f32 + layout.FLOAT_LEAST, 0x800001, true);
      view.setUint32(f32 + layout.FLOAT_GREATEST, 0x7f7fffff, true);
      view.setBigUint64(f64 + layout.FLOAT_MAGNITUDE, 0x7fffffffffffffffn, true);
      view.setBigUint64(f64 + layout.FLOAT_LEAST, 0x10000000000001n, true);
      view.setBigUint64(f64 + layout.FLOAT_GREATEST, 0x7fefffffffffffffn, true);
    }
    view.setBigUint64(layout.MASK16, 0xffffn, true);
    view.setBigUint64(layout.MASK32, 0xffffffffn, true);
    view.setBigUint64(layout.MASK64, (1n << 64n) - 1n, true);
    for (let i = options.vcpus - 1; i >= 0; i--) {
      engine.select(i);
      resetState(engine.vcpu, i === 0);
      deriveMode(engine.vcpu);
    }
    return engine;
  }

  get ram(): Uint8Array {
    return this.store.ram;
  }
  get view(): DataView {
    return this.store.view;
  }
  get vcpus(): number {
    return this.options.vcpus;
  }
  get exports(): HelperExports {
    return this.helpers;
  }
  get host(): EngineOptions['host'] {
    return this.options.host;
  }
  backing(name: string): Backing {
    return this.store.backing(name);
  }
  mapBacking(name: string, address: number | null): void {
    this.store.map(name, address, this.helpers);
    this.markWatchedPages();
  }
  writeBacking(name: string, offset: number, from: Uint8Array): void {
    this.store.writeBacking(name, offset, from, this.helpers);
  }
  shadow(address: number, length: number, shadow: Shadow): void {
    this.store.shadow(address, length, shadow, this.helpers);
    this.markWatchedPages();
  }

  // ── vCPUs ────────────────────────────────────────────────────────────────────────────────

  get current(): number {
    return this.selected;
  }

  /** Parks the running vCPU's window and brings in another's. */
  select(vcpu: number): void {
    if (vcpu === this.selected) return;
    const bytes = new Uint8Array(this.memory.buffer);
    const parked = (n: number) => layout.PARKED + n * layout.WINDOW_SIZE;
    bytes.copyWithin(parked(this.selected), layout.WINDOW, layout.WINDOW + layout.WINDOW_SIZE);
    bytes.copyWithin(layout.WINDOW, parked(vcpu), parked(vcpu) + layout.WINDOW_SIZE);
    this.selected = vcpu;
    this.debugRegistersChanged();
    deriveMode(this.vcpu);
    this.helpers.flush();
  }

  private windowOf(vcpu: number): Vcpu {
    return vcpu === this.selected ? this.vcpu : new Vcpu(this.memory.buffer, layout.PARKED + vcpu * layout.WINDOW_SIZE);
  }

  init(vcpu: number): void {
    resetState(this.windowOf(vcpu), false);
    this.modeChanged();
    this.kick();
  }
  startup(vcpu: number, vector: number): void {
    const window = this.windowOf(vcpu);
    if (window.u32(layout.ACTIVITY) !== WAIT_FOR_SIPI) return;
    window.setSegment(layout.CS, { selector: vector << 8, base: BigInt(vector << 12), limit: 0xffff, attributes: 0x93 });
    window.rip = 0n;
    window.setU32(layout.ACTIVITY, ACTIVE);
    this.modeChanged();
  }
  nmi(vcpu: number): void {
    this.windowOf(vcpu).setU32(layout.NMI_PENDING, 1);
    this.kick();
  }
  halted(vcpu: number): boolean {
    return this.windowOf(vcpu).u32(layout.ACTIVITY) !== ACTIVE;
  }

  saveVcpu(vcpu: number): Uint8Array {
    const base = vcpu === this.selected ? layout.WINDOW : layout.PARKED + vcpu * layout.WINDOW_SIZE;
    return new Uint8Array(this.memory.buffer).slice(base, base + layout.WINDOW_SIZE);
  }
  loadVcpu(vcpu: number, state: Uint8Array): void {
    const base = vcpu === this.selected ? layout.WINDOW : layout.PARKED + vcpu * layout.WINDOW_SIZE;
    new Uint8Array(this.memory.buffer).set(state.subarray(0, layout.WINDOW_SIZE), base);
    this.refresh([]);
  }

  // ── Running ──────────────────────────────────────────────────────────────────────────────

  count(): number {
    return this.end - this.view.getInt32(layout.BUDGET, true);
  }
  setCount(count: number): void {
    this.setEnd(count);
    this.view.setInt32(layout.BUDGET, 0, true);
  }
  setTime(step: number, offset: number): void {
    this.view.setFloat64(layout.TIME_STEP, step, true);
    this.view.setFloat64(layout.TIME_OFFSET, offset, true);
  }
  /** Time-stamp counter of the machine at the current instruction. */
  timestamp(): number {
    return this.count() * this.view.getFloat64(layout.TIME_STEP, true) + this.view.getFloat64(layout.TIME_OFFSET, true);
  }
  shorten(instructions: number): void {
    this.wanted = Math.min(this.wanted, this.count() + instructions);
    if (this.end > this.wanted) this.endAt(this.wanted);
  }
  requestExit(): void {
    this.requested = true;
    this.endAt(this.count());
  }
  private setEnd(end: number): void {
    this.end = end;
    this.view.setFloat64(layout.SLICE_END, end, true);
  }
  /** Chips may have changed what interrupts are pending. */
  disturb(): void {
    this.view.setUint32(layout.QUIET, 0, true);
  }
  private interruptPending(): boolean {
    const pending = this.host.interruptPending(this.selected);
    this.view.setUint32(layout.QUIET, pending ? 0 : 1, true);
    return pending;
  }
  /** Comes back to the driver at the next boundary, to look at interrupts. */
  kick(): void {
    this.disturb();
    this.endAt(Math.min(this.end, this.count()));
  }
  /** A chip was read or written: what it asks for now is taken at the next boundary. */
  private lookAround(): void {
    if (this.interruptPending() && this.view.getUint32(layout.EFLAGS, true) & INTERRUPTIBLE) this.kick();
  }
  private endAt(end: number): void {
    const count = this.count();
    this.setEnd(end);
    this.view.setInt32(layout.BUDGET, end - count, true);
  }

  /** Instructions that compiled code has run, about: those of blocks that it has left in the middle count whole. */
  get compiledInstructions(): number {
    return Number(this.view.getBigInt64(layout.REGION_INSTRUCTIONS, true));
  }

  get statistics(): EngineStatistics {
    const { view, tier, exits } = this;
    const { regions: made, modules, bytes, dropped, milliseconds } = tier.statistics;
    return {
      compiledInstructions: this.compiledInstructions,
      tlb: { misses: view.getUint32(layout.STAT_TLB_MISSES, true), flushes: view.getUint32(layout.STAT_FLUSHES, true) },
      regions: { made, modules, bytes, dropped, milliseconds },
      exits: { ...exits.all, 'instruction alone': view.getUint32(layout.STAT_ALONE, true) },
    };
  }

  /** The delivery of a fault takes a position of its own: before it and after it are two states. */
  private pass(): void {
    this.view.setInt32(layout.BUDGET, this.view.getInt32(layout.BUDGET, true) - 1, true);
  }

  get lastWatch(): WatchHit | undefined {
    return this.watchHit;
  }
  get error(): EmulatorError | undefined {
    return this.failure;
  }

  run(budget: number): Exit {
    const { vcpu, view } = this;
    this.wanted = this.count() + budget;
    this.requested = false;
    this.disturb();
    view.setUint32(layout.HEARD, this.host.system && (this.host.hearsSystem?.() ?? true) ? 1 : 0, true);
    let alone = false;
    for (;;) {
      this.tier.breathe();
      const count = this.count();
      if (this.failure) return Exit.Unimplemented;
      if (this.requested) return Exit.Request;
      this.watchHit = this.watches.take();
      if (this.watchHit) return Exit.Watchpoint;
      const activity = vcpu.u32(layout.ACTIVITY);
      if (activity === SHUTDOWN) return Exit.Shutdown;
      // What is due at this boundary is delivered even if the budget is used up: a stop shows the state after it.
      if (!alone && !this.takeTrap()) return Exit.Shutdown;
      if (!alone && !this.takeInterrupts(count)) return Exit.Shutdown;
      if (this.requested) return Exit.Request;
      if (count >= this.wanted) return Exit.Budget;
      if (vcpu.u32(layout.ACTIVITY) !== ACTIVE) return Exit.Halt;
      const flags = view.getUint32(layout.EFLAGS, true);
      const trap = (flags & TRAP) !== 0;
      const resumes = (flags & RESUME) !== 0;
      this.trapSwallowed = false;
      const single = alone || trap || resumes || this.inShadow(count);
      // A block that is run alone bears no break marks.
      if (single && !alone && this.marked(this.linearOf(vcpu.rip))) {
        if (this.atBreakpoint(this.linearOf(vcpu.rip))) return Exit.Breakpoint;
        if (vcpu.u32(layout.ACTIVITY) === SHUTDOWN) return Exit.Shutdown;
        if (this.resuming === undefined) continue;
      }
      alone = false;
      this.setEnd(single ? count + 1 : Math.min(this.wanted, count + STRETCH));
      view.setInt32(layout.BUDGET, this.end - count, true);
      view.setUint32(layout.SINGLE, single ? 1 : 0, true);
      view.setUint32(layout.EXIT_REASON, 0, true);
      view.setUint32(layout.LINK_SLOT, 0, true);
      this.setNext();
      const stopped = this.runBlocks();
      if (stopped === Stopped.Between) this.setPointer();
      const reason = view.getUint32(layout.EXIT_REASON, true);
      if (this.count() > count) this.resuming = undefined;
      switch (reason) {
        case layout.LEAVE_BUDGET:
        case 0:
          this.exits.add('slice end');
          break;
        case layout.LEAVE_RETRY:
          view.setUint32(layout.STAT_ALONE, view.getUint32(layout.STAT_ALONE, true) + 1, true);
          alone = true;
          break;
        case layout.LEAVE_FAULT:
          this.pass();
          if (!this.deliverFault()) return Exit.Shutdown;
          break;
        case layout.LEAVE_BREAKPOINT:
          if (this.atBreakpoint(view.getBigUint64(layout.INSTRUCTION_RIP, true))) return Exit.Breakpoint;
          if (vcpu.u32(layout.ACTIVITY) === SHUTDOWN) return Exit.Shutdown;
          alone = this.resuming !== undefined;
          break;
        case layout.LEAVE_HOST:
        case layout.LEAVE_FAILED:
          break;
        default:
          this.failure = guestError('fetch', `code is fetched from ${view.getBigUint64(layout.NEXT_LINEAR, true).toString(16)}, where there is no memory`);
      }
      if (this.count() > count) {
        if (resumes && reason !== layout.LEAVE_FAULT) vcpu.systemFlags &= ~RF;
        if (trap && reason !== layout.LEAVE_FAULT && !this.trapSwallowed) vcpu.setU32(layout.PENDING_DEBUG, vcpu.u32(layout.PENDING_DEBUG) | DR6_BS);
      }
    }
  }

  private countMarks(): void {
    this.view.setUint32(layout.BREAK_MARKS, this.breakpoints.size + (this.watches.anyExecution ? 1 : 0), true);
  }
  /** Whether the debugger or the guest's debug registers want to hear of this address. */
  private marked(linear: bigint): boolean {
    return this.breakpoints.has(linear) || this.watches.executionBits(linear) !== 0;
  }

  /** At a break mark: true where the debugger wants to stop; else the guest's own #DB, or on past it (`resuming`). */
  private atBreakpoint(linear: bigint): boolean {
    const { vcpu } = this;
    if (this.breakpoints.has(linear) && this.resuming !== linear) {
      this.resuming = linear;
      return true;
    }
    const bits = this.watches.executionBits(linear);
    if (bits && !(vcpu.systemFlags & RF)) {
      this.pass();
      this.raiseDebug(bits);
    } else this.resuming = linear;
    return false;
  }

  /** A debug trap that the last instruction has left (SDM vol. 3, table 6-2: before interrupts). */
  private takeTrap(): boolean {
    const { vcpu } = this;
    const bits = vcpu.u32(layout.PENDING_DEBUG);
    if (!bits) return true;
    vcpu.setU32(layout.PENDING_DEBUG, 0);
    return this.raiseDebug(bits);
  }

  private raiseDebug(bits: number): boolean {
    const { vcpu } = this;
    vcpu.setU32(layout.DR + 6 * 8, (vcpu.u32(layout.DR + 6 * 8) & ~0xf) | bits);
    vcpu.setU32(layout.DR + 7 * 8, vcpu.u32(layout.DR + 7 * 8) & ~DR7_GD);
    return this.raise(new GuestException(1));
  }

  private guestBreakpointsChanged(): void {
    if (!this.watches.setGuest(debugBreakpoints(this.vcpu))) return;
    this.countMarks();
    this.dropBlocks();
  }
  debugRegistersChanged(): void {
    this.guestBreakpointsChanged();
    this.helpers.flush();
  }

  private linearOf(rip: bigint): bigint {
    const { vcpu } = this;
    return vcpu.mode64 ? rip : (vcpu.segment(layout.CS).base + rip) & 0xffffffffn;
  }
  /** NEXT_LINEAR from RIP. */
  private setNext(): void {
    const { view } = this;
    if (this.vcpu.mode64) {
      view.setUint32(layout.NEXT_LINEAR, view.getUint32(layout.RIP, true), true);
      view.setUint32(layout.NEXT_LINEAR + 4, view.getUint32(layout.RIP + 4, true), true);
    } else {
      view.setUint32(layout.NEXT_LINEAR, view.getUint32(layout.RIP, true) + view.getUint32(CODE_BASE, true), true);
      view.setUint32(layout.NEXT_LINEAR + 4, 0, true);
    }
  }
  /** RIP from NEXT_LINEAR. */
  private setPointer(): void {
    const { view } = this;
    if (this.vcpu.mode64) {
      view.setUint32(layout.RIP, view.getUint32(layout.NEXT_LINEAR, true), true);
      view.setUint32(layout.RIP + 4, view.getUint32(layout.NEXT_LINEAR + 4, true), true);
    } else {
      view.setUint32(layout.RIP, view.getUint32(layout.NEXT_LINEAR, true) - view.getUint32(CODE_BASE, true), true);
      view.setUint32(layout.RIP + 4, 0, true);
    }
  }
  /** Whether STI or MOV SS was the last instruction. */
  private inShadow(count: number): boolean {
    const { view } = this;
    return view.getUint32(layout.SHADOW_COUNT, true) === count >>> 0 && view.getUint32(layout.SHADOW_COUNT + 4, true) === Math.floor(count / 2 ** 32);
  }

  /**
   * Takes NMIs and external interrupts where the architecture allows it; false: triple fault. A handler that lets others in is
   * interrupted at once: how often somebody asks at a boundary makes no difference.
   */
  private takeInterrupts(count: number): boolean {
    const { vcpu, view } = this;
    for (let taken = 0; taken < MOST_NESTED; taken++) {
      // Before its SIPI a processor takes nothing; an NMI stays pending.
      if (this.inShadow(count) || vcpu.u32(layout.ACTIVITY) > HALTED) return true;
      if (vcpu.u32(layout.NMI_PENDING) && !vcpu.u32(layout.NMI_BLOCKED)) {
        vcpu.setU32(layout.NMI_PENDING, 0);
        vcpu.setU32(layout.NMI_BLOCKED, 1);
        if (!this.event(2, 'nmi')) return false;
        continue;
      }
      if (!(view.getUint32(layout.EFLAGS, true) & INTERRUPTIBLE)) return true;
      if (!this.interruptPending()) return true;
      const vector = this.host.acknowledgeInterrupt(this.selected);
      if (vector < 0) return true;
      if (!this.event(vector, 'external')) return false;
    }
    return true;
  }

  private event(vector: number, kind: 'external' | 'nmi'): boolean {
    this.exits.add('interrupt');
    this.vcpu.setU32(layout.ACTIVITY, ACTIVE);
    this.resuming = undefined;
    if (kind === 'external' && this.helpers.quickInterrupt(vector)) return true;
    try {
      deliver(this.context, { vector, kind });
      if (kind === 'nmi') this.host.exception?.(this.selected, vector, undefined);
      return true;
    } catch (error) {
      if (error instanceof GuestException) return this.raise(error);
      throw error;
    }
  }

  private raise(fault: GuestException): boolean {
    this.resuming = undefined;
    if (fault.vector === MF && !(this.vcpu.cr0 & CR0_NE)) return this.floatError();
    this.exits.add('exception');
    if (deliverException(this.context, fault)) {
      this.host.exception?.(this.selected, fault.vector, fault.code);
      return true;
    }
    this.vcpu.setU32(layout.ACTIVITY, SHUTDOWN);
    this.failure = undefined;
    return false;
  }

  /**
   * An x87 error without CR0.NE: FERR# tells the board, and the vCPU waits in front of the instruction for an
   * interrupt, the board's as a rule (SDM vol. 1, 8.7.2).
   */
  private floatError(): boolean {
    this.vcpu.setU32(layout.ACTIVITY, HALTED);
    this.host.floatError?.(this.selected);
    return true;
  }

  /** IGNNE#, about: the running vCPU no longer waits for the error that is pending. */
  ignoreFloatError(): void {
    this.vcpu.setU16(layout.FPU_STATUS, this.vcpu.u16(layout.FPU_STATUS) & ~FPU_SUMMARY);
  }

  private deliverFault(): boolean {
    const { view } = this;
    const vector = view.getUint32(layout.FAULT_VECTOR, true);
    const code = view.getUint32(layout.FAULT_HAS_CODE, true) ? view.getUint32(layout.FAULT_CODE, true) : undefined;
    return this.raise(new GuestException(vector, code, vector === 14 ? view.getBigUint64(layout.FAULT_ADDRESS, true) : undefined));
  }

  // ── Called from generated code ───────────────────────────────────────────────────────────

  /** Runs a system instruction; a GuestException becomes the instruction's fault. */
  private instruction(index: number, record: number): number {
    const { view, vcpu } = this;
    const system = SYSTEM[index];
    this.exits.instruction(index);
    const trapping = view.getUint32(layout.EFLAGS, true) & TRAP;
    try {
      if (!system) throw internalError('no-instruction', `'${hostName(index)}' is not implemented`);
      const completed = this.host.system?.(this.selected, hostName(index));
      system(this.context, this.insn.at(record));
      completed?.();
    } catch (error) {
      if (error instanceof GuestException) {
        this.context.record(error);
        return FAULTED;
      }
      this.failure = error as EmulatorError;
      view.setUint32(layout.EXIT_REASON, layout.LEAVE_FAILED, true);
      return FAULTED;
    }
    const flags = view.getUint32(layout.EFLAGS, true);
    this.trapSwallowed = trapping !== 0 && !(flags & TRAP) && SWALLOWING[index]!;
    // RF holds for one instruction; it matters only where the guest has execution breakpoints.
    if (flags & RESUME) {
      if (this.watches.anyExecution) this.kick();
      else vcpu.systemFlags &= ~RF;
    }
    this.setNext();
    const due = (flags & TRAP) !== 0 || ((flags & INTERRUPTIBLE) !== 0 && this.interruptPending());
    const shadow = view.getUint32(layout.SHADOW_COUNT, true) === this.count() >>> 0;
    // Behind STI and MOV SS comes one instruction alone, if there is anything to hold back until after it.
    if (vcpu.u32(layout.ACTIVITY) !== ACTIVE || (shadow && (due || vcpu.u32(layout.NMI_PENDING) || vcpu.u32(layout.PENDING_DEBUG)))) {
      view.setUint32(layout.EXIT_REASON, layout.LEAVE_HOST, true);
      return LEFT;
    }
    if (due) this.kick();
    return CONTINUE;
  }

  portRead(port: number, size: 1 | 2 | 4): number {
    this.exits.add('port read');
    const value = this.host.portRead(port, size);
    this.portAccessed(port, size);
    this.lookAround();
    return value;
  }
  portWrite(port: number, size: 1 | 2 | 4, value: number): void {
    this.exits.add('port write');
    this.host.portWrite(port, size, value);
    this.portAccessed(port, size);
    this.lookAround();
  }
  private portAccessed(port: number, size: number): void {
    const { vcpu } = this;
    const bits = portBreakpoints(vcpu, port, size);
    if (!bits) return;
    vcpu.setU32(layout.PENDING_DEBUG, vcpu.u32(layout.PENDING_DEBUG) | bits);
    this.kick();
  }

  /** For INS and OUTS: 1 where a fault was raised instead. */
  private portDenied(port: number, size: number): number {
    try {
      if (!portDenied(this.context, port & 0xffff, size)) return 0;
      throw generalProtection();
    } catch (error) {
      if (!(error instanceof GuestException)) throw error;
      this.context.record(error);
      return 1;
    }
  }

  modeChanged(): void {
    deriveMode(this.vcpu);
  }

  private dropBlocks(): void {
    const bytes = new Uint8Array(this.memory.buffer);
    bytes.fill(0, layout.BLOCK_HASH, layout.BLOCK_HASH + layout.BLOCK_HASH_ENTRIES * 4);
    for (let page = 0; page <= this.store.lastPage; page++)
      if (bytes[layout.PAGE_FLAGS + page]! & layout.PAGE_CODE) {
        bytes[layout.PAGE_FLAGS + page]! &= ~layout.PAGE_CODE;
        this.view.setUint32(layout.CODE_MASK + page * 4, 0, true);
        this.view.setUint32(layout.CODE_HEAD + page * 4, 0, true);
      }
    this.view.setUint32(layout.LINK_SLOT, 0, true);
    this.view.setUint32(layout.RECORDS_NEXT, layout.RECORDS, true);
    this.tier.reset();
    this.helpers.nextGeneration();
  }

  // ── Debugger ─────────────────────────────────────────────────────────────────────────────

  setBreakpoints(addresses: readonly bigint[]): void {
    if (addresses.length === this.breakpoints.size && addresses.every((address) => this.breakpoints.has(address))) return;
    const wanted = new Set(addresses);
    const changed = [...addresses.filter((address) => !this.breakpoints.has(address)), ...[...this.breakpoints].filter((address) => !wanted.has(address))];
    this.breakpoints.clear();
    for (const address of addresses) this.breakpoints.add(address);
    this.countMarks();
    if (changed.length > MARKS_AT_ONCE) this.dropBlocks();
    else if (changed.length > 0) this.dropAround(new Set(changed.map((address) => Number(address & 0xfffn))));
  }

  /**
   * Drops the code at these offsets of pages, in whatever page: an address is another place in every address space,
   * and code that is decoded is looked for by its place. The byte before belongs to a block that has ended at a break mark.
   */
  private dropAround(offsets: ReadonlySet<number>): void {
    const { view, store, helpers } = this;
    const flags = new Uint8Array(this.memory.buffer, layout.PAGE_FLAGS, store.lastPage + 1);
    for (let page = store.firstPage; page <= store.lastPage; page++) {
      if (!(flags[page]! & layout.PAGE_CODE)) continue;
      const mask = view.getUint32(layout.CODE_MASK + page * 4, true);
      for (const offset of offsets) {
        const first = Math.max(offset - 1, 0);
        if (mask & (1 << (first >> 7)) || mask & (1 << (offset >> 7))) helpers.dropRange(page * PAGE + first, offset - first + 1);
      }
    }
  }
  setWatches(watches: readonly Watch[]): void {
    this.watches.setDebugger(watches);
    this.markWatchedPages();
    this.helpers.flush();
  }
  /** Pages with physical watches never get into the TLB. Linear ones are told by the page's address. */
  private markWatchedPages(): void {
    const bytes = new Uint8Array(this.memory.buffer);
    for (const page of this.watchedPages) bytes[layout.PAGE_FLAGS + page]! &= ~layout.PAGE_WATCHED;
    this.watchedPages.clear();
    for (const { space, address, length } of this.watches.list) {
      if (space !== 'physical') continue;
      for (let page = address >> 12n; page <= (address + BigInt(length - 1)) >> 12n; page++) {
        const host = this.helpers.hostOf(page << 12n) >>> 0;
        if (!host) continue;
        this.watchedPages.add(host >>> 12);
        bytes[layout.PAGE_FLAGS + (host >>> 12)]! |= layout.PAGE_WATCHED;
      }
    }
  }
  physicalRead(address: number, into: Uint8Array): void {
    this.store.read(address, into, this.helpers);
  }
  physicalWrite(address: number, from: Uint8Array): void {
    this.store.write(address, from, this.helpers);
  }
  translate(linear: bigint): number | undefined {
    return this.context.peek(linear);
  }
  writtenPages(reader: number, look: Look, first?: number, last?: number): Uint32Array {
    // What is written from now on is written first again.
    this.tellKept();
    return this.store.writtenPages(this.helpers, reader, look, first, last);
  }
  markWritten(pages: Iterable<number>): void {
    this.store.markWritten(pages);
  }
  keep(pages: ArrayLike<number>): void {
    const { bytes } = this.store;
    for (let i = 0; i < pages.length; i++) bytes[layout.KEEP_PAGES + pages[i]!] = 1;
  }
  letGo(first: number, end: number): void {
    this.store.bytes.fill(0, layout.KEEP_PAGES + first, layout.KEEP_PAGES + end);
  }
  onKept(listener: (kept: KeptPages) => void): void {
    this.kept = listener;
  }
  tellKept(): void {
    const kept = this.store.takeKept();
    if (kept) this.kept(kept);
  }
  awaitPages(pages: Iterable<number>, bring: (page: number) => void): void {
    this.bring = bring;
    this.store.awaitPages(pages);
    this.helpers.flush();
  }
  isAwaited(page: number): boolean {
    return this.store.isAwaited(page);
  }
  arrive(page: number, contents: Uint8Array): void {
    this.store.arrive(page, contents);
  }
  flush(): void {
    this.refresh([]);
    this.dropBlocks();
  }
  refresh(pages: Iterable<number>): void {
    this.failure = undefined;
    this.resuming = undefined;
    const bytes = new Uint8Array(this.memory.buffer);
    for (const page of pages) if (bytes[layout.PAGE_FLAGS + page]! & layout.PAGE_CODE) this.helpers.dropCode(page);
    this.guestBreakpointsChanged();
    deriveMode(this.vcpu);
    this.helpers.flush();
  }
}

/** For what is wanted when code is compiled: it runs before that. */
function onFirstUse<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
