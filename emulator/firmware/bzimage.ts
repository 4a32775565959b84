/**
 * Linux bzImage by the 64-bit (or 32-bit) boot protocol: Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
 */
import { userError } from '../errors';
import { memoryMap } from './e820';
import { longState, lowMemory, protectedState } from './entry';
import {
  alignUp,
  checkSegments,
  cString,
  hex,
  MEGABYTE,
  PAGE,
  pageUp,
  placeHigh,
  segment,
  type BootFramebuffer,
  type LoadOptions,
  type LoadPlan,
  type NamedFile,
  type Segment,
} from './plan';
import { Reader } from './reader';

const BOOT_PARAMS = 0x7000;
const COMMAND_LINE = 0x20000;
const ENTRY64 = 0x200;
const HIGH_LOAD = 0x100000;

/** Offsets of the setup header, the same in the file and in boot_params. */
const HDR = {
  setupSects: 0x1f1,
  sysSize: 0x1f4, // in units of 16 bytes
  bootFlag: 0x1fe,
  jump: 0x200, // its second byte gives the end of the header
  magic: 0x202,
  version: 0x206,
  typeOfLoader: 0x210,
  loadFlags: 0x211,
  code32Start: 0x214,
  ramdiskImage: 0x218,
  ramdiskSize: 0x21c,
  cmdLinePtr: 0x228,
  initrdAddrMax: 0x22c,
  kernelAlignment: 0x230,
  relocatable: 0x234,
  xloadFlags: 0x236,
  cmdlineSize: 0x238,
  prefAddress: 0x258,
  initSize: 0x260,
} as const;

/** Offsets in boot_params beside the header. */
const ZERO_PAGE = { rsdp: 0x070, e820Entries: 0x1e8, e820Table: 0x2d0 } as const;

const MAGIC = 0x53726448; // "HdrS"
const LOADED_HIGH = 1 << 0;
const XLF_KERNEL_64 = 1 << 0;
const UNKNOWN_LOADER = 0xff;
const E820_MAX = 128;

export interface BzImageHeader {
  readonly version: number;
  /** Offset of the protected-mode kernel in the file. */
  readonly kernelOffset: number;
  readonly entry64: boolean;
  readonly initrdAddrMax: number;
  readonly alignment: number;
  readonly relocatable: boolean;
  readonly commandLineSize: number;
  readonly prefAddress: number;
  /** Memory that the kernel needs from its load address on, until it has found its memory map. */
  readonly initSize: number;
}

export const isBzImage = (bytes: Uint8Array): boolean => bytes.length >= 0x206 && new Reader('', bytes).u32(HDR.magic, '') === MAGIC;

export function readBzImageHeader({ name, bytes }: NamedFile): BzImageHeader {
  const file = new Reader(name, bytes);
  const bootFlag = file.u16(HDR.bootFlag, 'boot_flag');
  if (file.u32(HDR.magic, 'setup header') !== MAGIC || bootFlag !== 0xaa55) {
    throw userError('kernel-format', `${name}: no Linux kernel image: "HdrS" at 0x202 or AA55 at 0x1fe is missing`);
  }
  const version = file.u16(HDR.version, 'version');
  const since = (least: number, value: () => number, otherwise: number): number => (version >= least ? value() : otherwise);
  if (version < 0x202 || !(file.u8(HDR.loadFlags, 'loadflags') & LOADED_HIGH)) {
    const text = `${version >> 8}.${(version & 0xff).toString().padStart(2, '0')}`;
    throw userError('kernel-format', `${name}: boot protocol ${text} without a high kernel (zImage) can't be loaded`);
  }
  const kernelOffset = ((file.u8(HDR.setupSects, 'setup_sects') || 4) + 1) * 512;
  const sysSize = since(0x204, () => file.u32(HDR.sysSize, 'syssize') * 16, 0);
  file.slice(kernelOffset, Math.max(sysSize - 15, 1), 'kernel (syssize)'); // its size may be rounded up
  const kernelSize = bytes.length - kernelOffset;
  const alignment = since(0x205, () => file.u32(HDR.kernelAlignment, 'kernel_alignment'), 0) || MEGABYTE;
  const prefAddress = since(0x20a, () => file.size64(HDR.prefAddress, 'pref_address'), HIGH_LOAD);
  return {
    version,
    kernelOffset,
    entry64: since(0x20c, () => file.u16(HDR.xloadFlags, 'xloadflags') & XLF_KERNEL_64, 0) !== 0,
    initrdAddrMax: since(0x203, () => file.u32(HDR.initrdAddrMax, 'initrd_addr_max'), 0x37ffffff),
    alignment,
    relocatable: since(0x205, () => file.u8(HDR.relocatable, 'relocatable_kernel'), 0) !== 0,
    commandLineSize: since(0x206, () => file.u32(HDR.cmdlineSize, 'cmdline_size'), 255),
    prefAddress: prefAddress >= HIGH_LOAD ? prefAddress : HIGH_LOAD,
    initSize: Math.max(
      kernelSize,
      since(0x20a, () => file.u32(HDR.initSize, 'init_size'), 3 * kernelSize),
    ),
  };
}

export interface LinuxOptions extends LoadOptions {
  /** Which entry to take; the 64-bit one where the kernel has it. */
  readonly protocol?: 32 | 64;
}

export function loadBzImage(image: NamedFile, options: LinuxOptions): LoadPlan {
  const { name, bytes } = image;
  const { memorySize } = options;
  const header = readBzImageHeader(image);
  const long = options.protocol ? options.protocol === 64 : header.entry64;
  if (long && !header.entry64) {
    throw userError('kernel-format', `${name}: this kernel has no 64-bit entry (XLF_KERNEL_64 in xloadflags at 0x236)`);
  }
  if (options.modules?.length) {
    throw userError('image-modules', `${name}: Linux takes an initrd, no modules (${options.modules[0]?.name})`);
  }

  // A relocatable kernel loaded lower moves itself up to pref_address, so nothing is gained by a lower place.
  const address = header.relocatable ? alignUp(header.prefAddress, header.alignment) : header.prefAddress;
  const end = address + header.initSize;
  if (end > memorySize) {
    throw userError(
      'memory-too-small',
      `${name}: the kernel needs ${Math.ceil(end / MEGABYTE)} MB of memory (to ${hex(end)}), the guest has ` + `${memorySize / MEGABYTE} MB`,
    );
  }
  const kernel = segment('kernel', address, bytes.subarray(header.kernelOffset), header.initSize);
  const segments = [kernel];

  const commandLine = cString(options.commandLine ?? '');
  if (commandLine.length - 1 > header.commandLineSize) {
    throw userError('command-line-too-long', `${name}: the command line has ${commandLine.length - 1} bytes, this kernel takes ${header.commandLineSize}`);
  }
  const initrd = options.initrd && placeInitrd(options.initrd, header, kernel, memorySize);
  if (initrd) segments.push(initrd);
  segments.push(segment('command line', COMMAND_LINE, commandLine));
  segments.push(segment('boot_params', BOOT_PARAMS, bootParams(image, options, address, initrd)));

  const entry = long
    ? longState({ rip: BigInt(address + ENTRY64), rsi: BigInt(BOOT_PARAMS) })
    : protectedState({ rip: BigInt(address), rsi: BigInt(BOOT_PARAMS) });
  segments.push(...lowMemory(entry));
  checkSegments(name, segments, memorySize);
  return { format: 'linux', segments, entry };
}

function placeInitrd(initrd: NamedFile, header: BzImageHeader, kernel: Segment, memorySize: number): Segment | undefined {
  const { name, bytes } = initrd;
  if (bytes.length === 0) throw userError('initrd-empty', `${name}: the initrd is empty`);
  const limit = Math.min(header.initrdAddrMax + 1, memorySize);
  const address = placeHigh(pageUp(bytes.length), limit, PAGE, [kernel]);
  if (address === undefined || address < kernel.address) {
    throw userError(
      'memory-too-small',
      `${name}: the initrd of ${bytes.length} bytes doesn't fit between the kernel's end at ` + `${hex(kernel.address + kernel.memorySize)} and ${hex(limit)}`,
    );
  }
  return segment('initrd', address, bytes);
}

/** The "zero page": the setup header with the loader's fields filled in, the memory map, the screen. */
function bootParams(image: NamedFile, options: LoadOptions, kernel: number, initrd: Segment | undefined): Uint8Array {
  const page = new Uint8Array(PAGE);
  const view = new DataView(page.buffer);
  const header = new Reader(image.name, image.bytes);
  const headerEnd = Math.min(HDR.magic + header.u8(HDR.jump + 1, 'jump'), ZERO_PAGE.e820Table);
  page.set(header.slice(HDR.setupSects, headerEnd - HDR.setupSects, 'setup header'), HDR.setupSects);

  page[HDR.typeOfLoader] = UNKNOWN_LOADER;
  view.setUint32(HDR.code32Start, kernel, true);
  view.setUint32(HDR.ramdiskImage, initrd?.address ?? 0, true);
  view.setUint32(HDR.ramdiskSize, initrd?.bytes.length ?? 0, true);
  view.setUint32(HDR.cmdLinePtr, COMMAND_LINE, true);
  if (options.rsdp) view.setBigUint64(ZERO_PAGE.rsdp, BigInt(options.rsdp.address), true);
  screenInfo(view, options.framebuffer);

  const map = memoryMap(options.memorySize, options.reserved).slice(0, E820_MAX);
  page[ZERO_PAGE.e820Entries] = map.length;
  map.forEach(({ address, length, type }, index) => {
    const at = ZERO_PAGE.e820Table + 20 * index;
    view.setBigUint64(at, BigInt(address), true);
    view.setBigUint64(at + 8, BigInt(length), true);
    view.setUint32(at + 16, type, true);
  });
  return page;
}

/** struct screen_info (include/uapi/linux/screen_info.h), at offset 0 of boot_params. */
const SCREEN = {
  videoMode: 0x06,
  columns: 0x07,
  lines: 0x0e,
  type: 0x0f, // orig_video_isVGA
  points: 0x10,
  width: 0x12,
  height: 0x14,
  depth: 0x16,
  base: 0x18,
  size: 0x1c,
  lineLength: 0x24,
  red: 0x26, // size, position; then green, blue, reserved
} as const;

const IS_VGA = 1; // VGA text, as Linux's own setup code says it
const VIDEO_TYPE_EFI = 0x70; // a linear framebuffer that needs no VESA BIOS; efifb is built into Debian's kernels

const CHANNELS: Record<BootFramebuffer['bitsPerPixel'], readonly number[]> = {
  16: [5, 11, 6, 5, 5, 0, 0, 0],
  24: [8, 16, 8, 8, 8, 0, 0, 0],
  32: [8, 16, 8, 8, 8, 0, 8, 24],
};

function screenInfo(view: DataView, framebuffer: BootFramebuffer | undefined): void {
  if (!framebuffer) {
    view.setUint8(SCREEN.videoMode, 3);
    view.setUint8(SCREEN.columns, 80);
    view.setUint8(SCREEN.lines, 25);
    view.setUint8(SCREEN.type, IS_VGA);
    view.setUint16(SCREEN.points, 16, true);
    return;
  }
  const { address, width, height, bitsPerPixel, pitch } = framebuffer;
  view.setUint8(SCREEN.type, VIDEO_TYPE_EFI);
  view.setUint16(SCREEN.width, width, true);
  view.setUint16(SCREEN.height, height, true);
  view.setUint16(SCREEN.depth, bitsPerPixel, true);
  view.setUint32(SCREEN.base, address, true);
  view.setUint32(SCREEN.size, pitch * height, true);
  view.setUint16(SCREEN.lineLength, pitch, true);
  CHANNELS[bitsPerPixel].forEach((value, index) => view.setUint8(SCREEN.red + index, value));
}
