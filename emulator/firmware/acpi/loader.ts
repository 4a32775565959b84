/**
 * ACPI tables for firmware that puts them where it likes: the tables in one piece with pointers as offsets into it, and
 * the commands of QEMU's table loader (hw/acpi/bios-linker-loader there, edk2's QemuLoader.h) that make addresses of them.
 */
import { little } from './aml';
import { dsdtBody } from './dsdt';
import { facs, fadt, hpet, madt, mcfg, rsdp, rsdt, spcr, table, xsdt } from './tables';
import type { AcpiTopology } from './topology';

export const LOADER_FILES = { tables: 'etc/acpi/tables', rsdp: 'etc/acpi/rsdp', script: 'etc/table-loader' } as const;
export interface LoaderFiles {
  readonly tables: Uint8Array;
  readonly rsdp: Uint8Array;
  readonly script: Uint8Array;
}

const COMMAND = { ALLOCATE: 1, ADD_POINTER: 2, ADD_CHECKSUM: 3 } as const;
const COMMAND_LENGTH = 128;
const NAME_LENGTH = 56;
/** Where files go: anywhere below 4 GiB, or where guests of a BIOS look for the root pointer. */
const ZONE = { HIGH: 1, FSEG: 2 } as const;
const ALIGNMENT = 64;
/** Files keep their size whatever the addresses in them are. */
const ROUND = 4096;

const CHECKSUM = 9;
const FADT = { facs: 36, dsdt: 40, xDsdt: 140 } as const;
const HEADER = 36;
const RSDP = { checksum: 8, rsdt: 16, xsdt: 24, extendedChecksum: 32, oldLength: 20, length: 36 } as const;

const text = (value: string): number[] => Array.from({ length: NAME_LENGTH }, (_, i) => (i < value.length ? value.charCodeAt(i) : 0));
const command = (kind: number, ...body: readonly number[]): number[] => {
  const bytes = [...little(kind, 4), ...body];
  return [...bytes, ...new Array<number>(COMMAND_LENGTH - bytes.length).fill(0)];
};
const allocate = (file: string, alignment: number, zone: number): number[] => command(COMMAND.ALLOCATE, ...text(file), ...little(alignment, 4), zone);
/** Adds the address of `source` to the `size` bytes at `offset` of `file`. */
const pointer = (file: string, source: string, offset: number, size: 4 | 8): number[] =>
  command(COMMAND.ADD_POINTER, ...text(file), ...text(source), ...little(offset, 4), size);
const checksum = (file: string, at: number, start: number, length: number): number[] =>
  command(COMMAND.ADD_CHECKSUM, ...text(file), ...little(at, 4), ...little(start, 4), ...little(length, 4));

export function loaderFiles(topology: AcpiTopology): LoaderFiles {
  const { tables: file, rsdp: rootFile } = LOADER_FILES;
  const blob: number[] = [];
  const script = [allocate(file, ALIGNMENT, ZONE.HIGH), allocate(rootFile, 16, ZONE.FSEG)];
  const put = (bytes: readonly number[]): number => {
    while (blob.length % ALIGNMENT) blob.push(0);
    const at = blob.length;
    blob.push(...bytes);
    return at;
  };
  /** A table whose checksum is made when its pointers are. */
  const described = (bytes: readonly number[], pointers: readonly { at: number; size: 4 | 8 }[]): number => {
    const at = put(bytes);
    blob[at + CHECKSUM] = 0;
    for (const { at: offset, size } of pointers) script.push(pointer(file, file, at + offset, size));
    script.push(checksum(file, at + CHECKSUM, at, bytes.length));
    return at;
  };

  const facsAt = put(facs());
  const dsdt = described(table('DSDT', 2, dsdtBody(topology)), []);
  const entries = [
    described(fadt(topology, { facs: facsAt, dsdt }), [
      { at: FADT.facs, size: 4 },
      { at: FADT.dsdt, size: 4 },
      { at: FADT.xDsdt, size: 8 },
    ]),
    described(madt(topology), []),
  ];
  const [console] = topology.serial;
  if (console) entries.push(described(spcr(console), []));
  if (topology.hpet) entries.push(described(hpet(topology.hpet), []));
  if (topology.pci.ecam !== undefined) entries.push(described(mcfg(topology.pci.ecam), []));
  const list = (size: 4 | 8) => entries.map((_, index) => ({ at: HEADER + index * size, size }));
  const roots = [described(rsdt(entries), list(4)), described(xsdt(entries), list(8))] as const;

  const root = rsdp(...roots);
  root[RSDP.checksum] = root[RSDP.extendedChecksum] = 0;
  script.push(
    pointer(rootFile, file, RSDP.rsdt, 4),
    pointer(rootFile, file, RSDP.xsdt, 8),
    checksum(rootFile, RSDP.checksum, 0, RSDP.oldLength),
    checksum(rootFile, RSDP.extendedChecksum, 0, RSDP.length),
  );
  return { tables: padded(blob), rsdp: Uint8Array.from(root), script: padded(script.flat()) };
}

function padded(bytes: readonly number[]): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / ROUND) * ROUND);
  whole.set(bytes);
  return whole;
}
