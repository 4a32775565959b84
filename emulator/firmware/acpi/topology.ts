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
    /** More of them, around configuration space. */
    readonly moreMem32?: readonly (readonly [first: number, last: number])[];
    /** The bus is PCI Express. */
    readonly express?: boolean;
    /** PIRQ (0 to 7) of pin 1 to 4 of a device. */
    readonly pirqOf: (device: number, pin: number) => number;
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
  /** First port of the firmware configuration device, and how many. */
  readonly fwCfg?: { readonly port: number; readonly count: number };
  /** VGA ports and text memory exist. */
  readonly vga: boolean;
  /** Power management hardware: port numbers, and the values that drive it. */
  readonly pm: {
    readonly smiCommand: number;
    readonly acpiEnable: number;
    readonly acpiDisable: number;
    readonly event: number;
    readonly control: number;
    /** SLP_TYP of soft off. */
    readonly sleepTypeS5: number;
    readonly timer: number;
    readonly timerWidth: 24 | 32;
    /** System control interrupt. */
    readonly sci: number;
  };
  readonly hpet?: { readonly address: number; readonly id: number };
}

/** Values of a machine as bhyve lays it out. */
export const DEFAULT_TOPOLOGY: AcpiTopology = {
  processors: [0],
  localApic: 0xfee00000,
  ioApics: [{ id: 0, address: 0xfec00000, gsiBase: 0 }],
  pci: {
    mem32: [0xc0000000, 0xfebfffff],
    pirqOf: (device, pin) => (device + pin - 1) % 8,
    pirqGsi: 16,
    lpc: 31,
  },
  serial: [
    { base: 0x3f8, irq: 4 },
    { base: 0x2f8, irq: 3 },
  ],
  keyboard: true,
  mouse: true,
  vga: false,
  pm: {
    smiCommand: 0xb2,
    acpiEnable: 0xa0,
    acpiDisable: 0xa1,
    event: 0x400,
    control: 0x404,
    sleepTypeS5: 5,
    timer: 0x408,
    timerWidth: 32,
    sci: 9,
  },
};
