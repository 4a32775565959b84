/** The driver's side of an AHCI adapter, as small as can be: one slot after the other, with all structures in the test's memory. */
import type { MmioHandler } from '../../../../emulator/bus/device';
import type { Ahci } from '../../../../emulator/devices/ahci';
import type { TestContext } from './context';

export const AT = { LIST: 0x0400, FIS: 0x0800, TABLE: 0x1000, DATA: 0x4000 } as const;
export const TABLE_LENGTH = 0x100;
export const GLOBAL = { CAP: 0x00, GHC: 0x04, IS: 0x08, PI: 0x0c, VS: 0x10 } as const;
export const PX = {
  CLB: 0x00, FB: 0x08, IS: 0x10, IE: 0x14, CMD: 0x18, TFD: 0x20, SIG: 0x24, SSTS: 0x28, SCTL: 0x2c, SERR: 0x30, SACT: 0x34, CI: 0x38,
} as const; // prettier-ignore
export const IS = { DHRS: 1, PSS: 2, SDBS: 8, DPS: 0x20, PCS: 0x40, PRCS: 1 << 22, OFS: 1 << 24, IFS: 1 << 27, HBFS: 1 << 29, TFES: 1 << 30 } as const;

export interface Fis {
  readonly command: number;
  readonly features?: number;
  readonly lba?: number;
  readonly count?: number;
  readonly device?: number;
}
export type Entry = readonly [address: number, length: number];
export interface Header {
  readonly packet?: readonly number[];
  readonly data?: readonly Entry[];
  readonly slot?: number;
  readonly tag?: number;
}

export class AhciDriver {
  readonly view: DataView;
  private readonly bar: MmioHandler;

  constructor(
    readonly context: TestContext,
    readonly device: Ahci,
    readonly port = 0,
  ) {
    this.view = new DataView(context.bytes.buffer);
    this.bar = device.pci.identity.bars![5]!.handler as MmioHandler;
  }

  global(register: number): number {
    return this.bar.mmioRead(register, 4);
  }
  setGlobal(register: number, value: number): void {
    this.bar.mmioWrite(register, 4, value);
  }
  read(register: number): number {
    return this.bar.mmioRead(0x100 + 0x80 * this.port + register, 4);
  }
  write(register: number, value: number): void {
    this.bar.mmioWrite(0x100 + 0x80 * this.port + register, 4, value);
  }
  pass(ns = 50_000_000): void {
    this.context.run(this.device, this.context.time + ns);
  }

  /** Lets the port receive and execute. */
  start(): void {
    this.device.pci.write(0x04, 0x6, 0xffff);
    this.write(PX.CLB, AT.LIST);
    this.write(PX.FB, AT.FIS);
    this.write(PX.CMD, 0x10);
    this.write(PX.SERR, 0xffffffff);
    this.write(PX.IS, 0xffffffff);
    this.write(PX.IE, 0xffffffff);
    this.setGlobal(GLOBAL.IS, 0xffffffff);
    this.write(PX.CMD, 0x11);
  }
  /** After an error: what stopped the port goes. */
  recover(): void {
    this.write(PX.CMD, 0x10);
    this.write(PX.IS, 0xffffffff);
    this.write(PX.CMD, 0x11);
  }

  /** Command header and table of a slot. */
  prepare({ command, features = 0, lba = 0, count = 0, device = 0x40 }: Fis, { packet, data = [], slot = 0 }: Header = {}): void {
    const { view, context } = this;
    const [header, table] = [AT.LIST + 32 * slot, AT.TABLE + TABLE_LENGTH * slot];
    view.setUint32(header, 5 | (packet ? 0x20 : 0) | (data.length << 16), true);
    view.setUint32(header + 4, 0xeeeeeeee, true);
    view.setBigUint64(header + 8, BigInt(table), true);
    const high = Math.floor(lba / 2 ** 24);
    context.bytes.set([0x27, 0x80, command, features, lba, lba >>> 8, lba >>> 16, device], table);
    context.bytes.set([high, high >>> 8, high >>> 16, features >>> 8, count, count >>> 8, 0, 0, 0, 0, 0, 0], table + 8);
    if (packet) context.bytes.set([...packet, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].slice(0, 16), table + 0x40);
    data.forEach(([address, length], i) => {
      view.setBigUint64(table + 0x80 + 16 * i, BigInt(address), true);
      view.setUint32(table + 0x8c + 16 * i, length - 1, true);
    });
  }

  /** Executes a command; gives what the port says afterwards. */
  run(fis: Fis, header: Header = {}): { is: number; status: number; error: number; ci: number; moved: number } {
    const { slot = 0, tag } = header;
    this.prepare(fis, header);
    this.write(PX.IS, 0xffffffff);
    if (tag !== undefined) this.write(PX.SACT, (1 << tag) >>> 0);
    this.write(PX.CI, (1 << slot) >>> 0);
    this.pass();
    const tfd = this.read(PX.TFD);
    return { is: this.read(PX.IS), status: tfd & 0xff, error: tfd >>> 8, ci: this.read(PX.CI), moved: this.view.getUint32(AT.LIST + 32 * slot + 4, true) };
  }
  /** An ATAPI command that gives data, by DMA. */
  packet(packet: readonly number[], length = 0): { is: number; status: number; error: number; moved: number; bytes: Uint8Array } {
    this.context.bytes.fill(0xee, AT.DATA, AT.DATA + length);
    const result = this.run({ command: 0xa0, features: 1, device: 0 }, { packet, data: length > 0 ? [[AT.DATA, length]] : [] });
    if (result.status & 1) this.recover();
    return { ...result, bytes: this.context.bytes.slice(AT.DATA, AT.DATA + Math.min(length, result.moved)) };
  }

  /** A received FIS: register FIS at 40h, PIO Setup at 20h, Set Device Bits at 58h. */
  fis(at: number, length = 20): number[] {
    return [...this.context.bytes.subarray(AT.FIS + at, AT.FIS + at + length)];
  }
}
