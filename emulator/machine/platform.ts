/** The board that a configuration asks for. */
import { VGA_MEMORY } from '../devices/bochsvga';
import { FBUF_DEFAULT_LENGTH } from '../devices/fbuf';
import { PLANES_LENGTH } from '../devices/vgamemory';
import type { BackingPlan } from '../engine/engine';
import { userError } from '../errors';
import type { NamedFile } from '../firmware/plan';
import { CRYSTAL_HERTZ } from '../x86/layout';
import type { MachineConfig } from './api';
import type { Images } from './images';

export type Chipset = 'bhyve' | 'i440fx' | 'q35';
export type Display = 'fbuf' | 'vga' | 'ramfb' | 'none';

/** Memory beside RAM, by name. */
export const BACKING = {
  fbuf: 'framebuffer',
  planes: 'vgaplanes',
  vga: 'vga',
  code: 'flash0',
  vars: 'flash1',
  bios: 'bios',
  low: 'lowbios',
  vgaBios: 'vgabios',
} as const;

const TOP = 2 ** 32;
const PAGE = 4096;
/** Most that firmware may take below 4 GiB: the I/O APIC and others are beneath. */
const MOST_FIRMWARE = 16 << 20;
/** The end of the ROM that is seen below 1 MiB too. */
const LOW_BIOS = 128 << 10;
export const LOW_BIOS_END = 1 << 20;
const MOST_OPTION_ROM = 16 << 20;

/** Firmware maps all of it, in pages of 2 MB: more would take minutes and hundreds of megabytes. As much as stock QEMU has. */
const FIRMWARE_PHYSICAL_BITS = 40;

/** Items beside `opt/` that firmware looks for. */
const FIRMWARE_NAMES = ['bootorder', 'etc/boot-menu-wait', 'etc/boot-fail-wait', 'etc/show-boot-menu'];

/** What firmware for QEMU's boards takes the local APIC's timer to count (OVMF: PcdFSBClock), without a look at CPUID. */
const FIRMWARE_CRYSTAL_HERTZ = 1_000_000_000;

/** Contents of flash or ROM, and where they lie. */
export interface RomPlan {
  readonly backing: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface Platform {
  readonly chipset: Chipset;
  readonly display: Display;
  /** CFI flash: code, then the variable store. */
  readonly flash: readonly RomPlan[];
  readonly rom?: RomPlan;
  /** Bytes of the alias below 1 MiB. */
  readonly lowBios: number;
  readonly vgaBios?: Uint8Array;
  readonly backings: readonly BackingPlan[];
  readonly physicalBits?: number;
  readonly crystalHertz: number;
}

/** Throws EmulatorError with blame `user`. */
export function platformOf(config: MachineConfig, images: Images): Platform {
  const { firmware, vars, bios, vgaBios } = images;
  const starts = firmware ?? bios;
  if (firmware && bios) throw userError('firmware-bios', 'the configuration names firmware and a BIOS: only one can be at the reset vector');
  if (vars && !firmware) throw userError('vars', `${vars.name}: a variable store is of use with firmware only`);
  if (!starts) {
    for (const name of ['chipset', 'vgaBios', 'fwCfg'] as const)
      if (config[name] !== undefined) throw userError('no-firmware', `'${name}' is of use with firmware or a BIOS only`);
    if (config.display === 'vga' || config.display === 'ramfb') throw userError('no-firmware', `display '${config.display}' needs firmware that sets it up`);
  }
  if (bios && images.kernel) throw userError('bios-kernel', `${bios.name}: a BIOS starts no kernel files; it boots disks, and firmware starts kernels`);
  for (const name of Object.keys(config.fwCfg ?? {}))
    if (!/^(opt\/)[\x21-\x7e]{1,51}$/.test(name) && !FIRMWARE_NAMES.includes(name)) {
      throw userError('fw-cfg', `firmware item '${name}': names begin with opt/ and have up to 55 characters; or are ${FIRMWARE_NAMES.join(', ')}`);
    }
  const display = config.framebuffer ? (config.display ?? (starts ? 'vga' : 'fbuf')) : 'none';
  const legacyVga = display === 'fbuf' && config.legacyVga !== undefined && config.legacyVga !== 'off';
  const flash: RomPlan[] = [];
  if (firmware) {
    const code = fitting(firmware, PAGE);
    flash.push({ backing: BACKING.code, address: TOP - code.length, bytes: code });
    if (vars) {
      const store = fitting(vars, PAGE);
      flash.push({ backing: BACKING.vars, address: TOP - code.length - store.length, bytes: store });
      if (code.length + store.length > MOST_FIRMWARE) throw userError('firmware-size', `${firmware.name} and ${vars.name} are more than 16 MB together`);
    }
  }
  const rom = bios && { backing: BACKING.bios, address: TOP - bios.bytes.length, bytes: fitting(bios, 0x10000) };
  const top = rom ?? flash[0];
  const lowBios = Math.min(LOW_BIOS, top?.bytes.length ?? 0);
  const option = vgaBios && display === 'vga' ? optionRom(vgaBios) : undefined;
  return {
    chipset: starts ? (config.chipset ?? (firmware ? 'q35' : 'i440fx')) : 'bhyve',
    display,
    flash,
    ...(rom && { rom }),
    lowBios,
    ...(starts && { physicalBits: FIRMWARE_PHYSICAL_BITS }),
    crystalHertz: starts ? FIRMWARE_CRYSTAL_HERTZ : CRYSTAL_HERTZ,
    ...(option && { vgaBios: option }),
    backings: [
      ...(display === 'fbuf' ? [{ name: BACKING.fbuf, length: FBUF_DEFAULT_LENGTH, writable: true }] : []),
      ...(legacyVga ? [{ name: BACKING.planes, length: PLANES_LENGTH, writable: true }] : []),
      ...(display === 'vga' ? [{ name: BACKING.vga, length: VGA_MEMORY, writable: true }] : []),
      ...[...flash, ...(rom ? [rom] : [])].map(({ backing, bytes }) => ({ name: backing, length: bytes.length, writable: false })),
      ...(top ? [{ name: BACKING.low, length: lowBios, writable: false, of: { name: top.backing, offset: top.bytes.length - lowBios } }] : []),
      ...(option ? [{ name: BACKING.vgaBios, length: option.length, writable: false }] : []),
    ],
  };
}

function fitting({ name, bytes }: NamedFile, unit: number): Uint8Array {
  if (bytes.length === 0 || bytes.length % unit !== 0 || bytes.length > MOST_FIRMWARE) {
    throw userError('firmware-size', `${name}: ${bytes.length} bytes are no firmware; a multiple of ${unit / 1024} KB up to 16 MB is`);
  }
  return bytes;
}

/** Padded to a power of two, as a BAR has it. */
function optionRom({ name, bytes }: NamedFile): Uint8Array {
  if (bytes[0] !== 0x55 || bytes[1] !== 0xaa || bytes.length > MOST_OPTION_ROM) throw userError('option-rom', `${name}: this is no option ROM`);
  const rom = new Uint8Array(Math.max(PAGE, 2 ** Math.ceil(Math.log2(bytes.length))));
  rom.set(bytes);
  return rom;
}
