/** A CD-ROM drive: PACKET of ACS-3, and commands of SCSI Primary Commands (SPC-4) and Multi-Media Commands (MMC-5). */
import type { BlockDevice } from '../bus/block';
import { ERROR, READY, STATUS, type DriveState } from './ahciregisters';
import { aborted, done, notThisKind, signatureAnswer, type AtaAnswer, type AtaDrive, type AtaRequest } from './atacommand';
import { identifyPacket } from './ataidentify';
import { configuration, discInformation, eventStatus, inquiry, modeSense, toc, trackInformation, vitalProductData } from './atapidata';

export const SECTOR = 2048;
/** Bytes that are copied at once. */
const PIECE = 32 * SECTOR;
/** Most bytes of a command: a longer one would keep the host from everything else. */
const MOST_BYTES = 64 << 20;
/** Interrupt reason in Count: the command is over. */
const OVER = 3;

/** Sense key, additional sense code and its qualifier. */
type Sense = readonly [key: number, asc: number, ascq: number];
const SENSE = {
  NOT_PRESENT: [0x2, 0x3a, 0x02], // medium not present, tray open
  READ_ERROR: [0x3, 0x11, 0x00], // unrecovered read error
  OPCODE: [0x5, 0x20, 0x00], // invalid command operation code
  RANGE: [0x5, 0x21, 0x00], // logical block address out of range
  FIELD: [0x5, 0x24, 0x00], // invalid field in CDB
  LOCKED: [0x5, 0x53, 0x02], // medium removal prevented
  CHANGED: [0x6, 0x28, 0x00], // medium may have changed
} as const satisfies Record<string, Sense>;
const isSense = (result: Result): result is Sense => Array.isArray(result);

/** What to send, or sectors to be read, or why not. */
type Result = Uint8Array | { readonly first: number; readonly sectors: number } | Sense | undefined;

/** Commands that do what they do whether there is a medium or a unit attention or not (MMC-5, 4.1.6). */
const ALWAYS: readonly number[] = [0x03, 0x12, 0x46, 0x4a];
/** Those that need a medium. */
const NEEDS_MEDIUM: readonly number[] = [0x00, 0x25, 0x28, 0x2b, 0x43, 0x51, 0x52, 0xa8, 0xbe];

export class AtapiCdrom implements AtaDrive {
  readonly signature = 0xeb140101;
  readonly atapi = true;

  constructor(private readonly disk: BlockDevice) {}

  execute(request: AtaRequest, state: DriveState): AtaAnswer {
    const { command, count, features, data } = request;
    switch (command) {
      case 0x08: // DEVICE RESET
      case 0x90: // EXECUTE DEVICE DIAGNOSTIC
        return signatureAnswer(this.signature);
      case 0xa0:
        return this.packet(request, state);
      case 0xa1: {
        const bytes = identifyPacket(this.disk, state);
        data.expect(bytes.length);
        data.toGuest(bytes);
        return done({ pio: { toGuest: true, block: bytes.length } });
      }
      case 0xe0: // STANDBY IMMEDIATE
      case 0xe1: // IDLE IMMEDIATE
        return done();
      case 0xe5: // CHECK POWER MODE
        return done({ count: 0xff });
      case 0xe6: // SLEEP
        return done();
      case 0xec: // IDENTIFY DEVICE
      case 0x20: // READ SECTORS
        return notThisKind(this.signature);
      case 0xef: // SET FEATURES: transfer mode
        if ((features & 0xff) !== 0x03) return aborted();
        state.transfer = count & 0x7f;
        return done();
      default:
        return aborted();
    }
  }

  private packet(request: AtaRequest, state: DriveState): AtaAnswer {
    const { packet, features, lba, data } = request;
    const result = this.command(packet, state);
    if (isSense(result)) return this.check(state, result);
    const opcode = packet[0]!;
    if (opcode !== 0x03) Object.assign(state, { senseKey: 0, asc: 0, ascq: 0 });
    let length = 0;
    if (result instanceof Uint8Array) {
      length = result.length;
      data.expect(length);
      data.toGuest(result);
    } else if (result) {
      const { first, sectors } = result;
      length = sectors * SECTOR;
      data.expect(length);
      for (let at = 0; at < length; at += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, length - at));
        if (this.disk.read(first + at / SECTOR, piece) !== undefined) return this.check(state, SENSE.READ_ERROR);
        data.toGuest(piece);
      }
    }
    // Without DMA (Features bit 0) data goes in blocks of up to the byte count limit.
    const limit = (lba >>> 8) & 0xfffe || 0xfffe;
    const pio = features & 1 || length === 0 ? undefined : { toGuest: true, block: length % limit || Math.min(limit, length) };
    return done({ count: OVER, lba: (pio?.block ?? 0) << 8, ...(pio && { pio }) });
  }

  private check(state: DriveState, [senseKey, asc, ascq]: Sense): AtaAnswer {
    Object.assign(state, { senseKey, asc, ascq });
    return { status: READY | STATUS.ERR, error: (senseKey << 4) | ERROR.ABRT, lba: 0, count: OVER };
  }

  private command(cdb: Uint8Array, state: DriveState): Result {
    const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength);
    const opcode = cdb[0]!;
    const { sectors } = this.disk;
    /** As much as the guest has room for. */
    const upTo = (bytes: Uint8Array, room: number): Uint8Array => bytes.subarray(0, room);
    if (!ALWAYS.includes(opcode) && state.attention) {
      state.attention = false;
      return SENSE.CHANGED;
    }
    if (NEEDS_MEDIUM.includes(opcode) && (state.open || sectors === 0)) return SENSE.NOT_PRESENT;
    const part = (first: number, count: number): Result => {
      if (first + count > sectors) return SENSE.RANGE;
      return count * SECTOR > MOST_BYTES ? SENSE.FIELD : { first, sectors: count };
    };
    switch (opcode) {
      case 0x00: // TEST UNIT READY
      case 0x1e: // PREVENT ALLOW MEDIUM REMOVAL
      case 0x35: // SYNCHRONIZE CACHE
      case 0xbb: // SET CD SPEED
        if (opcode === 0x1e) state.locked = (cdb[4]! & 1) !== 0;
        return undefined;
      case 0x03: {
        const { senseKey, asc, ascq, attention } = state;
        const [key, code, qualifier] = senseKey === 0 && attention ? SENSE.CHANGED : [senseKey & 0xf, asc, ascq];
        Object.assign(state, { senseKey: 0, asc: 0, ascq: 0, ...(senseKey === 0 && { attention: false }) });
        return upTo(Uint8Array.of(0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0), cdb[4]!);
      }
      case 0x12: {
        const room = view.getUint16(3);
        if (!(cdb[1]! & 1)) return cdb[2] === 0 ? upTo(inquiry(this.disk.identity), room) : SENSE.FIELD;
        const page = vitalProductData(cdb[2]!, this.disk.identity);
        return page ? upTo(page, room) : SENSE.FIELD;
      }
      case 0x1a: // MODE SENSE (6) and (10)
      case 0x5a: {
        const long = opcode === 0x5a;
        const bytes = modeSense(cdb[2]! & 0x3f, long, state);
        return bytes ? upTo(bytes, long ? view.getUint16(7) : cdb[4]!) : SENSE.FIELD;
      }
      case 0x1b:
        return startStop(cdb[4]!, state);
      case 0x25: {
        const bytes = new DataView(new ArrayBuffer(8));
        bytes.setUint32(0, Math.min(sectors - 1, 0xffffffff));
        bytes.setUint32(4, SECTOR);
        return new Uint8Array(bytes.buffer);
      }
      case 0x28:
        return part(view.getUint32(2), view.getUint16(7));
      case 0xa8:
        return part(view.getUint32(2), view.getUint32(6));
      case 0x2b: // SEEK
        return view.getUint32(2) < sectors ? undefined : SENSE.RANGE;
      case 0xbe: {
        // READ CD: user data only, or nothing
        const count = (cdb[6]! << 16) | view.getUint16(7);
        if (cdb[9]! === 0 || count === 0) return undefined;
        return (cdb[9]! & 0xf8) === 0x10 ? part(view.getUint32(2), count) : SENSE.FIELD;
      }
      case 0x43: {
        // The format is in byte 2, or in old drives' byte 9.
        const bytes = toc(cdb[2]! & 0xf || cdb[9]! >> 6, (cdb[1]! & 2) !== 0, cdb[6]!, sectors);
        return bytes ? upTo(bytes, view.getUint16(7)) : SENSE.FIELD;
      }
      case 0x46:
        return upTo(configuration(cdb[1]! & 3, view.getUint16(2), sectors, !state.open), view.getUint16(7));
      case 0x4a:
        // Nothing is told by itself.
        return cdb[1]! & 1 ? upTo(eventStatus(cdb[4]!, state), view.getUint16(7)) : SENSE.FIELD;
      case 0x51:
        return (cdb[1]! & 7) === 0 ? upTo(discInformation(), view.getUint16(7)) : SENSE.FIELD;
      case 0x52:
        return upTo(trackInformation(sectors), view.getUint16(7));
      case 0xbd:
        return upTo(Uint8Array.of(0, state.open ? 0x10 : 0, 0, 0, 0, 0, 0, 0), view.getUint16(8));
      default:
        return SENSE.OPCODE;
    }
  }
}

/** START STOP UNIT (MMC-5, 6.42). */
function startStop(action: number, state: DriveState): Result {
  if (action & 0xf0 || !(action & 2)) return undefined;
  const open = (action & 1) === 0;
  if (open && state.locked) return SENSE.LOCKED;
  if (state.open && !open) state.attention = true;
  state.open = open;
  return undefined;
}
