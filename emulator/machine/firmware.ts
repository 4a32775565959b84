/** What firmware is told of the machine, through the firmware configuration device. */
import { FW_CFG, type Contents, type FirmwareFile } from '../devices/fwcfg';
import { LOADER_FILES, loaderFiles, type LoaderFiles } from '../firmware/acpi/loader';
import type { AcpiTopology } from '../firmware/acpi/topology';
import { isBzImage } from '../firmware/bzimage';
import { E820 } from '../firmware/e820';
import type { NamedFile } from '../firmware/plan';
import { smbios } from '../firmware/smbios';
import type { MachineConfig } from './api';
import type { Images } from './images';

export interface FirmwareData {
  readonly items: ReadonlyMap<number, Contents>;
  readonly files: readonly FirmwareFile[];
}

/** Lines, with a zero at their end, without which OVMF takes none of them (QemuBootOrderLib). */
const BOOT_ORDER = 'bootorder';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);
const u32 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);

/** `topology` is asked when tables are read: firmware has put chips to their places by then. */
export function firmwareData(config: MachineConfig, images: Images, topology: () => AcpiTopology): FirmwareData {
  const { anchor, tables } = smbios(config);
  const items = new Map<number, Contents>([
    [FW_CFG.UUID, new Uint8Array(16)],
    [FW_CFG.RAM_SIZE, Uint8Array.of(...u32(config.memory), 0, 0, 0, 0)],
    [FW_CFG.NOGRAPHIC, u16(0)],
    [FW_CFG.NB_CPUS, u16(config.cpus)],
    [FW_CFG.MAX_CPUS, u16(config.cpus)],
    [FW_CFG.BOOT_MENU, u16(0)],
    [FW_CFG.NUMA, new Uint8Array(8)],
    ...(images.kernel ? kernelItems(images.kernel, config.append ?? '', images.initrd) : []),
  ]);
  return {
    items,
    files: [
      { name: 'etc/e820', contents: memoryMap(config.memory) },
      { name: 'etc/smbios/smbios-anchor', contents: anchor },
      { name: 'etc/smbios/smbios-tables', contents: tables },
      // Of the sleep states S3, S4 and S5 there is S5 alone; its SLP_TYP is what \_S5 says.
      { name: 'etc/system-states', contents: Uint8Array.of(0, 0, 0, 0, 0, 0x80 | topology().pm.sleepTypeS5) },
      ...acpiFiles(topology),
      ...Object.entries(config.fwCfg ?? {}).map(([name, text]) => ({ name, contents: ascii(name === BOOT_ORDER ? `${text}\n\0` : text) })),
    ],
  };
}

/** Made anew when chips have moved; what depends on it alone is kept. */
function acpiFiles(topology: () => AcpiTopology): FirmwareFile[] {
  let made: { key: string; files: LoaderFiles } | undefined;
  const current = (): LoaderFiles => {
    const now = topology();
    const key = JSON.stringify([now.pm, now.pci]);
    if (made?.key !== key) made = { key, files: loaderFiles(now) };
    return made.files;
  };
  return (['tables', 'rsdp', 'script'] as const).map((part) => ({ name: LOADER_FILES[part], contents: () => current()[part] }));
}

/** RAM alone: where devices are, firmware knows. Entries of address u64, length u64 and type u32. */
function memoryMap(memory: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(memory), true);
  view.setUint32(16, E820.usable, true);
  return bytes;
}

const SECTOR = 512;
const SETUP_SECTS = 0x1f1;
/** What an old kernel's 0 stands for. */
const DEFAULT_SETUP_SECTS = 4;

/** A kernel for firmware to start: Linux comes in two parts, any other EFI program in one. */
function kernelItems(kernel: NamedFile, commandLine: string, initrd: NamedFile | undefined): [number, Contents][] {
  const { bytes } = kernel;
  const setup = isBzImage(bytes) ? ((bytes[SETUP_SECTS] || DEFAULT_SETUP_SECTS) + 1) * SECTOR : 0;
  const line = ascii(`${commandLine}\0`);
  return [
    [FW_CFG.SETUP_SIZE, u32(setup)],
    [FW_CFG.SETUP_DATA, bytes.subarray(0, setup)],
    [FW_CFG.KERNEL_SIZE, u32(bytes.length - setup)],
    [FW_CFG.KERNEL_DATA, bytes.subarray(setup)],
    [FW_CFG.CMDLINE_SIZE, u32(line.length)],
    [FW_CFG.CMDLINE_DATA, line],
    ...(initrd
      ? ([
          [FW_CFG.INITRD_SIZE, u32(initrd.bytes.length)],
          [FW_CFG.INITRD_DATA, initrd.bytes],
        ] as [number, Contents][])
      : []),
  ];
}
