// Which pages of memory have changed, for each who asks, and what they were before.
import {
  KEEP_PAGES, KEPT_CONTENTS, KEPT_COPIES, KEPT_COUNT, KEPT_ENTRIES, KEPT_LIST, KEPT_ZERO, LOOK_KEEP, LOOK_LIST, PAGE_DIRTY, PAGE_FLAGS, PAGE_LIST, PAGE_LIST_ENTRIES, UNREAD_PAGES,
} from '../../x86/layout';
import { dropWriteEntriesOf } from './tlb';

/** A bit in the bytes of eight pages, which are looked at together: there are many pages, and few are written. */
const EIGHT: u64 = 0x0101010101010101;

@external("host", "kept")
declare function hostKept(): void;

function isZero(host: u32): bool {
  for (let at = host; at < host + 4096; at += 16) if (v128.any_true(v128.load(at))) return false;
  return true;
}

/** Puts aside what a page is. The host takes it when it looks, or when there is no room for more. */
function keep(page: u32): void {
  const host = page << 12;
  const zero = isZero(host);
  if (!zero) {
    const copies = load<u32>(KEPT_COPIES);
    memory.copy(KEPT_CONTENTS + (copies << 12), host, 4096);
    store<u32>(KEPT_COPIES, copies + 1);
  }
  const count = load<u32>(KEPT_COUNT);
  store<u32>(KEPT_LIST + count * 4, zero ? page | KEPT_ZERO : page);
  store<u32>(KEPT_COUNT, count + 1);
  if (count + 1 == KEPT_ENTRIES) hostKept();
}

/** Call before a byte of the page changes. */
@inline
export function markDirty(page: u32): void {
  const at = PAGE_FLAGS + page;
  const flags = load<u8>(at);
  if (flags & PAGE_DIRTY) return;
  if (load<u8>(KEEP_PAGES + page)) {
    store<u8>(KEEP_PAGES + page, 0);
    keep(page);
  }
  store<u8>(at, flags | PAGE_DIRTY);
}

/** Pages that were written since the last harvest become unread by everybody; the next writes to them are first ones. */
function harvest(first: u32, last: u32): void {
  let any = false;
  for (let page = first; page <= last; page++) {
    if (!(page & 7) && !(load<u64>(PAGE_FLAGS + page) & (PAGE_DIRTY as u64) * EIGHT)) {
      page += 7;
      continue;
    }
    const flags = load<u8>(PAGE_FLAGS + page);
    if (!(flags & PAGE_DIRTY)) continue;
    store<u8>(PAGE_FLAGS + page, flags & ~PAGE_DIRTY);
    store<u8>(UNREAD_PAGES + page, 0xff);
    any = true;
  }
  // Write entries of the TLB exist for dirty pages only.
  if (any) dropWriteEntriesOf(first, last);
}

/**
 * Lists pages that a reader has not taken since they were written, from the first to the last, both included, at PAGE_LIST: how
 * many there are, of as many as it has room for.
 */
export function listWritten(reader: u32, first: u32, last: u32, look: u32): u32 {
  harvest(first, last);
  const mark: u32 = 1 << reader;
  let count: u32 = 0;
  for (let page = first; page <= last; page++) {
    if (!(page & 7) && !(load<u64>(UNREAD_PAGES + page) & (mark as u64) * EIGHT)) {
      page += 7;
      continue;
    }
    const unread = load<u8>(UNREAD_PAGES + page);
    if (!(unread & mark)) continue;
    if (look != LOOK_LIST) store<u8>(UNREAD_PAGES + page, unread & ~mark);
    if (look == LOOK_KEEP) store<u8>(KEEP_PAGES + page, 1);
    store<u32>(PAGE_LIST + count * 4, page);
    if (++count == PAGE_LIST_ENTRIES) break;
  }
  return count;
}
