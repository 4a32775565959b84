/**
 * The memory map that firmware reports (ACPI 6.5 chapter 15, "INT 15H, E820H"): one list for Linux, Multiboot and PVH.
 */
export const E820 = { usable: 1, reserved: 2, acpi: 3, nvs: 4, unusable: 5 } as const;

export type E820Type = (typeof E820)[keyof typeof E820];

export interface MemoryRange {
  readonly address: number;
  readonly length: number;
  readonly type: E820Type;
}

export const EBDA = 0x9fc00; // end of base memory: 639 KB, as the BIOS data area says
export const VIDEO_MEMORY = 0xa0000;
export const ACPI_AREA = 0xe0000; // tables
export const RSDP = 0xf0000; // root pointer; the BIOS area that guests search
export const HIGH_MEMORY = 0x100000;
/** RAM ends here at the latest; PCI windows, the I/O APIC, local APICs and flash lie above. */
export const PCI_HOLE = 0xc0000000;

const FIXED: readonly MemoryRange[] = [
  { address: 0xfec00000, length: 0x1000, type: E820.reserved }, // I/O APIC
  { address: 0xfee00000, length: 0x1000, type: E820.reserved }, // local APIC
];

/** Ranges sorted by address; they never overlap. */
export function memoryMap(memorySize: number, reserved: readonly { readonly address: number; readonly length: number }[] = []): MemoryRange[] {
  const ranges: MemoryRange[] = [
    { address: 0, length: EBDA, type: E820.usable },
    { address: EBDA, length: VIDEO_MEMORY - EBDA, type: E820.reserved },
    { address: ACPI_AREA, length: HIGH_MEMORY - ACPI_AREA, type: E820.reserved },
    { address: HIGH_MEMORY, length: memorySize - HIGH_MEMORY, type: E820.usable },
    ...FIXED,
    ...reserved.map(({ address, length }) => ({ address, length, type: E820.reserved })),
  ];
  return ranges.sort((a, b) => a.address - b.address);
}
