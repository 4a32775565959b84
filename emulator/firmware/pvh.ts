/** Direct boot of an ELF kernel by Xen's PVH ABI: xen/include/public/arch-x86/hvm/start_info.h, docs/misc/pvh.pandoc. */
import { userError } from '../errors';
import { Blob } from './blob';
import { ElfFile } from './elf';
import { elfSegments } from './elfimage';
import { memoryMap } from './e820';
import { lowMemory, protectedState } from './entry';
import { placeModules, type PlacedModule } from './modules';
import { checkSegments, hex, segment, type LoadOptions, type LoadPlan, type NamedFile, type Segment } from './plan';
import { Reader } from './reader';

const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const START_MAGIC = 0x336ec578;
const START_INFO = 0x10000;
const START_LIMIT = 0x10000;

/** The physical 32-bit entry point that the kernel's Xen note gives, or null. */
export function pvhEntry(elf: ElfFile): number | null {
  const note = elf.notes().find(({ owner, type }) => owner === 'Xen' && type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (!note) return null;
  const value = new Reader(`${elf.name}, PVH note`, note.description);
  return note.description.length >= 8 ? value.size64(0, 'entry') : value.u32(0, 'entry');
}

export function loadPvh(image: NamedFile, options: LoadOptions): LoadPlan {
  const { name } = image;
  const elf = new ElfFile(name, image.bytes);
  const start = pvhEntry(elf);
  if (start === null) throw userError('kernel-format', `${name}: no Xen note with a PVH entry (type 18)`);
  const kernel = elfSegments(elf);
  checkSegments(name, kernel, options.memorySize);
  if (!kernel.some((s) => start >= s.address && start < s.address + s.memorySize)) {
    throw userError('kernel-format', `${name}: PVH entry ${hex(start)} lies in no segment`);
  }
  const modules = placeModules(name, kernel, options);
  const entry = protectedState({ rip: BigInt(start), rbx: BigInt(START_INFO) });
  const segments = [...kernel, ...modules.map((module) => module.segment), startInfo(options, modules), ...lowMemory(entry)];
  checkSegments(name, segments, options.memorySize);
  return { format: 'pvh', segments, entry, symbols: elf.symbols() };
}

/** struct hvm_start_info, version 1, with what it points at. */
function startInfo(options: LoadOptions, modules: readonly PlacedModule[]): Segment {
  const blob = new Blob('PVH start information', START_INFO, START_LIMIT);
  blob.reserve(56);
  blob.u32(0, START_MAGIC);
  blob.u32(4, 1); // version
  blob.u32(12, modules.length);
  const list = blob.reserve(32 * modules.length, 8);
  if (modules.length > 0) blob.u64(16, START_INFO + list);
  modules.forEach((module, index) => {
    const entry = list + 32 * index;
    blob.u64(entry, module.segment.address);
    blob.u64(entry + 8, module.segment.bytes.length);
    blob.u64(entry + 16, blob.addString(module.commandLine));
  });
  blob.u64(24, blob.addString(options.commandLine ?? ''));
  blob.u64(32, options.rsdp?.address ?? 0);
  const map = memoryMap(options.memorySize, options.reserved);
  const table = blob.reserve(24 * map.length, 8);
  blob.u64(40, START_INFO + table);
  blob.u32(48, map.length);
  map.forEach(({ address, length, type }, index) => {
    const entry = table + 24 * index;
    blob.u64(entry, address);
    blob.u64(entry + 8, length);
    blob.u32(entry + 16, type);
  });
  return segment('PVH start information', START_INFO, blob.done());
}
