import type { AccessSize, Backing, Bus, Mapping, MmioHandler, PortHandler } from '../../../../emulator/bus/device';

interface Window {
  at: number | null;
  readonly length: number;
  readonly owner: string;
  readonly target: PortHandler | MmioHandler | Backing;
}

/** A bus of handlers and backings, the latest on top; nothing there reads as ones. */
export class TestBus implements Bus {
  readonly ports: Window[] = [];
  readonly memory: Window[] = [];

  addPorts(first: number | null, count: number, handler: PortHandler, owner: string): Mapping {
    return this.add(this.ports, { at: first, length: count, owner, target: handler });
  }
  addMmio(address: number | null, length: number, handler: MmioHandler, owner: string): Mapping {
    return this.add(this.memory, { at: address, length, owner, target: handler });
  }
  addBacking(address: number | null, backing: Backing, owner: string): Mapping {
    return this.add(this.memory, { at: address, length: backing.length, owner, target: backing });
  }

  in(port: number, size: AccessSize = 1): number {
    const window = this.find(this.ports, port);
    return window ? (window.target as PortHandler).portRead(port, size) : 2 ** (8 * size) - 1;
  }
  out(port: number, value: number, size: AccessSize = 1): void {
    (this.find(this.ports, port)?.target as PortHandler | undefined)?.portWrite(port, size, value);
  }
  read(address: number, size: AccessSize = 4): number {
    const window = this.find(this.memory, address);
    if (!window || 'bytes' in window.target) return 2 ** (8 * size) - 1;
    return (window.target as MmioHandler).mmioRead(address - window.at!, size);
  }
  write(address: number, value: number, size: AccessSize = 4): void {
    const window = this.find(this.memory, address);
    if (window && !('bytes' in window.target)) (window.target as MmioHandler).mmioWrite(address - window.at!, size, value);
  }

  /** Where an owner's windows are now. */
  at(owner: string): (number | null)[] {
    return [...this.ports, ...this.memory].filter((window) => window.owner === owner).map(({ at }) => at);
  }

  private add(windows: Window[], window: Window): Mapping {
    windows.unshift(window);
    return { move: (address) => (window.at = address) };
  }
  private find(windows: Window[], address: number): Window | undefined {
    return windows.find(({ at, length }) => at !== null && address >= at && address < at + length);
  }
}

/** Memory of a device. */
export const backing = (length: number): Backing => ({
  length,
  writable: true,
  bytes: new Uint8Array(length),
});
