// Data accesses that the inline TLB check did not take: misses, page crossings, devices, and pages whose
// writes must be looked at. A pointer comes back; 0 means that the instruction is left (EXIT_REASON says why).
import {
  BLOCK_COUNT, BLOCK_CROSSING, BLOCK_DROPPED, BLOCK_LINK, BLOCK_MODE, BLOCK_OFFSET, BLOCK_TAIL, CODE_HEAD, CODE_MASK, PAGE_REGION, REC_LINK_NEXT, REC_LINK_TAKEN, REC_OFFSET, REC_SIZE,
  LINK_CROSSES, RECORD_SIZE, SIZE_LINKS, CPL, CR4, EXIT_REASON, LEAVE_RETRY, MODE_64, MODE_FLAT,
  DECODE_MODE, PAGE_CODE, PAGE_FLAGS, PAGE_ROM, PAGE_TABLE, SCRATCH, SINGLE, WATCHES,
} from '../../x86/layout';
import { alignmentChecked, canonical, DEVICE, devicePhysical, FAULTED, nonCanonical, raise, translate, USER, WRITE } from './paging';
import { physicalOf } from './physical';
import { forget, mapsCode, nextGeneration } from './tlb';
import { unhash } from './blocks';
import { watched } from './watch';
import { markDirty } from './written';

@external("host", "mmioRead")
declare function hostMmioRead(physical: f64, size: i32): u32;
@external("host", "mmioWrite")
declare function hostMmioWrite(physical: f64, size: i32, value: u32): void;

/** Access bits of an ordinary data access at the current privilege. */
@inline
function dataAccess(write: i32): i32 {
  return (load<u32>(CPL) == 3 ? USER : 0) | write;
}

/** Leaves the instruction so that it is run again alone, where side effects are allowed. */
function retry(): u32 {
  store<u32>(EXIT_REASON, LEAVE_RETRY);
  return 0;
}

@inline
function checked(linear: u64, size: i32, stack: bool): bool {
  if (load<u32>(DECODE_MODE) & MODE_64) {
    if (canonical(linear) && canonical(linear + size - 1)) return true;
    nonCanonical(stack);
    return false;
  }
  return true;
}

const ALIGNMENT_CHECK = 17;
/** Flags of the slow paths: bit 0 the stack segment; bit 1 a masked store, which wants 8. */
const MASKED: i32 = 2;
/** The write after `updateSlow`, which has checked it. */
const UPDATE: i32 = 4;
/** An operand of the program's own, whose alignment may be checked. */
const EXPLICIT: i32 = 512;

/** Whether an access of the program's own may go on: flat segments end at 4 GiB, others were checked when the address was made. */
function allowed(linear: u64, size: i32, flags: i32): bool {
  const stack = (flags & 1) != 0;
  if (!checked(linear, size, stack)) return false;
  if (load<u32>(DECODE_MODE) & MODE_FLAT && linear + size - 1 > 0xffffffff) {
    nonCanonical(stack);
    return false;
  }
  return aligned(linear, flags & MASKED ? 8 : size);
}

/** Alignment check; operands of 10 bytes want 8 (SDM vol. 3, table 6-7). */
function aligned(linear: u64, size: i32): bool {
  if (!alignmentChecked()) return true;
  const boundary: u64 = size >= 16 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size;
  if (!(linear & (boundary - 1))) return true;
  raise(ALIGNMENT_CHECK, 0);
  return false;
}

@inline
function wrapLinear(linear: u64): u64 {
  return load<u32>(DECODE_MODE) & MODE_64 ? linear : linear & 0xffffffff;
}

/** Reads bytes of one page into memory at `to`. False: leave. */
function readPiece(linear: u64, size: i32, to: u32, access: i32): bool {
  const host = translate(linear, access);
  if (host == FAULTED) return false;
  if (host == DEVICE) {
    if (!load<u32>(SINGLE)) return retry() != 0;
    const physical = devicePhysical;
    if (load<u32>(WATCHES)) watched(linear, physical, size, false);
    deviceRead(physical, size, to);
    return true;
  }
  if (load<u32>(WATCHES) && watched(linear, physicalOf(host), size, false)) return retry() != 0;
  copy(to, host, size);
  return true;
}

/** A general copy costs a call out of WebAssembly. */
function copy(to: u32, from: u32, size: i32): void {
  if (size == 4) store<u32>(to, load<u32>(from));
  else if (size == 8) store<u64>(to, load<u64>(from));
  else if (size == 1) store<u8>(to, load<u8>(from));
  else if (size == 2) store<u16>(to, load<u16>(from));
  else memory.copy(to, from, size);
}

function deviceRead(physical: u64, size: i32, to: u32): void {
  let done = 0;
  while (done < size) {
    const left = size - done;
    const piece = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const value = hostMmioRead((physical + done) as f64, piece);
    if (piece == 4) store<u32>(to + done, value);
    else if (piece == 2) store<u16>(to + done, value as u16);
    else store<u8>(to + done, value as u8);
    done += piece;
  }
}

function deviceWrite(physical: u64, size: i32, from: u32): void {
  let done = 0;
  while (done < size) {
    const left = size - done;
    const piece = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const value = piece == 4 ? load<u32>(from + done) : piece == 2 ? (load<u16>(from + done) as u32) : (load<u8>(from + done) as u32);
    hostMmioWrite((physical + done) as f64, piece, value);
    done += piece;
  }
}

function readWith(linear: u64, size: i32, access: i32, stack: bool): u32 {
  if (!checked(linear, size, stack)) return 0;
  const offset = (linear as u32) & 0xfff;
  if (offset + size <= 0x1000) {
    const host = translate(linear, access);
    if (host > DEVICE && !load<u32>(WATCHES)) return host;
    if (host == FAULTED) return 0;
    return readPiece(linear, size, SCRATCH, access) ? SCRATCH : 0;
  }
  const first = 0x1000 - offset;
  const second = wrapLinear(linear + first);
  if (!readPiece(linear, first, SCRATCH, access)) return 0;
  if (!readPiece(second, size - first, SCRATCH + first, access)) return 0;
  return SCRATCH;
}

/** Pointer to `size` readable bytes: in place, or a copy at SCRATCH. `flags` bit 0: the stack segment. */
export function readSlow(linear: u64, size: i32, flags: i32): u32 {
  if (!allowed(linear, size, flags)) return 0;
  return readWith(linear, size, dataAccess(0), (flags & 1) != 0);
}

/** What a write to this place needs: 0 nothing, 1 to be run alone, 2 that as well, as it goes to the bus: ROM, and flash that takes commands. */
function writeNeeds(linear: u64, host: u32, size: i32, from: u32): i32 {
  const flags = load<u8>(PAGE_FLAGS + (host >> 12));
  if (flags & PAGE_ROM) return 2;
  if (flags & PAGE_CODE && touchesCode(host, size)) return 1;
  // What maps code may map the rest of this block.
  if (flags & PAGE_TABLE && touchesTable(host, size, from) && mapsCode(host, size)) return 1;
  if (!load<u32>(SINGLE) && load<u32>(WATCHES) && watched(linear, physicalOf(host), size, true)) return 1;
  return 0;
}

export function touchesCode(host: u32, size: i32): bool {
  const mask = load<u32>(CODE_MASK + ((host >> 12) << 2));
  return (mask & granules(host & 0xfff, (host & 0xfff) + size)) != 0;
}

/** Whether a cached translation may depend on the old contents: present and accessed. */
function touchesTable(host: u32, size: i32, from: u32): bool {
  const wide = (load<u64>(CR4) & 32) != 0;
  const step: u32 = wide ? 8 : 4;
  let at = host & ~(step - 1);
  const end = host + size;
  // The same bytes again change nothing.
  if (from && memory.compare(host, from, size) == 0) return false;
  while (at < end) {
    if ((load<u32>(at) & 0x21) == 0x21) return true;
    at += step;
  }
  return false;
}

/** Of a run of bytes in a page, those before the first that `touchesTable`. */
export function beforeTable(host: u32, bytes: u32): u32 {
  const step: u32 = load<u64>(CR4) & 32 ? 8 : 4;
  const end = host + bytes;
  for (let at = host & ~(step - 1); at < end; at += step) if ((load<u32>(at) & 0x21) == 0x21) return at > host ? at - host : 0;
  return bytes;
}

/** Of a run of bytes in a page, those before the first that `touchesCode`. */
export function beforeCode(host: u32, bytes: u32): u32 {
  const first = (host & 0xfff) >> 7;
  const mask = load<u32>(CODE_MASK + ((host >> 12) << 2)) >> first;
  if (!mask) return bytes;
  const at = (first + ctz(mask)) << 7;
  return at > (host & 0xfff) ? min(bytes, at - (host & 0xfff)) : 0;
}

/** Brings everything that depends on these bytes up to date, just before they are written. */
export function prepareWrite(host: u32, size: i32, from: u32): void {
  const at = PAGE_FLAGS + (host >> 12);
  const flags = load<u8>(at);
  if (flags & PAGE_CODE && touchesCode(host, size)) dropRange(host, size);
  if (flags & PAGE_TABLE && touchesTable(host, size, from)) forget(host, size);
  markDirty(host >> 12);
}

@external("host", "dropRegions")
declare function hostDropRegions(host: u32, size: u32): void;

/** Bytes that an instruction may have: what can't be decoded, or is a break mark, depends on all of them. */
const LONGEST: u32 = 15;

/** Page offset of the byte after a block's last instruction. */
function endOf(block: u32): u32 {
  const count = load<u32>(block + BLOCK_COUNT);
  if (!count) return load<u32>(block + BLOCK_OFFSET) + LONGEST;
  const last = load<u16>(block + count * RECORD_SIZE + REC_OFFSET) as u32;
  const length = last >> 12;
  return (last & 0xfff) + (length ? length : LONGEST);
}

/** Drops the blocks of a page. */
export function dropCode(page: u32): void {
  dropRange(page << 12, 0x1000);
}

/** Drops the blocks that are made from some bytes of a page; links to them are taken out of the others. */
export function dropRange(host: u32, size: u32): void {
  const page = host >> 12;
  const first = host & 0xfff;
  const end = first + size;
  let dropped: bool = false;
  let at = CODE_HEAD + (page << 2);
  for (let block = load<u32>(at); block; ) {
    const next = load<u32>(block + BLOCK_LINK);
    if (load<u32>(block + BLOCK_OFFSET) < end && endOf(block) > first) {
      store<u32>(at, next);
      drop(load<u32>(block + BLOCK_MODE) == BLOCK_TAIL ? load<u32>(block + BLOCK_CROSSING) : block);
      dropped = true;
    } else at = block + BLOCK_LINK;
    block = next;
  }
  const flags = PAGE_FLAGS + page;
  if (load<u8>(flags) & PAGE_REGION) hostDropRegions(host, size);
  if (!dropped) return;
  let mask: u32 = 0;
  for (let block = load<u32>(CODE_HEAD + (page << 2)); block; block = load<u32>(block + BLOCK_LINK)) {
    mask |= granules(load<u32>(block + BLOCK_OFFSET), endOf(block));
    if (load<u32>(block + BLOCK_MODE) == BLOCK_TAIL) continue;
    const last = block + load<u32>(block + BLOCK_COUNT) * RECORD_SIZE;
    unlink(last);
    unlink(last + RECORD_SIZE);
  }
  store<u32>(CODE_MASK + (page << 2), mask);
  if (!mask) store<u8>(flags, load<u8>(flags) & ~PAGE_CODE);
  nextGeneration();
}

/** One that ends in the page whose bytes change stays in its own page's list until that changes: nothing leads to it any more. */
function drop(block: u32): void {
  unhash(block);
  store<u32>(block + BLOCK_MODE, BLOCK_DROPPED);
}

/** Bits of CODE_MASK for the bytes from `first` up to `end`. */
@inline
function granules(first: u32, end: u32): u32 {
  const low = first >> 7;
  const high = min<u32>(end - 1, 0xfff) >> 7;
  return ((0xffffffff as u32) >> (31 - high)) & ((0xffffffff as u32) << low);
}

function unlink(record: u32): void {
  if (!(load<u8>(record + REC_SIZE) & SIZE_LINKS)) return;
  const taken = load<u32>(record + REC_LINK_TAKEN);
  // Another generation makes it stale.
  if (taken & LINK_CROSSES) return;
  if (taken && load<u32>(taken + BLOCK_MODE) == BLOCK_DROPPED) store<u32>(record + REC_LINK_TAKEN, 0);
  const next = load<u32>(record + REC_LINK_NEXT);
  if (next && load<u32>(next + BLOCK_MODE) == BLOCK_DROPPED) store<u32>(record + REC_LINK_NEXT, 0);
}

/** Writes bytes of one page; both pages of a crossing are known to be writable. */
function writePiece(linear: u64, size: i32, from: u32, access: i32): bool {
  const host = translate(linear, access);
  if (host == FAULTED) return false;
  if (host == DEVICE) {
    if (!load<u32>(SINGLE)) return retry() != 0;
    const physical = devicePhysical;
    if (load<u32>(WATCHES)) watched(linear, physical, size, true);
    deviceWrite(physical, size, from);
    return true;
  }
  const needs = writeNeeds(linear, host, size, from);
  if (needs && !load<u32>(SINGLE)) return retry() != 0;
  if (needs == 2) {
    // Pages of ROM have no write entries in the TLB: this access has walked, and its address is known.
    const physical = devicePhysical;
    if (load<u32>(WATCHES)) watched(linear, physical, size, true);
    deviceWrite(physical, size, from);
    return true;
  }
  if (load<u32>(WATCHES)) watched(linear, physicalOf(host), size, true);
  prepareWrite(host, size, from);
  copy(host, from, size);
  return true;
}

function writeBytes(linear: u64, size: i32, from: u32, access: i32, stack: bool): u32 {
  if (!checked(linear, size, stack)) return 1;
  const offset = (linear as u32) & 0xfff;
  if (offset + size <= 0x1000) return writePiece(linear, size, from, access) ? 0 : 1;
  const first = 0x1000 - offset;
  const second = wrapLinear(linear + first);
  // Nothing is written before both pages have been found writable.
  if (translate(linear, access) == FAULTED) return 1;
  if (translate(second, access) == FAULTED) return 1;
  if (!load<u32>(SINGLE) && (needsAlone(linear, first, from, access) || needsAlone(second, size - first, from + first, access))) {
    retry();
    return 1;
  }
  if (!writePiece(linear, first, from, access)) return 1;
  return writePiece(second, size - first, from + first, access) ? 0 : 1;
}

function needsAlone(linear: u64, size: i32, from: u32, access: i32): bool {
  const host = translate(linear, access);
  return host == DEVICE || writeNeeds(linear, host, size, from) != 0;
}

/** For string input, after `probeAs`: whether a write has to wait until its instruction runs alone. */
export function waitsForAlone(linear: u64, size: i32, access: i32): bool {
  if (load<u32>(SINGLE)) return false;
  const first: i32 = 0x1000 - ((linear as i32) & 0xfff);
  if (first >= size) return needsAlone(linear, size, 0, access);
  return needsAlone(linear, first, 0, access) || needsAlone(wrapLinear(linear + first), size - first, 0, access);
}

/** Stores up to 8 bytes; 0 where done. */
export function writeSlow(linear: u64, value: u64, size: i32, flags: i32): u32 {
  if (!allowed(linear, size, flags)) return 1;
  store<u64>(SCRATCH + 32, value);
  return writeBytes(linear, size, SCRATCH + 32, dataAccess(WRITE), (flags & 1) != 0);
}

/** Stores `size` bytes that lie at SCRATCH + 32. */
export function writeSlowBytes(linear: u64, size: i32, flags: i32): u32 {
  if (!(flags & UPDATE) && !allowed(linear, size, flags)) return 1;
  return writeBytes(linear, size, SCRATCH + 32, dataAccess(WRITE), (flags & 1) != 0);
}

/**
 * For read-modify-write: a pointer to bytes that can be changed in place, or SCRATCH with a copy of them,
 * after which writeSlow is to be called and can't fault. 0: leave.
 */
export function updateSlow(linear: u64, size: i32, flags: i32): u32 {
  const access = dataAccess(WRITE);
  // Updates of 16 bytes are masked stores and CMPXCHG16B, which is aligned anyway.
  if (!allowed(linear, size, size == 16 ? flags | MASKED : flags)) return 0;
  const offset = (linear as u32) & 0xfff;
  const first = offset + size <= 0x1000 ? size : 0x1000 - offset;
  const host = translate(linear, access);
  if (host == FAULTED) return 0;
  // Where anything is watched, the write is a write of its own, and seen.
  let special = host == DEVICE || load<u32>(WATCHES) != 0 || writeNeeds(linear, host, first, 0) != 0;
  if (first != size) {
    const second = translate(wrapLinear(linear + first), access);
    if (second == FAULTED) return 0;
    if (second == DEVICE || writeNeeds(linear + first, second, size - first, 0) != 0) special = true;
  }
  if (special) {
    if (!load<u32>(SINGLE)) return retry();
    return readWith(linear, size, access, false) ? copyToScratch(linear, size, access) : 0;
  }
  if (first != size) return readWith(linear, size, access, false);
  prepareWrite(host, size, 0);
  return host;
}

/** A read for update never hands out the place itself where the write has to be looked at. */
function copyToScratch(linear: u64, size: i32, access: i32): u32 {
  const from = readWith(linear, size, access, false);
  if (from != SCRATCH) memory.copy(SCRATCH, from, size);
  return SCRATCH;
}

/** For TypeScript: reads or writes up to 8 bytes with explicit access bits (paging.ts). Reads leave the value at SCRATCH. */
export function readAs(linear: u64, size: i32, access: i32): u32 {
  if (access & EXPLICIT && !aligned(linear, size)) return 1;
  const from = readWith(linear, size, access, false);
  if (!from) return 1;
  if (from != SCRATCH) memory.copy(SCRATCH, from, size);
  return 0;
}
export function writeAs(linear: u64, value: u64, size: i32, access: i32): u32 {
  if (access & EXPLICIT && !aligned(linear, size)) return 1;
  store<u64>(SCRATCH + 32, value);
  return writeBytes(linear, size, SCRATCH + 32, access | WRITE, false);
}
/** 0 where an access would not fault. */
export function probeAs(linear: u64, size: i32, access: i32): u32 {
  if (access & EXPLICIT && !aligned(linear, size)) return 1;
  if (!checked(linear, size, false)) return 1;
  if (translate(linear, access) == FAULTED) return 1;
  const last = wrapLinear(linear + size - 1);
  return ((last ^ linear) & ~0xfff) != 0 && translate(last, access) == FAULTED ? 1 : 0;
}
