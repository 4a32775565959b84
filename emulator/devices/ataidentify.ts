/** IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data: ACS-3, 7.12 and 7.13. */
import type { BlockDevice } from '../bus/block';
import { identifyBytes, putString } from './atacommand';
import type { DriveState } from './ahciregisters';

export const HEADS = 16;
export const SECTORS_PER_TRACK = 63;
export const MOST_MULTIPLE = 16;
/** Blocks of 512 bytes with ranges in one DATA SET MANAGEMENT. */
export const TRIM_BLOCKS = 1;
const QUEUE_DEPTH = 32;
const MOST_LBA28 = 0x0fffffff;

/** What both kinds of drive have. */
function common({ identity }: BlockDevice, { transfer }: DriveState): Uint16Array {
  const words = new Uint16Array(256);
  putString(words, 10, 10, identity.serial);
  putString(words, 23, 4, identity.revision);
  putString(words, 27, 20, identity.model);
  words[49] = 0x2f00; // standby timer, IORDY, LBA, DMA
  words[50] = 0x4000;
  words[53] = 0x0006; // words 64 to 70 and 88 are valid
  const selected = (kind: number): number => (transfer >> 3 === kind ? 0x100 << (transfer & 7) : 0);
  words[63] = 0x0007 | selected(4); // multiword DMA
  words[64] = 0x0003; // PIO 3 and 4
  words.fill(120, 65, 69); // cycle times in ns
  words[76] = 0x000e; // Serial ATA, generations 1 to 3
  words[80] = 0x03f0; // ATA/ATAPI-4 to ACS-3
  words[88] = (0x007f | selected(8)) & 0xffff; // Ultra DMA
  return words;
}

export function identifyDisk(disk: BlockDevice, state: DriveState): Uint8Array {
  const { sectors, readOnly } = disk;
  const { multiple, writeCache, lookAhead, smart } = state;
  const words = common(disk, state);
  const cylinders = Math.min(16383, Math.floor(sectors / (HEADS * SECTORS_PER_TRACK)));
  const quad = (at: number, value: number, count: number): void => {
    for (let i = 0; i < count; i++) words[at + i] = Math.floor(value / 2 ** (16 * i)) % 0x10000;
  };
  words[0] = 0x0040; // not removable
  words[1] = cylinders;
  words[3] = HEADS;
  words[6] = SECTORS_PER_TRACK;
  words[47] = 0x8000 | MOST_MULTIPLE;
  words[53]! |= 1;
  words.set([cylinders, HEADS, SECTORS_PER_TRACK], 54);
  quad(57, cylinders * HEADS * SECTORS_PER_TRACK, 2);
  words[59] = multiple > 0 ? 0x0100 | multiple : 0;
  quad(60, Math.min(sectors, MOST_LBA28), 2);
  words[75] = QUEUE_DEPTH - 1;
  words[76]! |= 0x0100; // NCQ
  words[82] = 0x0069; // look-ahead, write cache, power management, SMART
  words[83] = 0x7400; // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses
  words[84] = 0x4060; // general purpose logging, WRITE DMA FUA EXT
  words[85] = (lookAhead ? 0x40 : 0) | (writeCache ? 0x20 : 0) | 0x08 | (smart ? 1 : 0);
  words[86] = 0x3400;
  words[87] = 0x4060;
  quad(100, sectors, 4);
  words[105] = readOnly ? 0 : TRIM_BLOCKS;
  words[106] = 0x4000;
  words[169] = readOnly ? 0 : 1; // TRIM
  words[217] = 1; // it does not rotate
  return identifyBytes(words);
}

export function identifyPacket(disk: BlockDevice, state: DriveState): Uint8Array {
  const words = common(disk, state);
  words[0] = 0x85c0; // CD-ROM, removable, DRQ within 50 µs, commands of 12 bytes
  words[82] = 0x0210; // DEVICE RESET, PACKET
  words[83] = 0x4000;
  words[84] = 0x4000;
  words[85] = 0x0210;
  words[87] = 0x4000;
  return identifyBytes(words);
}
