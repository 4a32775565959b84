/** A framebuffer in the guest's own memory, which firmware names through the file `etc/ramfb` (QEMU docs/specs/ramfb.rst). */
import type { Device, DeviceContext } from '../bus/device';
import { bytes, fields, initial, reset } from '../bus/fields';
import type { DispiMode } from './dispi';
import type { FirmwareFile } from './fwcfg';
import { linearScanout, type Scanout } from './scanout';

/** The file, big-endian: address u64, format u32, flags u32, width u32, height u32, stride u32. */
const LENGTH = 28;
const LIMIT = { width: 8192, height: 8192, pixels: 16 << 20 } as const;
const MOST_BYTES = 128 << 20;
/** DRM's names of pixel formats. */
const FORMATS: Readonly<Record<number, number>> = {
  [fourcc('XR24')]: 32,
  [fourcc('AR24')]: 32,
  [fourcc('RG24')]: 24,
  [fourcc('RG16')]: 16,
};

const table = fields({ config: bytes(LENGTH, 'What firmware has written: address, format, flags, width, height, stride') });

export class Ramfb implements Device<typeof table> {
  readonly name = 'ramfb';
  readonly kind = 'ramfb';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  constructor(private readonly context: DeviceContext) {}

  /** For the firmware configuration device. */
  get file(): FirmwareFile {
    return { name: 'etc/ramfb', contents: () => this.state.config, write: (offset, from) => this.state.config.set(from, offset) };
  }

  reset(): void {
    reset(table, this.state);
  }

  /** What is shown; its start is a physical address. */
  mode(): DispiMode | undefined {
    const { config } = this.state;
    const view = new DataView(config.buffer, config.byteOffset, LENGTH);
    const start = Number(view.getBigUint64(0));
    const depth = FORMATS[view.getUint32(8)];
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    if (start === 0 || depth === undefined || width === 0 || height === 0) return undefined;
    if (width > LIMIT.width || height > LIMIT.height || width * height > LIMIT.pixels) return undefined;
    const row = width * (depth >> 3);
    const stride = view.getUint32(24) || row;
    return stride < row || height * stride > MOST_BYTES ? undefined : { width, height, depth, stride, start };
  }

  scanout(): Scanout | undefined {
    const mode = this.mode();
    if (!mode) return undefined;
    const row = new Uint8Array(mode.width * (mode.depth >> 3));
    return linearScanout(mode, undefined, (first) => {
      this.context.memory.read(first, row);
      return row;
    });
  }
}

function fourcc(name: string): number {
  return [...name].reduceRight((value, character) => ((value << 8) | character.charCodeAt(0)) >>> 0, 0);
}
