import { userError } from '../errors';
import { pirqOf, type PciHost } from './pci';
import type { Bar, PciFunction } from './pcifunction';

/** Addresses, first and last, that BARs may get. */
export interface PciWindows {
  readonly io: readonly [first: number, last: number];
  readonly mem32: readonly [first: number, last: number];
  readonly mem64?: readonly [first: number, last: number];
}

/**
 * What firmware does at power-on, for guests that are started without one: gives every BAR an
 * address, largest first so that alignment wastes nothing, switches decoding on, and notes interrupts.
 */
export function assignPci(host: PciHost, windows: PciWindows, interruptLine: (pirq: number) => number): void {
  const bars = [...host.list()].flatMap(({ pci }) => pci.bars().map(([index, bar]) => ({ pci, index, bar })));
  const next: Record<Bar['kind'], number> = {
    io: windows.io[0],
    mem32: windows.mem32[0],
    mem64: windows.mem64?.[0] ?? 0,
  };
  for (const { pci, index, bar } of bars.sort((a, b) => b.bar.size - a.bar.size)) {
    const kind = bar.kind === 'mem64' && !windows.mem64 ? 'mem32' : bar.kind;
    const address = Math.ceil(next[kind] / bar.size) * bar.size;
    if (address + bar.size - 1 > windows[kind]![1]) throw userError('pci-window-full', `No ${kind} addresses are left for a BAR of ${bar.size} bytes`);
    next[kind] = address + bar.size;
    writeBar(pci, index, bar, address);
  }
  for (const { device, pci } of host.list()) {
    const kinds = pci.bars().map(([, bar]) => bar.kind);
    const enable = (kinds.includes('io') ? 1 : 0) | (kinds.some((kind) => kind !== 'io') ? 2 : 0);
    pci.write(0x04, enable, 0xffff);
    const pin = pci.identity.interruptPin;
    if (pin) pci.write(0x3c, interruptLine(pirqOf(device, pin)), 0xff);
  }
}

function writeBar(pci: PciFunction, index: number, bar: Bar, address: number): void {
  pci.write(0x10 + 4 * index, address >>> 0, 0xffffffff);
  if (bar.kind === 'mem64') pci.write(0x14 + 4 * index, Math.floor(address / 2 ** 32), 0xffffffff);
}
