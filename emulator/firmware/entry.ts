/**
 * Processor states at entry, and the low memory that they need:
 *
 *   0x0400  BIOS data area
 *   0x0500  GDT
 *   0x1000  page tables: an identity map of the first 4 GB in 2 MB pages
 *   0x7000  Linux's boot_params
 *  0x10000  boot information of Multiboot and PVH; Linux's command line at 0x20000
 */
import { EBDA } from './e820';
import { PAGE, segment, type EntryState, type RegisterName, type Segment, type SegmentState } from './plan';

export const BIOS_DATA = 0x400;
export const GDT = 0x500;
export const PAGE_TABLES = 0x1000;

export const CODE_SELECTOR = 0x10; // Linux's __BOOT_CS
export const DATA_SELECTOR = 0x18; // and __BOOT_DS
const TASK_SELECTOR = 0x20;

// Access rights: type, S, DPL, P in bits 0–7; AVL, L, D/B, G in bits 12–15.
const CODE16 = 0x009b;
const CODE32 = 0xc09b;
const CODE64 = 0xa09b;
const DATA16 = 0x0093;
const DATA32 = 0xc093;
const BUSY_TSS = 0x008b;
const UNUSABLE = 1 << 16;

const FLAT = 0xffffffff;

const CR0_PE = 1 << 0;
const CR0_ET = 1 << 4;
const CR0_NW_CD = 0x60000000; // as after reset: firmware has not run
const CR0_PG = 0x80000000;
const CR4_PAE = 1 << 5;
const EFER_LME_LMA = 0x500;
const RFLAGS_FIXED = 2n;

type Registers = Partial<Record<RegisterName, bigint>> & { rip: bigint };

const task: SegmentState = { selector: TASK_SELECTOR, base: 0, limit: 0x67, attributes: BUSY_TSS };
const noTable: SegmentState = { selector: 0, base: 0, limit: 0xffff, attributes: UNUSABLE };

function flatState(mode: 'protected' | 'long', registers: Registers): EntryState {
  const long = mode === 'long';
  const code: SegmentState = {
    selector: CODE_SELECTOR,
    base: 0,
    limit: FLAT,
    attributes: long ? CODE64 : CODE32,
  };
  const data: SegmentState = { selector: DATA_SELECTOR, base: 0, limit: FLAT, attributes: DATA32 };
  return {
    mode,
    registers: { rflags: RFLAGS_FIXED, ...registers },
    segments: { es: data, cs: code, ss: data, ds: data, fs: data, gs: data, ldtr: noTable, tr: task },
    cr0: (CR0_PE | CR0_ET | (long ? CR0_PG : 0)) >>> 0,
    cr3: long ? PAGE_TABLES : 0,
    cr4: long ? CR4_PAE : 0,
    efer: long ? EFER_LME_LMA : 0,
    gdtr: { base: GDT, limit: TASK_SELECTOR + 15 },
    idtr: { base: 0, limit: 0 },
  };
}

/** 32-bit protected mode, flat segments, no paging. */
export const protectedState = (registers: Registers): EntryState => flatState('protected', registers);

/** 64-bit mode on the identity map. */
export const longState = (registers: Registers): EntryState => flatState('long', registers);

/** Real mode at cs:ip, all data segments zero. */
export function realState(cs: number, registers: Registers): EntryState {
  const code: SegmentState = { selector: cs, base: cs * 16, limit: 0xffff, attributes: CODE16 };
  const data: SegmentState = { selector: 0, base: 0, limit: 0xffff, attributes: DATA16 };
  return {
    mode: 'real',
    registers: { rflags: RFLAGS_FIXED, ...registers },
    segments: {
      ...{ es: data, cs: code, ss: data, ds: data, fs: data, gs: data },
      ldtr: { ...data, attributes: 0x82 },
      tr: { ...data, attributes: BUSY_TSS },
    },
    cr0: (CR0_ET | CR0_NW_CD) >>> 0,
    cr3: 0,
    cr4: 0,
    efer: 0,
    gdtr: { base: 0, limit: 0xffff },
    idtr: { base: 0, limit: 0x3ff },
  };
}

/** A segment descriptor (SDM volume 3, 3.4.5). */
function descriptor({ base, limit, attributes }: SegmentState): bigint {
  const field = BigInt(attributes & 0x8000 ? limit >>> 12 : limit);
  const at = BigInt(base);
  return (
    (field & 0xffffn) |
    ((at & 0xffffffn) << 16n) |
    (BigInt(attributes & 0xff) << 40n) |
    (((field >> 16n) & 0xfn) << 48n) |
    (BigInt((attributes >> 12) & 0xf) << 52n) |
    ((at >> 24n) << 56n)
  );
}

function descriptorTable({ segments }: EntryState): Segment {
  const table = new DataView(new ArrayBuffer(TASK_SELECTOR + 16));
  for (const state of [segments.cs, segments.ds, segments.tr]) {
    table.setBigUint64(state.selector, descriptor(state), true);
  }
  return segment('GDT', GDT, new Uint8Array(table.buffer));
}

/** Maps the first 4 GB onto themselves: one PML4, one page directory pointer table, four page directories. */
function identityMap(): Segment {
  const PRESENT_WRITABLE = 3n;
  const LARGE = 1n << 7n;
  const tables = new DataView(new ArrayBuffer(6 * PAGE));
  const pointer = (at: number, target: number): void => tables.setBigUint64(at, BigInt(PAGE_TABLES + target) | PRESENT_WRITABLE, true);
  pointer(0, PAGE);
  for (let directory = 0; directory < 4; directory++) pointer(PAGE + 8 * directory, (2 + directory) * PAGE);
  for (let page = 0; page < 4 * 512; page++) {
    tables.setBigUint64(2 * PAGE + 8 * page, (BigInt(page) << 21n) | LARGE | PRESENT_WRITABLE, true);
  }
  return segment('page tables', PAGE_TABLES, new Uint8Array(tables.buffer));
}

/** What a BIOS leaves for those that ask: base memory, serial ports, text mode. */
function biosDataArea(): Segment {
  const area = new DataView(new ArrayBuffer(0x100));
  area.setUint16(0x00, 0x3f8, true); // COM1
  area.setUint16(0x02, 0x2f8, true); // COM2
  area.setUint16(0x0e, EBDA >> 4, true); // extended BIOS data area
  area.setUint16(0x10, 0x0426, true); // equipment: 2 serial ports, 80×25 colour, PS/2 mouse, FPU
  area.setUint16(0x13, EBDA >> 10, true); // base memory in KB
  area.setUint8(0x49, 3); // video mode
  area.setUint16(0x4a, 80, true); // columns
  area.setUint16(0x4c, 0x1000, true); // bytes of a screen
  area.setUint16(0x63, 0x3d4, true); // CRT controller
  area.setUint8(0x84, 24); // rows - 1
  area.setUint16(0x85, 16, true); // character height
  return segment('BIOS data area', BIOS_DATA, new Uint8Array(area.buffer));
}

/** The segments of low memory that `entry` relies on. */
export function lowMemory(entry: EntryState): Segment[] {
  switch (entry.mode) {
    case 'real':
      return [biosDataArea()];
    case 'protected':
      return [biosDataArea(), descriptorTable(entry)];
    case 'long':
      return [biosDataArea(), descriptorTable(entry), identityMap()];
  }
}
