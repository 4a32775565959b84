import { userError } from '../../errors';
import { dsdtBody } from './dsdt';
import { facs, fadt, hpet, madt, mcfg, rsdp, rsdt, spcr, table, xsdt } from './tables';
import type { AcpiTopology } from './topology';

export interface AcpiTable {
  /** Signature, for people. */
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Where guests look for the RSDP (5.2.5.1): the BIOS area, on 16-byte boundaries. */
const BIOS_AREA = [0xe0000, 0xfffff] as const;
export const DEFAULT_RSDP = 0xf0000;
const RSDP_LENGTH = 36;
const ALIGNMENT = 64; // the FACS asks for it

/** ACPI tables of a machine, the RSDP first, the others behind it. To be put into reserved memory. */
export function buildAcpiTables(topology: AcpiTopology, rsdpAddress = DEFAULT_RSDP): AcpiTable[] {
  if (rsdpAddress % 16 !== 0 || rsdpAddress < BIOS_AREA[0] || rsdpAddress > BIOS_AREA[1])
    throw userError('acpi-address', `The RSDP can't be at 0x${rsdpAddress.toString(16)}`);
  const tables: AcpiTable[] = [];
  let next = rsdpAddress + RSDP_LENGTH;
  const put = (name: string, bytes: readonly number[]): number => {
    const address = Math.ceil(next / ALIGNMENT) * ALIGNMENT;
    next = address + bytes.length;
    if (next > BIOS_AREA[1] + 1) throw userError('acpi-too-large', 'The ACPI tables do not fit below 1 MiB');
    tables.push({ name, address, bytes: Uint8Array.from(bytes) });
    return address;
  };

  const addresses = { facs: put('FACS', facs()), dsdt: put('DSDT', table('DSDT', 2, dsdtBody(topology))) };
  const entries = [put('FACP', fadt(topology, addresses)), put('APIC', madt(topology))];
  const [console] = topology.serial;
  if (console) entries.push(put('SPCR', spcr(console)));
  if (topology.hpet) entries.push(put('HPET', hpet(topology.hpet)));
  if (topology.pci.ecam !== undefined) entries.push(put('MCFG', mcfg(topology.pci.ecam)));
  const roots = [put('RSDT', rsdt(entries)), put('XSDT', xsdt(entries))] as const;
  return [{ name: 'RSDP', address: rsdpAddress, bytes: Uint8Array.from(rsdp(...roots)) }, ...tables];
}
