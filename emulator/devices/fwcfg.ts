/**
 * The firmware configuration device of QEMU (docs/specs/fw_cfg.rst there): a selector, a data register and DMA, through
 * which firmware learns what machine it runs on, and gets kernels, ACPI and SMBIOS tables.
 */
import type { AccessSize, Bus, Device, DeviceContext, PortHandler } from '../bus/device';
import { fields, initial, reset, u16, u32 } from '../bus/fields';

/** Ports of selector, data and DMA address. */
export const FW_CFG_PORTS = { port: 0x510, count: 12 } as const;
const SELECTOR = FW_CFG_PORTS.port;
const DMA = 0x514;

export const FW_CFG = {
  SIGNATURE: 0x00, ID: 0x01, UUID: 0x02, RAM_SIZE: 0x03, NOGRAPHIC: 0x04, NB_CPUS: 0x05, KERNEL_ADDR: 0x07, KERNEL_SIZE: 0x08, INITRD_ADDR: 0x0a,
  INITRD_SIZE: 0x0b, BOOT_DEVICE: 0x0c, NUMA: 0x0d, BOOT_MENU: 0x0e, MAX_CPUS: 0x0f, KERNEL_ENTRY: 0x10, KERNEL_DATA: 0x11, INITRD_DATA: 0x12,
  CMDLINE_ADDR: 0x13, CMDLINE_SIZE: 0x14, CMDLINE_DATA: 0x15, SETUP_ADDR: 0x16, SETUP_SIZE: 0x17, SETUP_DATA: 0x18, FILE_DIR: 0x19, FILE_FIRST: 0x20,
} as const; // prettier-ignore
/** The selector's bits beside the number: for writing, and for items of one architecture. */
const ENTRY_MASK = 0xbfff;
const CONTROL = { ERROR: 0x01, READ: 0x02, SKIP: 0x04, SELECT: 0x08, WRITE: 0x10 } as const;
/** Traditional and DMA interfaces. */
const VERSION = 0x03;
const NAME_LENGTH = 56;
const DIRECTORY_ENTRY = 64;
/** DMA goes through memory in pieces. */
const PIECE = 0x10000;
const NOTHING = new Uint8Array(0);

/** What the guest reads; made when it is asked for where it depends on what firmware has set up before. */
export type Contents = Uint8Array | (() => Uint8Array);

/** A file by name, perhaps one that firmware writes. */
export interface FirmwareFile {
  readonly name: string;
  readonly contents: Contents;
  readonly write?: (offset: number, from: Uint8Array) => void;
}

export interface FwCfgOptions {
  readonly name?: string;
  /** Items with fixed numbers. */
  readonly items: ReadonlyMap<number, Contents>;
  readonly files: readonly FirmwareFile[];
}

const table = fields({
  selector: u16('Item that is selected'),
  offset: u32('Next byte of it'),
  dmaHigh: u32('DMA control structure: upper half of its address'),
});

export class FwCfg implements Device<typeof table>, PortHandler {
  readonly name: string;
  readonly kind = 'fwcfg';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private readonly items: Map<number, Contents>;
  private readonly writers = new Map<number, NonNullable<FirmwareFile['write']>>();

  constructor(
    private readonly context: DeviceContext,
    options: FwCfgOptions,
  ) {
    this.name = options.name ?? 'fwcfg';
    const files = [...options.files].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.items = new Map<number, Contents>([
      [FW_CFG.SIGNATURE, ascii('QEMU')],
      [FW_CFG.ID, Uint8Array.of(VERSION, 0, 0, 0)],
      ...options.items,
      [FW_CFG.FILE_DIR, directory(files)],
    ]);
    files.forEach(({ contents, write }, index) => {
      this.items.set(FW_CFG.FILE_FIRST + index, contents);
      if (write) this.writers.set(FW_CFG.FILE_FIRST + index, write);
    });
  }

  attach(bus: Bus): void {
    bus.addPorts(SELECTOR, 2, this, this.name);
    bus.addPorts(DMA, 8, this, this.name);
  }

  reset(): void {
    reset(table, this.state);
  }

  /** The data register is a byte; the selector can't be read, and DMA's gives its signature. */
  portRead(port: number, size: AccessSize): number {
    if (port >= DMA) return lanes(DMA_SIGNATURE, port - DMA, size);
    return port === SELECTOR + 1 && size === 1 ? this.next() : 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (port === SELECTOR && size === 2) this.select(value);
    else if (port === DMA && size === 4) this.state.dmaHigh = swap(value);
    else if (port === DMA + 4 && size === 4) {
      const address = this.state.dmaHigh * 2 ** 32 + swap(value);
      this.state.dmaHigh = 0;
      this.dma(address);
    }
  }

  private select(key: number): void {
    this.state.selector = key & ENTRY_MASK;
    this.state.offset = 0;
  }

  private contents(): Uint8Array {
    const found = this.items.get(this.state.selector) ?? NOTHING;
    return typeof found === 'function' ? found() : found;
  }

  /** Beyond the end there are zeros. */
  private next(): number {
    const { state } = this;
    const byte = this.contents()[state.offset];
    if (byte === undefined) return 0;
    state.offset++;
    return byte;
  }

  // ── DMA ──────────────────────────────────────────────────────────────────────────────────

  /** The control structure, big-endian: control u32, length u32, address u64. It is read once. */
  private dma(at: number): void {
    const { memory } = this.context;
    const structure = new Uint8Array(16);
    memory.read(at, structure);
    const view = new DataView(structure.buffer);
    const control = view.getUint32(0);
    if (control & CONTROL.SELECT) this.select(control >>> 16);
    const failed = this.transfer(control, view.getUint32(4), Number(view.getBigUint64(8)));
    memory.write(at, Uint8Array.of(0, 0, 0, failed ? CONTROL.ERROR : 0));
  }

  /** Whether the transfer failed. */
  private transfer(control: number, length: number, address: number): boolean {
    const { state, context } = this;
    const contents = this.contents();
    const rest = Math.max(0, contents.length - state.offset);
    const from = state.offset;
    if (control & CONTROL.READ) {
      state.offset += Math.min(length, rest);
      // A length beyond all memory ends with it: the rest would be lost anyway.
      for (let at = 0; at < length && address + at < 2 ** 52 && at < Math.max(rest, MOST_ZEROS); at += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, length - at));
        piece.set(contents.subarray(from + at, Math.min(from + at + piece.length, contents.length)));
        context.memory.write(address + at, piece);
      }
      return false;
    }
    if (control & CONTROL.WRITE) {
      const write = this.writers.get(state.selector);
      if (!write || length > rest) return true;
      const bytes = new Uint8Array(length);
      context.memory.read(address, bytes);
      state.offset += length;
      write(from, bytes);
      return false;
    }
    if (control & CONTROL.SKIP) state.offset += Math.min(length, rest);
    return false;
  }
}

/** Zeros that a read beyond the end writes at most: a guest can't make the host write gigabytes. */
const MOST_ZEROS = 1 << 20;
const DMA_SIGNATURE = [...'QEMU CFG'].map((character) => character.charCodeAt(0));

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const swap = (value: number): number => (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

function lanes(bytes: readonly number[], at: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (bytes[at + i] ?? 0) << (8 * i);
  return value >>> 0;
}

/** Count, and for each file its size, number and name; big-endian. */
function directory(files: readonly FirmwareFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * DIRECTORY_ENTRY);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(({ name, contents }, index) => {
    const at = 4 + index * DIRECTORY_ENTRY;
    view.setUint32(at, (typeof contents === 'function' ? contents() : contents).length);
    view.setUint16(at + 4, FW_CFG.FILE_FIRST + index);
    bytes.set(ascii(name).subarray(0, NAME_LENGTH - 1), at + 8);
  });
  return bytes;
}
