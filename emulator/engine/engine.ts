import type { Backing, Shadow } from '../bus/device';
import type { EngineStatistics } from './statistics';

/** Why `run` came back. Values are shared with the generated code. */
export const enum Exit {
  /** The slice's instructions are used up, exactly. */
  Budget = 1,
  /** HLT with no interrupt to take. */
  Halt = 2,
  /** A breakpoint mark at the next instruction; it has not run. */
  Breakpoint = 3,
  /** A watched access; the instruction has completed. */
  Watchpoint = 4,
  /** Triple fault: the vCPU is shut down. */
  Shutdown = 5,
  /** A device asked for a stop (reset, power-off, exit), or `requestExit` was called. */
  Request = 6,
  /** Something that this emulator does not implement; `error` says what. The machine stays inspectable. */
  Unimplemented = 7,
}

/** The vCPU's connection to the rest of the machine. Called from inside `run`. */
export interface EngineHost {
  portRead(port: number, size: 1 | 2 | 4): number;
  portWrite(port: number, size: 1 | 2 | 4, value: number): void;
  mmioRead(address: number, size: 1 | 2 | 4): number;
  mmioWrite(address: number, size: 1 | 2 | 4, value: number): void;
  /** Highest-priority interrupt that the local APIC or PIC offers, acknowledged; -1 for none. */
  acknowledgeInterrupt(vcpu: number): number;
  interruptPending(vcpu: number): boolean;
  /** Local APIC registers as MSRs, APIC base changes, CR8. Undefined: no such register (#GP). */
  readApicMsr(vcpu: number, index: number): bigint | undefined;
  writeApicMsr(vcpu: number, index: number, value: bigint): boolean;
  getTaskPriority(vcpu: number): number;
  setTaskPriority(vcpu: number, value: number): void;
  /** An exception or an NMI (vector 2) was delivered; `requestExit` here stops before the handler's first instruction. */
  exception?(vcpu: number, vector: number, code: number | undefined): void;
  /** FERR#: an x87 error is to be reported the way of the AT, by interrupt 13. */
  floatError?(vcpu: number): void;
  /** A system instruction is about to run, by its definition's name; what comes back is called once it has completed. */
  system?(vcpu: number, name: string): (() => void) | undefined;
  /** Whether `system` has anybody to tell, asked at the beginning of `run`; where it is missing: yes. */
  hearsSystem?(): boolean;
  /** The vCPU's time-stamp counter was written. */
  timestampChanged(vcpu: number): void;
}

/** Which code is compiled: none, what is hot, or everything before it first runs. */
export const TIERS = ['generic', 'auto', 'region'] as const;
export type Tier = (typeof TIERS)[number];
export const isTier = (value: unknown): value is Tier => (TIERS as readonly unknown[]).includes(value);

export interface EngineOptions {
  readonly ramBytes: number;
  readonly vcpus: number;
  /** Memory beside RAM (framebuffer, ROM), by length; reachable once mapped. */
  readonly backings: readonly BackingPlan[];
  /** Bits of a physical address. */
  readonly physicalBits?: number;
  /** Clock of the core crystal, which the local APICs' timers count. */
  readonly crystalHertz?: number;
  readonly host: EngineHost;
  /** Which code is compiled; 'auto' unless told otherwise. The guest can't tell. */
  readonly tier?: Tier;
  /** Milliseconds of any clock, for statistics only. */
  readonly clock?: () => number;
}

export interface BackingPlan {
  readonly name: string;
  readonly length: number;
  /** Where not, the guest's writes go to the bus: ROM, and flash, which takes them as commands. */
  readonly writable: boolean;
  /** A second window to a part of a backing that comes before in the list. */
  readonly of?: { readonly name: string; readonly offset: number };
}

/** What becomes of pages that a reader looks at: `list`, they stay unread; `take`; `keep`, they are taken, and what they are now is kept when they change. */
export type Look = 'list' | 'take' | 'keep';

/** Pages as they were before they changed. */
export interface KeptPages {
  /** Backing page numbers, with KEPT_ZERO (x86/layout.ts) where they were all zeros. */
  readonly pages: Uint32Array;
  /** What the others were, one after the other: to be copied where it is to last. */
  readonly contents: Uint8Array;
}

/** Runs guest code: one vCPU at a time, exactly. Implemented by the WebAssembly engine. */
export interface Engine {
  readonly memory: WebAssembly.Memory;
  readonly ram: Uint8Array;
  backing(name: string): Backing;
  /** The board's answer to `floatError`: the running vCPU goes on over the error. */
  ignoreFloatError(): void;
  /** Maps a backing at a physical address (page-aligned), or takes it away. */
  mapBacking(name: string, address: number | null): void;
  /** Changes what a backing, or `ram`, holds, as its chip does: also where the guest can't write. */
  writeBacking(name: string, offset: number, from: Uint8Array): void;
  /** Says what answers at some pages of RAM below 1 MiB. */
  shadow(address: number, length: number, shadow: Shadow): void;

  /** The vCPU whose state is in the window. */
  readonly current: number;
  select(vcpu: number): void;
  /**
   * Runs the selected vCPU for at most `budget` instructions from instruction count `count()`.
   * Interrupts are taken at the exact boundaries that the architecture allows, the last one included:
   * `run(0)` does nothing else.
   */
  run(budget: number): Exit;
  /** Total instructions retired by all vCPUs: the machine's position in its history. */
  count(): number;
  setCount(count: number): void;
  /** From host callbacks: the current slice ends at the next boundary at most `instructions` from now. */
  shorten(instructions: number): void;
  /** From host callbacks: leave `run` with Exit.Request at the next boundary. */
  requestExit(): void;

  /** INIT and start-up IPIs, NMI, from the local APIC. */
  init(vcpu: number): void;
  startup(vcpu: number, vector: number): void;
  nmi(vcpu: number): void;
  halted(vcpu: number): boolean;

  /** Debugger marks. Linear addresses; the guest never sees them. */
  setBreakpoints(addresses: readonly bigint[]): void;
  setWatches(watches: readonly Watch[]): void;
  /** The access that ended `run` with Exit.Watchpoint. */
  readonly lastWatch: WatchHit | undefined;
  /** For Exit.Unimplemented and Exit.Shutdown: what happened and where. */
  readonly error: Error | undefined;
  readonly statistics: EngineStatistics;

  /** What a time-stamp counter counts: `step` for each instruction, and `offset`. */
  setTime(step: number, offset: number): void;

  /** Device or debugger access to physical memory: marks pages dirty and drops code. */
  physicalRead(address: number, into: Uint8Array): void;
  physicalWrite(address: number, from: Uint8Array): void;
  /** Translation without side effects, as the selected vCPU would see it; undefined where unmapped. */
  translate(linear: bigint): number | undefined;

  /**
   * Pages (backing page numbers, in order) that were written since this reader, one of READERS (x86/layout.ts), has taken them:
   * all, or those of a range, its last page included.
   */
  writtenPages(reader: number, look: Look, first?: number, last?: number): Uint32Array;
  /** As if these had been written. */
  markWritten(pages: Iterable<number>): void;
  /** When these pages change for the first time since any reader has looked, what they were is kept. */
  keep(pages: ArrayLike<number>): void;
  /** Not of these any more: from the first to that before the end. */
  letGo(first: number, end: number): void;
  /** Each of them is told of once: when many have changed, before `writtenPages` gives any, and by `tellKept`. */
  onKept(listener: (kept: KeptPages) => void): void;
  tellKept(): void;
  /** Contents of these pages of RAM come later: `bring` is called when one is looked at, and has to make it `arrive`. */
  awaitPages(pages: Iterable<number>, bring: (page: number) => void): void;
  isAwaited(page: number): boolean;
  /** Contents of a page that is awaited. The guest can't tell when that was. */
  arrive(page: number, contents: Uint8Array): void;
  /** Call after anything behind the engine's back changed memory or vCPU state (restore). */
  flush(): void;
  /** The same, where only these pages (backing page numbers) have changed: code of others stays decoded. */
  refresh(pages: Iterable<number>): void;
  /** Architectural state of a vCPU in canonical form, a fixed number of bytes; and back. */
  saveVcpu(vcpu: number): Uint8Array;
  loadVcpu(vcpu: number, state: Uint8Array): void;
}

export interface Watch {
  readonly space: 'linear' | 'physical';
  readonly address: bigint;
  readonly length: number;
  readonly access: 'read' | 'write' | 'access';
}
export interface WatchHit {
  readonly watch: Watch;
  readonly address: bigint;
  readonly write: boolean;
  readonly size: number;
}
