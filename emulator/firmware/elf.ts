/**
 * Reader for ELF files of x86, 32- and 64-bit (System V ABI, chapters 4 and 5). Offsets, counts and names come from
 * the file and are checked where they are used; nothing is read before it is asked for.
 */
import { inflateSync } from 'node:zlib';
import { userError } from '../errors';
import { hex, type ElfSymbol } from './plan';
import { Reader } from './reader';

export const EM = { i386: 3, x86_64: 62 } as const;
export const ET = { relocatable: 1, executable: 2, shared: 3, core: 4 } as const;
export const PT = { load: 1, dynamic: 2, interpreter: 3, note: 4 } as const;
export const SHT = { symbols: 2, strings: 3, note: 7, nobits: 8, dynamicSymbols: 11 } as const;
export const SHF = { write: 1, alloc: 2, execute: 4, compressed: 0x800 } as const;

const SHN_XINDEX = 0xffff;
const SHN_LORESERVE = 0xff00;
const PN_XNUM = 0xffff;

/** Cap on an inflated section: more than any debug section that exists. */
const INFLATE_LIMIT = 1 << 30;

export interface ElfProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

export interface ElfNote {
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
}

const SYMBOL_TYPES = ['none', 'object', 'function', 'section', 'file'] as const;
const BINDINGS = ['local', 'global', 'weak'] as const;

export const isElf = (bytes: Uint8Array): boolean => bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

export class ElfFile {
  readonly bits: 32 | 64;
  readonly type: number;
  readonly machine: number;
  readonly entry: bigint;
  readonly programHeaders: readonly ElfProgramHeader[];
  readonly sections: readonly ElfSection[];
  private readonly reader: Reader;

  constructor(
    readonly name: string,
    bytes: Uint8Array,
  ) {
    const file = (this.reader = new Reader(name, bytes));
    if (!isElf(bytes)) throw userError('elf-format', `${name}: no ELF file: it doesn't begin with 7F 45 4C 46`);
    const elfClass = file.u8(4, 'ELF class');
    if (elfClass !== 1 && elfClass !== 2) throw userError('elf-format', `${name}: ELF class ${elfClass} at 0x4 is unknown`);
    if (file.u8(5, 'ELF byte order') !== 1) throw userError('elf-format', `${name}: a big-endian ELF file, not for x86`);
    this.bits = elfClass === 2 ? 64 : 32;
    file.slice(0, this.bits === 64 ? 64 : 52, 'ELF header');
    this.type = file.u16(16, 'e_type');
    this.machine = file.u16(18, 'e_machine');
    if (this.machine !== EM.i386 && this.machine !== EM.x86_64) {
      throw userError('elf-format', `${name}: an ELF file for another processor (e_machine ${this.machine}), not for x86`);
    }
    this.entry = this.bits === 64 ? file.u64(24, 'e_entry') : BigInt(file.u32(24, 'e_entry'));
    this.sections = this.readSections();
    this.programHeaders = this.readProgramHeaders();
  }

  private get wide(): boolean {
    return this.bits === 64;
  }

  /** An address-sized field: `at32` in 32-bit files, `at64` in 64-bit ones. */
  private size(at32: number, at64: number, what: string): number {
    return this.wide ? this.reader.size64(at64, what) : this.reader.u32(at32, what);
  }

  private word(at32: number, at64: number, what: string): bigint {
    return this.wide ? this.reader.u64(at64, what) : BigInt(this.reader.u32(at32, what));
  }

  private readProgramHeaders(): ElfProgramHeader[] {
    const file = this.reader;
    const offset = this.size(28, 32, 'e_phoff');
    const entrySize = file.u16(this.wide ? 54 : 42, 'e_phentsize');
    let count = file.u16(this.wide ? 56 : 44, 'e_phnum');
    if (count === PN_XNUM) count = this.sections[0]?.info ?? 0;
    if (count === 0) return [];
    this.table('program header', offset, entrySize, count, this.wide ? 56 : 32);
    return Array.from({ length: count }, (_, index) => {
      const at = offset + index * entrySize;
      const what = `program header ${index}`;
      return {
        type: file.u32(at, what),
        flags: file.u32(at + (this.wide ? 4 : 24), what),
        offset: this.size(at + 4, at + 8, what),
        virtualAddress: this.word(at + 8, at + 16, what),
        physicalAddress: this.size(at + 12, at + 24, what),
        fileSize: this.size(at + 16, at + 32, what),
        memorySize: this.size(at + 20, at + 40, what),
      };
    });
  }

  private readSections(): ElfSection[] {
    const file = this.reader;
    const offset = this.size(32, 40, 'e_shoff');
    const entrySize = file.u16(this.wide ? 58 : 46, 'e_shentsize');
    let count = file.u16(this.wide ? 60 : 48, 'e_shnum');
    let names = file.u16(this.wide ? 62 : 50, 'e_shstrndx');
    if (offset === 0) return [];
    // Counts beyond 16 bits lie in section 0.
    if (count === 0) count = this.size(offset + 20, offset + 32, 'number of sections');
    if (names === SHN_XINDEX) names = file.u32(offset + (this.wide ? 40 : 24), 'index of section names');
    if (count === 0) return [];
    this.table('section header', offset, entrySize, count, this.wide ? 64 : 40);
    const raw = Array.from({ length: count }, (_, index) => {
      const at = offset + index * entrySize;
      const what = `section header ${index}`;
      return {
        nameOffset: file.u32(at, what),
        type: file.u32(at + 4, what),
        flags: this.size(at + 8, at + 8, what),
        address: this.word(at + 12, at + 16, what),
        offset: this.size(at + 16, at + 24, what),
        size: this.size(at + 20, at + 32, what),
        link: file.u32(at + (this.wide ? 40 : 24), what),
        info: file.u32(at + (this.wide ? 44 : 28), what),
        entrySize: this.size(at + 36, at + 56, what),
      };
    });
    const strings = raw[names];
    return raw.map(({ nameOffset, ...section }) => ({
      ...section,
      name: strings ? this.stringAt(strings, nameOffset) : '',
    }));
  }

  private table(what: string, offset: number, entrySize: number, count: number, least: number): void {
    if (entrySize < least) {
      throw userError('elf-format', `${this.name}: ${what} entries of ${entrySize} bytes are too small (${least})`);
    }
    this.reader.slice(offset, entrySize * count, `table of ${count} ${what}s`);
  }

  private stringAt(section: { offset: number; size: number }, offset: number): string {
    if (offset >= section.size) return '';
    return this.reader.string(section.offset + offset, section.offset + section.size);
  }

  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** The bytes of a section, inflated where it is compressed; empty for .bss and its like. */
  data(section: ElfSection): Uint8Array {
    if (section.type === SHT.nobits) return new Uint8Array(0);
    const raw = this.reader.slice(section.offset, section.size, `section ${section.name}`);
    return section.flags & SHF.compressed ? this.inflated(section, raw) : raw;
  }

  private inflated(section: ElfSection, raw: Uint8Array): Uint8Array {
    const header = new Reader(`${this.name}, section ${section.name}`, raw);
    const type = header.u32(0, 'compression type');
    const size = this.wide ? header.size64(8, 'size') : header.u32(4, 'size');
    if (type !== 1 || size > INFLATE_LIMIT) {
      throw userError('elf-format', `${header.name}: compressed by method ${type} to ${size} bytes, can't be read`);
    }
    try {
      return inflateSync(raw.subarray(this.wide ? 24 : 12), { maxOutputLength: Math.max(size, 1) });
    } catch (cause) {
      throw userError('elf-format', `${header.name}: damaged compressed data`, cause);
    }
  }

  /** The bytes that a program header puts into memory. */
  contents(header: ElfProgramHeader): Uint8Array {
    return this.reader.slice(header.offset, header.fileSize, `segment at ${hex(header.virtualAddress)}`);
  }

  /** All symbols with a name; the dynamic ones where there are no others. */
  symbols(): ElfSymbol[] {
    const table = this.sections.find((section) => section.type === SHT.symbols) ?? this.sections.find((section) => section.type === SHT.dynamicSymbols);
    const strings = table && this.sections[table.link];
    if (!table || !strings) return [];
    const file = new Reader(`${this.name}, section ${table.name}`, this.data(table));
    const names = new Reader(`${this.name}, section ${strings.name}`, this.data(strings));
    const step = this.wide ? 24 : 16;
    const symbols: ElfSymbol[] = [];
    for (let at = step; file.has(at, step); at += step) {
      const name = names.string(file.u32(at, 'symbol'));
      if (name === '') continue;
      const info = file.u8(at + (this.wide ? 4 : 12), 'symbol');
      const index = file.u16(at + (this.wide ? 6 : 14), 'symbol');
      symbols.push({
        name,
        address: this.wide ? file.u64(at + 8, 'symbol') : BigInt(file.u32(at + 4, 'symbol')),
        size: this.wide ? file.u64(at + 16, 'symbol') : BigInt(file.u32(at + 8, 'symbol')),
        type: SYMBOL_TYPES[info & 15] ?? 'other',
        binding: BINDINGS[info >> 4] ?? 'global',
        section: index < SHN_LORESERVE || index === SHN_XINDEX ? index : null,
      });
    }
    return symbols;
  }

  /** Notes of the PT_NOTE segments, or of the note sections where there are no segments. */
  notes(): ElfNote[] {
    const segments = this.programHeaders.filter((header) => header.type === PT.note);
    const parts = segments.length
      ? segments.map((header) => this.contents(header))
      : this.sections.filter((section) => section.type === SHT.note).map((section) => this.data(section));
    return parts.flatMap((bytes) => [...notesIn(new Reader(`${this.name}, notes`, bytes))]);
  }
}

function* notesIn(file: Reader): Generator<ElfNote> {
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  for (let at = 0; file.has(at, 12);) {
    const ownerSize = file.u32(at, 'note');
    const size = file.u32(at + 4, 'note');
    const type = file.u32(at + 8, 'note');
    const description = at + 12 + padded(ownerSize);
    yield {
      owner: file.string(at + 12, at + 12 + ownerSize),
      type,
      description: file.slice(description, size, 'note'),
    };
    at = description + padded(size);
  }
}
