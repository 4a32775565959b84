/** A disk with a GUID partition table: UEFI specification 2.10, chapter 5. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const SECTOR = 512;
const ENTRIES = 128;
const ENTRY = 128;
const TABLE_SECTORS = (ENTRIES * ENTRY) / SECTOR;
const HEADER = 92;
/** Partitions begin at multiples of a megabyte. */
const ALIGNMENT = 1 << 20;

export const PARTITION_TYPE = {
  efiSystem: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  linuxRoot: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
} as const;

export interface Partition {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly megabytes: number;
}

/** The first three fields are stored with their lowest byte first (appendix A). */
function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** Makes the image, with nothing in its partitions; gives where each begins, in bytes. */
export function partitionedImage(path: string, diskId: string, partitions: readonly Partition[]): readonly number[] {
  const places: number[] = [];
  let at = ALIGNMENT;
  for (const { megabytes } of partitions) {
    places.push(at);
    at += megabytes << 20;
  }
  const sectors = (at + ALIGNMENT) / SECTOR;
  const table = Buffer.alloc(ENTRIES * ENTRY);
  partitions.forEach(({ type, id, name, megabytes }, i) => {
    const entry = table.subarray(i * ENTRY);
    entry.set(guid(type), 0);
    entry.set(guid(id), 16);
    entry.writeBigUInt64LE(BigInt(places[i]! / SECTOR), 32);
    entry.writeBigUInt64LE(BigInt((places[i]! + (megabytes << 20)) / SECTOR - 1), 40);
    entry.write(name, 56, 'utf16le');
  });
  /** At `lba`, with its table at `tableLba`. */
  const header = (lba: number, other: number, tableLba: number): Buffer => {
    const bytes = Buffer.alloc(SECTOR);
    bytes.write('EFI PART', 'latin1');
    bytes.writeUInt32LE(0x10000, 8);
    bytes.writeUInt32LE(HEADER, 12);
    [lba, other, 2 + TABLE_SECTORS, sectors - 2 - TABLE_SECTORS].forEach((value, i) => bytes.writeBigUInt64LE(BigInt(value), 24 + 8 * i));
    bytes.set(guid(diskId), 56);
    bytes.writeBigUInt64LE(BigInt(tableLba), 72);
    [ENTRIES, ENTRY, crc32(table)].forEach((value, i) => bytes.writeUInt32LE(value, 80 + 4 * i));
    bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER)), 16);
    return bytes;
  };
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, sectors * SECTOR);
    writeSync(file, protectiveMbr(sectors), 0, SECTOR, 0);
    writeSync(file, header(1, sectors - 1, 2), 0, SECTOR, SECTOR);
    writeSync(file, table, 0, table.length, 2 * SECTOR);
    writeSync(file, table, 0, table.length, (sectors - 1 - TABLE_SECTORS) * SECTOR);
    writeSync(file, header(sectors - 1, 1, sectors - 1 - TABLE_SECTORS), 0, SECTOR, (sectors - 1) * SECTOR);
  } finally {
    closeSync(file);
  }
  return places;
}

/** One partition of type EE over the whole disk (5.2.3). */
function protectiveMbr(sectors: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  bytes.writeUInt32LE(1, 454);
  bytes.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), 458);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}
