/** The driver's side of a virtio device, as small as can be: rings in the test's memory, accesses to BAR0. */
import type { AccessSize, MmioHandler } from '../../../../emulator/bus/device';
import type { PciFunction } from '../../../../emulator/devices/pcifunction';
import type { TestContext } from './context';

export const AT = { COMMON: 0x0000, ISR: 0x1000, CONFIG: 0x2000, NOTIFY: 0x3000 } as const;
export const VERSION_1 = 1n << 32n;
export const ALL_FEATURES = (1n << 28n) | (1n << 29n) | VERSION_1;
/** Of each queue: descriptors, available ring, used ring, an indirect table. */
const AREA = 0x2000;
export const PLACE = { desc: 0x0000, driver: 0x0800, device: 0x1000, indirect: 0x1800 } as const;
export const SIZE = 16;

export interface Part {
  readonly address: number;
  readonly length: number;
  readonly write?: boolean;
}

export class VirtioDriver {
  private readonly next = [0, 0];
  private readonly seen = [0, 0];
  private readonly view: DataView;
  readonly bar: MmioHandler;

  constructor(
    private readonly context: TestContext,
    readonly pci: PciFunction,
  ) {
    this.view = new DataView(context.bytes.buffer);
    this.bar = pci.identity.bars![0]!.handler as MmioHandler;
  }

  read(offset: number, size: AccessSize): number {
    return this.bar.mmioRead(offset, size);
  }
  write(offset: number, size: AccessSize, value: number): void {
    this.bar.mmioWrite(offset, size, value);
  }
  get status(): number {
    return this.read(0x14, 1);
  }

  place(queue: number, part: keyof typeof PLACE): number {
    return queue * AREA + PLACE[part];
  }

  /** As far as FEATURES_OK; gives the status that is read back. */
  negotiate(features: bigint): number {
    this.pci.write(0x04, 0x6, 0xffff);
    this.write(0x14, 1, 0);
    this.write(0x14, 1, 1);
    this.write(0x14, 1, 3);
    for (const high of [0, 1]) {
      this.write(0x08, 4, high);
      this.write(0x0c, 4, Number((features >> BigInt(32 * high)) & 0xffffffffn));
    }
    this.write(0x14, 1, 0x0b);
    return this.status;
  }

  /** Negotiates, sets up queues of 16, and is ready. */
  start(features: bigint = ALL_FEATURES, queues = 1): void {
    this.negotiate(features);
    for (let queue = 0; queue < queues; queue++) this.enable(queue);
    this.write(0x14, 1, 0x0f);
  }

  enable(queue: number, size = SIZE): void {
    [this.next[queue], this.seen[queue]] = [0, 0];
    this.context.bytes.fill(0, queue * AREA, (queue + 1) * AREA);
    this.write(0x16, 2, queue);
    this.write(0x18, 2, size);
    this.write(0x1a, 2, queue + 1);
    [PLACE.desc, PLACE.driver, PLACE.device].forEach((place, i) => {
      this.write(0x20 + 8 * i, 4, queue * AREA + place);
      this.write(0x24 + 8 * i, 4, 0);
    });
    this.write(0x1c, 2, 1);
  }

  descriptor(at: number, address: bigint | number, length: number, flags: number, next: number): void {
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, next, true);
  }

  /** Makes a chain of parts available from a descriptor on; in an indirect table if it is wanted. */
  offer(parts: readonly Part[], { queue = 0, first = 0, indirect = false } = {}): void {
    const table = indirect ? this.place(queue, 'indirect') : this.place(queue, 'desc');
    const from = indirect ? 0 : first;
    parts.forEach(({ address, length, write = false }, i) => {
      const more = i + 1 < parts.length;
      this.descriptor(table + 16 * (from + i), address, length, (more ? 1 : 0) | (write ? 2 : 0), more ? from + i + 1 : 0);
    });
    if (indirect) this.descriptor(this.place(queue, 'desc') + 16 * first, table, 16 * parts.length, 4, 0);
    this.available(queue, first);
  }

  /** What comes next is made available under this index. */
  goOn(index: number, queue = 0): void {
    this.next[queue] = index;
  }

  available(queue: number, head: number): void {
    const ring = this.place(queue, 'driver');
    const index = this.next[queue]!;
    this.view.setUint16(ring + 4 + 2 * (index % SIZE), head, true);
    this.next[queue] = (index + 1) & 0xffff;
    this.view.setUint16(ring + 2, this.next[queue]!, true);
  }

  kick(queue = 0): void {
    this.write(AT.NOTIFY + 4 * queue, 2, queue);
  }

  /** What the device has given back since this was last asked. */
  used(queue = 0): { readonly head: number; readonly length: number }[] {
    const ring = this.place(queue, 'device');
    const end = this.view.getUint16(ring + 2, true);
    const list = [];
    for (; this.seen[queue] !== end; this.seen[queue] = (this.seen[queue]! + 1) & 0xffff) {
      const at = ring + 4 + 8 * (this.seen[queue]! % SIZE);
      list.push({ head: this.view.getUint32(at, true), length: this.view.getUint32(at + 4, true) });
    }
    return list;
  }
}
