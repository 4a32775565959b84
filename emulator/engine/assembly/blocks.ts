// Finding decoded blocks.
import {
  BLOCK_CROSSING, BLOCK_HASH, BLOCK_HASH_ENTRIES, BLOCK_HOST, BLOCK_MODE, BLOCK_NEXT, CONTEXT, CPL, CS, DECODE_MODE, EXIT_REASON,
  JUMP_CACHE, JUMP_CACHE_ENTRIES, LEAVE_INTERNAL, MODE_64, MODE_FLAT, PAGE_CACHED, PAGE_CODE, PAGE_FLAGS, SEG_BASE, SEG_LIMIT, SEGMENT_SIZE, SEGMENTS, SINGLE,
} from '../../x86/layout';
import { decodeBlock } from './decodeblock';
import { canonical, DEVICE, FAULTED, FETCH, nonCanonical, raise, translate, USER } from './paging';
import { dropWriteEntries, noteCode } from './tlb';

@inline
function bucketOf(host: u32, mode: u32): u32 {
  return BLOCK_HASH + ((((host * 0x9e3779b1) >> 12) ^ mode) & (BLOCK_HASH_ENTRIES - 1)) * 4;
}

const GENERAL_PROTECTION = 13;

/** Running on past the end of the code segment (SDM vol. 3, 5.3). */
function beyondLimit(linear: u64): bool {
  const segment = SEGMENTS + CS * SEGMENT_SIZE;
  return ((linear - load<u64>(segment + SEG_BASE)) & 0xffffffff) > (load<u32>(segment + SEG_LIMIT) as u64);
}

/** Host address of code at a linear address; 0 where fetching faults. */
export function translateFetch(linear: u64): u32 {
  if (load<u32>(DECODE_MODE) & MODE_64 && !canonical(linear)) {
    nonCanonical(false);
    return 0;
  }
  if (!(load<u32>(DECODE_MODE) & (MODE_64 | MODE_FLAT)) && beyondLimit(linear)) {
    raise(GENERAL_PROTECTION, 0);
    return 0;
  }
  const host = translate(linear, FETCH | (load<u32>(CPL) == 3 ? USER : 0));
  if (host == DEVICE) {
    store<u32>(EXIT_REASON, LEAVE_INTERNAL);
    return 0;
  }
  return host;
}

/** The decoded block at a host address, or 0. */
export function lookup(host: u32, mode: u32): u32 {
  return matching(load<u32>(bucketOf(host, mode)), host, mode);
}

@inline
function matching(from: u32, host: u32, mode: u32): u32 {
  let block = from;
  while (block && !(load<u32>(block + BLOCK_HOST) == host && load<u32>(block + BLOCK_MODE) == mode)) block = load<u32>(block + BLOCK_NEXT);
  return block;
}

/** The block at a linear address, decoded if need be; 0: EXIT_REASON says why not. */
export function find(linear: u64): u32 {
  const host = translateFetch(linear);
  if (!host) return 0;
  if (load<u32>(SINGLE)) return decodeBlock(linear, host);
  const mode = load<u32>(DECODE_MODE);
  let block = lookup(host, mode);
  if (block && load<u32>(block + BLOCK_CROSSING)) {
    // Which page comes next is the address space's affair.
    const second = translateFetch(nextPage(linear));
    if (!second) return 0;
    while (block && load<u32>(block + BLOCK_CROSSING) != second) block = matching(load<u32>(block + BLOCK_NEXT), host, mode);
  }
  if (!block) block = decodeBlock(linear, host);
  if (!block) return 0;
  if (load<u32>(block + BLOCK_CROSSING)) noteCode(nextPage(linear));
  const slot = JUMP_CACHE + (((linear as u32) ^ ((linear >> 13) as u32)) & (JUMP_CACHE_ENTRIES - 1)) * 16;
  store<u64>(slot, linear);
  store<u32>(slot + 8, load<u32>(CONTEXT));
  store<u32>(slot + 12, block);
  noteCode(linear);
  return block;
}

@inline
export function nextPage(linear: u64): u64 {
  return (linear & ~0xfff) + 0x1000;
}

/** Enters a block that was just decoded into the hash; from now on writes to its pages are looked at. */
export function enter(block: u32): void {
  holdsCode(load<u32>(block + BLOCK_HOST) >> 12);
  const second = load<u32>(block + BLOCK_CROSSING);
  if (second) holdsCode(second >> 12);
  const bucket = bucketOf(load<u32>(block + BLOCK_HOST), load<u32>(block + BLOCK_MODE));
  store<u32>(block + BLOCK_NEXT, load<u32>(bucket));
  store<u32>(bucket, block);
}

function holdsCode(page: u32): void {
  const flags = load<u8>(PAGE_FLAGS + page);
  store<u8>(PAGE_FLAGS + page, flags | PAGE_CODE);
  if (flags & PAGE_CACHED) dropWriteEntries(page);
}

export function unhash(block: u32): void {
  let at = bucketOf(load<u32>(block + BLOCK_HOST), load<u32>(block + BLOCK_MODE));
  for (;;) {
    const next = load<u32>(at);
    if (!next) return;
    if (next == block) {
      store<u32>(at, load<u32>(block + BLOCK_NEXT));
      return;
    }
    at = next + BLOCK_NEXT;
  }
}
