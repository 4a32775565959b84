/** The tables other than the DSDT: ACPI Specification 6.4, 5.2. */
import { little } from './aml';
import type { AcpiTopology } from './topology';

const OEM_ID = 'GSTDBG';
const OEM_TABLE_ID = 'GUESTDBG';
const CREATOR_ID = 'GDBG';

const ascii = (text: string, length: number): number[] => Array.from({ length }, (_, i) => (i < text.length ? text.charCodeAt(i) : 0x20));

/** The byte that makes the sum of all zero. */
const checksum = (bytes: readonly number[]): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

/** System description table: the common header (5.2.6) and a body. */
export function table(signature: string, revision: number, body: readonly number[]): number[] {
  const bytes = [
    ...ascii(signature, 4),
    ...little(36 + body.length, 4),
    revision,
    0, // checksum
    ...ascii(OEM_ID, 6),
    ...ascii(OEM_TABLE_ID, 8),
    ...little(1, 4),
    ...ascii(CREATOR_ID, 4),
    ...little(1, 4),
    ...body,
  ];
  bytes[9] = checksum(bytes);
  return bytes;
}

/** Root System Description Pointer (5.2.5.3): two checksums, of the ACPI 1.0 part and of all. */
export function rsdp(rsdt: number, xsdt: number): number[] {
  const bytes = [...ascii('RSD PTR ', 8), 0, ...ascii(OEM_ID, 6), 2, ...little(rsdt, 4), ...little(36, 4), ...little(xsdt, 8), 0, ...[0, 0, 0]];
  bytes[8] = checksum(bytes.slice(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

export const rsdt = (addresses: readonly number[]): number[] =>
  table(
    'RSDT',
    1,
    addresses.flatMap((address) => little(address, 4)),
  );
export const xsdt = (addresses: readonly number[]): number[] =>
  table(
    'XSDT',
    1,
    addresses.flatMap((address) => little(address, 8)),
  );

/** Firmware ACPI Control Structure (5.2.10): no checksum. */
export const facs = (): number[] => [
  ...ascii('FACS', 4),
  ...little(64, 4),
  ...new Array<number>(24).fill(0), // hardware signature to X waking vector
  2, // version
  ...new Array<number>(31).fill(0),
];

/** Generic Address Structure (5.2.3.2). */
const NOWHERE = new Array<number>(12).fill(0);
const ACCESS = { BYTE: 1, WORD: 2, DWORD: 3 } as const;
const inPorts = (port: number, bits: number, access: number): number[] => [1, bits, 0, access, ...little(port, 8)];
const inMemory = (address: number, bits: number): number[] => [0, bits, 0, 0, ...little(address, 8)];

const FADT_FLAGS = {
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  SLP_BUTTON: 1 << 5, // there is no fixed sleep button; the power button is fixed hardware
  FIX_RTC: 1 << 6, // RTC wake status is not in fixed registers
  TMR_VAL_EXT: 1 << 8,
  RESET_REG_SUP: 1 << 10,
} as const;
const IAPC = { LEGACY_DEVICES: 1 << 0, I8042: 1 << 1, NO_VGA: 1 << 2 } as const;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
const CMOS_CENTURY = 0x32;

/** Fixed ACPI Description Table, revision 5 (ACPI 5.0, 5.2.9). */
export function fadt(topology: AcpiTopology, addresses: { facs: number; dsdt: number }): number[] {
  const { pm, keyboard, vga } = topology;
  const flags =
    FADT_FLAGS.WBINVD |
    FADT_FLAGS.PROC_C1 |
    FADT_FLAGS.SLP_BUTTON |
    FADT_FLAGS.FIX_RTC |
    (pm.timerWidth === 32 ? FADT_FLAGS.TMR_VAL_EXT : 0) |
    FADT_FLAGS.RESET_REG_SUP;
  const bootArchitecture = IAPC.LEGACY_DEVICES | (keyboard ? IAPC.I8042 : 0) | (vga ? 0 : IAPC.NO_VGA);
  return table('FACP', 5, [
    ...little(addresses.facs, 4),
    ...little(addresses.dsdt, 4),
    0, // was INT_MODEL
    0, // preferred power profile: unspecified
    ...little(pm.sci, 2),
    ...little(pm.smiCommand, 4),
    pm.acpiEnable,
    pm.acpiDisable,
    ...[0, 0], // S4BIOS_REQ, PSTATE_CNT
    ...little(pm.event, 4),
    ...little(0, 4), // PM1b_EVT_BLK
    ...little(pm.control, 4),
    ...little(0, 4), // PM1b_CNT_BLK
    ...little(0, 4), // PM2_CNT_BLK
    ...little(pm.timer, 4),
    ...little(0, 4), // GPE0_BLK
    ...little(0, 4), // GPE1_BLK
    ...[4, 2, 0, 4], // lengths of PM1_EVT, PM1_CNT, PM2_CNT, PM_TMR
    ...[0, 0, 0, 0], // lengths of GPE0, GPE1; GPE1_BASE; CST_CNT
    ...little(101, 2), // P_LVL2_LAT: no C2
    ...little(1001, 2), // P_LVL3_LAT: no C3
    ...little(0, 2), // FLUSH_SIZE: WBINVD works
    ...little(0, 2), // FLUSH_STRIDE
    ...[0, 0], // DUTY_OFFSET, DUTY_WIDTH
    ...[0, 0, CMOS_CENTURY], // DAY_ALRM, MON_ALRM, CENTURY
    ...little(bootArchitecture, 2),
    0,
    ...little(flags, 4),
    ...inPorts(RESET_PORT, 8, ACCESS.BYTE),
    RESET_VALUE,
    ...little(0, 2), // ARM_BOOT_ARCH
    0, // minor version
    ...little(0, 8), // X_FIRMWARE_CTRL: the 32-bit one counts
    ...little(addresses.dsdt, 8),
    ...inPorts(pm.event, 32, ACCESS.WORD),
    ...NOWHERE, // X_PM1b_EVT_BLK
    ...inPorts(pm.control, 16, ACCESS.WORD),
    ...NOWHERE, // X_PM1b_CNT_BLK
    ...NOWHERE, // X_PM2_CNT_BLK
    ...inPorts(pm.timer, 32, ACCESS.DWORD),
    ...NOWHERE, // X_GPE0_BLK
    ...NOWHERE, // X_GPE1_BLK
    ...NOWHERE, // SLEEP_CONTROL_REG
    ...NOWHERE, // SLEEP_STATUS_REG
  ]);
}

const ENABLED = 1;
const PCAT_COMPAT = 1;
const LEVEL_LOW = 0x000f;
const EDGE_HIGH = 0x0005;

/** Multiple APIC Description Table (5.2.12). */
export function madt({ processors, localApic, ioApics, pm }: AcpiTopology): number[] {
  const override = (irq: number, gsi: number, flags: number): number[] => [
    2,
    10,
    0, // ISA
    irq,
    ...little(gsi, 4),
    ...little(flags, 2),
  ];
  return table('APIC', 3, [
    ...little(localApic, 4),
    ...little(PCAT_COMPAT, 4),
    ...processors.flatMap((apicId, uid) =>
      apicId < 0xff ? [0, 8, uid, apicId, ...little(ENABLED, 4)] : [9, 16, 0, 0, ...little(apicId, 4), ...little(ENABLED, 4), ...little(uid, 4)],
    ),
    ...ioApics.flatMap(({ id, address, gsiBase }) => [1, 12, id, 0, ...little(address, 4), ...little(gsiBase, 4)]),
    ...override(0, 2, 0), // the PIT is on input 2
    ...override(pm.sci, pm.sci, LEVEL_LOW),
    ...[4, 6, 0xff, ...little(EDGE_HIGH, 2), 1], // NMI is LINT1 of every processor
  ]);
}

/** Serial Port Console Redirection (Microsoft, revision 2): the first serial port, 115200 8N1. */
export function spcr({ base, irq }: { readonly base: number; readonly irq: number }): number[] {
  return table('SPCR', 2, [
    0, // 16550 with full interface
    ...[0, 0, 0],
    ...inPorts(base, 8, ACCESS.BYTE),
    0x03, // interrupts through 8259 and I/O APIC
    irq,
    ...little(irq, 4),
    7, // 115200 baud
    0, // no parity
    1, // one stop bit
    0, // no flow control
    3, // ANSI
    0,
    ...little(0xffff, 2), // not a PCI device
    ...little(0xffff, 2),
    ...[0, 0, 0],
    ...little(0, 4),
    0,
    ...little(0, 4),
  ]);
}

/** HPET Description Table (IA-PC HPET 1.0a, 3.2.4). */
export function hpet({ address, id }: { readonly address: number; readonly id: number }): number[] {
  const MINIMUM_TICK = 0x80;
  return table('HPET', 1, [...little(id, 4), ...inMemory(address, 64), 0, ...little(MINIMUM_TICK, 2), 0]);
}

/** Memory-mapped configuration of bus 0 (PCI Firmware Specification 3.0, 4.1.2). */
export const mcfg = (ecam: number): number[] => table('MCFG', 1, [...little(0, 8), ...little(ecam, 8), ...little(0, 2), 0, 0, ...little(0, 4)]);
