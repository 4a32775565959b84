import { userError } from '../errors';
import { ET, PT, type ElfFile } from './elf';
import { hex, segment, type Segment } from './plan';

/** What PT_LOAD headers put into memory, at their physical addresses. */
export function elfSegments(elf: ElfFile): Segment[] {
  if (elf.type !== ET.executable && elf.type !== ET.shared) {
    throw userError('elf-format', `${elf.name}: e_type ${elf.type}: an executable is needed`);
  }
  if (elf.programHeaders.some(({ type }) => type === PT.interpreter)) {
    throw userError('elf-format', `${elf.name}: a program for an operating system: it asks for a dynamic linker (PT_INTERP), and none loads it here`);
  }
  const segments: Segment[] = [];
  for (const header of elf.programHeaders) {
    if (header.type !== PT.load || header.memorySize === 0) continue;
    const what = `segment ${segments.length} (${hex(header.virtualAddress)})`;
    if (header.fileSize > header.memorySize) {
      throw userError('elf-format', `${elf.name}: ${what} has ${header.fileSize} bytes in the file for ${header.memorySize} in memory`);
    }
    segments.push(segment(what, header.physicalAddress, elf.contents(header), header.memorySize));
  }
  if (segments.length === 0) throw userError('elf-format', `${elf.name}: nothing to load: no PT_LOAD segment`);
  return segments;
}

/** The physical address of the entry point, which the header may give as virtual or as physical. */
export function physicalEntry(elf: ElfFile): number {
  for (const header of elf.programHeaders) {
    if (header.type !== PT.load) continue;
    const offset = elf.entry - header.virtualAddress;
    if (offset >= 0n && offset < BigInt(header.memorySize)) return header.physicalAddress + Number(offset);
  }
  const inside = elf.programHeaders.some(
    ({ type, physicalAddress, memorySize }) =>
      type === PT.load && elf.entry >= BigInt(physicalAddress) && elf.entry < BigInt(physicalAddress) + BigInt(memorySize),
  );
  if (!inside) throw userError('elf-format', `${elf.name}: entry point ${hex(elf.entry)} lies in no segment`);
  return Number(elf.entry);
}
