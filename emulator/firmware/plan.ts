import { userError } from '../errors';

/** Bytes to put into RAM; what lies between `bytes.length` and `memorySize` is zero. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memorySize: number;
  /** For messages: `kernel`, `initrd`, `boot_params`. */
  readonly what: string;
}

/** `attributes` as in VMCS access rights (SDM 24.4.1): descriptor bits 8–15 and 20–23, bit 16 unusable. */
export interface SegmentState {
  readonly selector: number;
  readonly base: number;
  /** In bytes, granularity applied. */
  readonly limit: number;
  readonly attributes: number;
}

export type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';
export type RegisterName =
  ('rax' | 'rcx' | 'rdx' | 'rbx' | 'rsp' | 'rbp' | 'rsi' | 'rdi') | ('r8' | 'r9' | 'r10' | 'r11' | 'r12' | 'r13' | 'r14' | 'r15') | ('rip' | 'rflags');

/** A symbol of an ELF file (gABI, Symbol Table). */
export interface ElfSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly type: 'none' | 'object' | 'function' | 'section' | 'file' | 'other';
  readonly binding: 'local' | 'global' | 'weak';
  /** Index of the section it lies in; 0 where it is undefined, null for absolute values. */
  readonly section: number | null;
}

/** The boot processor when it enters the guest. Registers that aren't named are zero. */
export interface EntryState {
  readonly mode: 'real' | 'protected' | 'long';
  readonly registers: Readonly<Partial<Record<RegisterName, bigint>> & { rip: bigint; rflags: bigint }>;
  readonly segments: Readonly<Record<SegmentName, SegmentState>>;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
  readonly gdtr: TableRegister;
  readonly idtr: TableRegister;
}

export interface TableRegister {
  readonly base: number;
  readonly limit: number;
}

export type ImageFormat = 'linux' | 'multiboot' | 'multiboot2' | 'pvh' | 'elf' | 'flat';

export interface LoadPlan {
  readonly format: ImageFormat;
  readonly segments: readonly Segment[];
  readonly entry: EntryState;
  readonly symbols?: readonly ElfSymbol[];
}

export interface NamedFile {
  /** As the user wrote it; messages begin with it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface BootModule extends NamedFile {
  readonly commandLine?: string;
}

/** A linear framebuffer that exists before the guest starts; 32 bits a pixel are X8R8G8B8. */
export interface BootFramebuffer {
  readonly address: number;
  readonly width: number;
  readonly height: number;
  readonly bitsPerPixel: 16 | 24 | 32;
  /** Bytes from one line to the next. */
  readonly pitch: number;
}

export interface LoadOptions {
  /** Bytes of RAM from address 0; 16 MB to 3 GB. */
  readonly memorySize: number;
  readonly commandLine?: string;
  readonly initrd?: NamedFile;
  /** Multiboot and PVH; an `initrd` becomes the first of them. */
  readonly modules?: readonly BootModule[];
  /** What the guest is told of its screen; VGA text where it is absent. */
  readonly framebuffer?: BootFramebuffer;
  /** Where the ACPI root pointer lies, and the bytes there. */
  readonly rsdp?: { readonly address: number; readonly bytes: Uint8Array };
  /** Windows that the memory map has to keep free, such as PCI Express configuration space. */
  readonly reserved?: readonly { readonly address: number; readonly length: number }[];
}

export const PAGE = 4096;
export const MEGABYTE = 1 << 20;

export const pageUp = (value: number): number => Math.ceil(value / PAGE) * PAGE;
export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;
export const alignDown = (value: number, to: number): number => Math.floor(value / to) * to;
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

export const segment = (what: string, address: number, bytes: Uint8Array, memorySize = bytes.length): Segment => ({
  what,
  address,
  bytes,
  memorySize,
});

/** A NUL-terminated string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** Memory that firmware owns: its tables, and the window of video memory and ROM. */
const FIRMWARE_AREAS = [{ from: 0x9fc00, to: 0x100000, what: 'the area of video memory and firmware' }] as const;

/** Refuses segments outside RAM, over firmware's memory, or over one another. */
export function checkSegments(file: string, segments: readonly Segment[], memorySize: number): void {
  const sorted = segments.filter((s) => s.memorySize > 0).sort((a, b) => a.address - b.address);
  let before: Segment | undefined;
  for (const s of sorted) {
    const end = s.address + s.memorySize;
    const range = `${hex(s.address)}–${hex(end - 1)}`;
    if (!Number.isSafeInteger(end) || end > memorySize) {
      throw userError('image-memory', `${file}: ${s.what} needs memory ${range}, but the guest has ${memorySize / MEGABYTE} MB (to ${hex(memorySize - 1)})`);
    }
    for (const area of FIRMWARE_AREAS) {
      if (s.address < area.to && end > area.from) {
        throw userError('image-overlap', `${file}: ${s.what} at ${range} lies in ${area.what}`);
      }
    }
    if (before && before.address + before.memorySize > s.address) {
      const other = `${hex(before.address)}–${hex(before.address + before.memorySize - 1)}`;
      throw userError('image-overlap', `${file}: ${s.what} at ${range} overlaps ${before.what} at ${other}`);
    }
    before = s;
  }
}

/**
 * The highest place for `length` bytes below `limit` that is free of `taken`, aligned; undefined where there is none.
 * Never below 1 MB.
 */
export function placeHigh(length: number, limit: number, alignment: number, taken: readonly Segment[]): number | undefined {
  let address = alignDown(limit - length, alignment);
  for (;;) {
    if (address < MEGABYTE) return undefined;
    const hit = taken.find((s) => s.memorySize > 0 && address < s.address + s.memorySize && s.address < address + length);
    if (!hit) return address;
    address = alignDown(hit.address - length, alignment);
  }
}
