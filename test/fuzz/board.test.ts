import { CONFIG } from '../unit/emulator/machine/guests';
import { COMMON, fuzz } from './fuzz';

/** `eb fe` at the end of 64 KB, under the reset vector. */
const ROM = (() => {
  const bytes = new Uint8Array(0x10000).fill(0xff);
  bytes.set([0xeb, 0xfe], 0);
  bytes.set([0xea, 0, 0, 0, 0xf0], bytes.length - 16);
  return bytes;
})();

fuzz('a board for firmware', (file) => {
  const { loadAddress: _, loadMode: __, ...rest } = CONFIG;
  return {
    ...rest,
    ...COMMON,
    framebuffer: { width: 640, height: 480 },
    display: 'vga',
    chipset: 'q35',
    disks: [{ path: file('disk.img', new Uint8Array(1 << 20)) }],
    firmware: file('code.fd', ROM),
    vars: file('vars.fd', new Uint8Array(0x1000)),
  };
});
