/** Machines whose snapshots are kept: between them they have every chip. */
import type { MachineConfig } from '../../emulator/machine/api';

interface GoldenMachine {
  /** Its paths are relative to a folder with `files`; of the project otherwise. */
  readonly config: MachineConfig;
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

/** Sets VGA's port addresses to 3Dx, then reads the PIT, tells port 80h of it and writes it to the text screen, for ever. */
const PROGRAM = [
  0xba, 0xc2, 0x03, 0xb0, 0x67, 0xee, // mov dx, 3C2h; mov al, 67h; out dx, al
  0xb8, 0x00, 0xb8, 0x8e, 0xc0, 0x31, 0xff, // mov ax, B800h; mov es, ax; xor di, di
  0xe4, 0x40, 0xe6, 0x80, 0xab, // in al, 40h; out 80h, al; stosw
  0x81, 0xe7, 0xff, 0x0f, 0xeb, 0xf5, // and di, FFFh; jmp to the in
]; // prettier-ignore
/** It at the start of 64 KB, and at the reset vector a jump to it. */
const ROM = new Uint8Array(0x10000).fill(0xff);
ROM.set(PROGRAM);
ROM.set([0xea, 0, 0, 0, 0xf0], ROM.length - 16);
const image = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, at) => (at >> 9) & 0xff);

const COMMON = {
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 16 << 20,
  checkpointEvery: 100_000,
  debugExitPort: 0xf4,
  rngSeed: 7,
  virtioConsole: true,
  usb: ['tablet', 'keyboard'],
} as const;

export type GoldenName = 'bhyve' | 'i440fx' | 'q35' | 'ramfb';

export const MACHINES: Readonly<Record<GoldenName, GoldenMachine>> = {
  bhyve: { config: { ...COMMON, kernel: 'samples/hello/hello.elf', cpus: 2, legacyVga: 'on' } },
  i440fx: {
    config: {
      ...COMMON, bios: 'rom.bin', chipset: 'i440fx', display: 'vga', network: { mode: 'isolated' }, disks: [{ path: 'disk.img' }, { path: 'other.img' }],
    },
    files: { 'rom.bin': ROM, 'disk.img': image(1 << 18), 'other.img': image(1 << 16) },
  },
  q35: {
    config: {
      ...COMMON, firmware: 'rom.bin', vars: 'vars.bin', chipset: 'q35', display: 'vga', network: { mode: 'isolated', device: 'e1000' },
      disks: [{ path: 'disk.img', bus: 'ahci' }, { path: 'disc.iso', kind: 'cdrom' }, { path: 'other.img', bus: 'nvme' }],
    },
    files: {
      'rom.bin': ROM, 'vars.bin': new Uint8Array(0x2000).fill(0xff), 'disk.img': image(1 << 18), 'disc.iso': image(1 << 17), 'other.img': image(1 << 16),
    },
  },
  ramfb: { config: { ...COMMON, firmware: 'rom.bin', vars: 'vars.bin', chipset: 'q35', display: 'ramfb' }, files: { 'rom.bin': ROM, 'vars.bin': new Uint8Array(0x2000).fill(0xff) } },
}; // prettier-ignore
