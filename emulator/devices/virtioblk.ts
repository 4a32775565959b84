/** Block device: VIRTIO 1.2, 5.2. */
import type { BlockDevice, BlockResult } from '../bus/block';
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { initial, time } from '../bus/fields';
import { VirtioDevice } from './virtiodevice';
import { virtioTable } from './virtiofields';
import type { VirtioOptions } from './virtiopci';
import type { Chain } from './virtioqueue';

const TYPE = 2;
const QUEUE_SIZE = 256;
/** Sectors are of 512 bytes here, whatever the disk's are. */
const SECTOR = 512;
const FEATURE = { SEG_MAX: 1n << 2n, RO: 1n << 5n, BLK_SIZE: 1n << 6n, FLUSH: 1n << 9n, DISCARD: 1n << 13n, WRITE_ZEROES: 1n << 14n } as const;
const REQUEST = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const STATUS = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
const HEADER = 16;
const SEGMENT = 16;
const UNMAP = 1;

/** Most bytes of a request: a longer one would keep the host from everything else. */
const MOST_BYTES = 64 << 20;
const MOST_ZEROES = MOST_BYTES / SECTOR;
const MOST_DISCARD = 1 << 22;
const MOST_SEGMENTS = 16;
/** Bytes that are copied at once. */
const PIECE = 64 << 10;

/** Virtual time of a request, and of each byte: about that of a good disk. */
const LATENCY_NS = 20_000;
const BYTES_PER_NS = 2;

const table = virtioTable(1, { due: time('When the next request is done') });

export interface VirtioBlkOptions extends Pick<VirtioOptions, 'reachable' | 'msi'> {
  readonly name: string;
  /** Sectors of 512 bytes. */
  readonly disk: BlockDevice;
}

export class VirtioBlk extends VirtioDevice implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'virtioblk';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private readonly disk: BlockDevice;

  constructor(context: DeviceContext, { name, disk, reachable, msi }: VirtioBlkOptions) {
    const { SEG_MAX, RO, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES } = FEATURE;
    super(
      context,
      {
        type: TYPE,
        classCode: 0x010000,
        features: SEG_MAX | BLK_SIZE | FLUSH | (disk.readOnly ? RO : DISCARD | WRITE_ZEROES),
        queueSizes: [QUEUE_SIZE],
        config: configuration(disk),
        reachable,
        msi,
      },
      LATENCY_NS,
    );
    this.name = name;
    this.disk = disk;
    this.transport.initialize();
  }

  /** One request: what comes after it waits until its bytes could have gone by. */
  expire(now: Nanoseconds): void {
    this.state.due = Infinity;
    const chain = this.transport.next(0);
    if (!chain) return;
    const bytes = this.serve(chain);
    if (this.transport.pending(0)) this.state.due = now + LATENCY_NS + Math.ceil(bytes / BYTES_PER_NS);
  }

  private serve(chain: Chain): number {
    const header = new Uint8Array(HEADER);
    if (chain.read(0, header) < HEADER || chain.writable < 1) {
      this.transport.fail('request');
      return 0;
    }
    const view = new DataView(header.buffer);
    const [type, sector] = [view.getUint32(0, true), Number(view.getBigUint64(8, true))];
    const [out, into] = [chain.readable - HEADER, chain.writable - 1];
    const status = out + into > MOST_BYTES ? STATUS.IOERR : this.execute(type, sector, chain, out, into);
    chain.write(into, Uint8Array.of(status));
    this.transport.used(0, chain, status === STATUS.OK ? chain.writable : 0);
    return out + into;
  }

  private execute(type: number, sector: number, chain: Chain, out: number, into: number): number {
    switch (type) {
      case REQUEST.IN:
        return this.transfer(sector, into, (lba, at, piece) => {
          const result = this.disk.read(lba, piece);
          if (result === undefined) chain.write(at, piece);
          return result;
        });
      case REQUEST.OUT:
        return this.transfer(sector, out, (lba, at, piece) => {
          chain.read(HEADER + at, piece);
          return this.disk.write(lba, piece);
        });
      case REQUEST.FLUSH:
        return statusOf(this.disk.flush());
      case REQUEST.GET_ID: {
        if (into < 1) return STATUS.IOERR;
        const id = new Uint8Array(20);
        id.set(new TextEncoder().encode(this.disk.identity.serial).subarray(0, 20));
        chain.write(0, id.subarray(0, into));
        return STATUS.OK;
      }
      case REQUEST.DISCARD:
      case REQUEST.WRITE_ZEROES:
        return this.ranges(type, chain, out);
      default:
        return STATUS.UNSUPP;
    }
  }

  /** Piece by piece; what lies outside is found before anything is done. */
  private transfer(sector: number, length: number, move: (lba: number, at: number, piece: Uint8Array) => BlockResult): number {
    if (length % SECTOR !== 0 || sector + length / SECTOR > this.disk.sectors) return STATUS.IOERR;
    for (let at = 0; at < length; at += PIECE) {
      const result = move(sector + at / SECTOR, at, new Uint8Array(Math.min(PIECE, length - at)));
      if (result !== undefined) return STATUS.IOERR;
    }
    return STATUS.OK;
  }

  private ranges(type: number, chain: Chain, out: number): number {
    if (this.disk.readOnly || out === 0 || out % SEGMENT !== 0 || out / SEGMENT > MOST_SEGMENTS) return STATUS.IOERR;
    const bytes = new Uint8Array(out);
    chain.read(HEADER, bytes);
    const view = new DataView(bytes.buffer);
    const zeroes = type === REQUEST.WRITE_ZEROES;
    const list = Array.from({ length: out / SEGMENT }, (_, index) => ({
      sector: Number(view.getBigUint64(SEGMENT * index, true)),
      count: view.getUint32(SEGMENT * index + 8, true),
      flags: view.getUint32(SEGMENT * index + 12, true),
    }));
    for (const { sector, count, flags } of list) {
      if (flags & ~(zeroes ? UNMAP : 0)) return STATUS.UNSUPP;
      if (count > (zeroes ? MOST_ZEROES : MOST_DISCARD) || sector + count > this.disk.sectors) return STATUS.IOERR;
    }
    if (zeroes && list.reduce((sum, { count }) => sum + count, 0) > MOST_ZEROES) return STATUS.IOERR;
    for (const { sector, count } of list) {
      const result = zeroes ? this.disk.zero(sector, count) : this.disk.discard(sector, count);
      if (result !== undefined) return statusOf(result);
    }
    return STATUS.OK;
  }
}

const statusOf = (result: BlockResult): number => (result === undefined ? STATUS.OK : STATUS.IOERR);

/** 5.2.4. */
function configuration({ sectors, sectorSize }: BlockDevice): Uint8Array {
  const view = new DataView(new ArrayBuffer(60));
  view.setBigUint64(0, BigInt(Math.floor((sectors * sectorSize) / SECTOR)), true); // capacity
  view.setUint32(12, QUEUE_SIZE - 2, true); // seg_max
  view.setUint32(20, sectorSize, true); // blk_size
  view.setUint16(34, 1, true); // num_queues
  view.setUint32(36, MOST_DISCARD, true);
  view.setUint32(40, MOST_SEGMENTS, true);
  view.setUint32(44, 8, true); // discard_sector_alignment: a page of the overlay
  view.setUint32(48, MOST_ZEROES, true);
  view.setUint32(52, 1, true);
  view.setUint8(56, 1); // write_zeroes_may_unmap
  return new Uint8Array(view.buffer);
}
