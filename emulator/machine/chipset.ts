/** The parts of a board that differ between chip sets, and what the ACPI tables say of them. */
import type { Device, DeviceContext, MmioHandler, AccessSize } from '../bus/device';
import { FW_CFG_PORTS } from '../devices/fwcfg';
import { HostBridge } from '../devices/hostbridge';
import { Ich9Pm } from '../devices/ich9pm';
import type { LpcOptions } from '../devices/lpc';
import { Mch } from '../devices/mch';
import type { Pam, SetShadow } from '../devices/pam';
import { PIRQS, pirqOf } from '../devices/pci';
import type { PciFunction } from '../devices/pcifunction';
import { Piix4Pm } from '../devices/piix4pm';
import type { AcpiTopology } from '../firmware/acpi/topology';
import { FIRMWARE_SLEEP_TYPE_S5, PM_CONTROL, PM_TIMER } from '../devices/acpipm';
import type { Chipset } from './platform';

export interface ChipsetOptions {
  readonly shadow: SetShadow;
  /** Memory-mapped configuration space moves. */
  readonly ecam: (address: number | null) => void;
  /** Power management ports move. */
  readonly placePm: (base: number | null) => void;
}

export interface ChipsetParts {
  readonly hostBridge: Device & { readonly pci: PciFunction };
  readonly lpcSlot: number;
  readonly displaySlot: number;
  readonly lpc: Pick<LpcOptions, 'identity' | 'others'>;
  readonly pirqOf: (device: number, pin: number) => number;
  readonly pm?: Piix4Pm | Ich9Pm;
  /** Where it is a function of its own: beside the LPC bridge. */
  readonly pmFunction?: { readonly fn: number; readonly pci: PciFunction };
  readonly pam?: Pam;
  /** Firmware says where things are; bhyve's board is as its tables say. */
  readonly movable: boolean;
  ecam(): number | null;
  pmBase(): number | null;
}

/** The ICH's other routing: slots from 25 on are the chip set's own. */
const OWN_SLOTS = 25;
const FOUR = PIRQS / 2;

export function chipsetParts(chipset: Chipset, context: DeviceContext, { shadow, ecam, placePm }: ChipsetOptions): ChipsetParts {
  switch (chipset) {
    case 'bhyve':
      return { hostBridge: new HostBridge(context), lpcSlot: 31, displaySlot: 2, lpc: {}, pirqOf, movable: false, ecam: () => null, pmBase: () => null };
    case 'i440fx': {
      const hostBridge = new HostBridge(context, { model: 'i440fx', shadow });
      const pm = new Piix4Pm(context, { place: placePm });
      return {
        hostBridge,
        lpcSlot: 1,
        displaySlot: 2,
        lpc: { identity: { device: 0x7000 } },
        // PIRQA to PIRQD, as boards with the 82371SB had it: the first slot after the bridge starts with A.
        pirqOf: (device, pin) => (device + pin + 2) % FOUR,
        pm,
        pmFunction: { fn: 3, pci: pm.pci },
        pam: hostBridge.pam,
        movable: true,
        ecam: () => null,
        pmBase: () => pm.base,
      };
    }
    case 'q35': {
      const hostBridge = new Mch(context, { shadow, ecam });
      const pm = new Ich9Pm(context, { place: placePm });
      return {
        hostBridge,
        lpcSlot: 31,
        displaySlot: 1,
        lpc: { identity: { device: 0x2918, revision: 0x02 }, others: pm },
        pirqOf: (device, pin) => (device < OWN_SLOTS ? FOUR + ((device + pin - 1) % FOUR) : (pin - 1) % FOUR),
        pm,
        pam: hostBridge.pam,
        movable: true,
        ecam: () => hostBridge.ecam,
        pmBase: () => pm.base,
      };
    }
  }
}

/** Where memory and PCI meet at the latest; 32-bit BARs lie above. */
const PCI_FLOOR = 0x80000000;
const PCI_END = 0xfebfffff;
const ECAM_SPACE = 0x10000000;
/** Where firmware puts configuration space, until it has. */
const ECAM_USUAL = 0xe0000000;
const ECAM_LIMIT = 0xfe000000;
/** Firmware puts 64-bit BARs above this, and below the end of its 40-bit addresses. */
const MEM64 = [0x800000000, 2 ** 40 - 1] as const;

/** What the tables say of a board that firmware has set up, now. */
export function movedTopology(base: AcpiTopology, parts: ChipsetParts, memory: number, vga: boolean): AcpiTopology {
  const event = parts.pmBase() ?? base.pm.event;
  const floor = Math.max(memory, PCI_FLOOR);
  const express = parts.hostBridge.kind === 'mch';
  const told = parts.ecam() ?? ECAM_USUAL;
  const ecam = told < ECAM_LIMIT ? told : ECAM_USUAL;
  const below = ecam > floor ? ([floor, ecam - 1] as const) : undefined;
  const above = [Math.max(floor, ecam + ECAM_SPACE), PCI_END] as const;
  return {
    ...base,
    vga,
    fwCfg: FW_CFG_PORTS,
    pci: {
      ...base.pci,
      lpc: parts.lpcSlot,
      pirqOf: parts.pirqOf,
      mem64: MEM64,
      ...(express
        ? { ecam, express, mem32: below ?? above, ...(below && above[0] < above[1] && { moreMem32: [above] }) }
        : { mem32: [floor, PCI_END] as const }),
    },
    pm: { ...base.pm, event, control: event + PM_CONTROL, timer: event + PM_TIMER, sleepTypeS5: FIRMWARE_SLEEP_TYPE_S5 },
  };
}

/** What answers at 0xC0000-0xFFFFF where no ROM does: RAM that takes writes although reads go elsewhere. */
export class ShadowWrites implements MmioHandler {
  static readonly ADDRESS = 0xc0000;
  static readonly LENGTH = 0x40000;

  constructor(
    private readonly pam: Pam,
    private readonly store: (address: number, from: Uint8Array) => void,
  ) {}

  mmioRead(_offset: number, size: AccessSize): number {
    return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const address = ShadowWrites.ADDRESS + offset;
    if (!this.pam.writesThrough(address)) return;
    const bytes = Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
    this.store(address, bytes.subarray(0, size));
  }
}
