/** Controllers of disks beside virtio, and their places on the PCI bus. */
import type { DeviceContext } from '../bus/device';
import { Ahci } from '../devices/ahci';
import { AtaDisk } from '../devices/atadisk';
import { AtapiCdrom } from '../devices/atapicdrom';
import { Nvme } from '../devices/nvme';
import type { Disk } from '../storage/disk';
import type { MachineConfig } from './api';
import { busOf } from './disks';
import type { PciChip } from './virtio';

/** Slots that no board has chips of its own in. */
const SLOT = { ahci: 4, nvme: 24 } as const;

export function storageChips(
  config: MachineConfig,
  disks: readonly Disk[],
  context: DeviceContext,
  msi: (address: number, data: number) => void,
): readonly PciChip[] {
  const reachable = (address: number, length: number): boolean => address + length <= config.memory;
  const drives = disks.flatMap((disk, number) => {
    const entry = config.disks![number]!;
    if (busOf(entry) !== 'ahci') return [];
    return [entry.kind === 'cdrom' ? new AtapiCdrom(disk) : new AtaDisk(disk)];
  });
  return [
    ...(drives.length > 0 ? [{ slot: SLOT.ahci, chip: new Ahci(context, { drives, reachable, msi }) }] : []),
    ...disks
      .filter((_, number) => busOf(config.disks![number]!) === 'nvme')
      .map((disk, number) => ({ slot: SLOT.nvme + number, chip: new Nvme(context, { name: `nvme-${disk.name}`, disk, reachable, msi }) })),
  ];
}
