// Upkeep of the software TLB: what is in it, and what is forgotten when page tables or the address space change.
import {
  CODE_SLOTS, CONTEXT, CR3, CR4, DECODE_MODE, EFER, GENERATION, MODE_USER, PAGE_CACHED, PAGE_FLAGS, PAGE_TABLE, PT_COUNT, PT_LIST, STAT_FLUSHES,
  TLB, TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY, TLB_FETCH, TLB_FILLS, TLB_FILL_LIST, TLB_LEAF, TLB_READ, TLB_SET_SIZE, TLB_WRITE, UPPER_TABLES, USER_GENERATION,
} from '../../x86/layout';
import { hostOf } from './physical';

const CR4_PAE: u64 = 1 << 5;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;
const NO_EXECUTE: u64 = 1 << 63;

@inline
export function entryOf(set: u32, linear: u64): u32 {
  return set + (((linear >> 12) as u32) & (TLB_ENTRIES - 1)) * TLB_ENTRY;
}

/** Makes a TLB entry nobody's. */
@inline
export function clear(entry: u32): void {
  store<i64>(entry + TLB_READ, -1);
  store<i64>(entry + TLB_WRITE, -1);
  store<i64>(entry + TLB_FETCH, -1);
}

@inline
export function isClear(entry: u32): bool {
  return load<i64>(entry + TLB_READ) == -1 && load<i64>(entry + TLB_WRITE) == -1 && load<i64>(entry + TLB_FETCH) == -1;
}

/** An entry that was clear is used now. There are as many places in the list as entries. */
export function filled(entry: u32): void {
  const fills = load<u32>(TLB_FILLS);
  if (fills == 3 * TLB_ENTRIES) return;
  store<u32>(TLB_FILL_LIST + fills * 4, entry);
  store<u32>(TLB_FILLS, fills + 1);
}

/** Marks a page-table page, so that writes to it are seen. `upper`: its entries do not map pages of 4 KiB. */
export function markTable(host: u32, upper: bool): void {
  if (upper) store<u8>(UPPER_TABLES + (host >> 12), 1);
  const flags = PAGE_FLAGS + (host >> 12);
  const old = load<u8>(flags);
  if (old & PAGE_TABLE) return;
  const count = load<u32>(PT_COUNT);
  if (count == 16384) {
    flush();
    markTable(host, upper);
    return;
  }
  store<u8>(flags, old | PAGE_TABLE);
  store<u32>(PT_LIST + count * 4, host >> 12);
  store<u32>(PT_COUNT, count + 1);
  if (old & PAGE_CACHED) dropWriteEntries(host >> 12);
}

/** Takes the write permission of a page out of the TLB: from now on its writes are looked at. */
export function dropWriteEntries(page: u32): void {
  dropWriteEntriesOf(page, page);
  const flags = PAGE_FLAGS + page;
  store<u8>(flags, load<u8>(flags) & ~PAGE_CACHED);
}

/** The same of many, the last included. */
export function dropWriteEntriesOf(first: u32, last: u32): void {
  const fills = load<u32>(TLB_FILLS);
  for (let i: u32 = 0; i < fills; i++) {
    const entry = load<u32>(TLB_FILL_LIST + i * 4);
    const tag = load<i64>(entry + TLB_WRITE);
    if (tag == -1) continue;
    const page = ((tag as u32) + load<u32>(entry + TLB_ADDEND)) >> 12;
    if (page >= first && page <= last) store<i64>(entry + TLB_WRITE, -1);
  }
}

/** Forgets all translations. The guest can't tell. */
export function flush(): void {
  const fills = load<u32>(TLB_FILLS);
  for (let i: u32 = 0; i < fills; i++) {
    const entry = load<u32>(TLB_FILL_LIST + i * 4);
    const tag = load<i64>(entry + TLB_WRITE);
    if (tag != -1) {
      const flags = PAGE_FLAGS + (((tag as u32) + load<u32>(entry + TLB_ADDEND)) >> 12);
      store<u8>(flags, load<u8>(flags) & ~PAGE_CACHED);
    }
    clear(entry);
  }
  store<u32>(TLB_FILLS, 0);
  const tables = load<u32>(PT_COUNT);
  for (let i: u32 = 0; i < tables; i++) {
    const flags = PAGE_FLAGS + load<u32>(PT_LIST + i * 4);
    store<u8>(flags, load<u8>(flags) & ~PAGE_TABLE);
    store<u8>(UPPER_TABLES + load<u32>(PT_LIST + i * 4), 0);
  }
  store<u32>(PT_COUNT, 0);
  looked = 0;
  store<u32>(STAT_FLUSHES, load<u32>(STAT_FLUSHES) + 1);
  nextGeneration();
}

/**
 * Whether these bytes of a page table, which are about to change, may say where code is: all but entries of lowest tables
 * that forbid execution.
 */
export function mapsCode(host: u32, size: i32): bool {
  if (load<u8>(UPPER_TABLES + (host >> 12)) || !(load<u64>(CR4) & CR4_PAE) || !(load<u64>(EFER) & EFER_NXE)) return true;
  const end = host + size;
  for (let at = host & ~7; at < end; at += 8) {
    if ((load<u32>(at) & 0x21) == 0x21 && !(load<u64>(at) & NO_EXECUTE)) return true;
  }
  return false;
}

/** Entries that were looked through since all was forgotten; after so many, forgetting all costs less: then the table's writes are not seen until it is walked through again. */
let looked: u32 = 0;
const MOST_LOOKED: u32 = 65536;

/** Forgets the translations that depend on bytes of a page table. */
export function forget(host: u32, size: i32): void {
  const fills = load<u32>(TLB_FILLS);
  looked += fills;
  if (load<u8>(UPPER_TABLES + (host >> 12)) || looked > MOST_LOOKED) {
    flush();
    return;
  }
  if (mapsCode(host, size)) nextGeneration();
  const first = host & ~7;
  const end = host + size;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < fills; i++) {
    const entry = load<u32>(TLB_FILL_LIST + i * 4);
    const leaf = load<u32>(entry + TLB_LEAF);
    if (leaf >= first && leaf < end) {
      // PAGE_CACHED stays: another entry may be for the same page.
      clear(entry);
      continue;
    }
    store<u32>(TLB_FILL_LIST + kept * 4, entry);
    kept++;
  }
  store<u32>(TLB_FILLS, kept);
}

/** Makes every jump-cache entry stale. */
export function nextGeneration(): void {
  store<u32>(GENERATION, load<u32>(GENERATION) + 1);
  store<u32>(USER_GENERATION, load<u32>(USER_GENERATION) + 1);
  memory.fill(CODE_SLOTS, 0, SLOTS);
  deriveContext();
}

/** CONTEXT from mode and generation (engine/mode.ts). */
export function deriveContext(): void {
  const mode = load<u32>(DECODE_MODE);
  store<u64>(CONTEXT, ((load<u32>(mode & MODE_USER ? USER_GENERATION : GENERATION) as u64) << 8) | mode);
}

// ── Another address space ────────────────────────────────────────────────────────────────────

/** Entries that a top page table has at most, of 32-bit paging. */
const SLOTS: u32 = 1024;
/** Pages marked as page tables, after which a change of the address space forgets everything: many are tables no more. */
const TABLES_KEPT: u32 = 512;

/** The top page table's entry for an address, where it has entries that are looked at in walks alone: not PAE's four. */
@inline
function slotOf(linear: u64): u32 {
  return load<u64>(EFER) & EFER_LMA ? ((linear >> 39) as u32) & 511 : ((linear >> 22) as u32) & 1023;
}

/** A supervisor's code has been found here: the jump cache and regions rely on it. */
export function noteCode(linear: u64): void {
  if (!(load<u32>(DECODE_MODE) & MODE_USER)) store<u8>(CODE_SLOTS + slotOf(linear), 1);
}

function sameSlot(from: u32, to: u32, slot: u32, wide: bool): bool {
  return wide ? load<u64>(from + slot * 8) == load<u64>(to + slot * 8) : load<u32>(from + slot * 4) == load<u32>(to + slot * 4);
}

/**
 * CR3 has changed. Translations stay where both top page tables have the same entry: a walk would find the same, and set no
 * accessed bit that isn't set. That is the kernel's half, as a rule.
 */
export function spaceChanged(old: u64): void {
  const long = (load<u64>(EFER) & EFER_LMA) != 0;
  const mask: u64 = long ? 0x000ffffffffff000 : 0xfffff000;
  const from = hostOf(old & mask);
  const to = hostOf(load<u64>(CR3) & mask);
  // The four entries of PAE paging have no accessed bits: nothing tells that they change.
  const pae = !long && (load<u64>(CR4) & CR4_PAE) != 0;
  if (pae || !from || !to || load<u32>(PT_COUNT) > TABLES_KEPT) {
    flush();
    return;
  }
  markTable(to, true);
  const fills = load<u32>(TLB_FILLS);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < fills; i++) {
    const entry = load<u32>(TLB_FILL_LIST + i * 4);
    let page = load<i64>(entry + TLB_READ);
    if (page == -1) page = load<i64>(entry + TLB_WRITE);
    if (page == -1) page = load<i64>(entry + TLB_FETCH);
    if (page != -1 && sameSlot(from, to, slotOf(page as u64), long)) {
      store<u32>(TLB_FILL_LIST + kept * 4, entry);
      kept++;
      continue;
    }
    // PAGE_CACHED stays: another entry may be for the same page.
    clear(entry);
  }
  store<u32>(TLB_FILLS, kept);
  store<u32>(STAT_FLUSHES, load<u32>(STAT_FLUSHES) + 1);
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    // Most are nobody's.
    if (!(slot & 7) && !load<u64>(CODE_SLOTS + slot)) slot += 7;
    else if (load<u8>(CODE_SLOTS + slot) && !sameSlot(from, to, slot, long)) {
      nextGeneration();
      return;
    }
  }
  store<u32>(USER_GENERATION, load<u32>(USER_GENERATION) + 1);
  deriveContext();
}

/** Puts every TLB entry into the empty state: once, when the machine is made. */
export function initialise(): void {
  const end: u32 = TLB + 4 * TLB_SET_SIZE;
  for (let entry: u32 = TLB; entry < end; entry += TLB_ENTRY) clear(entry);
  nextGeneration();
}
