/**
 * Parallel NOR flash with Intel's command set (Common Flash Interface, JESD68; Intel 28F320 datasheet), one byte wide.
 * In read-array mode the guest reads and runs it as memory; commands are writes, and while one is under way
 * reads come here.
 */
import type { AccessSize, Backing, Bus, Device, DeviceContext, Mapping, MmioHandler } from '../bus/device';
import { bit, choice, fields, initial, reset, u16, u32, u8 } from '../bus/fields';

/** Erase block: 4 KiB, as UEFI's variable store expects of it. */
export const FLASH_BLOCK = 4096;
const BUFFER = 256;
const MANUFACTURER = 0x89;
const DEVICE = 0x18;
const ERASED = 0xff;

const COMMAND = {
  PROGRAM: 0x10, BLOCK_ERASE: 0x20, PROGRAM_ALTERNATE: 0x40, CLEAR_STATUS: 0x50, LOCK_SETUP: 0x60, READ_STATUS: 0x70,
  READ_ID: 0x90, CFI_QUERY: 0x98, SUSPEND: 0xb0, CONFIRM: 0xd0, WRITE_BUFFER: 0xe8, READ_ARRAY: 0xff,
} as const; // prettier-ignore
const STATUS = { READY: 0x80, ERASE_ERROR: 0x20, PROGRAM_ERROR: 0x10, PROTECTED: 0x02 } as const;
/** What a command leaves in the status register where it takes no part. */
const SEQUENCE_ERROR = STATUS.ERASE_ERROR | STATUS.PROGRAM_ERROR;

const table = fields({
  mode: choice('What reads give, and what the next write means', [
    'array', 'status', 'identifier', 'query', 'program', 'erase', 'lock', 'buffer count', 'buffer data', 'buffer confirm',
  ]), // prettier-ignore
  status: u8('Status Register', {
    PROTECTED: bit(1, 'Block is locked'),
    PROGRAM_SUSPENDED: bit(2, 'Program is suspended'),
    PROGRAM_ERROR: bit(4, 'Program failed'),
    ERASE_ERROR: bit(5, 'Erase failed'),
    ERASE_SUSPENDED: bit(6, 'Erase is suspended'),
    READY: bit(7, 'Ready'),
  }),
  remaining: u16('Bytes still to come into the write buffer'),
  block: u32('Block of the buffered write'),
  writes: u32('Times that contents were changed'),
});

export interface FlashOptions {
  readonly name: string;
  readonly address: number;
  readonly backing: Backing;
  /** Changes contents: marks pages as written and drops code. */
  readonly store: (offset: number, from: Uint8Array) => void;
  /** Firmware's code: its blocks are locked for good. */
  readonly locked?: boolean;
}

export class Flash implements Device<typeof table>, MmioHandler {
  readonly name: string;
  readonly kind = 'flash';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private array: Mapping | undefined;
  /** Wiring: whether the array is mapped. */
  private visible = false;

  constructor(
    _context: DeviceContext,
    private readonly options: FlashOptions,
  ) {
    this.name = options.name;
    this.state.status = STATUS.READY;
  }

  attach(bus: Bus): void {
    const { address, backing } = this.options;
    bus.addMmio(address, backing.length, this, `${this.name} commands`);
    this.array = bus.addBacking(address, backing, this.name);
    this.visible = true;
  }

  reset(): void {
    const { writes } = this.state;
    reset(table, this.state);
    Object.assign(this.state, { status: STATUS.READY, writes });
    this.show();
  }

  restored(): void {
    this.show();
  }

  get contents(): Uint8Array {
    return this.options.backing.bytes;
  }

  /** The array is on the bus only while it is what reads give. */
  private show(): void {
    const visible = this.state.mode === 'array';
    if (visible === this.visible) return;
    this.visible = visible;
    this.array?.move(visible ? this.options.address : null);
  }

  mmioRead(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  /** One write cycle; wider ones are data for as many bytes, or a command in the lowest lane. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const { state } = this;
    switch (state.mode) {
      case 'program':
        this.program(offset, bytesOf(value, size));
        state.mode = 'status';
        break;
      case 'erase':
        if ((value & 0xff) === COMMAND.CONFIRM) this.erase(offset);
        else state.status |= SEQUENCE_ERROR;
        state.mode = 'status';
        break;
      case 'lock': // locks are not remembered: every block can be written
        state.mode = 'status';
        break;
      case 'buffer count':
        state.remaining = (value & 0xff) + 1;
        state.block = Math.floor(offset / BUFFER);
        state.mode = 'buffer data';
        break;
      case 'buffer data':
        this.fill(offset, bytesOf(value, size));
        break;
      case 'buffer confirm':
        if ((value & 0xff) !== COMMAND.CONFIRM) state.status |= SEQUENCE_ERROR;
        state.mode = 'status';
        break;
      default:
        this.command(value & 0xff);
    }
    this.show();
  }

  private command(command: number): void {
    const { state } = this;
    switch (command) {
      case COMMAND.PROGRAM:
      case COMMAND.PROGRAM_ALTERNATE:
        state.mode = 'program';
        break;
      case COMMAND.BLOCK_ERASE:
        state.mode = 'erase';
        break;
      case COMMAND.CLEAR_STATUS:
        // UEFI's driver knows this flash by the ready bit being cleared with the others until the next operation, as QEMU has it.
        state.status = 0;
        state.mode = 'array';
        break;
      case COMMAND.LOCK_SETUP:
        state.mode = 'lock';
        break;
      case COMMAND.READ_STATUS:
        state.mode = 'status';
        break;
      case COMMAND.READ_ID:
        state.mode = 'identifier';
        break;
      case COMMAND.CFI_QUERY:
        state.mode = 'query';
        break;
      case COMMAND.WRITE_BUFFER:
        state.mode = 'buffer count';
        break;
      case COMMAND.SUSPEND: // everything is done at once: there is nothing to suspend
      case COMMAND.CONFIRM:
        break;
      default: // what is no command leads back to the array, as READ_ARRAY does
        state.mode = 'array';
    }
  }

  /** Programming clears bits; only erasing sets them. */
  private program(offset: number, data: readonly number[]): void {
    const { backing, store, locked } = this.options;
    const { bytes } = backing;
    this.state.status |= STATUS.READY;
    if (locked) {
      this.state.status |= STATUS.PROGRAM_ERROR | STATUS.PROTECTED;
      return;
    }
    const fitting = data.slice(0, Math.max(0, backing.length - offset));
    store(
      offset,
      Uint8Array.from(fitting, (byte, i) => byte & bytes[offset + i]!),
    );
    this.state.writes = (this.state.writes + 1) >>> 0;
  }

  private erase(offset: number): void {
    this.state.status |= STATUS.READY;
    if (this.options.locked) {
      this.state.status |= STATUS.ERASE_ERROR | STATUS.PROTECTED;
      return;
    }
    const start = offset - (offset % FLASH_BLOCK);
    this.options.store(start, new Uint8Array(Math.min(FLASH_BLOCK, this.options.backing.length - start)).fill(ERASED));
    this.state.writes = (this.state.writes + 1) >>> 0;
  }

  /** Data of a buffered write goes to its place at once: nobody can look between. It must stay in its block. */
  private fill(offset: number, data: readonly number[]): void {
    const { state } = this;
    if (Math.floor(offset / BUFFER) === state.block) this.program(offset, data.slice(0, state.remaining));
    else state.status |= STATUS.PROGRAM_ERROR;
    state.remaining = Math.max(0, state.remaining - data.length);
    if (state.remaining === 0) state.mode = 'buffer confirm';
  }

  private readByte(offset: number): number {
    switch (this.state.mode) {
      case 'array':
        return this.options.backing.bytes[offset] ?? ERASED;
      case 'identifier':
        return [MANUFACTURER, DEVICE][offset & 0xff] ?? 0;
      case 'query':
        return this.query(offset & 0xff);
      default:
        return this.state.status;
    }
  }

  /** The CFI table (JESD68.01, 4.3). */
  private query(at: number): number {
    const { length } = this.options.backing;
    const blocks = Math.ceil(length / FLASH_BLOCK) - 1;
    const entries: Readonly<Record<number, number>> = {
      0x10: 0x51, 0x11: 0x52, 0x12: 0x59, // "QRY"
      0x13: 0x01, 0x15: 0x31, // Intel extended command set; its table at 0x31
      0x1b: 0x45, 0x1c: 0x55, // supply from 4.5 V to 5.5 V
      0x1f: 0x07, 0x20: 0x07, 0x21: 0x0a, // typical times, log 2: program 128 µs, buffer 128 µs, erase 1 s
      0x23: 0x04, 0x24: 0x04, 0x25: 0x04, // most, as multiples
      0x27: Math.ceil(Math.log2(length)),
      0x2a: Math.log2(BUFFER),
      0x2c: 0x01, // one region of equal blocks
      0x2d: blocks & 0xff, 0x2e: blocks >> 8,
      0x2f: (FLASH_BLOCK / 256) & 0xff, 0x30: FLASH_BLOCK >> 16,
      0x31: 0x50, 0x32: 0x52, 0x33: 0x49, 0x34: 0x31, 0x35: 0x30, // "PRI", version 1.0
    }; // prettier-ignore
    return entries[at] ?? 0;
  }
}

const bytesOf = (value: number, size: AccessSize): number[] => Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff);
