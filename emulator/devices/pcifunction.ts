/**
 * The configuration space of one PCI function, type 0 header: PCI Local Bus Specification 3.0,
 * chapter 6. A device holds one, gives it identity and BARs, and puts `pciHeader` into its table.
 */
import type { AccessSize, Backing, Bus, Mapping, MmioHandler, PortHandler } from '../bus/device';
import { bit, bits, fields, list, u16, u32, u8, type StateOf } from '../bus/fields';
import type { Capability } from './pcicapability';

const COMMAND = { IO: 0x0001, MEMORY: 0x0002, BUS_MASTER: 0x0004, INTX_DISABLE: 0x0400 } as const;
const COMMAND_WRITABLE = 0x0547;
const STATUS = { INTERRUPT: 0x0008, CAPABILITIES: 0x0010, WRITE_1_TO_CLEAR: 0xf900 } as const;

export const pciHeader = fields({
  command: u16('Command', {
    IO: bit(0, 'I/O Space Enable'),
    MEMORY: bit(1, 'Memory Space Enable'),
    BUS_MASTER: bit(2, 'Bus Master Enable'),
    PERR: bit(6, 'Parity Error Response'),
    SERR: bit(8, 'SERR# Enable'),
    INTX_DISABLE: bit(10, 'Interrupt Disable'),
  }),
  status: u16('Status', {
    INTERRUPT: bit(3, 'Interrupt Status'),
    MASTER_PERR: bit(8, 'Master Data Parity Error'),
    SIGNALED_TARGET_ABORT: bit(11, 'Signaled Target Abort'),
    RECEIVED_TARGET_ABORT: bit(12, 'Received Target Abort'),
    RECEIVED_MASTER_ABORT: bit(13, 'Received Master Abort'),
    SIGNALED_SERR: bit(14, 'Signaled System Error'),
    DETECTED_PERR: bit(15, 'Detected Parity Error'),
  }),
  cacheLineSize: u8('Cache Line Size, in doublewords'),
  latencyTimer: u8('Latency Timer'),
  bars: list(6, 'Base addresses', u32('Base Address Register', { ADDRESS: bits(31, 4, 'Address bits') })),
  rom: u32('Expansion ROM Base Address', { ENABLE: bit(0, 'Enable'), ADDRESS: bits(31, 11, 'Address bits') }),
  interruptLine: u8('Interrupt Line, as firmware noted it'),
});
export type PciHeader = StateOf<typeof pciHeader>;

/** What answers in a window; handlers get offsets from its start. */
export type Bar =
  | { readonly kind: 'io'; readonly size: number; readonly handler: MmioHandler }
  | {
      readonly kind: 'mem32' | 'mem64';
      readonly size: number;
      readonly prefetchable?: boolean;
      readonly handler: MmioHandler | Backing;
    };

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Base class, subclass and programming interface, as 0x030000. */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** 1 to 4 for INTA# to INTD#. */
  readonly interruptPin?: 1 | 2 | 3 | 4;
  /** By BAR number; a mem64 BAR takes two. Sizes are powers of two. */
  readonly bars?: Readonly<Record<number, Bar>>;
  readonly rom?: Backing;
  readonly capabilities?: readonly Capability[];
  /** Device-specific registers from 0x40 on, where no capability is. */
  readonly registers?: ConfigRegisters;
}

/** Registers by doubleword; `mask` has ones in the bytes that the access writes. */
export interface ConfigRegisters {
  readConfig(register: number): number;
  writeConfig(register: number, value: number, mask: number): void;
}

/** Where the function sits; the host gives it when it takes the function. */
export interface PciSlot {
  readonly bus: Bus;
  readonly owner: string;
  interrupt(pin: number, level: boolean): void;
}

const ROM = 6;
const FIRST_CAPABILITY = 0x40;
const TOP = 2 ** 32;
const MAX_ADDRESS = 2 ** 52;

const isBacking = (target: MmioHandler | Backing): target is Backing => 'bytes' in target;

/** An I/O window that moves: turns port numbers into offsets. */
class IoWindow implements PortHandler {
  base = 0;
  constructor(private readonly handler: MmioHandler) {}
  portRead(port: number, size: AccessSize): number {
    return this.handler.mmioRead(port - this.base, size);
  }
  portWrite(port: number, size: AccessSize, value: number): void {
    this.handler.mmioWrite(port - this.base, size, value);
  }
}

interface Window {
  readonly mapping: Mapping;
  readonly io?: IoWindow;
  at: number | null;
}

export class PciFunction {
  private readonly windows = new Map<number, Window>();
  private readonly capabilities: readonly { offset: number; capability: Capability }[];
  private slot: PciSlot | undefined;

  constructor(
    readonly identity: PciIdentity,
    private readonly header: () => PciHeader,
  ) {
    let offset = FIRST_CAPABILITY;
    this.capabilities = (identity.capabilities ?? []).map((capability) => {
      const entry = { offset, capability };
      offset += (capability.length + 3) & ~3;
      return entry;
    });
  }

  attach(slot: PciSlot): void {
    this.slot = slot;
    const { rom } = this.identity;
    for (const [index, bar] of this.bars()) this.windows.set(index, this.open(slot, index, bar));
    if (rom) this.windows.set(ROM, { mapping: slot.bus.addBacking(null, rom, `${slot.owner} ROM`), at: null });
    this.update();
  }

  get busMaster(): boolean {
    return (this.header().command & COMMAND.BUS_MASTER) !== 0;
  }

  /** The level of the function's INTx pin, before Interrupt Disable. */
  setInterrupt(level: boolean): void {
    const header = this.header();
    header.status = level ? header.status | STATUS.INTERRUPT : header.status & ~STATUS.INTERRUPT;
    this.updateInterrupt();
  }

  /** Puts windows and the interrupt pin in step with the header: after reset and restore too. */
  update(): void {
    for (const [index, bar] of this.bars()) this.place(index, this.addressOf(index, bar));
    if (this.identity.rom) this.place(ROM, this.romAddress(this.identity.rom));
    this.updateInterrupt();
  }

  /** Reads a doubleword of configuration space; `register` is a multiple of 4 below 256. */
  read(register: number): number {
    const { identity } = this;
    const header = this.header();
    switch (register) {
      case 0x00:
        return (identity.vendor | (identity.device << 16)) >>> 0;
      case 0x04:
        return (header.command | (this.status(header) << 16)) >>> 0;
      case 0x08:
        return ((identity.revision ?? 0) | (identity.classCode << 8)) >>> 0;
      case 0x0c:
        return header.cacheLineSize | (header.latencyTimer << 8);
      case 0x10:
      case 0x14:
      case 0x18:
      case 0x1c:
      case 0x20:
      case 0x24:
        return this.readBar((register - 0x10) >> 2);
      case 0x2c:
        return ((identity.subsystemVendor ?? 0) | ((identity.subsystem ?? 0) << 16)) >>> 0;
      case 0x30:
        return header.rom;
      case 0x34:
        return this.capabilities.length > 0 ? FIRST_CAPABILITY : 0;
      case 0x3c:
        return header.interruptLine | ((identity.interruptPin ?? 0) << 8);
      default:
        return register < FIRST_CAPABILITY ? 0 : this.readSpecific(register);
    }
  }

  write(register: number, value: number, mask: number): void {
    const header = this.header();
    const merge = (old: number, writable: number): number => ((old & ~(mask & writable)) | (value & mask & writable)) >>> 0;
    switch (register) {
      case 0x04:
        header.command = merge(header.command, COMMAND_WRITABLE);
        header.status &= ~(((value & mask) >>> 16) & STATUS.WRITE_1_TO_CLEAR);
        this.update();
        break;
      case 0x0c:
        header.cacheLineSize = merge(header.cacheLineSize, 0xff);
        header.latencyTimer = merge(header.latencyTimer << 8, 0xff00) >>> 8;
        break;
      case 0x10:
      case 0x14:
      case 0x18:
      case 0x1c:
      case 0x20:
      case 0x24: {
        const index = (register - 0x10) >> 2;
        header.bars[index] = merge(header.bars[index]!, this.writableOf(index));
        this.update();
        break;
      }
      case 0x30: {
        const { rom } = this.identity;
        if (rom) header.rom = merge(header.rom, (~(romSize(rom) - 1) & 0xfffff800) | 1);
        this.update();
        break;
      }
      case 0x3c:
        header.interruptLine = merge(header.interruptLine, 0xff);
        break;
      default:
        if (register >= FIRST_CAPABILITY) this.writeSpecific(register, value >>> 0, mask >>> 0);
    }
  }

  /** BARs in order, for sizing and for placing them as firmware would. */
  bars(): [index: number, bar: Bar][] {
    return Object.entries(this.identity.bars ?? {}).map(([index, bar]) => [Number(index), bar]);
  }

  private status(header: PciHeader): number {
    return header.status | (this.capabilities.length > 0 ? STATUS.CAPABILITIES : 0);
  }

  private readBar(index: number): number {
    const bar = this.identity.bars?.[index];
    const flags = bar === undefined ? 0 : bar.kind === 'io' ? 1 : (bar.kind === 'mem64' ? 4 : 0) | (bar.prefetchable ? 8 : 0);
    return ((this.header().bars[index]! & this.writableOf(index)) | flags) >>> 0;
  }

  /** Address bits that exist in a BAR: what remains of all ones when it is sized (6.2.5.1). */
  private writableOf(index: number): number {
    const bar = this.identity.bars?.[index];
    if (bar) return bar.size >= TOP ? 0 : ~(bar.size - 1) >>> 0;
    const below = index > 0 ? this.identity.bars?.[index - 1] : undefined;
    if (below?.kind !== 'mem64') return 0;
    return below.size > TOP ? ~(below.size / TOP - 1) >>> 0 : 0xffffffff;
  }

  /** Where a BAR decodes now. All ones is a guest sizing it, and 0 is unassigned: neither decodes. */
  private addressOf(index: number, bar: Bar): number | null {
    const { command, bars } = this.header();
    const enable = bar.kind === 'io' ? COMMAND.IO : COMMAND.MEMORY;
    if (!(command & enable)) return null;
    const low = (bars[index]! & this.writableOf(index)) >>> 0;
    if (bar.kind === 'io') return low === 0 || low + bar.size > 0x10000 ? null : low;
    if (bar.kind === 'mem32') return low === 0 || low + bar.size >= TOP ? null : low;
    const high = (bars[index + 1]! & this.writableOf(index + 1)) >>> 0;
    const address = low + high * TOP;
    return address === 0 || address + bar.size >= MAX_ADDRESS ? null : address;
  }

  private romAddress(rom: Backing): number | null {
    const { command, rom: register } = this.header();
    const address = (register & 0xfffff800) >>> 0;
    if (!(command & COMMAND.MEMORY) || !(register & 1) || address === 0) return null;
    return address + romSize(rom) >= TOP ? null : address;
  }

  private place(index: number, address: number | null): void {
    const window = this.windows.get(index);
    if (!window || window.at === address) return;
    if (window.io && address !== null) window.io.base = address;
    window.mapping.move(address);
    window.at = address;
  }

  /** A window is on the bus from the beginning, at no address. */
  private open({ bus, owner }: PciSlot, index: number, { kind, size, handler }: Bar): Window {
    const name = `${owner} BAR${index}`;
    if (kind === 'io') {
      const io = new IoWindow(handler);
      return { mapping: bus.addPorts(null, size, io, name), io, at: null };
    }
    return { mapping: isBacking(handler) ? bus.addBacking(null, handler, name) : bus.addMmio(null, size, handler, name), at: null };
  }

  private updateInterrupt(): void {
    const { command, status } = this.header();
    if (!this.identity.interruptPin) return;
    const level = (status & STATUS.INTERRUPT) !== 0 && !(command & COMMAND.INTX_DISABLE);
    this.slot?.interrupt(this.identity.interruptPin, level);
  }

  private capabilityAt(register: number): { offset: number; capability: Capability; next: number } | undefined {
    const index = this.capabilities.findIndex(({ offset, capability }) => register >= offset && register < offset + capability.length);
    if (index < 0) return undefined;
    return { ...this.capabilities[index]!, next: this.capabilities[index + 1]?.offset ?? 0 };
  }

  private readSpecific(register: number): number {
    const found = this.capabilityAt(register);
    if (!found) return (this.identity.registers?.readConfig(register) ?? 0) >>> 0;
    const { offset, capability, next } = found;
    const value = capability.read(register - offset);
    return (register === offset ? (value & 0xffff0000) | capability.id | (next << 8) : value) >>> 0;
  }

  private writeSpecific(register: number, value: number, mask: number): void {
    const found = this.capabilityAt(register);
    if (found) found.capability.write(register - found.offset, value, mask);
    else this.identity.registers?.writeConfig(register, value, mask);
  }
}

const romSize = (rom: Backing): number => 2 ** Math.ceil(Math.log2(Math.max(rom.length, 2048)));
