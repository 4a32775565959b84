/** The symbol files of a session: loaded, listed as modules, asked for names and lines. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { userError } from '../../emulator/errors';
import { ElfFile, PT, isElf } from '../../emulator/firmware/elf';
import { readLines } from './dwarf/line';
import { SymbolIndex, type Symbol } from './index';
import { LineTable, type Line } from './lines';
import { SourcePaths } from './paths';
import { isSystemMap } from '../../emulator/firmware/systemmap';
import { parseSystemMap } from './systemmap';

export interface SymbolModule {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly offset: bigint;
  readonly first: bigint;
  readonly last: bigint;
  readonly symbols: number;
  readonly lines: number;
  readonly problems: readonly string[];
}

const EMPTY = new Uint8Array(0);

export interface SourceLine {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

export class SymbolStore {
  readonly index = new SymbolIndex();
  readonly lines = new LineTable();
  readonly modules: SymbolModule[] = [];
  readonly paths: SourcePaths;

  constructor(sourceMap: readonly (readonly [from: string, to: string])[] = []) {
    this.paths = new SourcePaths(sourceMap);
  }

  async load(path: string, offset: bigint): Promise<SymbolModule> {
    let bytes: Uint8Array;
    try {
      bytes = await readFile(path);
    } catch (cause) {
      throw userError('symbols-unreadable', `symbol file ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
    return this.add(path, bytes, offset);
  }

  add(path: string, bytes: Uint8Array, offset: bigint): SymbolModule {
    const name = this.moduleName(path);
    this.paths.addFolder(dirname(resolve(path)));
    const before = this.lines.length;
    let symbols: Symbol[];
    let problems: string[] = [];
    if (isElf(bytes)) {
      const elf = new ElfFile(path, bytes);
      symbols = elfSymbols(elf, name, offset);
      problems = this.addLines(elf, offset);
    } else if (isSystemMap(bytes)) {
      symbols = parseSystemMap(name, bytes, offset);
    } else {
      throw userError('symbols-format', `symbol file ${path}: neither an ELF file nor a System.map`);
    }
    this.index.add(symbols);
    let first = 1n << 64n;
    let last = 0n;
    for (const { address, kind } of symbols) {
      if (kind === 'other') continue;
      if (address < first) first = address;
      if (address > last) last = address;
    }
    const module: SymbolModule = {
      id: this.modules.length + 1,
      name,
      path,
      offset,
      first: last === 0n ? 0n : first,
      last,
      symbols: symbols.length,
      lines: this.lines.length - before,
      problems,
    };
    this.modules.push(module);
    return module;
  }

  private moduleName(path: string): string {
    const name = basename(path);
    const same = this.modules.filter((module) => module.name === name || module.name.startsWith(`${name} (`)).length;
    return same === 0 ? name : `${name} (${same + 1})`;
  }

  private addLines(elf: ElfFile, offset: bigint): string[] {
    const data = (name: string): Uint8Array => {
      const section = elf.section(name);
      return section ? elf.data(section) : EMPTY;
    };
    const line = data('.debug_line');
    if (line.length === 0) return [];
    return readLines(
      {
        line,
        lineStrings: data('.debug_line_str'),
        strings: data('.debug_str'),
        info: data('.debug_info'),
        abbreviations: data('.debug_abbrev'),
        stringOffsets: data('.debug_str_offsets'),
      },
      this.lines.sink(offset),
    );
  }

  /** Address 'symbol+0x10', or nothing. */
  label(address: bigint): string | undefined {
    return this.index.label(address);
  }

  /** Source position of an address, with the path as it is here. */
  source(address: bigint): (Line & SourceLine) | undefined {
    const line = this.lines.lookup(address);
    return line && { ...line, path: this.paths.local(line.path) };
  }

  private compiled(path: string): string[] {
    return this.paths.compiled(path, this.lines.paths);
  }

  /** Addresses at which to stop for a line of a local file. */
  addressesOf(path: string, line: number): { line: number; addresses: bigint[] } | undefined {
    const owner = (address: bigint): unknown => this.index.nearest(address)?.symbol ?? this.lines.lookup(address)?.path;
    let best: { line: number; addresses: bigint[] } | undefined;
    for (const compiled of this.compiled(path)) {
      const found = this.lines.addressesOf(compiled, line, owner);
      if (!found || (best && found.line > best.line)) continue;
      best = best && best.line === found.line ? { line: found.line, addresses: [...best.addresses, ...found.addresses] } : found;
    }
    return best;
  }

  linesOf(path: string): number[] {
    return [...new Set(this.compiled(path).flatMap((compiled) => this.lines.linesOf(compiled)))].sort((a, b) => a - b);
  }

  /** Local paths of all source files that have code. */
  sources(): string[] {
    return [...new Set(this.lines.paths.filter((path) => this.lines.linesOf(path).length > 0).map((path) => this.paths.local(path)))].sort();
  }

  /** Where a function breakpoint goes: behind the prologue where lines tell, else at its first instruction. */
  functionEntry(symbol: Symbol): bigint {
    return this.lines.afterPrologue(symbol.address, this.index.end(symbol)) ?? symbol.address;
  }
}

function elfSymbols(elf: ElfFile, module: string, offset: bigint): Symbol[] {
  const executable = (address: bigint): boolean =>
    elf.programHeaders.some(
      (header) =>
        header.type === PT.load && header.flags & 1 && address >= header.virtualAddress && address < header.virtualAddress + BigInt(header.memorySize),
    );
  return elf
    .symbols()
    .filter(({ type, section }) => (type === 'function' || type === 'object' || type === 'none') && section !== 0 && section !== null)
    .map(({ name, address, size, type }) => ({
      name,
      address: BigInt.asUintN(64, address + offset),
      size,
      // Labels of assembly sources have no type; where they lie tells what they are.
      kind: type === 'none' ? (executable(address) ? 'function' : 'other') : (type as 'function' | 'object'),
      module,
    }));
}
