/** Virtio devices that a configuration asks for, and their places on the PCI bus. */
import type { Device, DeviceContext } from '../bus/device';
import type { PciFunction } from '../devices/pcifunction';
import { VirtioBlk } from '../devices/virtioblk';
import { VirtioConsole } from '../devices/virtioconsole';
import { VirtioRnd } from '../devices/virtiornd';
import type { Disk } from '../storage/disk';
import type { MachineConfig } from './api';
import { busOf } from './disks';

/** Slots that no board has chips of its own in. */
const SLOT = { rnd: 6, console: 7, disks: 8 } as const;

export interface PciChip {
  readonly slot: number;
  readonly chip: Device & { readonly pci: PciFunction };
}

export interface VirtioWiring {
  readonly msi: (address: number, data: number) => void;
  readonly transmit: (byte: number) => void;
}

export function virtioChips(config: MachineConfig, disks: readonly Disk[], context: DeviceContext, { msi, transmit }: VirtioWiring): readonly PciChip[] {
  const reachable = (address: number, length: number): boolean => address + length <= config.memory;
  const { rngSeed, virtioConsole } = config;
  return [
    ...(rngSeed === undefined ? [] : [{ slot: SLOT.rnd, chip: new VirtioRnd(context, { seed: rngSeed, reachable, msi }) }]),
    ...(virtioConsole ? [{ slot: SLOT.console, chip: new VirtioConsole(context, { transmit, reachable, msi }) }] : []),
    ...disks
      .filter((_, number) => busOf(config.disks![number]!) === 'virtio')
      .map((disk, number) => ({ slot: SLOT.disks + number, chip: new VirtioBlk(context, { name: `virtio-${disk.name}`, disk, reachable, msi }) })),
  ];
}
