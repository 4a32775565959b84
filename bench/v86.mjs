/**
 * Boots a 32-bit kernel in v86 with its serial line on standard output: node v86.mjs KERNEL INITRD COMMAND-LINE.
 * v86's package holds no firmware; Debian's SeaBIOS of `npm run guests` serves.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const [kernel, initrd, cmdline] = process.argv.slice(2);
const firmware = join(dirname(fileURLToPath(import.meta.url)), '..', '.cache', 'guests', 'seabios');
const image = (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) };
};
const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm'),
  memory_size: 512 << 20,
  vga_memory_size: 8 << 20,
  bios: image(join(firmware, 'bios.bin')),
  vga_bios: image(join(firmware, 'vgabios-stdvga.bin')),
  bzimage: image(kernel),
  initrd: image(initrd),
  cmdline,
  autostart: true,
});
emulator.add_listener('serial0-output-byte', (byte) => process.stdout.write(Uint8Array.of(byte)));
