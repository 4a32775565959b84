/** Multiboot Specification version 0.6.96 ("Multiboot 1"). */
import { userError } from '../errors';
import { Blob } from './blob';
import { ElfFile, isElf } from './elf';
import { elfSegments, physicalEntry } from './elfimage';
import { EBDA, HIGH_MEMORY, memoryMap } from './e820';
import { lowMemory, protectedState } from './entry';
import { placeModules, type PlacedModule } from './modules';
import { checkSegments, hex, segment, type LoadOptions, type LoadPlan, type NamedFile, type Segment } from './plan';
import { Reader } from './reader';

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002n;
const SEARCH = 8192;

// Header flags (3.1.2). Bits 0–15 are requirements.
const WANTS_PAGE_ALIGN = 1 << 0;
const WANTS_MEMORY = 1 << 1;
const WANTS_VIDEO = 1 << 2;
const HAS_ADDRESSES = 1 << 16;
const KNOWN_REQUIREMENTS = WANTS_PAGE_ALIGN | WANTS_MEMORY | WANTS_VIDEO;

const INFO = 0x10000;
const INFO_LIMIT = 0x10000;
const LOADER_NAME = 'Guest Debugger';

/** Offset of the header, or null. */
export function findMultiboot(bytes: Uint8Array): number | null {
  const file = new Reader('', bytes);
  for (let at = 0; at < SEARCH && file.has(at, 12); at += 4) {
    if (file.u32(at, '') !== HEADER_MAGIC) continue;
    if ((HEADER_MAGIC + file.u32(at + 4, '') + file.u32(at + 8, '')) % 2 ** 32 === 0) return at;
  }
  return null;
}

export interface AoutAddresses {
  readonly header: number;
  readonly load: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: no bss. */
  readonly bssEnd: number;
}

/** The segment of a file that gives its addresses in the header instead of in ELF (3.1.3, the "a.out kludge"). */
export function aoutSegment(image: NamedFile, headerOffset: number, addresses: AoutAddresses): Segment {
  const { name, bytes } = image;
  const { header, load, loadEnd, bssEnd } = addresses;
  const from = headerOffset - (header - load);
  const length = loadEnd === 0 ? bytes.length - from : loadEnd - load;
  const memorySize = bssEnd === 0 ? length : bssEnd - load;
  if (header < load || from < 0 || length < 0 || memorySize < length) {
    throw userError(
      'kernel-format',
      `${name}: Multiboot header at ${hex(headerOffset)}: addresses header ${hex(header)}, load ${hex(load)}, ` +
        `load end ${hex(loadEnd)}, bss end ${hex(bssEnd)} contradict each other`,
    );
  }
  return segment('kernel', load, new Reader(name, bytes).slice(from, length, 'kernel'), memorySize);
}

interface Kernel {
  readonly segments: Segment[];
  readonly entry: number;
  readonly elf?: ElfFile;
}

function kernelOf(image: NamedFile, at: number, flags: number): Kernel {
  const file = new Reader(image.name, image.bytes);
  const field = (index: number): number => file.u32(at + 12 + 4 * index, 'Multiboot header');
  if (flags & HAS_ADDRESSES) {
    const addresses = { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3) };
    return { segments: [aoutSegment(image, at, addresses)], entry: field(4) };
  }
  if (!isElf(image.bytes)) {
    throw userError('kernel-format', `${image.name}: the Multiboot header gives no addresses and this is no ELF file`);
  }
  const elf = new ElfFile(image.name, image.bytes);
  return { segments: elfSegments(elf), entry: physicalEntry(elf), elf };
}

export function loadMultiboot(image: NamedFile, options: LoadOptions): LoadPlan {
  const { name, bytes } = image;
  const at = findMultiboot(bytes);
  if (at === null) throw userError('kernel-format', `${name}: no Multiboot header in the first ${SEARCH} bytes`);
  const flags = new Reader(name, bytes).u32(at + 4, 'Multiboot flags');
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown) {
    throw userError('kernel-format', `${name}: Multiboot header at ${hex(at)} requires unknown features ${hex(unknown)}`);
  }
  const kernel = kernelOf(image, at, flags);
  checkSegments(name, kernel.segments, options.memorySize);
  const modules = placeModules(name, kernel.segments, options);
  const info = information(options, modules);
  const entry = protectedState({ rip: BigInt(kernel.entry), rax: LOADER_MAGIC, rbx: BigInt(INFO) });
  const segments = [...kernel.segments, ...modules.map((module) => module.segment), info, ...lowMemory(entry)];
  checkSegments(name, segments, options.memorySize);
  return { format: 'multiboot', segments, entry, ...(kernel.elf && { symbols: kernel.elf.symbols() }) };
}

// Bits of the information's flags (3.3).
const HAS = {
  memory: 1 << 0,
  commandLine: 1 << 2,
  modules: 1 << 3,
  map: 1 << 6,
  loader: 1 << 9,
  framebuffer: 1 << 12,
};

function information(options: LoadOptions, modules: readonly PlacedModule[]): Segment {
  const blob = new Blob('Multiboot information', INFO, INFO_LIMIT);
  blob.reserve(116);
  blob.u32(0, HAS.memory | HAS.commandLine | HAS.modules | HAS.map | HAS.loader | HAS.framebuffer);
  blob.u32(4, EBDA / 1024);
  blob.u32(8, (options.memorySize - HIGH_MEMORY) / 1024);
  blob.u32(16, blob.addString(options.commandLine ?? ''));
  blob.u32(64, blob.addString(LOADER_NAME));

  const list = blob.reserve(16 * modules.length, 4);
  blob.u32(20, modules.length);
  blob.u32(24, INFO + list);
  modules.forEach((module, index) => {
    blob.u32(list + 16 * index, module.segment.address);
    blob.u32(list + 16 * index + 4, module.segment.address + module.segment.memorySize);
    blob.u32(list + 16 * index + 8, blob.addString(module.commandLine));
  });

  const map = memoryMap(options.memorySize, options.reserved);
  const mapAt = blob.reserve(24 * map.length, 4);
  blob.u32(44, 24 * map.length);
  blob.u32(48, INFO + mapAt);
  map.forEach(({ address, length, type }, index) => {
    const entry = mapAt + 24 * index;
    blob.u32(entry, 20); // size of what follows
    blob.u64(entry + 4, address);
    blob.u64(entry + 12, length);
    blob.u32(entry + 20, type);
  });

  const framebuffer = options.framebuffer;
  blob.u64(88, framebuffer?.address ?? 0xb8000);
  blob.u32(96, framebuffer?.pitch ?? 160);
  blob.u32(100, framebuffer?.width ?? 80);
  blob.u32(104, framebuffer?.height ?? 25);
  blob.u8(108, framebuffer?.bitsPerPixel ?? 16);
  blob.u8(109, framebuffer ? 1 : 2); // RGB, or EGA text
  if (framebuffer) colours(framebuffer.bitsPerPixel).forEach((value, index) => blob.u8(110 + index, value));
  return segment('Multiboot information', INFO, blob.done());
}

/** Position and size of red, green and blue. */
export const colours = (bitsPerPixel: number): readonly number[] => (bitsPerPixel === 16 ? [11, 5, 5, 6, 0, 5] : [16, 8, 8, 8, 0, 8]);
