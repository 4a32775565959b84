// The page walk (SDM volume 3, chapter 4), which fills the software TLB (tlb.ts).
//
// The TLB never shows in the guest's history: pages that a cached translation was made from are marked
// PAGE_TABLE, and a write that changes a used entry forgets the translations that depend on it (see memory.ts).
import {
  A20_MASK, CPL, CR0, CR3, CR4, EFER, EFLAGS, EXIT_REASON, FAULT_ADDRESS, FAULT_CODE, FAULT_HAS_CODE, FAULT_VECTOR, LEAVE_FAULT, PAGE_CACHED, PAGE_CODE,
  PAGE_DIRTY, PAGE_FLAGS, PAGE_ROM, PAGE_TABLE, PAGE_WATCHED, PHYSICAL_WIDTH, STAT_TLB_MISSES, TLB, TLB_ADDEND, TLB_CHECKED, TLB_FETCH, TLB_LEAF, TLB_READ,
  TLB_SET, TLB_SET_SIZE, TLB_WRITE, WATCHES,
} from '../../x86/layout';
import { hostOf } from './physical';
import { clear, entryOf, filled, isClear, markTable, noteCode } from './tlb';
import { linearPageWatched } from './watch';
import { markDirty } from './written';

// Kinds of access; the low bits are those of the page-fault error code.
export const WRITE: i32 = 2;
export const USER: i32 = 4;
export const FETCH: i32 = 16;

const CR0_WP: u64 = 1 << 16;
const CR0_PG: u64 = 1 << 31;
const CR4_PSE: u64 = 1 << 4;
const CR4_PAE: u64 = 1 << 5;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;
const FLAG_AC: u64 = 1 << 18;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const USER_PAGE: u64 = 4;
const ACCESSED: u64 = 32;
const DIRTY: u64 = 64;
const LARGE: u64 = 128;
const NO_EXECUTE: u64 = 1 << 63;

const PAGE_FAULT = 14;
const GENERAL_PROTECTION = 13;
const STACK_FAULT = 12;

// Results of the last walk.
let walkedPhysical: u64 = 0;
let walkedWritable: bool = false;
let walkedUser: bool = false;
let walkedExecutable: bool = false;
let walkedDirty: bool = false;

export function raise(vector: i32, code: u32): void {
  store<u32>(EXIT_REASON, LEAVE_FAULT);
  store<u32>(FAULT_VECTOR, vector);
  store<u32>(FAULT_CODE, code);
  store<u32>(FAULT_HAS_CODE, 1);
}

/** A walk that only looks: no fault is raised, and accessed bits must be there already. */
let probing: bool = false;

function pageFault(linear: u64, access: i32, bits: i32): bool {
  if (probing) return false;
  let code = bits | (access & (WRITE | USER));
  if (access & FETCH && (load<u64>(EFER) & EFER_NXE || load<u64>(CR4) & CR4_SMEP)) code |= FETCH;
  raise(PAGE_FAULT, code);
  store<u64>(FAULT_ADDRESS, linear);
  return false;
}

/** Sets bits of a page-table entry as the processor does (accessed, dirty). */
function touch(host: u32, bits: u64): void {
  markDirty(host >> 12);
  store<u8>(host, load<u8>(host) | (bits as u8));
}

// Entries of the current walk, so that A and D are set only once the access is known to be allowed.
let path0: u32 = 0;
let path1: u32 = 0;
let path2: u32 = 0;
let path3: u32 = 0;

function walk(linear: u64, access: i32): bool {
  const cr0 = load<u64>(CR0);
  if (!(cr0 & CR0_PG)) {
    walkedPhysical = linear & 0xffffffff;
    walkedWritable = true;
    walkedUser = true;
    walkedExecutable = true;
    walkedDirty = true;
    return true;
  }
  const cr4 = load<u64>(CR4);
  const efer = load<u64>(EFER);
  const long = (efer & EFER_LMA) != 0;
  const nxe = (efer & EFER_NXE) != 0;
  let rights: u64 = WRITABLE | USER_PAGE;
  let noExecute: bool = false;
  let entry: u64 = 0;
  let pageMask: u64 = 0xfff;
  path0 = path1 = path2 = path3 = 0;
  let leaf: u32 = 0;

  if (cr4 & CR4_PAE) {
    const width = load<u32>(PHYSICAL_WIDTH) as u64;
    const reserved: u64 = ((((1 as u64) << (52 - width)) - 1) << width) | (nxe ? 0 : NO_EXECUTE);
    let table = load<u64>(CR3) & (long ? 0x000ffffffffff000 : 0xffffffe0);
    let shift: i32 = long ? 39 : 30;
    for (;;) {
      const index = (linear >> shift) & (shift == 30 && !long ? 3 : 511);
      const host = hostOf(table + index * 8);
      // A table outside of memory reads as all zeros: not present.
      entry = host ? load<u64>(host) : 0;
      if (host) markTable(host, shift != 12);
      if (!(entry & PRESENT)) return pageFault(linear, access, 0);
      const pdpte32 = shift == 30 && !long;
      let bad = reserved;
      if (pdpte32) bad |= 0x1e6;
      else if (shift == 39) bad |= LARGE;
      else if (entry & LARGE && shift > 12) bad |= shift == 30 ? 0x3fffe000 : 0x1fe000;
      if (entry & bad) return pageFault(linear, access, 9);
      if (!pdpte32) {
        rights &= entry;
        if (entry & NO_EXECUTE) noExecute = true;
        if (shift == 39) path0 = host;
        else if (shift == 30) path1 = host;
        else if (shift == 21) path2 = host;
        else path3 = host;
      }
      leaf = host;
      if (shift == 12) break;
      if (entry & LARGE && !pdpte32) {
        pageMask = ((1 as u64) << shift) - 1;
        break;
      }
      table = entry & 0x000ffffffffff000;
      shift -= 9;
    }
    walkedPhysical = (entry & 0x000ffffffffff000 & ~pageMask) | (linear & pageMask);
  } else {
    let host = hostOf((load<u64>(CR3) & 0xfffff000) + ((linear >> 22) & 1023) * 4);
    entry = host ? (load<u32>(host) as u64) : 0;
    if (host) markTable(host, true);
    if (!(entry & PRESENT)) return pageFault(linear, access, 0);
    rights &= entry;
    path2 = host;
    leaf = host;
    if (entry & LARGE && cr4 & CR4_PSE) {
      // PSE-36: bits 13–20 are physical bits 32–39; bit 21 is reserved.
      if (entry & 0x200000) return pageFault(linear, access, 9);
      walkedPhysical = (entry & 0xffc00000) | (((entry >> 13) & 0xff) << 32) | (linear & 0x3fffff);
    } else {
      host = hostOf((entry & 0xfffff000) + ((linear >> 12) & 1023) * 4);
      entry = host ? (load<u32>(host) as u64) : 0;
      if (host) markTable(host, false);
      if (!(entry & PRESENT)) return pageFault(linear, access, 0);
      rights &= entry;
      path3 = host;
      leaf = host;
      walkedPhysical = (entry & 0xfffff000) | (linear & 0xfff);
    }
  }

  const userPage = (rights & USER_PAGE) != 0;
  const writable = (rights & WRITABLE) != 0;
  const executable = !(noExecute && nxe);
  const user = (access & USER) != 0;
  let allowed: bool = true;
  if (user && !userPage) allowed = false;
  if (access & WRITE && !writable && (user || cr0 & CR0_WP)) allowed = false;
  if (access & FETCH) {
    if (!executable || (!user && userPage && cr4 & CR4_SMEP)) allowed = false;
  } else if (!user && userPage && cr4 & CR4_SMAP && !supervisorMayTouchUser(access)) allowed = false;
  if (!allowed) return pageFault(linear, access, 1);

  if (probing && leaf && !((load<u32>(leaf) & (ACCESSED as u32)) != 0 && accessed(path0) && accessed(path1) && accessed(path2))) return false;
  if (path0 && !(load<u64>(path0) & ACCESSED)) touch(path0, ACCESSED);
  if (path1 && !(load<u64>(path1) & ACCESSED)) touch(path1, ACCESSED);
  if (path2 && !(load<u32>(path2) & (ACCESSED as u32))) touch(path2, ACCESSED);
  if (path3 && !(load<u32>(path3) & (ACCESSED as u32))) touch(path3, ACCESSED);
  walkedDirty = (load<u32>(leaf) & (DIRTY as u32)) != 0;
  if (access & WRITE && !walkedDirty) {
    touch(leaf, DIRTY);
    walkedDirty = true;
  }
  walkedWritable = writable || (!user && !(cr0 & CR0_WP));
  walkedUser = userPage;
  walkedExecutable = executable && !(!user && userPage && cr4 & CR4_SMEP);
  return true;
}

function accessed(entry: u32): bool {
  return !entry || (load<u32>(entry) & (ACCESSED as u32)) != 0;
}

/** Explicit supervisor accesses may touch user pages where EFLAGS.AC is set; implicit ones never. */
function supervisorMayTouchUser(access: i32): bool {
  return load<u32>(CPL) != 3 && (load<u64>(EFLAGS) & FLAG_AC) != 0 && !(access & IMPLICIT);
}
/** An access of the processor's own: descriptor tables, TSS, interrupt stacks. */
export const IMPLICIT: i32 = 256;

/** CR0.AM and EFLAGS.AC in user mode (SDM vol. 3, 6.15, #AC). */
@inline
export function alignmentChecked(): bool {
  return load<u32>(TLB_SET) == TLB_CHECKED;
}

@inline
function setFor(access: i32): u32 {
  // Implicit supervisor accesses use the plain supervisor set whatever the privilege is now.
  if (access & IMPLICIT) return TLB + TLB_SET_SIZE;
  return alignmentChecked() ? TLB : load<u32>(TLB_SET);
}

export function canonical(linear: u64): bool {
  return (((linear as i64) << 16) >> 16) == (linear as i64);
}

/** Physical address of the last access that was walked for: one without memory behind it, or a write to ROM. */
export let devicePhysical: u64 = 0;

export const FAULTED: u32 = 0;
export const DEVICE: u32 = 1;

/**
 * Translates one byte's address: host address, FAULTED (exit record filled) or DEVICE (devicePhysical set).
 * Fills the TLB with what the access proved.
 */
export function translate(linear: u64, access: i32): u32 {
  const set = setFor(access);
  const entry = entryOf(set, linear);
  const page = (linear & ~0xfff) as i64;
  const tagAt = access & FETCH ? TLB_FETCH : access & WRITE ? TLB_WRITE : TLB_READ;
  if (load<i64>(entry + tagAt) == page) return (linear as u32) + load<u32>(entry + TLB_ADDEND);
  store<u32>(STAT_TLB_MISSES, load<u32>(STAT_TLB_MISSES) + 1);
  if (!walk(linear, access)) return FAULTED;
  const physical = walkedPhysical & load<u64>(A20_MASK);
  const host = hostOf(physical);
  devicePhysical = physical;
  if (!host) return DEVICE;
  const addend = (host & ~0xfff) - (page as u32);
  const empty = isClear(entry);
  // Keep what the entry already holds for the same page.
  const same =
    (load<i64>(entry + TLB_READ) == page || load<i64>(entry + TLB_WRITE) == page || load<i64>(entry + TLB_FETCH) == page) &&
    load<u32>(entry + TLB_ADDEND) == addend;
  if (!same) clear(entry);
  store<u32>(entry + TLB_ADDEND, addend);
  store<u32>(entry + TLB_LEAF, load<u64>(CR0) & CR0_PG ? path3 : 0);
  const flagsAt = PAGE_FLAGS + (host >> 12);
  const flags = load<u8>(flagsAt);
  const watched = (flags & PAGE_WATCHED) != 0 || (load<u32>(WATCHES) && linearPageWatched(linear));
  if (access & FETCH) store<i64>(entry + TLB_FETCH, page);
  else {
    if (!watched) store<i64>(entry + TLB_READ, page);
    const plain = walkedWritable && walkedDirty && !watched && !(flags & (PAGE_CODE | PAGE_TABLE | PAGE_ROM));
    if (plain && (flags & PAGE_DIRTY || access & WRITE)) {
      store<i64>(entry + TLB_WRITE, page);
      markDirty(host >> 12);
      store<u8>(flagsAt, flags | PAGE_CACHED | PAGE_DIRTY);
    }
  }
  // What is watched leaves it clear.
  if (empty && !isClear(entry)) filled(entry);
  return (linear as u32) + addend;
}

/** Host address of code at a linear address if fetching it now would leave no trace, else 0. */
export function probeFetch(linear: u64): u32 {
  noteCode(linear);
  const access = FETCH | (load<u32>(CPL) == 3 ? USER : 0);
  const entry = entryOf(setFor(access), linear);
  const page = (linear & ~0xfff) as i64;
  if (load<i64>(entry + TLB_FETCH) == page) return (linear as u32) + load<u32>(entry + TLB_ADDEND);
  probing = true;
  const found = walk(linear, access);
  probing = false;
  return found ? hostOf(walkedPhysical & load<u64>(A20_MASK)) : 0;
}

export function nonCanonical(stack: bool): void {
  raise(stack ? STACK_FAULT : GENERAL_PROTECTION, 0);
}

/** An exception without an error code. */
export function raisePlain(vector: i32): void {
  store<u32>(EXIT_REASON, LEAVE_FAULT);
  store<u32>(FAULT_VECTOR, vector);
  store<u32>(FAULT_HAS_CODE, 0);
}
