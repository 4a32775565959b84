/** What the ACPI tables say about the machine. */
export interface AcpiTopology {
  /** APIC ids of the processors, in the order of their numbers. */
  readonly processors: readonly number[];
  readonly localApic: number;
  readonly ioApics: readonly { readonly id: number; readonly address: number; readonly gsiBase: number }[];
  readonly pci: {
    /** Windows for BARs, first and last address. */
    readonly mem32: readonly [first: number, last: number];
    readonly mem64?: readonly [first: number, last: number];
    /** First GSI of the eight PIRQ lines. */
    readonly pirqGsi: number;
    /** Device number of the LPC bridge. */
    readonly lpc: number;
    /** Memory-mapped configuration of bus 0. */
    readonly ecam?: number;
  };
  readonly serial: readonly { readonly base: number; readonly irq: number }[];
  readonly keyboard: boolean;
  readonly mouse: boolean;
  /** VGA ports and text memory exist. */
  readonly vga: boolean;
  readonly pmTimer: { readonly port: number; readonly width: 24 | 32 };
  /** System control interrupt. */
  readonly sci: number;
  readonly hpet?: { readonly address: number; readonly id: number };
}

/** Values of a machine as bhyve lays it out. */
export const DEFAULT_TOPOLOGY: AcpiTopology = {
  processors: [0],
  localApic: 0xfee00000,
  ioApics: [{ id: 0, address: 0xfec00000, gsiBase: 0 }],
  pci: { mem32: [0xc0000000, 0xfebfffff], pirqGsi: 16, lpc: 31 },
  serial: [
    { base: 0x3f8, irq: 4 },
    { base: 0x2f8, irq: 3 },
  ],
  keyboard: true,
  mouse: true,
  vga: false,
  pmTimer: { port: 0x408, width: 32 },
  sci: 9,
};
