import { readFileSync } from 'node:fs';
import { userError } from '../errors';
import { ElfFile, isElf } from '../firmware/elf';
import { isSystemMap, readSystemMap } from '../firmware/systemmap';
import type { Profile } from '../machine/api';

/** Instructions between samples: a prime number, so that loops of the guest don't keep step. */
export const SAMPLE_EVERY = 100_003;
/** Rows of each table. */
const ROWS = 30;
/** What is farther behind a symbol is not in it: another module, or memory without symbols. */
const LONGEST_FUNCTION = 1n << 20n;

interface Symbol {
  readonly name: string;
  readonly address: bigint;
}

/** Names for addresses, from ELF files and System.maps. */
export class SymbolTable {
  private readonly symbols: readonly Symbol[];

  constructor(symbols: readonly Symbol[]) {
    this.symbols = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  /** Throws EmulatorError with blame `user` for a file that can't be read or is neither. */
  static read(paths: readonly string[]): SymbolTable {
    return new SymbolTable(paths.flatMap((path) => readSymbols(path)));
  }

  /** The function that an address is in, or the page. */
  nameOf(address: bigint): string {
    let [low, high] = [0, this.symbols.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.symbols[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.symbols[low - 1];
    if (found && address - found.address < LONGEST_FUNCTION) return found.name;
    return `page 0x${((address >> 12n) << 12n).toString(16)}`;
  }
}

function readSymbols(path: string): Symbol[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw userError('symbols', `symbols '${path}': ${(error as Error).message}`, error);
  }
  if (isSystemMap(bytes)) return readSystemMap(path, bytes).filter(({ letter }) => 'twi'.includes(letter));
  if (!isElf(bytes)) throw userError('symbols', `symbols '${path}': neither an ELF file nor a System.map`);
  return new ElfFile(path, bytes)
    .symbols()
    .filter(({ type, section, address }) => (type === 'function' || (type === 'none' && address !== 0n)) && section !== 0);
}

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(whole, 1)).toFixed(1).padStart(5)} %`;
const grouped = (value: number): string => Math.round(value).toLocaleString('en');

/** The profile as a person reads it. */
export function formatProfile({ every, samples, statistics }: Profile, instructions: number, symbols: SymbolTable): string {
  const functions = new Map<string, number>();
  let total = 0;
  for (const [key, count] of Object.entries(samples)) {
    const [address = '', privilege] = key.split(' ');
    const name = privilege === undefined ? key : `${privilege === '3' ? 'user' : 'kernel'}  ${symbols.nameOf(BigInt(`0x${address}`))}`;
    functions.set(name, (functions.get(name) ?? 0) + count);
    total += count;
  }
  const rows = [...functions].sort((a, b) => b[1] - a[1]).slice(0, ROWS);
  const { compiledInstructions, regions, tlb } = statistics;
  const exits = Object.entries(statistics.exits).sort((a, b) => b[1] - a[1]).slice(0, ROWS); // prettier-ignore
  return [
    `${grouped(total)} samples, one every ${grouped(every)} instructions`,
    ...rows.map(([name, count]) => `  ${percent(count, total)}  ${name}`),
    'instructions by tier',
    `  ${percent(compiledInstructions, instructions)}  compiled code: ${regions.made} regions, ${(regions.bytes / 1e6).toFixed(2)} MB in ${regions.modules} modules, made in ${regions.milliseconds.toFixed(0)} ms, ${regions.dropped} dropped`,
    `  ${percent(Math.max(0, instructions - compiledInstructions), instructions)}  interpreter`,
    `TLB: ${grouped(tlb.misses)} misses, one in ${grouped(instructions / Math.max(tlb.misses, 1))} instructions; ${grouped(tlb.flushes)} flushes`,
    'left generated code for',
    ...exits.map(([cause, count]) => `  ${grouped(count).padStart(12)}  ${cause}`),
    '',
  ].join('\n');
}
