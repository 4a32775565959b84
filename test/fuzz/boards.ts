/** Boards that have every chip between them, each with a guest that waits for interrupts. */
import type { MachineConfig } from '../../emulator/machine/api';
import type { Images } from '../../emulator/machine/images';
import { CONFIG } from '../unit/emulator/machine/guests';

/** `sti; hlt; jmp` to the `hlt`: time goes from event to event. */
const LOOP = [0xfb, 0xf4, 0xeb, 0xfd];
/** It at the end of 64 KB, under the reset vector. */
const ROM = (() => {
  const bytes = new Uint8Array(0x10000).fill(0xff);
  bytes.set(LOOP, 0);
  bytes.set([0xea, 0, 0, 0, 0xf0], bytes.length - 16);
  return bytes;
})();

const COMMON: Partial<MachineConfig> = { rngSeed: 7, virtioConsole: true, usb: ['tablet', 'keyboard'], framebuffer: { width: 640, height: 480 } };
/** Boards have the one adapter or the other. */
const VIRTIO: Partial<MachineConfig> = { ...COMMON, network: { mode: 'user' } };
const INTEL: Partial<MachineConfig> = { ...COMMON, network: { mode: 'user', device: 'e1000' } };
const { loadAddress, loadMode, ...BARE } = CONFIG;
const KERNEL: Images = { kernel: { name: 'loop', bytes: Uint8Array.from(LOOP) } };
const FLASH: Images = { firmware: { name: 'code', bytes: ROM }, vars: { name: 'vars', bytes: new Uint8Array(0x2000).fill(0xff) } };

export const BOARDS: readonly { readonly name: string; readonly config: MachineConfig; readonly images: Images }[] = [
  { name: 'bhyve, fbuf', config: { ...BARE, loadAddress: loadAddress!, loadMode: loadMode!, ...VIRTIO }, images: KERNEL },
  {
    name: 'bhyve, VGA behind fbuf, three processors',
    config: { ...BARE, loadAddress: loadAddress!, loadMode: loadMode!, ...INTEL, legacyVga: 'on', cpus: 3 },
    images: KERNEL,
  },
  { name: 'i440fx, BIOS, vga', config: { ...BARE, ...INTEL, chipset: 'i440fx', display: 'vga' }, images: { bios: { name: 'bios', bytes: ROM } } },
  { name: 'q35, flash, vga', config: { ...BARE, ...VIRTIO, chipset: 'q35', display: 'vga' }, images: FLASH },
  { name: 'q35, flash, ramfb', config: { ...BARE, ...INTEL, chipset: 'q35', display: 'ramfb' }, images: FLASH },
];
