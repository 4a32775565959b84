/** Images without a boot protocol: raw bytes at an address, and ELF files entered where they say. */
import { userError } from '../errors';
import { ElfFile } from './elf';
import { elfSegments, physicalEntry } from './elfimage';
import { longState, lowMemory, protectedState, realState } from './entry';
import { checkSegments, hex, segment, type EntryState, type LoadOptions, type LoadPlan, type NamedFile } from './plan';

export type FlatMode = 'real16' | 'protected32' | 'long64';

export interface FlatOptions {
  readonly address: number;
  readonly mode: FlatMode;
  /** Where execution begins; the address by default. */
  readonly entry?: number;
}

/** Top of the stack that protected and long mode images start with; free memory lies below it. */
const STACK = 0x90000;
/** A boot sector's place (and in real mode its stack grows down from there). */
const BOOT_SECTOR = 0x7c00;
const FIRST_DISK = 0x80n;

/** At entry: in real mode DL is the first hard disk; interrupts are off, data segments flat or zero. */
export function loadFlat(image: NamedFile, flat: FlatOptions, options: LoadOptions): LoadPlan {
  const { name, bytes } = image;
  const start = flat.entry ?? flat.address;
  if (bytes.length === 0) throw userError('kernel-format', `${name}: the file is empty`);
  if (start < flat.address || start >= flat.address + bytes.length) {
    throw userError('kernel-format', `${name}: entry ${hex(start)} lies outside the image at ${hex(flat.address)}`);
  }
  const entry = flatEntry(name, flat.mode, start);
  const segments = [segment('image', flat.address, bytes), ...lowMemory(entry)];
  checkSegments(name, segments, options.memorySize);
  return { format: 'flat', segments, entry };
}

function flatEntry(name: string, mode: FlatMode, start: number): EntryState {
  switch (mode) {
    case 'real16': {
      if (start > 0xfffff) throw userError('kernel-format', `${name}: real mode can't begin at ${hex(start)}, above 1 MB`);
      const cs = start <= 0xffff ? 0 : start >>> 4;
      return realState(cs, { rip: BigInt(start - cs * 16), rsp: BigInt(BOOT_SECTOR), rdx: FIRST_DISK });
    }
    case 'protected32':
      return protectedState({ rip: BigInt(start), rsp: BigInt(STACK) });
    case 'long64':
      return longState({ rip: BigInt(start), rsp: BigInt(STACK) });
  }
}

/** An ELF executable without boot information: 64-bit files begin in long mode, 32-bit ones in protected mode. */
export function loadElf(image: NamedFile, options: LoadOptions): LoadPlan {
  const elf = new ElfFile(image.name, image.bytes);
  const entry = flatEntry(image.name, elf.bits === 64 ? 'long64' : 'protected32', physicalEntry(elf));
  const segments = [...elfSegments(elf), ...lowMemory(entry)];
  checkSegments(image.name, segments, options.memorySize);
  return { format: 'elf', segments, entry, symbols: elf.symbols() };
}
