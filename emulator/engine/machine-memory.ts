import type { Backing, Shadow } from '../bus/device';
import { internalError } from '../errors';
import type { BackingPlan, KeptPages, Look } from './engine';
import * as layout from '../x86/layout';
import type { HelperExports } from './wasm-module';

const PAGE = 0x1000;

const LOOKS: Readonly<Record<Look, number>> = { list: layout.LOOK_LIST, take: layout.LOOK_TAKE, keep: layout.LOOK_KEEP };

interface Placed extends Backing {
  readonly name: string;
  readonly host: number;
  address: number | null;
}

/** Guest-physical memory: RAM at 0, and backings (framebuffer, ROM) that can be mapped anywhere. */
export class MachineMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly ram: Uint8Array;
  private readonly placed: readonly Placed[];
  /** Backing pages in use: the guest's whole memory. */
  readonly firstPage = layout.RAM >>> 12;
  readonly lastPage: number;

  constructor(
    readonly memory: WebAssembly.Memory,
    readonly ramBytes: number,
    backings: readonly BackingPlan[],
  ) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.ram = this.bytes.subarray(layout.RAM, layout.RAM + ramBytes);
    let host = layout.RAM + ramBytes;
    const placed: Placed[] = [{ name: 'ram', length: ramBytes, writable: true, host: layout.RAM, bytes: this.ram, address: null }];
    for (const { name, length, writable, of } of backings) {
      const start = of ? placed.find((other) => other.name === of.name)!.host + of.offset : host;
      placed.push({ name, length, writable, host: start, bytes: this.bytes.subarray(start, start + length), address: null });
      if (!of) host += length;
    }
    this.placed = placed;
    this.lastPage = (host >>> 12) - 1;
    this.view.setUint32(layout.RAM_SIZE, ramBytes, true);
    this.view.setBigUint64(layout.A20_MASK, (1n << 64n) - 1n, true);
    for (const { host: start, length, writable } of this.placed) if (!writable) this.setFlags(start, length, layout.PAGE_ROM);
    // The window of the VGA is a hole in RAM.
    this.setFlags(layout.RAM + 0xa0000, 0x20000, layout.PAGE_MMIO);
  }

  backing(name: string): Backing {
    return this.find(name);
  }

  map(name: string, address: number | null, helpers: HelperExports): void {
    this.find(name).address = address;
    this.writeRegions();
    helpers.flush();
  }

  writeBacking(name: string, offset: number, from: Uint8Array, helpers: HelperExports): void {
    const { host, length, bytes } = this.find(name);
    if (offset < 0 || offset + from.length > length) throw internalError('backing-range', `'${name}' has no ${from.length} bytes at ${offset}`);
    for (let at = 0; at < from.length;) {
      const piece = Math.min(from.length - at, PAGE - ((host + offset + at) % PAGE));
      helpers.prepareWrite(host + offset + at, piece, 0);
      at += piece;
    }
    bytes.set(from, offset);
  }

  shadow(address: number, length: number, shadow: Shadow, helpers: HelperExports): void {
    const special = shadow === 'ram' ? 0 : shadow === 'hole' ? layout.PAGE_MMIO : layout.PAGE_ROM;
    for (let page = (layout.RAM + address) >>> 12; page < (layout.RAM + address + length) >>> 12; page++) {
      const at = layout.PAGE_FLAGS + page;
      this.bytes[at] = (this.bytes[at]! & ~(layout.PAGE_MMIO | layout.PAGE_ROM)) | special;
    }
    helpers.flush();
  }

  private find(name: string): Placed {
    const piece = this.placed.find((p) => p.name === name);
    if (!piece) throw internalError('no-backing', `no backing named '${name}'`);
    return piece;
  }

  private writeRegions(): void {
    const { view } = this;
    let at = layout.REGIONS;
    let count = 0;
    for (const { address, host, length } of this.placed) {
      if (address === null) continue;
      view.setBigUint64(at, BigInt(address), true);
      view.setBigUint64(at + 8, BigInt(address + length - 1), true);
      view.setUint32(at + 16, host, true);
      at += layout.REGION_SIZE;
      count++;
    }
    view.setUint32(layout.REGION_COUNT, count, true);
  }

  private setFlags(host: number, length: number, flag: number): void {
    for (let page = host >>> 12; page < (host + length) >>> 12; page++) this.bytes[layout.PAGE_FLAGS + page]! |= flag;
  }

  /** Reads physical memory; what is not backed reads as 0xFF. */
  read(address: number, into: Uint8Array, helpers: HelperExports): void {
    this.pieces(address, into.length, helpers, (host, at, length) => {
      if (host) into.set(this.bytes.subarray(host, host + length), at);
      else into.fill(0xff, at, at + length);
    });
  }

  /** Writes as a device does: dirty pages, code and cached translations are kept right. ROM stays. */
  write(address: number, from: Uint8Array, helpers: HelperExports): void {
    this.pieces(address, from.length, helpers, (host, at, length) => {
      if (!host || this.bytes[layout.PAGE_FLAGS + (host >>> 12)]! & layout.PAGE_ROM) return;
      helpers.prepareWrite(host, length, 0);
      this.bytes.set(from.subarray(at, at + length), host);
    });
  }

  private pieces(address: number, total: number, helpers: HelperExports, visit: (host: number, at: number, length: number) => void): void {
    for (let at = 0; at < total;) {
      const length = Math.min(total - at, PAGE - ((address + at) % PAGE));
      visit(helpers.hostOf(BigInt(address + at)) >>> 0, at, length);
      at += length;
    }
  }

  awaitPages(pages: Iterable<number>): void {
    for (const page of pages) this.bytes[layout.PAGE_FLAGS + page]! |= layout.PAGE_AWAITED;
  }

  isAwaited(page: number): boolean {
    return (this.bytes[layout.PAGE_FLAGS + page]! & layout.PAGE_AWAITED) === layout.PAGE_AWAITED;
  }

  arrive(page: number, contents: Uint8Array): void {
    this.bytes.set(contents, page * PAGE);
    this.bytes[layout.PAGE_FLAGS + page]! &= ~layout.PAGE_AWAITED;
  }

  writtenPages(helpers: HelperExports, reader: number, look: Look, first = this.firstPage, last = this.lastPage): Uint32Array {
    const list = new Uint32Array(this.bytes.buffer, layout.PAGE_LIST, layout.PAGE_LIST_ENTRIES);
    const parts: Uint32Array[] = [];
    for (let from = first, count = list.length; count === list.length && from <= last; from = list[count - 1]! + 1) {
      count = helpers.listWritten(reader, from, last, LOOKS[look]);
      parts.push(list.slice(0, count));
    }
    const pages = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
    parts.reduce((at, part) => (pages.set(part, at), at + part.length), 0);
    return pages;
  }

  takeKept(): KeptPages | undefined {
    const count = this.view.getUint32(layout.KEPT_COUNT, true);
    if (count === 0) return undefined;
    const copies = this.view.getUint32(layout.KEPT_COPIES, true);
    this.view.setUint32(layout.KEPT_COUNT, 0, true);
    this.view.setUint32(layout.KEPT_COPIES, 0, true);
    return {
      pages: new Uint32Array(this.bytes.buffer, layout.KEPT_LIST, count),
      contents: this.bytes.subarray(layout.KEPT_CONTENTS, layout.KEPT_CONTENTS + copies * PAGE),
    };
  }

  markWritten(pages: Iterable<number>): void {
    for (const page of pages) this.bytes[layout.UNREAD_PAGES + page] = 0xff;
  }
}
