// Decodes guest code into blocks of records.
import {
  BLOCK_COUNT, BLOCK_CROSSING, BLOCK_HEAT, BLOCK_HOST, BLOCK_LINK, BLOCK_MODE, BLOCK_OFFSET, BLOCK_TAIL, BREAK_MARKS, CODE_HEAD, CODE_MASK, DECODE_MODE, HEAT_AT_FIRST,
  HEAT_NEVER, REC_A, REC_B, REC_HANDLER, REC_IMM, REC_INDEX_IN_BLOCK, REC_OFFSET, REC_SIZE, RECORD_SIZE, RECORDS, RECORDS_END, RECORDS_NEXT, SINGLE,
  SINGLE_BLOCK, SIZE_LINKS,
} from '../../x86/layout';
import { FLAG_APART, FLAG_ENDS, FLAG_STRING } from '../../x86/decodetable';
import { BLOCKED_DEVICE, BLOCKED_UNDEFINED, DECODED, decode, decodedFlags, decodedLength, LONG, SHORT } from './decode';
import { enter, nextPage, translateFetch } from './blocks';

/** Whether execution is to stop before the instruction at a linear address. */
@external("host", "marked")
declare function hostMarked(linear: u64): i32;
/** Called before the records' place is used again from its start. */
@external("host", "dropBlocks")
declare function hostDropBlocks(): void;

/** Instructions in a block at most. */
const BLOCK_LIMIT: u32 = 48;
const PAGE: u32 = 0x1000;
const LONGEST: u32 = 15;
const INVALID_OPCODE: u32 = 6;
const DEVICE_NOT_AVAILABLE: u32 = 7;
const GENERAL_PROTECTION: u32 = 13;
/** Numbers of the special handlers (handlers.ts). */
const END: u32 = 0;
const BREAK: u32 = 1;
const FAULT: u32 = 2;

/** Bytes of an instruction that crosses into another page, and where that page is. */
const crossing: u32 = memory.data(16) as u32;
let secondPage: u32 = 0;

function special(record: u32, handler: u32, offset: u32, number: u32): void {
  memory.fill(record, 0, RECORD_SIZE);
  store<u16>(record + REC_HANDLER, handler);
  store<u16>(record + REC_OFFSET, offset);
  store<u8>(record + REC_INDEX_IN_BLOCK, number);
}

/** An instruction that can't be run. */
function faultRecord(record: u32, failure: i32, offset: u32, number: u32): void {
  special(record, FAULT, offset, number);
  store<u16>(record + REC_A, failure == LONG ? GENERAL_PROTECTION : failure == BLOCKED_DEVICE ? DEVICE_NOT_AVAILABLE : INVALID_OPCODE);
  store<u16>(record + REC_B, failure == LONG ? 1 : 0);
}

/** Some end their block and go on after it: strings pay for themselves, others want an exact count. */
function goesOn(flags: u32): bool {
  return (flags & FLAG_ENDS) == 0 || (flags & (FLAG_STRING | FLAG_APART)) != 0;
}

/** Decodes the block at a linear address whose first byte is at host address `code`; 0 where fetching faults. */
export function decodeBlock(linear: u64, code: u32): u32 {
  const single = load<u32>(SINGLE) != 0;
  const mode = load<u32>(DECODE_MODE);
  const limit: u32 = single ? 1 : BLOCK_LIMIT;
  if (!single && load<u32>(RECORDS_NEXT) + (BLOCK_LIMIT + 4) * RECORD_SIZE > (RECORDS_END as u32)) {
    hostDropBlocks();
    store<u32>(RECORDS_NEXT, RECORDS);
  }
  const marks = !single && load<u32>(BREAK_MARKS) != 0;
  const block: u32 = single ? SINGLE_BLOCK : load<u32>(RECORDS_NEXT);
  const start = code & (PAGE - 1);
  const pageEnd = code - start + PAGE;
  let at = code;
  let record = block + RECORD_SIZE;
  let count: u32 = 0;
  let second: u32 = 0;
  let follows = true;
  let failed = false;
  while (count < limit && at < pageEnd) {
    const offset = at & (PAGE - 1);
    if (marks && hostMarked(linear + (at - code))) {
      special(record, BREAK, offset, count);
      record += RECORD_SIZE;
      // A break is never charged for: the block may hold nothing else.
      follows = false;
      failed = count == 0;
      break;
    }
    const answer = decode(at, pageEnd, mode, record, offset, count);
    if (answer == SHORT) {
      if (count > 0) break;
      const crossed = decodeCrossing(linear, at, pageEnd, mode, record, offset);
      if (crossed < 0) return 0;
      const whole = crossed == DECODED || crossed >= BLOCKED_UNDEFINED;
      if (crossed != DECODED) faultRecord(record, crossed, offset, 0);
      follows = whole && goesOn(decodedFlags);
      // What can't be decoded depends on all bytes that it might have.
      at += whole ? decodedLength : LONGEST;
      second = secondPage;
      record += RECORD_SIZE;
      count++;
      break;
    }
    let ended = true;
    if (answer == DECODED || answer >= BLOCKED_UNDEFINED) {
      if (answer != DECODED) faultRecord(record, answer, offset, count);
      ended = (decodedFlags & FLAG_ENDS) != 0;
      follows = goesOn(decodedFlags);
      at += decodedLength;
    } else {
      faultRecord(record, answer, offset, count);
      follows = false;
      failed = true;
    }
    record += RECORD_SIZE;
    count++;
    if (ended) break;
  }
  if (follows) {
    special(record, END, 0, count);
    store<u64>(record + REC_IMM, start + (at - code));
    store<u8>(record + REC_SIZE, SIZE_LINKS);
    record += RECORD_SIZE;
  }
  store<u32>(block + BLOCK_COUNT, count);
  store<u32>(block + BLOCK_HOST, code);
  store<u32>(block + BLOCK_MODE, mode);
  store<u32>(block + BLOCK_OFFSET, start);
  store<i32>(block + BLOCK_HEAT, single ? HEAT_NEVER : load<i32>(HEAT_AT_FIRST));
  store<u32>(block + BLOCK_LINK, 0);
  store<u32>(block + BLOCK_CROSSING, second);
  if (single) return block;
  // What can't be decoded depends on all bytes that it might have.
  markCode(block, code, min(failed ? at + LONGEST : at, pageEnd));
  if (second) {
    memory.fill(record, 0, RECORD_SIZE);
    store<u32>(record + BLOCK_MODE, BLOCK_TAIL);
    store<u32>(record + BLOCK_CROSSING, block);
    markCode(record, second, second + LONGEST);
    record += RECORD_SIZE;
  }
  store<u32>(RECORDS_NEXT, record);
  enter(block);
  return block;
}

/** The first instructions of a block, fewer than it has, as a block of their own: a slice ends exactly. */
export function beginningOf(block: u32, count: u32): u32 {
  const end = (count + 1) * RECORD_SIZE;
  memory.copy(SINGLE_BLOCK, block, end);
  store<u32>(SINGLE_BLOCK + BLOCK_COUNT, count);
  special(SINGLE_BLOCK + end, END, 0, count);
  store<u64>(SINGLE_BLOCK + end + REC_IMM, load<u16>(block + end + REC_OFFSET) & 0xfff);
  return SINGLE_BLOCK;
}

/** An instruction that goes on in the next page; below 0 where fetching that faults. */
function decodeCrossing(linear: u64, at: u32, pageEnd: u32, mode: u32, record: u32, offset: u32): i32 {
  const first = pageEnd - at;
  secondPage = translateFetch(nextPage(linear));
  if (!secondPage) return -1;
  memory.copy(crossing, at, first);
  memory.copy(crossing + first, secondPage, LONGEST - first);
  return decode(crossing, crossing + LONGEST, mode, record, offset, 0);
}

/** Marks the bytes as code, so that writes to them are seen, and chains the block to its page. */
function markCode(block: u32, code: u32, end: u32): void {
  const page = code >>> 12;
  const first = (code & (PAGE - 1)) >> 7;
  const last = ((max(end, code + 1) - 1) & (PAGE - 1)) >> 7;
  let mask = load<u32>(CODE_MASK + page * 4);
  for (let i = first; i <= last; i++) mask |= 1 << i;
  store<u32>(CODE_MASK + page * 4, mask);
  store<u32>(block + BLOCK_LINK, load<u32>(CODE_HEAD + page * 4));
  store<u32>(CODE_HEAD + page * 4, block);
}
