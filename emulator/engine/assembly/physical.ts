// Physical memory that is backed by this one.
import { PAGE_AWAITED, PAGE_FLAGS, PAGE_MMIO, RAM, RAM_SIZE, REGIONS, REGION_COUNT, REGION_SIZE } from '../../x86/layout';

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
