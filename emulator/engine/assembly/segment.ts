// Segmented addresses: bases, limits and types (SDM volume 3, 5.3 and 5.5).
import {
  DECODE_MODE, DS, FS, GS, MASK16, MEM_ABSOLUTE, MODE_64, REC_BASE, REC_DISP, REC_IMM, REC_INDEX, REC_MEM, REC_SCALE, SEG_ATTR, SEG_BASE,
  SEG_LIMIT, SEG_WHOLE, SEG_WHOLE_MASK, SEGMENTS, SEGMENT_LINEAR, SEGMENT_SIZE, SS,
} from '../../x86/layout';
import { raise } from './paging';

const UNUSABLE: u32 = 0x10000;

/** Linear address of `size` bytes at an offset in a segment; 0 where allowed, result at SEGMENT_LINEAR; else 1 and a fault. */
export function segmentAddress(segment: i32, offset: u64, size: i32, write: i32): i32 {
  const at = SEGMENTS + segment * SEGMENT_SIZE;
  if (load<u32>(DECODE_MODE) & MODE_64) {
    store<u64>(SEGMENT_LINEAR, segment == FS || segment == GS ? offset + load<u64>(at + SEG_BASE) : offset);
    return 0;
  }
  const last = offset + (size as u64) - 1;
  // Most often: data of a processor or a thread in 32-bit code, by FS or GS.
  if ((load<u64>(at + SEG_LIMIT) & SEG_WHOLE_MASK) == SEG_WHOLE && last <= 0xffffffff) {
    store<u64>(SEGMENT_LINEAR, (load<u64>(at + SEG_BASE) + offset) & 0xffffffff);
    return 0;
  }
  const attr = load<u32>(at + SEG_ATTR);
  const limit = load<u32>(at + SEG_LIMIT) as u64;
  let allowed = !(attr & UNUSABLE);
  const code = (attr & 8) != 0;
  if (write) {
    if (code || !(attr & 2)) allowed = false;
  } else if (code && !(attr & 2)) allowed = false;
  if (!code && attr & 4) {
    // Expand-down: valid above the limit, up to 64 KiB or 4 GiB.
    const top: u64 = attr & 0x4000 ? 0xffffffff : 0xffff;
    if (offset <= limit || last > top) allowed = false;
  } else if (last > limit) allowed = false;
  if (!allowed) {
    raise(segment == SS ? 12 : 13, 0);
    return 1;
  }
  store<u64>(SEGMENT_LINEAR, (load<u64>(at + SEG_BASE) + offset) & 0xffffffff);
  return 0;
}

/** Bytes from an offset on that an access which is allowed there may span: to the segment's end, or where addresses wrap. */
export function segmentSpan(segment: i32, offset: u64, mask: u64): u64 {
  const room = mask - offset;
  if (load<u32>(DECODE_MODE) & MODE_64) return room;
  const at = SEGMENTS + segment * SEGMENT_SIZE;
  const attr = load<u32>(at + SEG_ATTR);
  const down = !(attr & 8) && (attr & 4) != 0;
  const last: u64 = down ? (attr & 0x4000 ? 0xffffffff : 0xffff) : (load<u32>(at + SEG_LIMIT) as u64);
  return min(room, last - offset) + 1;
}

/** Offset that a record's memory operand names. */
export function effectiveOffset(record: u32): u64 {
  if (load<u8>(record + REC_MEM) & MEM_ABSOLUTE) return load<u64>(record + REC_IMM);
  const base = load<u64>(load<u16>(record + REC_BASE));
  const index = load<u64>(load<u16>(record + REC_INDEX)) << (load<u8>(record + REC_SCALE) as u64);
  const mask = load<u64>(MASK16 + (((load<u8>(record + REC_MEM) >> 4) & 3) as u32) * 8);
  return (base + index + (load<i32>(record + REC_DISP) as i64 as u64)) & mask;
}

/** Checked linear address of a record's memory operand plus a displacement. */
export function recordAddress(record: u32, displacement: u64, size: i32, write: i32): i32 {
  const memory = load<u8>(record + REC_MEM) as u32;
  const mask = load<u64>(MASK16 + ((memory >> 4) & 3) * 8);
  return segmentAddress(memory & 7, (effectiveOffset(record) + displacement) & mask, size, write);
}
