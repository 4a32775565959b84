/** The driver's side of an NVMe controller, as small as can be: an admin queue and one for I/O in the test's memory. */
import type { MmioHandler } from '../../../../emulator/bus/device';
import type { Nvme } from '../../../../emulator/devices/nvme';
import type { TestContext } from './context';

export const AT = { ASQ: 0x1000, ACQ: 0x2000, SQ: 0x3000, CQ: 0x4000, LIST: 0x5000, DATA: 0x6000 } as const;
export const REG = { CAP: 0x00, VS: 0x08, INTMS: 0x0c, CC: 0x14, CSTS: 0x1c, AQA: 0x24, ASQ: 0x28, ACQ: 0x30 } as const;
export const ENTRIES = 8;

export interface Order {
  readonly namespace?: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly words?: readonly number[];
}

export class NvmeDriver {
  readonly view: DataView;
  private readonly bar: MmioHandler;
  private tails = [0, 0];
  private heads = [0, 0];
  private id = 0;

  constructor(
    readonly context: TestContext,
    readonly device: Nvme,
  ) {
    this.view = new DataView(context.bytes.buffer);
    this.bar = device.pci.identity.bars![0]!.handler as MmioHandler;
  }

  read(register: number): number {
    return this.bar.mmioRead(register, 4);
  }
  write(register: number, value: number): void {
    this.bar.mmioWrite(register, 4, value);
  }
  pass(ns = 50_000_000): void {
    this.context.run(this.device, this.context.time + ns);
  }

  enable(): void {
    this.device.pci.write(0x04, 0x6, 0xffff);
    this.write(REG.CC, 0);
    [this.tails, this.heads] = [
      [0, 0],
      [0, 0],
    ];
    this.context.bytes.fill(0, AT.ASQ, AT.LIST);
    this.write(REG.AQA, (ENTRIES - 1) * 0x10001);
    this.write(REG.ASQ, AT.ASQ);
    this.write(REG.ACQ, AT.ACQ);
    this.write(REG.CC, 0x00460001);
  }
  /** With a queue for I/O. */
  start(): void {
    this.enable();
    this.run(0, 0x05, { prp1: AT.CQ, words: [((ENTRIES - 1) << 16) | 1, 0x00010003] });
    this.run(0, 0x01, { prp1: AT.SQ, words: [((ENTRIES - 1) << 16) | 1, 0x00010001] });
  }

  put(queue: number, opcode: number, { namespace = queue, prp1 = AT.DATA, prp2 = 0, words = [] }: Order = {}): void {
    const { view, context } = this;
    const at = (queue ? AT.SQ : AT.ASQ) + 64 * this.tails[queue]!;
    context.bytes.fill(0, at, at + 64);
    view.setUint8(at, opcode);
    view.setUint16(at + 2, ++this.id, true);
    view.setUint32(at + 4, namespace, true);
    view.setBigUint64(at + 24, BigInt(prp1), true);
    view.setBigUint64(at + 32, BigInt(prp2), true);
    words.forEach((word, i) => view.setUint32(at + 40 + 4 * i, word >>> 0, true));
    this.tails[queue] = (this.tails[queue]! + 1) % ENTRIES;
  }
  ring(queue: number): void {
    this.write(0x1000 + 8 * queue, this.tails[queue]!);
  }

  /** The next completion, without Do Not Retry; undefined where there is none. */
  take(queue: number): { status: number; value: number; head: number; queue: number } | undefined {
    const { view } = this;
    const index = this.heads[queue]! % ENTRIES;
    const phase = (Math.floor(this.heads[queue]! / ENTRIES) + 1) & 1;
    const at = (queue ? AT.CQ : AT.ACQ) + 16 * index;
    const status = view.getUint16(at + 14, true);
    if ((status & 1) !== phase) return undefined;
    this.heads[queue]!++;
    this.write(0x1004 + 8 * queue, this.heads[queue]! % ENTRIES);
    return { status: (status >> 1) & 0x7ff, value: view.getUint32(at, true), head: view.getUint16(at + 8, true), queue: view.getUint16(at + 10, true) };
  }

  /** Executes a command; gives its status, and 'none' where there is no answer. */
  run(queue: number, opcode: number, order: Order = {}): { status: number | 'none'; value: number } {
    this.put(queue, opcode, order);
    this.ring(queue);
    this.pass();
    return this.take(queue) ?? { status: 'none', value: 0 };
  }
}
