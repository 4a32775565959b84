/** NVMe commands that work on a namespace and what the controller says of itself: NVM Express 1.4, 5 and 6. */
import type { BlockDevice, BlockResult, DiskIdentity } from '../bus/block';
import { PAGE, type NvmeDma } from './nvmedma';

/** Status field: code, type in bits 10 to 8, Do Not Retry (4.6.1). */
const DNR = 0x4000;
export const STATUS = {
  SUCCESS: 0x000,
  OPCODE: 0x001 | DNR,
  FIELD: 0x002 | DNR,
  INTERNAL: 0x006,
  NAMESPACE: 0x00b | DNR,
  RANGE: 0x080 | DNR,
  COMPLETION_QUEUE: 0x100 | DNR,
  QUEUE_ID: 0x101 | DNR,
  QUEUE_SIZE: 0x102 | DNR,
  EVENT_LIMIT: 0x105 | DNR,
  VECTOR: 0x108 | DNR,
  LOG_PAGE: 0x109 | DNR,
  QUEUE_DELETION: 0x10c | DNR,
  SAVEABLE: 0x10d | DNR,
  READ_ONLY: 0x182 | DNR,
  WRITE_FAULT: 0x280,
  READ_ERROR: 0x281,
} as const;

export const NAMESPACE = 1;
export const ALL_NAMESPACES = 0xffffffff;
/** Most bytes of a command: 2^8 pages, as Identify Controller says. */
const MDTS = 8;
const MOST_BYTES = PAGE << MDTS;
/** Bytes that are copied at once. */
const PIECE = 64 << 10;
const RANGE = 16;
const DEALLOCATE = 4;
/** Sectors that one range or WRITE ZEROES may name in all. */
const MOST_SECTORS = 1 << 22;

export interface Command {
  readonly opcode: number;
  readonly id: number;
  readonly namespace: number;
  readonly prp1: bigint;
  readonly prp2: bigint;
  /** Doublewords 10 to 15. */
  readonly words: readonly number[];
}
export interface Result {
  readonly status: number;
  /** Doubleword 0 of the completion. */
  readonly value?: number;
  /** That were moved. */
  readonly bytes?: number;
}

export function commandOf(bytes: Uint8Array): Command {
  const view = new DataView(bytes.buffer);
  return {
    opcode: bytes[0]!,
    id: view.getUint16(2, true),
    namespace: view.getUint32(4, true),
    prp1: view.getBigUint64(24, true),
    prp2: view.getBigUint64(32, true),
    words: Array.from({ length: 6 }, (_, i) => view.getUint32(40 + 4 * i, true)),
  };
}

/** Data to the guest. */
export function send(dma: NvmeDma, { prp1, prp2 }: Command, bytes: Uint8Array): Result {
  dma.toGuest(dma.segments(prp1, prp2, bytes.length), 0, bytes);
  return { status: STATUS.SUCCESS, bytes: bytes.length };
}

const statusOf = (result: BlockResult): number => {
  switch (result) {
    case undefined:
      return STATUS.SUCCESS;
    case 'range':
      return STATUS.RANGE;
    case 'read-only':
      return STATUS.READ_ONLY;
    case 'medium':
      return STATUS.READ_ERROR;
    case 'full':
      return STATUS.WRITE_FAULT;
    case 'length':
      return STATUS.INTERNAL;
  }
};

/** Commands of the NVM command set (6). */
export function executeIo(command: Command, disk: BlockDevice, dma: NvmeDma): Result {
  const { opcode, namespace, words } = command;
  if (opcode === 0x00 && namespace === ALL_NAMESPACES) return { status: statusOf(disk.flush()) };
  if (namespace !== NAMESPACE) return { status: STATUS.NAMESPACE };
  const first = words[0]! + words[1]! * 2 ** 32;
  const sectors = (words[2]! & 0xffff) + 1;
  switch (opcode) {
    case 0x00: // Flush
      return { status: statusOf(disk.flush()) };
    case 0x01: // Write
    case 0x02: // Read
      return move(command, disk, dma, first, sectors, opcode === 0x01);
    case 0x08: // Write Zeroes
      if (first + sectors > disk.sectors) return { status: STATUS.RANGE };
      return { status: statusOf(disk.zero(first, sectors)), bytes: sectors * disk.sectorSize };
    case 0x09:
      return manage(command, disk, dma);
    default:
      return { status: STATUS.OPCODE };
  }
}

function move({ prp1, prp2 }: Command, disk: BlockDevice, dma: NvmeDma, first: number, sectors: number, write: boolean): Result {
  const { sectorSize } = disk;
  const length = sectors * sectorSize;
  if (length > MOST_BYTES) return { status: STATUS.FIELD };
  if (first + sectors > disk.sectors) return { status: STATUS.RANGE };
  const segments = dma.segments(prp1, prp2, length);
  for (let at = 0; at < length; at += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, length - at));
    if (write) dma.fromGuest(segments, at, piece);
    const result = write ? disk.write(first + at / sectorSize, piece) : disk.read(first + at / sectorSize, piece);
    if (result !== undefined) return { status: statusOf(result) };
    if (!write) dma.toGuest(segments, at, piece);
  }
  return { status: STATUS.SUCCESS, bytes: length };
}

/** Dataset Management (6.7). */
function manage({ prp1, prp2, words }: Command, disk: BlockDevice, dma: NvmeDma): Result {
  const bytes = new Uint8Array(RANGE * ((words[0]! & 0xff) + 1));
  dma.fromGuest(dma.segments(prp1, prp2, bytes.length), 0, bytes);
  if (!(words[1]! & DEALLOCATE)) return { status: STATUS.SUCCESS };
  if (disk.readOnly) return { status: STATUS.READ_ONLY };
  const view = new DataView(bytes.buffer);
  const ranges = Array.from({ length: bytes.length / RANGE }, (_, i) => ({
    count: view.getUint32(RANGE * i + 4, true),
    first: Number(view.getBigUint64(RANGE * i + 8, true)),
  }));
  if (ranges.some(({ first, count }) => first + count > disk.sectors)) return { status: STATUS.RANGE };
  // It is a hint: what would take too long is left as it is.
  let left = MOST_SECTORS;
  for (const { first, count } of ranges) {
    if ((left -= count) < 0) break;
    const result = disk.discard(first, count);
    if (result !== undefined) return { status: statusOf(result) };
  }
  return { status: STATUS.SUCCESS };
}

const put = (bytes: Uint8Array, at: number, length: number, text: string): void =>
  bytes.set(
    [...text.padEnd(length).slice(0, length)].map((character) => character.charCodeAt(0) & 0x7f),
    at,
  );

/** Identify Controller (5.15.2.2). */
export function identifyController({ serial, model, revision }: DiskIdentity, events: number): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x8086, true);
  view.setUint16(2, 0x8086, true);
  put(bytes, 4, 20, serial);
  put(bytes, 24, 40, model);
  put(bytes, 64, 8, revision);
  bytes[77] = MDTS;
  view.setUint16(78, 1, true); // controller id
  view.setUint32(80, 0x00010400, true);
  bytes[111] = 1; // an I/O controller
  bytes[258] = 3; // abort command limit, from 0
  bytes[259] = events - 1;
  bytes[260] = 0x03; // one firmware slot, read-only
  bytes[262] = 0; // one error log entry
  view.setUint16(266, 0x0157, true); // warning and critical temperature
  view.setUint16(268, 0x0175, true);
  bytes[512] = 0x66;
  bytes[513] = 0x44;
  view.setUint32(516, 1, true); // namespaces
  view.setUint16(520, 0x000c, true); // dataset management, write zeroes
  bytes[525] = 1; // volatile write cache
  bytes.set(new TextEncoder().encode(`nqn.2014-08.org.nvmexpress:80868086${serial.padEnd(20)}${model.padEnd(40)}`), 768);
  return bytes;
}

/** Identify Namespace (5.15.2.1). */
export function identifyNamespace({ sectors, sectorSize, readOnly }: BlockDevice): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  for (const at of [0, 8, 16]) view.setBigUint64(at, BigInt(sectors), true);
  bytes[99] = readOnly ? 1 : 0; // currently write protected
  bytes[130] = Math.log2(sectorSize);
  return bytes;
}
