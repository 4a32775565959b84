import type { AccessSize } from '../bus/device';
import type { Engine, EngineHost } from '../engine/engine';
import { openBus, type MachineBus } from './bus';
import { ACCESS_NS, type Clock } from './clock';
import type { Board } from './wiring';

/** What a chip asked for; it happens at the next instruction boundary. */
export type Request = { readonly kind: 'power-off' } | { readonly kind: 'reset' } | { readonly kind: 'exit'; readonly code: number };

/** Who wants to know of accesses and events as they happen: triggers. Answers true to stop at the next boundary. */
export interface HostListener {
  port(port: number, size: AccessSize, write: boolean, value: number): boolean;
  interrupt(vcpu: number, vector: number): boolean;
  exception(vcpu: number, vector: number, code: number | undefined): boolean;
  /** Whether somebody waits for system instructions. */
  readonly hearsSystem: boolean;
  /** A system instruction is about to run; what comes back is asked once it has completed. */
  system(vcpu: number, name: string): (() => boolean) | undefined;
}

const MSR_APIC_BASE = 0x1b;
/** Calls from the engine between two looks at the host's clock; a power of two. */
const WATCH_CALLS = 128;

/** The vCPUs' connection to bus, interrupt controllers and clock. Accesses cost time. */
export class MachineHost implements EngineHost {
  private engine!: Engine;
  private board!: Board;
  private bus!: MachineBus;
  private clock!: Clock;
  private requests: Request[] = [];
  /** Position at which the running slice ends at the latest; Infinity while nothing runs. */
  private end = Infinity;
  private trapped = false;
  private calls = 0;
  /**
   * Whether the slice has taken too much of the host's time. Slow work (accesses, interrupts)
   * comes through here, so it is cut short wherever it is; where slices end makes no difference to the guest.
   */
  overdue: (() => boolean) | undefined;
  private overran = false;

  constructor(public traps?: HostListener) {}

  attach(engine: Engine, board: Board, bus: MachineBus, clock: Clock): void {
    this.engine = engine;
    this.board = board;
    this.bus = bus;
    this.clock = clock;
  }

  // ── The run loop's side ──────────────────────────────────────────────────────────────────

  /** The run loop is about to run up to this position. */
  begin(end: number): void {
    this.end = end;
  }
  finish(): void {
    this.end = Infinity;
  }
  request(request: Request): void {
    this.requests.push(request);
    if (this.end !== Infinity) this.engine.requestExit();
  }
  /** Whether the slice was cut short since the last call. */
  takeOverrun(): boolean {
    const { overran } = this;
    this.overran = false;
    return overran;
  }
  private watch(): void {
    if ((++this.calls & (WATCH_CALLS - 1)) !== 0 || this.end === Infinity || !this.overdue?.()) return;
    this.overran = true;
    this.engine.shorten(0);
  }

  /** The run loop is to come back at the next boundary. */
  stop(): void {
    this.trapped = true;
    if (this.end !== Infinity) this.engine.requestExit();
  }
  /** Whether a trap asked for a stop since the last call. */
  takeTrap(): boolean {
    const { trapped } = this;
    this.trapped = false;
    return trapped;
  }
  takeRequests(): readonly Request[] {
    const taken = this.requests;
    if (taken.length > 0) this.requests = [];
    return taken;
  }

  /** A deadline may have come nearer, by a change of a chip. */
  rearm(): void {
    this.board.changed();
    this.passed();
  }
  /** Time has passed in an access. */
  private passed(): void {
    this.watch();
    if (this.end === Infinity) return;
    const due = this.board.deadline();
    if (due === Infinity) return;
    const position = this.clock.positionAt(due);
    if (position >= this.end) return;
    this.end = position;
    this.engine.shorten(Math.max(0, position - this.engine.count()));
  }

  // ── The engine's side ────────────────────────────────────────────────────────────────────

  portRead(port: number, size: AccessSize): number {
    this.clock.charge(ACCESS_NS);
    const value = this.bus.portRead(port, size);
    if (this.bus.quietPort(port, size)) this.passed();
    else this.rearm();
    if (this.traps?.port(port, size, false, value)) this.stop();
    return value;
  }
  portWrite(port: number, size: AccessSize, value: number): void {
    this.clock.charge(ACCESS_NS);
    this.bus.portWrite(port, size, value);
    if (this.bus.quietPort(port, size, true)) this.passed();
    else this.rearm();
    if (this.traps?.port(port, size, true, (value & openBus(size)) >>> 0)) this.stop();
  }
  mmioRead(address: number, size: AccessSize): number {
    this.clock.charge(ACCESS_NS);
    const value = this.bus.mmioRead(address, size);
    if (this.bus.quietMemory(address, size)) this.passed();
    else this.rearm();
    return value;
  }
  mmioWrite(address: number, size: AccessSize, value: number): void {
    this.clock.charge(ACCESS_NS);
    this.bus.mmioWrite(address, size, value);
    this.rearm();
  }

  acknowledgeInterrupt(vcpu: number): number {
    const vector = this.board.acknowledge(vcpu);
    if (vector >= 0 && this.traps?.interrupt(vcpu, vector)) this.stop();
    return vector;
  }
  interruptPending(vcpu: number): boolean {
    this.watch();
    return this.board.interruptPending(vcpu);
  }
  exception(vcpu: number, vector: number, code: number | undefined): void {
    this.watch();
    if (this.traps?.exception(vcpu, vector, code)) this.stop();
  }
  floatError(): void {
    this.board.floatError();
    this.rearm();
  }
  system(vcpu: number, name: string): (() => void) | undefined {
    const completed = this.traps?.system(vcpu, name);
    return (
      completed &&
      ((): void => {
        if (completed()) this.stop();
      })
    );
  }
  hearsSystem(): boolean {
    return this.traps?.hearsSystem ?? false;
  }

  readApicMsr(vcpu: number, index: number): bigint | undefined {
    const lapic = this.board.lapics[vcpu]!;
    return index === MSR_APIC_BASE ? lapic.apicBase : lapic.readMsr(index);
  }
  writeApicMsr(vcpu: number, index: number, value: bigint): boolean {
    const lapic = this.board.lapics[vcpu]!;
    const known = index === MSR_APIC_BASE ? lapic.setBase(value) : lapic.writeMsr(index, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
    this.rearm();
    return known;
  }
  getTaskPriority(vcpu: number): number {
    return this.board.lapics[vcpu]!.cr8;
  }
  setTaskPriority(vcpu: number, value: number): void {
    this.board.lapics[vcpu]!.cr8 = value;
  }
  /** The vCPU's TSC was written. */
  timestampChanged(vcpu: number): void {
    this.board.lapics[vcpu]!.tscChanged();
    this.rearm();
  }
}
