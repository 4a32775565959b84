import * as layout from '../x86/layout';
import { Decoder, type Decoded } from '../x86/decoder';
import type { Handlers } from './handlers';
import { SPECIAL } from './handlers';

/** Instructions in a block at most: a slice's end inside a block is walked one by one. */
const BLOCK_LIMIT = 48;
const PAGE = 0x1000;
const LONGEST = 15;
const INVALID_OPCODE = 6;
const DEVICE_NOT_AVAILABLE = 7;
const GENERAL_PROTECTION = 13;
const END = SPECIAL.indexOf('end');
const BREAK = SPECIAL.indexOf('break');
const FAULT = SPECIAL.indexOf('fault');

const VECTOR_FEATURES: ReadonlySet<string> = new Set(['sse', 'sse2', 'sse3', 'ssse3', 'sse4.1', 'sse4.2']);

/** What the decoder of blocks needs from the engine. */
export interface BlockHost {
  /** Host address of code at a linear address, 0 where fetching faults (the exit record is filled). */
  translateFetch(linear: bigint): number;
  enter(block: number): void;
  /** Whether execution is to stop before this instruction. */
  breakpointAt(linear: bigint): boolean;
  /** CR0.TS without CR0.EM: vector instructions get #NM, not #UD. */
  deviceNotAvailable(): boolean;
  /** Times that a block is entered before it is worth compiling. */
  threshold(): number;
  /** Called before the arena is used again from its start. */
  dropAll(): void;
}

/** Decodes guest code into blocks of records. */
export class BlockDecoder {
  private readonly decoder: Decoder;
  private readonly view: DataView;
  private readonly memory: Uint8Array;
  private next = layout.RECORDS;
  /** Bytes of an instruction that crosses into another page. */
  private readonly crossing = new Uint8Array(16);

  constructor(
    buffer: ArrayBufferLike,
    private readonly handlers: Handlers,
    private readonly host: BlockHost,
  ) {
    this.decoder = new Decoder(handlers.set);
    this.view = new DataView(buffer);
    this.memory = new Uint8Array(buffer);
  }

  /** Forgets all blocks. */
  reset(): void {
    this.next = layout.RECORDS;
  }

  /** Decodes the block at a linear address whose first byte is at host address `code`; 0 where fetching faults. */
  decode(linear: bigint, code: number): number {
    const { view } = this;
    const single = view.getUint32(layout.SINGLE, true) !== 0;
    const mode = view.getUint32(layout.DECODE_MODE, true);
    const limit = single ? 1 : BLOCK_LIMIT;
    if (!single && this.next + (BLOCK_LIMIT + 4) * layout.RECORD_SIZE > layout.RECORDS_END) {
      this.host.dropAll();
      this.next = layout.RECORDS;
    }
    const block = single ? layout.SINGLE_BLOCK : this.next;
    const pageEnd = (code & ~(PAGE - 1)) + PAGE;
    const start = code & (PAGE - 1);
    let at = code;
    let record = block + layout.RECORD_SIZE;
    let count = 0;
    let copy = 0;
    let ended = false;
    let follows = true;
    let failed = false;
    while (count < limit && at < pageEnd) {
      if (!single && this.host.breakpointAt(linear + BigInt(at - code))) {
        this.special(record, BREAK, at & (PAGE - 1), count);
        record += layout.RECORD_SIZE;
        // A break is never charged for: the block may hold nothing else.
        follows = false;
        failed = count === 0;
        break;
      }
      const failure = this.decoder.decode(this.memory, at, pageEnd, mode);
      const offset = at & (PAGE - 1);
      if (failure === 'short') {
        if (count > 0) break;
        const crossed = this.decodeCrossing(linear, at, pageEnd, mode);
        if (crossed === 'fault') return 0;
        if (crossed) this.faultRecord(record, offset, count, crossed === 'long' ? GENERAL_PROTECTION : INVALID_OPCODE);
        else {
          this.write(record, this.decoder.result, offset, count, mode);
          copy = record + 2 * layout.RECORD_SIZE;
          // It is on no page's list: no link of it could be taken back.
          view.setUint8(record + layout.REC_SIZE, view.getUint8(record + layout.REC_SIZE) & ~layout.SIZE_LINKS);
        }
        const { length } = this.decoder.result;
        follows = crossed === undefined && this.follows(this.decoder.result);
        at += length;
        record += layout.RECORD_SIZE;
        count++;
        break;
      }
      if (failure) {
        this.faultRecord(record, offset, count, failure === 'long' ? GENERAL_PROTECTION : INVALID_OPCODE);
        ended = true;
        follows = false;
        failed = true;
      } else {
        this.write(record, this.decoder.result, offset, count, mode);
        ended = this.ends(this.decoder.result);
        follows = this.follows(this.decoder.result);
        at += this.decoder.result.length;
      }
      record += layout.RECORD_SIZE;
      count++;
      if (ended) break;
    }
    if (follows) {
      this.special(record, END, 0, count);
      view.setBigInt64(record + layout.REC_IMM, BigInt(start + (at - code)), true);
      view.setUint8(record + layout.REC_SIZE, layout.SIZE_LINKS);
      record += layout.RECORD_SIZE;
    }
    view.setUint32(block + layout.BLOCK_COUNT, count, true);
    view.setUint32(block + layout.BLOCK_HOST, code, true);
    view.setUint32(block + layout.BLOCK_MODE, mode, true);
    view.setUint32(block + layout.BLOCK_OFFSET, start, true);
    view.setInt32(block + layout.BLOCK_HEAT, single || copy ? layout.HEAT_NEVER : this.host.threshold(), true);
    view.setUint32(block + layout.BLOCK_LINK, 0, true);
    view.setUint32(block + layout.BLOCK_CROSSING, copy, true);
    if (single) return block;
    if (copy) {
      const length = at - code;
      view.setUint8(copy, length);
      this.memory.set(this.crossing.subarray(0, length), copy + 1);
      record = copy + layout.RECORD_SIZE;
      // What can't be decoded depends on all bytes that it might have.
    } else this.markCode(block, code, Math.min(failed ? at + LONGEST : at, pageEnd));
    this.next = record;
    this.host.enter(block);
    return block;
  }

  /** Marks the bytes as code, so that writes to them are seen, and chains the block to its page. */
  private markCode(block: number, code: number, end: number): void {
    const { view } = this;
    const page = code >>> 12;
    const first = (code & (PAGE - 1)) >> 7;
    const last = ((Math.max(end, code + 1) - 1) & (PAGE - 1)) >> 7;
    let mask = view.getUint32(layout.CODE_MASK + page * 4, true);
    for (let i = first; i <= last; i++) mask |= 1 << i;
    view.setUint32(layout.CODE_MASK + page * 4, mask >>> 0, true);
    view.setUint32(block + layout.BLOCK_LINK, view.getUint32(layout.CODE_HEAD + page * 4, true), true);
    view.setUint32(layout.CODE_HEAD + page * 4, block, true);
  }

  private decodeCrossing(linear: bigint, at: number, pageEnd: number, mode: number): 'fault' | 'undefined' | 'long' | undefined {
    const first = pageEnd - at;
    const second = this.host.translateFetch((linear & ~0xfffn) + 0x1000n);
    if (!second) return 'fault';
    this.crossing.set(this.memory.subarray(at, pageEnd));
    this.crossing.set(this.memory.subarray(second, second + 15 - first), first);
    const failure = this.decoder.decode(this.crossing, 0, 15, mode);
    return failure === 'short' ? 'long' : failure;
  }

  private ends(d: Decoded): boolean {
    return d.encoding.attributes.has('ends');
  }

  /** Some end their block and go on after it: strings pay for themselves, others want an exact count. */
  private follows(d: Decoded): boolean {
    return !this.ends(d) || d.encoding.attributes.has('string') || d.encoding.attributes.has('apart');
  }

  private special(record: number, handler: number, offset: number, index: number): void {
    this.memory.fill(0, record, record + layout.RECORD_SIZE);
    this.view.setUint16(record + layout.REC_HANDLER, handler, true);
    this.view.setUint16(record + layout.REC_OFFSET, offset, true);
    this.view.setUint8(record + layout.REC_INDEX_IN_BLOCK, index);
  }

  private faultRecord(record: number, offset: number, index: number, vector: number): void {
    this.special(record, FAULT, offset, index);
    this.view.setUint16(record + layout.REC_A, vector, true);
    this.view.setUint16(record + layout.REC_B, vector === GENERAL_PROTECTION ? 1 : 0, true);
  }

  private write(record: number, d: Decoded, offset: number, index: number, mode: number): void {
    const { view } = this;
    const { feature } = d.encoding.definition;
    if (feature) {
      const blocked = VECTOR_FEATURES.has(feature) ? mode & layout.MODE_NO_SSE : feature === 'mmx' || feature === 'x87' ? mode & layout.MODE_NO_FPU : 0;
      if (blocked) {
        // CR0.EM: the x87 is emulated by a #NM handler, vector instructions are undefined (SDM vol. 3, 2.5).
        const device = feature === 'x87' || this.host.deviceNotAvailable();
        this.faultRecord(record, offset, index, device ? DEVICE_NOT_AVAILABLE : INVALID_OPCODE);
        return;
      }
    }
    const sizeLog = d.form.size === 8 ? 0 : d.form.size === 16 ? 1 : d.form.size === 32 ? 2 : 3;
    view.setUint16(record + layout.REC_HANDLER, this.handlers.numbers[d.form.id]!, true);
    view.setUint16(record + layout.REC_A, d.a, true);
    view.setUint16(record + layout.REC_B, d.b, true);
    view.setUint16(record + layout.REC_C, d.c, true);
    view.setUint16(record + layout.REC_OFFSET, offset | (d.length << 12), true);
    view.setUint8(record + layout.REC_INDEX_IN_BLOCK, index);
    const rep = d.encoding.attributes.has('rep') ? d.rep : 0;
    view.setUint8(record + layout.REC_SIZE, sizeLog | (rep << 2) | (d.lock ? 16 : 0));
    if (d.relative) {
      // Relative to the page's start; the memory fields hold the links to following blocks.
      view.setBigUint64(record + layout.REC_BASE, 0n, true);
      view.setUint8(record + layout.REC_MEM, 0);
      view.setUint8(record + layout.REC_SIZE, sizeLog | layout.SIZE_LINKS);
      // LOOP and JCXZ still need the address size, so it lies with the links' flags.
      view.setInt32(record + layout.REC_DISP, d.addressSize, true);
      view.setBigInt64(record + layout.REC_IMM, BigInt(offset + d.length) + d.immediate, true);
      return;
    }
    view.setUint16(record + layout.REC_BASE, d.ripRelative ? layout.CODE_PAGE : d.base, true);
    view.setUint16(record + layout.REC_INDEX, d.index, true);
    view.setUint8(record + layout.REC_SCALE, d.scale);
    view.setUint8(record + layout.REC_MEM, d.segment | (d.memory ? 8 : 0) | (d.addressSize << 4) | (d.absolute ? 64 : 0));
    const flatBase = mode & layout.MODE_64 ? d.segment < layout.FS : d.form.addressing === 'flat32';
    view.setUint16(record + layout.REC_SEGMENT, flatBase ? layout.ZERO : layout.SEGMENTS + d.segment * layout.SEGMENT_SIZE + layout.SEG_BASE, true);
    view.setInt32(record + layout.REC_DISP, d.ripRelative ? d.displacement + offset + d.length : d.displacement, true);
    view.setBigInt64(record + layout.REC_IMM, BigInt.asIntN(64, d.immediate), true);
  }
}
