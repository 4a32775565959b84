// Physical memory that is backed by this one, and which of its pages have changed.
import { PAGE_AWAITED, PAGE_DIRTY, PAGE_FLAGS, PAGE_LIST, PAGE_LIST_ENTRIES, PAGE_MMIO, RAM, RAM_SIZE, REGIONS, REGION_COUNT, REGION_SIZE, TOLD_PAGES } from '../../x86/layout';

/** PAGE_DIRTY in the bytes of four pages, which are looked at together: there are many pages, and few are written. */
const DIRTY_IN_WORD: u32 = (PAGE_DIRTY as u32) * 0x01010101;

@external("host", "awaited")
declare function hostAwaited(page: u32): void;

/** Host address of a physical byte that is backed by memory, else 0. */
export function hostOf(physical: u64): u32 {
  if (physical < (load<u32>(RAM_SIZE) as u64)) {
    const host = RAM + (physical as u32);
    const flags = load<u8>(PAGE_FLAGS + (host >> 12));
    if (!(flags & PAGE_MMIO)) return host;
    if ((flags & PAGE_AWAITED) == PAGE_AWAITED) {
      hostAwaited(host >> 12);
      return host;
    }
  }
  const count = load<u32>(REGION_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const region = REGIONS + i * REGION_SIZE;
    const first = load<u64>(region);
    if (physical >= first && physical <= load<u64>(region + 8)) return load<u32>(region + 16) + ((physical - first) as u32);
  }
  return 0;
}

/** Physical address of a byte of memory at a host address. */
export function physicalOf(host: u32): u64 {
  if (host - RAM < load<u32>(RAM_SIZE)) return (host - RAM) as u64;
  const count = load<u32>(REGION_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const region = REGIONS + i * REGION_SIZE;
    const first = load<u64>(region);
    const length = load<u64>(region + 8) - first;
    const base = load<u32>(region + 16);
    if (host >= base && ((host - base) as u64) <= length) return first + ((host - base) as u64);
  }
  return 0xffffffffffffffff;
}

@external("host", "firstWrite")
declare function hostFirstWrite(page: u32): void;

/** Lists dirty pages from the first to the last, both included, at PAGE_LIST: how many there are, of as many as it has room for. */
export function listDirty(first: u32, last: u32): u32 {
  let count: u32 = 0;
  for (let page = first; page <= last; page++) {
    if (!(page & 3) && !(load<u32>(PAGE_FLAGS + page) & DIRTY_IN_WORD)) {
      page += 3;
      continue;
    }
    if (!(load<u8>(PAGE_FLAGS + page) & PAGE_DIRTY)) continue;
    store<u32>(PAGE_LIST + count * 4, page);
    if (++count == PAGE_LIST_ENTRIES) break;
  }
  return count;
}

/** None of these pages is dirty any more. */
export function clearDirty(first: u32, last: u32): void {
  for (let page = first; page <= last; page++) {
    if (!(page & 3) && !(load<u32>(PAGE_FLAGS + page) & DIRTY_IN_WORD)) page += 3;
    else store<u8>(PAGE_FLAGS + page, load<u8>(PAGE_FLAGS + page) & ~PAGE_DIRTY);
  }
}

/** Call before a byte of the page changes. */
@inline
export function markDirty(page: u32): void {
  const at = PAGE_FLAGS + page;
  const flags = load<u8>(at);
  if (flags & PAGE_DIRTY) return;
  if (load<u8>(TOLD_PAGES + page)) {
    store<u8>(TOLD_PAGES + page, 0);
    hostFirstWrite(page);
  }
  store<u8>(at, flags | PAGE_DIRTY);
}
