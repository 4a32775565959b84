// Control registers and segments of data, the usual case (x86/system/control-registers.ts and segments.ts have the others).
import {
  CR0, CR3, CR4, DECODE_MODE, DS, EFER, ES, GPR, MODE_64, MODE_STACK32, PHYSICAL_WIDTH, REC_A, REC_B, REC_MEM, REC_SIZE, SEGMENT_SIZE, SEGMENTS, WATCHES,
} from '../../x86/layout';
import { attributesOf, descriptor, goOn, ordinary, plainRead, setSegment, UNUSABLE } from './privilege';
import { spaceChanged } from './tlb';

const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LMA: u64 = 1 << 10;

/** MOV to CR3 at a record: 1 where it is done and RIP is behind it; 0 where nothing has happened. */
export function quickMoveToControl(record: u32): u32 {
  if (load<u16>(record + REC_A) != CR3 || !ordinary()) return 0;
  const long = (load<u64>(EFER) & EFER_LMA) != 0;
  // The four entries of PAE paging are checked when they are loaded.
  if (!long && load<u64>(CR4) & CR4_PAE) return 0;
  const source = load<u64>(load<u16>(record + REC_B));
  const value = load<u32>(DECODE_MODE) & MODE_64 ? source : source & 0xffffffff;
  if (long && value >> (load<u32>(PHYSICAL_WIDTH) as u64)) return 0;
  const old = load<u64>(CR3);
  if (value != old) {
    store<u64>(CR3, value);
    if (load<u64>(CR0) & CR0_PG) spaceChanged(old);
  }
  goOn(record);
  return 1;
}

const MEMORY_OPERAND: u8 = 8;
const GRANULARITY: u32 = 0x8000;

/** Loads ES, DS, FS or GS; where a mode of decoding depends on it, only with what is flat as well. */
function loadSegment(segment: i32, selector: u32): bool {
  const matters = (segment == ES || segment == DS) && !(load<u32>(DECODE_MODE) & MODE_64);
  if (!(selector & 0xfffc)) {
    if (matters) return false;
    setSegment(segment, selector, 0, UNUSABLE);
    return true;
  }
  const d = descriptor(selector);
  const attributes = attributesOf(d);
  // Present, accessed data that the selector's privilege may use; the current one is 0.
  if ((attributes & 0x99) != 0x91 || (selector & 3) > ((attributes >> 5) & 3)) return false;
  const base = ((d >> 16) & 0xffffff) | ((d >> 56) << 24);
  const raw = ((d & 0xffff) | ((d >> 32) & 0xf0000)) as u32;
  const limit = attributes & GRANULARITY ? (raw << 12) | 0xfff : raw;
  if (matters && (base != 0 || limit != 0xffffffff || attributes & 4)) return false;
  setSegment(segment, selector, limit, attributes, base);
  return true;
}

/** MOV of a general register to ES, DS, FS or GS, likewise. */
export function quickMoveToSegment(record: u32): u32 {
  const segment: i32 = ((load<u16>(record + REC_A) as i32) - SEGMENTS) / SEGMENT_SIZE;
  if (segment < DS && segment != ES) return 0;
  if (load<u8>(record + REC_MEM) & MEMORY_OPERAND || !ordinary() || load<u32>(WATCHES)) return 0;
  if (!loadSegment(segment, load<u16>(load<u16>(record + REC_B)))) return 0;
  goOn(record);
  return 1;
}

const RSP = GPR + 32;

/** POP of 64 bits into FS or GS, or of 32 in flat segments into ES or DS too, likewise. */
export function quickPopSegment(record: u32, segment: i32): u32 {
  if (!ordinary() || load<u32>(WATCHES)) return 0;
  const mode = load<u32>(DECODE_MODE);
  const size: u32 = mode & MODE_64 ? 8 : 4;
  const stack = load<u64>(RSP);
  if (1 << (load<u8>(record + REC_SIZE) & 3) != size || (size == 4 && (!(mode & MODE_STACK32) || stack >> 32))) return 0;
  const top = plainRead(stack, size, 0);
  if (!top || !loadSegment(segment, load<u16>(top))) return 0;
  store<u64>(RSP, size == 8 ? stack + 8 : (stack + 4) & 0xffffffff);
  goOn(record);
  return 1;
}
