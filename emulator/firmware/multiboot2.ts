/** Multiboot2 Specification version 2.0. */
import { userError } from '../errors';
import { Blob } from './blob';
import { ElfFile, isElf } from './elf';
import { elfSegments, physicalEntry } from './elfimage';
import { EBDA, HIGH_MEMORY, memoryMap } from './e820';
import { lowMemory, protectedState } from './entry';
import { placeModules, type PlacedModule } from './modules';
import { aoutSegment, colours, type AoutAddresses } from './multiboot';
import { checkSegments, cString, hex, segment, type LoadOptions, type LoadPlan, type NamedFile, type Segment } from './plan';
import { Reader } from './reader';

const HEADER_MAGIC = 0xe85250d6;
const LOADER_MAGIC = 0x36d76289n;
const SEARCH = 32768;
const ARCHITECTURE_I386 = 0;
const OPTIONAL = 1;

/** Tags of the header (3.1.3 on). */
const HEADER_TAG = {
  end: 0,
  informationRequest: 1,
  address: 2,
  entry: 3,
  console: 4,
  framebuffer: 5,
  moduleAlign: 6,
  efiBootServices: 7,
  efi32Entry: 8,
  efi64Entry: 9,
  relocatable: 10,
} as const;

/** Tags of the information (3.6). */
const TAG = {
  end: 0,
  commandLine: 1,
  loader: 2,
  module: 3,
  memory: 4,
  map: 6,
  framebuffer: 8,
  oldRsdp: 14,
  newRsdp: 15,
  loadBase: 21,
} as const;

const INFO = 0x10000;
const INFO_LIMIT = 0x10000;

/** Offset of the header, or null. */
export function findMultiboot2(bytes: Uint8Array): number | null {
  const file = new Reader('', bytes);
  for (let at = 0; at < SEARCH && file.has(at, 16); at += 8) {
    if (file.u32(at, '') !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + file.u32(at + 4, '') + file.u32(at + 8, '') + file.u32(at + 12, '');
    if (sum % 2 ** 32 === 0) return at;
  }
  return null;
}

interface Header {
  addresses?: AoutAddresses;
  entry?: number;
}

function readHeader(file: Reader, at: number, available: ReadonlySet<number>): Header {
  const architecture = file.u32(at + 4, 'Multiboot2 header');
  if (architecture !== ARCHITECTURE_I386) {
    throw userError('kernel-format', `${file.name}: Multiboot2 header for architecture ${architecture}, not for i386`);
  }
  const end = at + file.u32(at + 8, 'Multiboot2 header');
  const header: Header = {};
  for (let tag = at + 16; tag + 8 <= end;) {
    const type = file.u16(tag, 'Multiboot2 tag');
    const optional = (file.u16(tag + 2, 'Multiboot2 tag') & OPTIONAL) !== 0;
    const size = file.u32(tag + 4, 'Multiboot2 tag');
    const field = (index: number): number => file.u32(tag + 8 + 4 * index, `Multiboot2 tag ${type}`);
    const refuse = (what: string): never => {
      throw userError('kernel-format', `${file.name}: Multiboot2 header at ${hex(tag)} requires ${what}`);
    };
    if (size < 8) throw userError('kernel-format', `${file.name}: Multiboot2 tag at ${hex(tag)} has size ${size}`);
    switch (type) {
      case HEADER_TAG.end:
        return header;
      case HEADER_TAG.informationRequest:
        for (let index = 0; !optional && 12 + 4 * index <= size; index++) {
          if (!available.has(field(index))) refuse(`information ${field(index)}, which isn't there`);
        }
        break;
      case HEADER_TAG.address:
        header.addresses = { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3) };
        break;
      case HEADER_TAG.entry:
        header.entry = field(0);
        break;
      case HEADER_TAG.console: // text and framebuffer are both there; modules are always aligned;
      case HEADER_TAG.framebuffer: // the mode is the loader's choice; a kernel that can be relocated
      case HEADER_TAG.moduleAlign: // gets the place that it is linked for; EFI isn't there, so that
      case HEADER_TAG.relocatable: // its entries aren't used
      case HEADER_TAG.efi32Entry:
      case HEADER_TAG.efi64Entry:
        break;
      default:
        if (!optional) refuse(type === HEADER_TAG.efiBootServices ? 'EFI boot services' : `unknown feature ${type}`);
    }
    tag += Math.ceil(size / 8) * 8;
  }
  throw userError('kernel-format', `${file.name}: Multiboot2 header at ${hex(at)} has no end tag`);
}

export function loadMultiboot2(image: NamedFile, options: LoadOptions): LoadPlan {
  const { name, bytes } = image;
  const at = findMultiboot2(bytes);
  if (at === null) throw userError('kernel-format', `${name}: no Multiboot2 header in the first ${SEARCH} bytes`);
  const available = new Set<number>(Object.values(TAG));
  if (!options.rsdp) available.delete(TAG.oldRsdp);
  if (!options.rsdp || options.rsdp.bytes.length < 36) available.delete(TAG.newRsdp);
  const header = readHeader(new Reader(name, bytes), at, available);
  const elf = isElf(bytes) ? new ElfFile(name, bytes) : undefined;

  let kernel: Segment[];
  if (header.addresses) kernel = [aoutSegment(image, at, header.addresses)];
  else if (elf) kernel = elfSegments(elf);
  else throw userError('kernel-format', `${name}: the Multiboot2 header gives no addresses and this is no ELF file`);
  const start = header.entry ?? (elf && physicalEntry(elf));
  if (start === undefined) throw userError('kernel-format', `${name}: the Multiboot2 header gives no entry address`);

  checkSegments(name, kernel, options.memorySize);
  const modules = placeModules(name, kernel, options);
  const info = information(options, modules, kernel[0]?.address ?? 0);
  const entry = protectedState({ rip: BigInt(start), rax: LOADER_MAGIC, rbx: BigInt(INFO) });
  const segments = [...kernel, ...modules.map((module) => module.segment), info, ...lowMemory(entry)];
  checkSegments(name, segments, options.memorySize);
  return { format: 'multiboot2', segments, entry, ...(elf && { symbols: elf.symbols() }) };
}

function information(options: LoadOptions, modules: readonly PlacedModule[], loadBase: number): Segment {
  const blob = new Blob('Multiboot2 information', INFO, INFO_LIMIT);
  blob.reserve(8);
  const tag = (type: number, length: number): number => {
    const at = blob.reserve(8 + length, 8);
    blob.u32(at, type);
    blob.u32(at + 4, 8 + length);
    return at + 8;
  };
  const tagWith = (type: number, words: readonly number[], bytes: Uint8Array): void => {
    const at = tag(type, 4 * words.length + bytes.length);
    words.forEach((word, index) => blob.u32(at + 4 * index, word));
    bytes.forEach((byte, index) => blob.u8(at + 4 * words.length + index, byte));
  };

  tagWith(TAG.commandLine, [], cString(options.commandLine ?? ''));
  tagWith(TAG.loader, [], cString('Guest Debugger'));
  for (const { segment: s, commandLine } of modules) {
    tagWith(TAG.module, [s.address, s.address + s.memorySize], cString(commandLine));
  }
  tagWith(TAG.memory, [EBDA / 1024, (options.memorySize - HIGH_MEMORY) / 1024], new Uint8Array());

  const map = memoryMap(options.memorySize, options.reserved);
  const mapAt = tag(TAG.map, 8 + 24 * map.length);
  blob.u32(mapAt, 24); // size of an entry; its version is 0
  map.forEach(({ address, length, type }, index) => {
    const entry = mapAt + 8 + 24 * index;
    blob.u64(entry, address);
    blob.u64(entry + 8, length);
    blob.u32(entry + 16, type);
  });

  const framebuffer = options.framebuffer;
  const screen = tag(TAG.framebuffer, framebuffer ? 30 : 24);
  blob.u64(screen, framebuffer?.address ?? 0xb8000);
  blob.u32(screen + 8, framebuffer?.pitch ?? 160);
  blob.u32(screen + 12, framebuffer?.width ?? 80);
  blob.u32(screen + 16, framebuffer?.height ?? 25);
  blob.u8(screen + 20, framebuffer?.bitsPerPixel ?? 16);
  blob.u8(screen + 21, framebuffer ? 1 : 2); // RGB, or EGA text
  if (framebuffer) colours(framebuffer.bitsPerPixel).forEach((value, index) => blob.u8(screen + 24 + index, value));

  if (options.rsdp) {
    const { bytes } = options.rsdp;
    tagWith(TAG.oldRsdp, [], bytes.subarray(0, 20));
    if (bytes.length >= 36) tagWith(TAG.newRsdp, [], bytes);
  }
  tagWith(TAG.loadBase, [loadBase], new Uint8Array());
  tag(TAG.end, 0);
  blob.u32(0, blob.length);
  return segment('Multiboot2 information', INFO, blob.done());
}
