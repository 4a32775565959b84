import assert from 'node:assert/strict';
import type { AccessSize, MmioHandler } from '../../../../emulator/bus/device';
import type { Xhci } from '../../../../emulator/devices/xhci';
import { TYPE } from '../../../../emulator/devices/xhcitrb';
import type { TestContext } from './context';

export const AT = {
  DCBAA: 0x1000,
  COMMANDS: 0x2000,
  SEGMENTS: 0x3000,
  EVENTS: 0x3400,
  INPUT: 0x4000,
  OUTPUT: 0x5000,
  PIPE: 0x6000,
  REPORTS: 0x7000,
  DATA: 0x8000,
} as const;
export const OP = { USBCMD: 0x20, USBSTS: 0x24, CRCR: 0x38, DCBAAP: 0x50, CONFIG: 0x58 } as const;
export const INTERRUPTER = { IMAN: 0x1020, IMOD: 0x1024, ERSTSZ: 0x1028, ERSTBA: 0x1030, ERDP: 0x1038 } as const;
export const DOORBELL = 0x2000;
export const portsc = (port: number): number => 0x420 + 0x10 * (port - 1);
const RUN = 0x1;
const ENABLE_INTERRUPTS = 0x4;
const MICROSECOND = 1000;
export const EVENT_RING = 32;
const OUTPUT_LENGTH = 0x400;

export interface Event {
  readonly parameter: bigint;
  readonly type: number;
  readonly code: number;
  readonly length: number;
  readonly slot: number;
  readonly endpoint: number;
}

/** A driver of the xHCI controller, as small as one can be. */
export class XhciDriver {
  private readonly view: DataView;
  private readonly bar: MmioHandler;
  private commands = 0;
  private event = 0;
  private eventCycle = 1;
  /** Where each ring goes on. */
  private readonly ends = new Map<number, number>();

  constructor(
    private readonly context: TestContext,
    private readonly device: Xhci,
  ) {
    this.view = new DataView(context.bytes.buffer);
    this.bar = device.pci.identity.bars![0]!.handler as MmioHandler;
  }

  read(offset: number, size: AccessSize = 4): number {
    return this.bar.mmioRead(offset, size);
  }
  write(offset: number, value: number, size: AccessSize = 4): void {
    this.bar.mmioWrite(offset, size, value >>> 0);
  }
  pass(microseconds = 200): void {
    this.context.run(this.device, this.context.time + microseconds * MICROSECOND);
  }
  word(address: number): number {
    return this.view.getUint32(address, true);
  }
  setWord(address: number, value: number): void {
    this.view.setUint32(address, value >>> 0, true);
  }
  quad(address: number, value: bigint | number): void {
    this.view.setBigUint64(address, BigInt(value), true);
  }

  /** Rings and tables, and the controller runs. */
  start(): void {
    this.device.pci.write(0x04, 0x6, 0xffff);
    this.write(OP.CONFIG, 64);
    this.write(OP.DCBAAP, AT.DCBAA);
    this.write(OP.CRCR, AT.COMMANDS | 1);
    this.quad(AT.SEGMENTS, AT.EVENTS);
    this.setWord(AT.SEGMENTS + 8, EVENT_RING);
    this.write(INTERRUPTER.ERSTSZ, 1);
    this.write(INTERRUPTER.ERDP, AT.EVENTS);
    this.write(INTERRUPTER.ERSTBA, AT.SEGMENTS);
    this.write(INTERRUPTER.ERSTBA + 4, 0);
    this.write(INTERRUPTER.IMOD, 0);
    this.write(INTERRUPTER.IMAN, 2);
    this.write(OP.USBCMD, RUN | ENABLE_INTERRUPTS);
    this.pass();
  }

  trb(address: number, parameter: bigint | number, status: number, control: number): void {
    this.quad(address, parameter);
    this.setWord(address + 8, status);
    this.setWord(address + 12, control);
  }

  /** Events since this was last asked; the controller is told that they have been seen. */
  events(): Event[] {
    const found: Event[] = [];
    for (;;) {
      const at = AT.EVENTS + 16 * this.event;
      const control = this.word(at + 12);
      if ((control & 1) !== this.eventCycle || found.length > EVENT_RING) break;
      const status = this.word(at + 8);
      found.push({
        parameter: this.view.getBigUint64(at, true),
        type: (control >>> 10) & 0x3f,
        code: status >>> 24,
        length: status & 0xffffff,
        slot: control >>> 24,
        endpoint: (control >>> 16) & 0x1f,
      });
      this.event = (this.event + 1) % EVENT_RING;
      if (this.event === 0) this.eventCycle ^= 1;
    }
    this.acknowledge();
    return found;
  }
  acknowledge(): void {
    this.write(INTERRUPTER.ERDP, (AT.EVENTS + 16 * this.event) | 8);
    this.write(INTERRUPTER.ERDP + 4, 0);
  }

  /** Puts a command on the ring, which is never gone round. */
  queueCommand(type: number, { parameter = 0, status = 0, flags = 0 }: { parameter?: number; status?: number; flags?: number } = {}): number {
    const at = AT.COMMANDS + 16 * this.commands++;
    this.trb(at, parameter, status, ((type << 10) | flags | 1) >>> 0);
    this.setWord(at + 16 + 12, 0);
    return at;
  }
  /** Runs a command; gives how it ended. */
  command(type: number, given: { parameter?: number; status?: number; flags?: number } = {}): { code: number; slot: number } {
    const at = this.queueCommand(type, given);
    this.write(DOORBELL, 0);
    this.pass();
    const done = this.events().find((event) => event.type === TYPE.COMMAND_COMPLETION);
    assert.ok(done, `command ${type} has ended`);
    assert.equal(done.parameter, BigInt(at));
    return { code: done.code, slot: done.slot };
  }

  /** Resets a port, with its events taken. */
  resetPort(port: number): void {
    this.write(portsc(port), 0x210);
    this.pass(5000);
    this.write(portsc(port), 0x200 | 0xfe0000);
    this.events();
  }

  output(slot: number): number {
    return AT.OUTPUT + OUTPUT_LENGTH * (slot - 1);
  }
  slotState(slot: number): number {
    return this.word(this.output(slot) + 12) >>> 27;
  }
  endpointState(slot: number, endpoint: number): number {
    return this.word(this.output(slot) + 32 * endpoint) & 7;
  }

  /** An input context: the slot's, and those of endpoints by their index. */
  input(
    add: number,
    {
      drop = 0,
      port = 5,
      entries = 1,
      endpoints = {},
    }: { drop?: number; port?: number; entries?: number; endpoints?: Record<number, [type: number, ring: number]> } = {},
  ): void {
    this.context.bytes.fill(0, AT.INPUT, AT.INPUT + 33 * 32);
    this.setWord(AT.INPUT, drop);
    this.setWord(AT.INPUT + 4, add);
    this.setWord(AT.INPUT + 32, (entries << 27) | (3 << 20));
    this.setWord(AT.INPUT + 36, port << 16);
    for (const [index, [type, ring]] of Object.entries(endpoints)) {
      const at = AT.INPUT + 32 * (Number(index) + 1);
      this.setWord(at, type === 7 ? 3 << 16 : 0);
      this.setWord(at + 4, (type << 3) | (3 << 1) | ((type === 7 ? 8 : 64) << 16));
      this.quad(at + 8, ring | 1);
    }
  }

  /** Enables a slot for the device at a port and gives it an address. */
  address(port = 5, ring: number = AT.PIPE): number {
    const { slot } = this.command(TYPE.ENABLE_SLOT);
    this.quad(AT.DCBAA + 8 * slot, this.output(slot));
    this.input(3, { port, endpoints: { 1: [4, ring] } });
    assert.equal(this.command(TYPE.ADDRESS_DEVICE, { parameter: AT.INPUT, flags: slot << 24 }).code, 1);
    this.ends.set(ring, ring);
    return slot;
  }

  /** Puts TRBs on a transfer ring, which is never gone round, and rings. */
  transfer(slot: number, endpoint: number, ring: number, trbs: readonly (readonly [parameter: bigint | number, status: number, control: number])[]): number[] {
    let at = this.ends.get(ring) ?? ring;
    const places = trbs.map(([parameter, status, control]) => {
      this.trb(at, parameter, status, (control | 1) >>> 0);
      at += 16;
      return at - 16;
    });
    this.setWord(at + 12, 0);
    this.ends.set(ring, at);
    this.write(DOORBELL + 4 * slot, endpoint);
    return places;
  }
  endOf(ring: number): number {
    return this.ends.get(ring) ?? ring;
  }
  goOn(ring: number, at: number): void {
    this.ends.set(ring, at);
  }

  /** A control transfer with IN data; gives the code of its last event and what came. */
  controlIn(slot: number, setup: readonly number[], length: number): { code: number; bytes: Uint8Array } {
    this.context.bytes.fill(0xee, AT.DATA, AT.DATA + length);
    this.transfer(slot, 1, AT.PIPE, [
      [setupOf(setup), 8, (TYPE.SETUP << 10) | 0x40 | (3 << 16)],
      [AT.DATA, length, (TYPE.DATA << 10) | (1 << 16) | 4],
      [0, 0, (TYPE.STATUS << 10) | 0x20],
    ]);
    this.pass();
    const events = this.events().filter((event) => event.type === TYPE.TRANSFER_EVENT);
    const short = events.find((event) => event.code === 13)?.length ?? 0;
    return { code: events.at(-1)?.code ?? 0, bytes: this.context.bytes.slice(AT.DATA, AT.DATA + length - short) };
  }
  controlOut(slot: number, setup: readonly number[], data: readonly number[] = []): number {
    this.context.bytes.set(data, AT.DATA);
    this.transfer(slot, 1, AT.PIPE, [
      [setupOf(setup), 8, (TYPE.SETUP << 10) | 0x40 | ((data.length > 0 ? 2 : 0) << 16)],
      ...(data.length > 0 ? [[AT.DATA, data.length, TYPE.DATA << 10] as const] : []),
      [0, 0, (TYPE.STATUS << 10) | 0x20 | (1 << 16)],
    ]);
    this.pass();
    return this.events().at(-1)?.code ?? 0;
  }
}

export const setupOf = (bytes: readonly number[]): bigint => new DataView(Uint8Array.from(bytes).buffer).getBigUint64(0, true);
