/** Finds out what a kernel file is and loads it by its protocol. */
import { userError } from '../errors';
import { isBzImage, loadBzImage, type LinuxOptions } from './bzimage';
import { ElfFile, isElf } from './elf';
import { PCI_HOLE } from './e820';
import { loadElf, loadFlat, type FlatOptions } from './flat';
import { findMultiboot, loadMultiboot } from './multiboot';
import { findMultiboot2, loadMultiboot2 } from './multiboot2';
import { MEGABYTE, type ImageFormat, type LoadPlan, type NamedFile } from './plan';
import { loadPvh, pvhEntry } from './pvh';

export interface ImageOptions extends LinuxOptions {
  /** Instead of finding out; `flat` is never found out. */
  readonly format?: ImageFormat;
  readonly flat?: FlatOptions;
}

export const MEMORY_MIN = 16 * MEGABYTE;
export const MEMORY_MAX = PCI_HOLE;

/** Files that people take for a kernel, by their first bytes. */
const OTHERS: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x1f, 0x8b], 'a gzip file: unpack it first'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'an xz file: unpack it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'a zstd file: unpack it first'],
  [[0x4d, 0x5a], 'an EFI program: boot it through UEFI firmware'],
  [[0x23, 0x21], 'a script'],
];

/** The format of a kernel file. A file that speaks several protocols gets the first in the order of this function. */
export function detectFormat({ name, bytes }: NamedFile): ImageFormat {
  if (isBzImage(bytes)) return 'linux';
  if (findMultiboot2(bytes) !== null) return 'multiboot2';
  if (findMultiboot(bytes) !== null) return 'multiboot';
  if (isElf(bytes)) return pvhEntry(new ElfFile(name, bytes)) === null ? 'elf' : 'pvh';
  if (bytes.length === 0) throw userError('kernel-format', `${name}: the file is empty`);
  const other = OTHERS.find(([start]) => start.every((byte, index) => bytes[index] === byte));
  throw userError(
    'kernel-format',
    `${name}: ${other ? other[1] : 'neither a Linux bzImage, nor Multiboot, nor ELF'}; ` +
      'for raw code give the address and the mode to load it as a flat binary',
  );
}

export function loadImage(image: NamedFile, options: ImageOptions): LoadPlan {
  const { memorySize } = options;
  if (!Number.isInteger(memorySize) || memorySize < MEMORY_MIN || memorySize > MEMORY_MAX || memorySize % MEGABYTE) {
    throw userError('memory-size', `memory of ${memorySize} bytes: whole megabytes from 16 MB to 3072 MB are possible`);
  }
  const format = options.format ?? (options.flat ? 'flat' : detectFormat(image));
  switch (format) {
    case 'linux':
      return loadBzImage(image, options);
    case 'multiboot':
      return loadMultiboot(image, options);
    case 'multiboot2':
      return loadMultiboot2(image, options);
    case 'pvh':
      return loadPvh(image, options);
    case 'elf':
      return loadElf(image, options);
    case 'flat':
      if (!options.flat) throw userError('flat-options', `${image.name}: a flat binary needs an address and a mode`);
      return loadFlat(image, options.flat, options);
  }
}
