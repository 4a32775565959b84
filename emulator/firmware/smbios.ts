/** SMBIOS tables: DMTF DSP0134, version 2.8. Firmware puts them where guests look for them. */
import { little } from './acpi/aml';

export interface SmbiosOptions {
  readonly cpus: number;
  /** Bytes of RAM. */
  readonly memory: number;
}

export interface Smbios {
  /** Entry point; the address of the tables is for firmware to fill in. */
  readonly anchor: Uint8Array;
  readonly tables: Uint8Array;
}

const MAKER = 'Guest Debugger';
const PRODUCT = 'x86-64 PC';
const HANDLE = { SYSTEM: 0x100, CHASSIS: 0x300, PROCESSOR: 0x400, ARRAY: 0x1000, MODULE: 0x1100, RANGE: 0x1300, END: 0x7f00 } as const;
const ENTRY_LENGTH = 31;
/** What CPUID says too. */
const MEGAHERTZ = 1000;

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));

/** A structure: header, formatted area, strings (numbered from 1) and the end (6.1.2, 6.1.3). */
function structure(type: number, handle: number, body: readonly number[], strings: readonly string[] = []): number[] {
  const ends = strings.length > 0 ? [...strings.flatMap((text) => [...ascii(text), 0]), 0] : [0, 0];
  return [type, 4 + body.length, ...little(handle, 2), ...body, ...ends];
}

export function smbios({ cpus, memory }: SmbiosOptions): Smbios {
  const kilobytes = memory / 1024;
  const UUID = new Array<number>(16).fill(0);
  const structures = [
    structure(1, HANDLE.SYSTEM, [1, 2, 0, 0, ...UUID, 0x06, 0, 0], [MAKER, PRODUCT]), // woken by the power switch
    structure(3, HANDLE.CHASSIS, [1, 0x01, 0, 0, 0, 3, 3, 3, 2, ...little(0, 4), 0, 0, 0, 0, 0], [MAKER]), // other; all safe
    ...Array.from({ length: cpus }, (_, index) => processor(index)),
    // One array of one module, which holds all memory.
    structure(16, HANDLE.ARRAY, [0x01, 0x03, 0x06, ...little(kilobytes, 4), ...little(0xfffe, 2), ...little(1, 2), ...little(0, 8)]),
    structure(
      17,
      HANDLE.MODULE,
      [
        ...little(HANDLE.ARRAY, 2), ...little(0xfffe, 2), ...little(0xffff, 2), ...little(0xffff, 2), ...little(Math.min(memory / 2 ** 20, 0x7fff), 2),
        0x09, 0, 1, 0, 0x07, ...little(0x2, 2), ...little(0, 2), 2, 0, 0, 0, 0, ...little(0, 4), ...little(0, 2), ...little(0, 6),
      ],
      ['DIMM 0', MAKER],
    ), // prettier-ignore
    structure(19, HANDLE.RANGE, [...little(0, 4), ...little(kilobytes - 1, 4), ...little(HANDLE.ARRAY, 2), 1, ...little(0, 16)]),
    structure(127, HANDLE.END, []),
  ];
  const tables = structures.flat();
  return { anchor: anchor(tables.length, structures.length, Math.max(...structures.map(({ length }) => length))), tables: Uint8Array.from(tables) };
}

/** Processor information (7.5): a central processor in socket `index`. */
const processor = (index: number): number[] =>
  structure(
    4,
    HANDLE.PROCESSOR + index,
    [
      1, 0x03, 0x01, 2, ...little(0, 8), 0, 0, ...little(0, 2), ...little(MEGAHERTZ, 2), ...little(MEGAHERTZ, 2), 0x41, 0x01,
      ...little(0xffff, 2), ...little(0xffff, 2), ...little(0xffff, 2), 0, 0, 0, 1, 1, 1, ...little(0x0004, 2), ...little(0x01, 2),
    ],
    [`CPU ${index}`, MAKER],
  ); // prettier-ignore

/** 32-bit entry point (5.2.1). Whoever fills in the address mends the checksums. */
function anchor(length: number, count: number, longest: number): Uint8Array {
  const sum = (bytes: readonly number[]): number => -bytes.reduce((total, byte) => total + byte, 0) & 0xff;
  const intermediate = [...ascii('_DMI_'), 0, ...little(length, 2), ...little(0, 4), ...little(count, 2), 0x28];
  intermediate[5] = sum(intermediate);
  const bytes = [...ascii('_SM_'), 0, ENTRY_LENGTH, 2, 8, ...little(longest, 2), 0, ...new Array<number>(5).fill(0), ...intermediate];
  bytes[4] = sum(bytes);
  return Uint8Array.from(bytes);
}
