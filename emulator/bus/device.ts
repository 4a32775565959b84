import type { FieldTable, StateOf } from './fields';

/** Virtual time in nanoseconds since power-on; an integer below 2^53. */
export type Nanoseconds = number;

/** An interrupt line: level-triggered devices hold it, edge-triggered ones pulse it. */
export interface Line {
  set(level: boolean): void;
}

/** The bus's view of guest memory: the only way a device touches RAM. */
export interface PhysicalMemory {
  /** Copies out; bytes beyond RAM read as 0xFF. */
  read(address: number, into: Uint8Array): void;
  /** Marks pages dirty, drops code, triggers watches, exactly as a vCPU's store does. */
  write(address: number, from: Uint8Array): void;
}

/** What a device gets from the machine when it is made. */
export interface DeviceContext {
  /** Now, in virtual time. */
  now(): Nanoseconds;
  /** Call after a change of `deadline()` outside of an access or `expire`. */
  rearm(): void;
  readonly memory: PhysicalMemory;
}

/**
 * A chip. All that it remembers is in `state`, described by `table`; whatever else it holds
 * is wiring. Accesses come in sizes of 1, 2 or 4 bytes and never throw.
 */
export interface Device<Table extends FieldTable = FieldTable> {
  /** Instance name, unique in the machine: `com1`, `lapic0`. */
  readonly name: string;
  /** Kind of chip, the key of its chunks in a snapshot: `uart16550`. */
  readonly kind: string;
  /** Version of `table`. */
  readonly version: number;
  readonly table: Table;
  readonly state: StateOf<Table>;
  /** Power-on or hardware reset. */
  reset(): void;
  /** Virtual time at which `expire` wants to be called, Infinity for never. Derived from `state`. */
  deadline?(): Nanoseconds;
  /** Called when `deadline()` has come. */
  expire?(now: Nanoseconds): void;
  /** Called after `state` was replaced: put output lines and other wiring in step with it. */
  restored?(): void;
}

export type AccessSize = 1 | 2 | 4;

/** Something that answers port accesses; `port` is the absolute port number. */
export interface PortHandler {
  /** Reads change no chip's `deadline()`: guests that poll a counter do so in millions. */
  readonly quietReads?: true;
  /** Writes neither, but where the chip calls `rearm` itself: guests write to consoles byte by byte. */
  readonly quietWrites?: true;
  portRead(port: number, size: AccessSize): number;
  portWrite(port: number, size: AccessSize, value: number): void;
}

/** Something that answers memory-mapped accesses; `offset` is relative to its window. */
export interface MmioHandler {
  /** As for ports. */
  readonly quietReads?: true;
  mmioRead(offset: number, size: AccessSize): number;
  mmioWrite(offset: number, size: AccessSize, value: number): void;
}

export interface PortRange {
  readonly first: number;
  readonly count: number;
  readonly handler: PortHandler;
  readonly owner: string;
}

/** Where devices put themselves; ranges may be moved (PCI BARs). */
/**
 * Where windows overlap the one that was added first answers: they are added in the order of the board, those that
 * decode nothing yet with null for their address, and not in the order in which the guest switches them on.
 */
export interface Bus {
  addPorts(first: number | null, count: number, handler: PortHandler, owner: string): Mapping;
  addMmio(address: number | null, length: number, handler: MmioHandler, owner: string): Mapping;
  /** A window backed by memory of the machine (framebuffer, ROM): accesses never reach a handler. */
  addBacking(address: number | null, backing: Backing, owner: string): Mapping;
}

/** Memory beside RAM, allocated when the machine is made. `length` is a multiple of 4096. */
export interface Backing {
  readonly length: number;
  readonly writable: boolean;
  readonly bytes: Uint8Array;
}

/** What answers at addresses of RAM: all of it, RAM that writes don't reach, or whatever else lies there. */
export type Shadow = 'ram' | 'read-only' | 'hole';

export interface Mapping {
  /** Moves the window; null takes it off the bus. */
  move(address: number | null): void;
}
