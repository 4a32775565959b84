// Watched ranges: the debugger's watchpoints and the guest's debug registers. Accesses to their pages never take the
// inline path; where they touch a range, the instruction runs alone and the driver is told.
import {
  SINGLE, WATCHES, WATCH_ENTRY, WATCH_FIRST, WATCH_KIND, WATCH_LAST, WATCH_LIST, WATCH_PHYSICAL, WATCH_READS, WATCH_WRITES,
} from '../../x86/layout';

/** One access: which entry it hit, its linear or physical address. */
@external("host", "watch")
declare function hostWatch(index: u32, address: u64, size: i32, write: i32): void;

/** Whether a linear page holds a watched linear range. */
export function linearPageWatched(linear: u64): bool {
  const count = load<u32>(WATCHES);
  const page = linear >> 12;
  for (let i: u32 = 0; i < count; i++) {
    const entry = WATCH_LIST + i * WATCH_ENTRY;
    if (load<u32>(entry + WATCH_KIND) & WATCH_PHYSICAL) continue;
    if (load<u64>(entry + WATCH_FIRST) >> 12 <= page && page <= load<u64>(entry + WATCH_LAST) >> 12) return true;
  }
  return false;
}

/** Tells the driver of every watched range that an access touches; true: the instruction must run alone first. */
export function watched(linear: u64, physical: u64, size: i32, write: bool): bool {
  const count = load<u32>(WATCHES);
  const wanted = write ? WATCH_WRITES : WATCH_READS;
  for (let i: u32 = 0; i < count; i++) {
    const entry = WATCH_LIST + i * WATCH_ENTRY;
    const kind = load<u32>(entry + WATCH_KIND);
    if (!(kind & wanted)) continue;
    const address = kind & WATCH_PHYSICAL ? physical : linear;
    if (address > load<u64>(entry + WATCH_LAST) || address + (size as u64) - 1 < load<u64>(entry + WATCH_FIRST)) continue;
    if (!load<u32>(SINGLE)) return true;
    hostWatch(i, address, size, write ? 1 : 0);
  }
  return false;
}
