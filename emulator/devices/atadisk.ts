/** A disk with the commands of ATA/ATAPI Command Set 3 (ACS-3). */
import type { BlockDevice, BlockResult } from '../bus/block';
import { ERROR, type DriveState } from './ahciregisters';
import { aborted, done, failed, notThisKind, signatureAnswer, type AtaAnswer, type AtaDrive, type AtaRequest } from './atacommand';
import { HEADS, identifyDisk, MOST_MULTIPLE, SECTORS_PER_TRACK, TRIM_BLOCKS } from './ataidentify';

const SECTOR = 512;
/** Bytes that are copied at once. */
const PIECE = 64 << 10;
const LBA = 0x40;
const SMART_KEY = 0xc24f;
const NCQ_ERROR_LOG = 0x10;

interface Transfer {
  readonly write: boolean;
  readonly ext: boolean;
  readonly how: 'pio' | 'multiple' | 'dma';
}
/** Commands that move sectors (7.21 to 7.66). */
const TRANSFERS: Readonly<Record<number, Transfer>> = {
  0x20: { write: false, ext: false, how: 'pio' }, // READ SECTORS
  0x21: { write: false, ext: false, how: 'pio' }, // without retries, in old drivers
  0x24: { write: false, ext: true, how: 'pio' }, // READ SECTORS EXT
  0x25: { write: false, ext: true, how: 'dma' }, // READ DMA EXT
  0x29: { write: false, ext: true, how: 'multiple' }, // READ MULTIPLE EXT
  0x30: { write: true, ext: false, how: 'pio' }, // WRITE SECTORS
  0x31: { write: true, ext: false, how: 'pio' },
  0x34: { write: true, ext: true, how: 'pio' }, // WRITE SECTORS EXT
  0x35: { write: true, ext: true, how: 'dma' }, // WRITE DMA EXT
  0x39: { write: true, ext: true, how: 'multiple' }, // WRITE MULTIPLE EXT
  0x3d: { write: true, ext: true, how: 'dma' }, // WRITE DMA FUA EXT
  0xc4: { write: false, ext: false, how: 'multiple' }, // READ MULTIPLE
  0xc5: { write: true, ext: false, how: 'multiple' }, // WRITE MULTIPLE
  0xc8: { write: false, ext: false, how: 'dma' }, // READ DMA
  0xc9: { write: false, ext: false, how: 'dma' },
  0xca: { write: true, ext: false, how: 'dma' }, // WRITE DMA
  0xcb: { write: true, ext: false, how: 'dma' },
  0xce: { write: true, ext: true, how: 'multiple' }, // WRITE MULTIPLE FUA EXT
};

export class AtaDisk implements AtaDrive {
  readonly signature = 0x00000101;
  readonly atapi = false;

  constructor(private readonly disk: BlockDevice) {}

  execute(request: AtaRequest, state: DriveState): AtaAnswer {
    const { command, features, count } = request;
    const transfer = TRANSFERS[command];
    if (transfer) return this.transfer(request, transfer, state);
    switch (command) {
      case 0x06: // DATA SET MANAGEMENT
        return this.trim(request);
      case 0x10: // RECALIBRATE
      case 0x70: // SEEK
      case 0x91: // INITIALIZE DEVICE PARAMETERS
        return done();
      case 0x27: // READ NATIVE MAX ADDRESS EXT
        return done({ lba: this.disk.sectors - 1 });
      case 0xf8: // READ NATIVE MAX ADDRESS
        return done({ lba: Math.min(this.disk.sectors, 0x0fffffff) - 1 });
      case 0x2f: // READ LOG EXT
      case 0x47: // READ LOG DMA EXT
        return this.log(request, state, command === 0x2f);
      case 0x40: // READ VERIFY SECTORS
      case 0x42: // READ VERIFY SECTORS EXT
        return this.verify(request, command === 0x42);
      case 0x60: // READ FPDMA QUEUED
      case 0x61: // WRITE FPDMA QUEUED
        return this.queued(request, command === 0x61, state);
      case 0x90: // EXECUTE DEVICE DIAGNOSTIC
        return signatureAnswer(this.signature);
      case 0xa0: // PACKET
      case 0xa1: // IDENTIFY PACKET DEVICE
        return notThisKind(this.signature);
      case 0xb0:
        return this.smart(request, state);
      case 0xc6: // SET MULTIPLE MODE
        if (count > MOST_MULTIPLE || (count & (count - 1)) !== 0) return aborted();
        state.multiple = count;
        return done();
      case 0xe0: // STANDBY IMMEDIATE
      case 0xe2: // STANDBY
      case 0xe6: // SLEEP
      case 0x94:
      case 0x96:
        state.power = 0x00;
        return done();
      case 0xe1: // IDLE IMMEDIATE
      case 0xe3: // IDLE
      case 0x95:
      case 0x97:
        state.power = 0xff;
        return done();
      case 0xe5: // CHECK POWER MODE
      case 0x98:
        return done({ count: state.power });
      case 0xe7: // FLUSH CACHE
      case 0xea: // FLUSH CACHE EXT
        return answerOf(this.disk.flush());
      case 0xec: // IDENTIFY DEVICE
        return this.send(request, identifyDisk(this.disk, state), true);
      case 0xef:
        return setFeatures(features, count, state);
      default: // NOP (00h) too
        return aborted();
    }
  }

  private send({ data }: AtaRequest, bytes: Uint8Array, pio: boolean): AtaAnswer {
    data.expect(bytes.length);
    data.toGuest(bytes);
    return done(pio ? { pio: { toGuest: true, block: Math.min(SECTOR, bytes.length) } } : {});
  }

  /** Where a range of sectors begins, and how many there are; an answer where there are no such. */
  private range({ lba, count, device }: AtaRequest, ext: boolean): { first: number; sectors: number } | AtaAnswer {
    const sectors = ext ? count || 0x10000 : count & 0xff || 0x100;
    let first = lba;
    if (!ext && device & LBA) first = (lba & 0xffffff) + (device & 0xf) * 2 ** 24;
    else if (!ext) {
      // Cylinder, head, sector: as IDENTIFY says they are.
      const number = lba & 0xff;
      if (number === 0 || number > SECTORS_PER_TRACK) return failed(ERROR.IDNF, lba);
      first = (((lba >>> 8) & 0xffff) * HEADS + (device & 0xf)) * SECTORS_PER_TRACK + number - 1;
    }
    return first + sectors > this.disk.sectors ? failed(ERROR.IDNF, lba) : { first, sectors };
  }

  private transfer(request: AtaRequest, { write, ext, how }: Transfer, state: DriveState): AtaAnswer {
    if (how === 'multiple' && state.multiple === 0) return aborted();
    const range = this.range(request, ext);
    if ('status' in range) return range;
    const { first, sectors } = range;
    const answer = this.move(request, write, first, sectors);
    if (how === 'dma' || answer.error !== 0) return answer;
    const block = how === 'multiple' ? state.multiple : 1;
    return { ...answer, pio: { toGuest: !write, block: (sectors % block || Math.min(block, sectors)) * SECTOR } };
  }

  private move({ data, lba }: AtaRequest, write: boolean, first: number, sectors: number): AtaAnswer {
    if (write && this.disk.readOnly) return aborted();
    const length = sectors * SECTOR;
    data.expect(length);
    for (let at = 0; at < length; at += PIECE) {
      const piece = new Uint8Array(Math.min(PIECE, length - at));
      if (write) data.fromGuest(piece);
      const result = write ? this.disk.write(first + at / SECTOR, piece) : this.disk.read(first + at / SECTOR, piece);
      if (result !== undefined) return failed(errorOf(result), first + at / SECTOR);
      if (!write) data.toGuest(piece);
    }
    return done({ lba });
  }

  /** NCQ (7.23, 7.65): Count holds the tag, Features how many. */
  private queued(request: AtaRequest, write: boolean, state: DriveState): AtaAnswer {
    const tag = (request.count >> 3) & 0x1f;
    const sectors = request.features || 0x10000;
    const answer = request.lba + sectors > this.disk.sectors ? failed(ERROR.IDNF, request.lba) : this.move(request, write, request.lba, sectors);
    if (answer.error !== 0) {
      const { status, error, lba, count } = answer;
      Object.assign(state, { failed: true, failedTag: tag, failedStatus: status, failedError: error, failedLba: BigInt(lba), failedCount: count });
    }
    return { ...answer, queued: tag };
  }

  private verify(request: AtaRequest, ext: boolean): AtaAnswer {
    const range = this.range(request, ext);
    if ('status' in range) return range;
    for (let sector = range.first, left = range.sectors; left > 0;) {
      const piece = Math.min(left, PIECE / SECTOR);
      const result = this.disk.read(sector, new Uint8Array(piece * SECTOR));
      if (result !== undefined) return failed(errorOf(result), sector);
      [sector, left] = [sector + piece, left - piece];
    }
    return done();
  }

  /** 7.5: ranges of LBA (48 bits) and count (16). */
  private trim({ features, count, data }: AtaRequest): AtaAnswer {
    if (features !== 1 || count === 0 || count > TRIM_BLOCKS || this.disk.readOnly) return aborted();
    const bytes = new Uint8Array(count * SECTOR);
    data.expect(bytes.length);
    data.fromGuest(bytes);
    const view = new DataView(bytes.buffer);
    const ranges = Array.from({ length: bytes.length / 8 }, (_, i) => ({
      first: view.getUint32(8 * i, true) + view.getUint16(8 * i + 4, true) * 2 ** 32,
      sectors: view.getUint16(8 * i + 6, true),
    })).filter(({ sectors }) => sectors > 0);
    if (ranges.some(({ first, sectors }) => first + sectors > this.disk.sectors)) return failed(ERROR.IDNF | ERROR.ABRT);
    for (const { first, sectors } of ranges) {
      const result = this.disk.discard(first, sectors);
      if (result !== undefined) return failed(errorOf(result), first);
    }
    return done();
  }

  /** General Purpose Logging: the directory, and what an NCQ command failed of (A.3, A.14). */
  private log(request: AtaRequest, state: DriveState, pio: boolean): AtaAnswer {
    const { lba, count } = request;
    const [address, page] = [lba & 0xff, ((lba >>> 8) & 0xff) + (Math.floor(lba / 2 ** 32) & 0xff) * 256];
    if (page !== 0 || count !== 1) return aborted();
    const bytes = new Uint8Array(SECTOR);
    if (address === 0) {
      bytes[0] = 1;
      bytes[2 * NCQ_ERROR_LOG] = 1;
    } else if (address === NCQ_ERROR_LOG) {
      if (state.failed) {
        const at = Number(state.failedLba);
        bytes.set([state.failedTag & 0x1f, 0, state.failedStatus, state.failedError, at, at >>> 8, at >>> 16, LBA, at / 2 ** 24, at / 2 ** 32, at / 2 ** 40]);
        bytes.set([state.failedCount, state.failedCount >> 8], 12);
      } else bytes[0] = 0x80; // NQ: it was no queued command
      state.failed = false;
    } else return aborted();
    bytes[511] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
    return this.send(request, bytes, pio);
  }

  /** 7.48: a drive that never fails. */
  private smart(request: AtaRequest, state: DriveState): AtaAnswer {
    const { features, lba } = request;
    if (((lba >>> 8) & 0xffff) !== SMART_KEY || (!state.smart && (features & 0xff) !== 0xd8)) return aborted();
    switch (features & 0xff) {
      case 0xd0: // READ DATA
      case 0xd1: {
        // READ THRESHOLDS
        const bytes = new Uint8Array(SECTOR);
        bytes[0] = 0x10;
        bytes[511] = -0x10 & 0xff;
        return this.send(request, bytes, true);
      }
      case 0xd2: // ATTRIBUTE AUTOSAVE
        return done();
      case 0xd8:
      case 0xd9: // ENABLE, DISABLE
        state.smart = (features & 0xff) === 0xd8;
        return done();
      case 0xda: // RETURN STATUS: no threshold is exceeded
        return done({ lba });
      default:
        return aborted();
    }
  }
}

/** 7.45. */
function setFeatures(features: number, count: number, state: DriveState): AtaAnswer {
  switch (features & 0xff) {
    case 0x02:
    case 0x82:
      state.writeCache = (features & 0xff) === 0x02;
      return done();
    case 0x03: {
      // PIO default, PIO flow control 0 to 4, multiword DMA 0 to 2, Ultra DMA 0 to 6.
      const [kind, mode] = [(count >> 3) & 0x1f, count & 7];
      if (!((kind === 0 && mode < 2) || (kind === 1 && mode < 5) || (kind === 4 && mode < 3) || (kind === 8 && mode < 7))) return aborted();
      state.transfer = count & 0xff;
      return done();
    }
    case 0x55:
    case 0xaa:
      state.lookAhead = (features & 0xff) === 0xaa;
      return done();
    case 0x66: // REVERTING TO POWER-ON DEFAULTS, disabled and enabled
    case 0xcc:
      return done();
    default:
      return aborted();
  }
}

/** Errors in the drive's words: no such sector, no reading it, or no doing it. */
const errorOf = (result: NonNullable<BlockResult>): number => (result === 'range' ? ERROR.IDNF : result === 'medium' ? ERROR.UNC : ERROR.ABRT);
const answerOf = (result: BlockResult): AtaAnswer => (result === undefined ? done() : failed(errorOf(result)));
