import type { AccessSize, Backing, Bus, Mapping, MmioHandler, PortHandler } from '../bus/device';

interface PortWindow {
  first: number | null;
  readonly count: number;
  readonly handler: PortHandler;
  readonly owner: string;
}

interface MmioWindow {
  first: number | null;
  readonly length: number;
  readonly handler: MmioHandler;
  readonly owner: string;
}

interface BackedWindow {
  first: number | null;
  readonly length: number;
  readonly owner: string;
}

/** A decoded stretch of physical addresses: windows without overlaps, sorted. */
interface Stretch {
  readonly first: number;
  readonly last: number;
  readonly window: MmioWindow;
}

export interface MapEntry {
  readonly first: bigint;
  readonly last: bigint;
  readonly owner: string;
  readonly space: 'memory' | 'port';
}

const PORTS = 0x10000;
const QUIET_READS = 1;
const QUIET_WRITES = 2;
export const openBus = (size: AccessSize): number => (size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff);

/**
 * Routes port and memory-mapped accesses. Where windows overlap the one that was added first answers;
 * where there is none, reads give all ones and writes are lost.
 */
export class MachineBus implements Bus {
  private readonly ports: PortWindow[] = [];
  private readonly mmio: MmioWindow[] = [];
  private readonly backed: BackedWindow[] = [];
  /** Index in `ports` plus one, by port number. */
  private readonly portTable = new Uint16Array(PORTS);
  /** QUIET_READS and QUIET_WRITES by port: what changes no deadline there. */
  private readonly quietPorts = new Uint8Array(PORTS + 4);
  private stretches: readonly Stretch[] = [];
  private last: Stretch | undefined;

  /** `place` maps a backing into the engine's physical memory. */
  constructor(private readonly place: (backing: Backing, address: number | null) => void) {}

  // ── Where devices put themselves ─────────────────────────────────────────────────────────

  addPorts(first: number | null, count: number, handler: PortHandler, owner: string): Mapping {
    const window: PortWindow = { first, count, handler, owner };
    this.ports.push(window);
    this.drawPorts();
    return { move: (address) => void ((window.first = address), this.drawPorts()) };
  }

  addMmio(address: number | null, length: number, handler: MmioHandler, owner: string): Mapping {
    const window: MmioWindow = { first: address, length, handler, owner };
    this.mmio.push(window);
    this.drawMmio();
    return { move: (to) => void ((window.first = to), this.drawMmio()) };
  }

  addBacking(address: number | null, backing: Backing, owner: string): Mapping {
    const window: BackedWindow = { first: address, length: backing.length, owner };
    this.backed.push(window);
    this.place(backing, address);
    return {
      move: (to) => {
        window.first = to;
        this.place(backing, to);
      },
    };
  }

  private drawPorts(): void {
    this.portTable.fill(0);
    this.quietPorts.fill(0);
    for (let index = this.ports.length - 1; index >= 0; index--) {
      const { first, count, handler } = this.ports[index]!;
      if (first === null) continue;
      const end = Math.min(first + count, PORTS);
      this.portTable.fill(index + 1, first, end);
      this.quietPorts.fill((handler.quietReads ? QUIET_READS : 0) | (handler.quietWrites ? QUIET_WRITES : 0), first, end);
    }
  }

  private drawMmio(): void {
    let free: Stretch[] = [];
    for (const window of this.mmio) {
      if (window.first === null) continue;
      // What the windows added before leave of this one.
      let pieces: [number, number][] = [[window.first, window.first + window.length - 1]];
      for (const { first, last } of free) {
        pieces = pieces.flatMap(([from, to]): [number, number][] => {
          if (last < from || first > to) return [[from, to]];
          const left: [number, number][] = from < first ? [[from, first - 1]] : [];
          return to > last ? [...left, [last + 1, to]] : left;
        });
      }
      free = [...free, ...pieces.map(([first, last]) => ({ first, last, window }))];
    }
    this.stretches = free.sort((a, b) => a.first - b.first);
    this.last = undefined;
  }

  // ── Accesses ─────────────────────────────────────────────────────────────────────────────

  portRead(port: number, size: AccessSize): number {
    const index = this.portTable[port]!;
    if (size > 1 && !this.samePorts(port, size)) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= this.portRead((port + i) & 0xffff, 1) << (8 * i);
      return value >>> 0;
    }
    return index === 0 ? openBus(size) : (this.ports[index - 1]!.handler.portRead(port, size) & openBus(size)) >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    const index = this.portTable[port]!;
    if (size > 1 && !this.samePorts(port, size)) {
      for (let i = 0; i < size; i++) this.portWrite((port + i) & 0xffff, 1, (value >>> (8 * i)) & 0xff);
    } else if (index !== 0) this.ports[index - 1]!.handler.portWrite(port, size, (value & openBus(size)) >>> 0);
  }

  /** Whether one window answers at all these ports. An access that goes on past 0xFFFF is split. */
  private samePorts(port: number, size: number): boolean {
    const index = this.portTable[port];
    for (let i = 1; i < size; i++) if (this.portTable[port + i] !== index) return false;
    return true;
  }

  /** Whether a read or a write there leaves all deadlines as they are. */
  quietPort(port: number, size: AccessSize, write = false): boolean {
    const quiet = write ? QUIET_WRITES : QUIET_READS;
    for (let i = 0; i < size; i++) if (!(this.quietPorts[port + i]! & quiet)) return false;
    return true;
  }
  quietMemory(address: number, size: AccessSize): boolean {
    const stretch = this.find(address);
    return !stretch || (stretch.window.handler.quietReads === true && address + size - 1 <= stretch.last);
  }

  mmioRead(address: number, size: AccessSize): number {
    const stretch = this.find(address);
    if (stretch && address + size - 1 > stretch.last) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= this.mmioRead(address + i, 1) << (8 * i);
      return value >>> 0;
    }
    if (!stretch) return openBus(size);
    const { handler, first } = stretch.window;
    return (handler.mmioRead(address - first!, size) & openBus(size)) >>> 0;
  }

  mmioWrite(address: number, size: AccessSize, value: number): void {
    const stretch = this.find(address);
    if (!stretch) return;
    if (address + size - 1 > stretch.last) {
      for (let i = 0; i < size; i++) this.mmioWrite(address + i, 1, (value >>> (8 * i)) & 0xff);
      return;
    }
    const { handler, first } = stretch.window;
    handler.mmioWrite(address - first!, size, (value & openBus(size)) >>> 0);
  }

  private find(address: number): Stretch | undefined {
    const { last } = this;
    if (last && address >= last.first && address <= last.last) return last;
    const { stretches } = this;
    let low = 0;
    let high = stretches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (stretches[middle]!.last < address) low = middle + 1;
      else high = middle;
    }
    const found = stretches[low];
    if (!found || found.first > address) return undefined;
    return (this.last = found);
  }

  // ── What is where ────────────────────────────────────────────────────────────────────────

  portOwner(port: number): string | undefined {
    const index = this.portTable[port & 0xffff]!;
    return index === 0 ? undefined : this.ports[index - 1]!.owner;
  }

  map(): MapEntry[] {
    const entries: MapEntry[] = [];
    const borders = this.ports.flatMap(({ first, count }) => (first === null ? [] : [first, Math.min(first + count, PORTS)]));
    let [start, owner] = [0, 0];
    for (const port of [...borders, PORTS].sort((x, y) => x - y)) {
      const next = this.portTable[port] ?? 0;
      if (next === owner) continue;
      if (owner !== 0) entries.push({ first: BigInt(start), last: BigInt(port - 1), owner: this.ports[owner - 1]!.owner, space: 'port' });
      [start, owner] = [port, next];
    }
    for (const { first, last, window } of this.stretches) {
      entries.push({ first: BigInt(first), last: BigInt(last), owner: window.owner, space: 'memory' });
    }
    for (const { first, length, owner } of this.backed) {
      if (first !== null) entries.push({ first: BigInt(first), last: BigInt(first + length - 1), owner, space: 'memory' });
    }
    return entries;
  }
}
