/** Where chips are that both the board and its ACPI tables know. */
import { DEFAULT_TOPOLOGY, type AcpiTopology } from '../firmware/acpi/topology';
import type { MachineConfig } from './api';

/** COM1 and COM2. */
export const SERIAL = [
  { name: 'com1', base: 0x3f8, irq: 4 },
  { name: 'com2', base: 0x2f8, irq: 3 },
] as const;
export const HPET_ADDRESS = 0xfed00000;

export function topologyOf(config: MachineConfig, hpetId: number): AcpiTopology {
  return {
    ...DEFAULT_TOPOLOGY,
    processors: Array.from({ length: config.cpus }, (_, id) => id),
    serial: SERIAL.map(({ base, irq }) => ({ base, irq })),
    hpet: { address: HPET_ADDRESS, id: hpetId },
  };
}
