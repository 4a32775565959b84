/** Addresses to source lines and back, over the rows of all line programs. */
import type { Row, RowSink } from './dwarf/line';

export interface Line {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  /** The addresses of this row: from `start` up to `end`. */
  readonly start: bigint;
  readonly end: bigint;
  readonly statement: boolean;
}

const STATEMENT = 1;
const END = 2;

/** Columns of numbers that grow; kernels have millions of rows. */
class Columns {
  addresses = new BigUint64Array(1024);
  files = new Uint32Array(1024);
  lines = new Uint32Array(1024);
  columns = new Uint16Array(1024);
  flags = new Uint8Array(1024);
  length = 0;

  private grow(): void {
    const bigger = <T extends BigUint64Array | Uint32Array | Uint16Array | Uint8Array>(old: T): T => {
      const next = new (old.constructor as new (length: number) => T)(old.length * 2);
      next.set(old as never);
      return next;
    };
    this.addresses = bigger(this.addresses);
    this.files = bigger(this.files);
    this.lines = bigger(this.lines);
    this.columns = bigger(this.columns);
    this.flags = bigger(this.flags);
  }

  push(address: bigint, file: number, line: number, column: number, flags: number): void {
    if (this.length === this.addresses.length) this.grow();
    const at = this.length++;
    this.addresses[at] = address;
    this.files[at] = file;
    this.lines[at] = line;
    this.columns[at] = Math.min(column, 0xffff);
    this.flags[at] = flags;
  }
}

export class LineTable {
  readonly paths: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly rows = new Columns();
  /** Row numbers by address; made when first asked for. */
  private order: Uint32Array | undefined;
  private byFile = new Map<number, Uint32Array>();

  get length(): number {
    return this.rows.length;
  }

  /** Takes the rows of a file that is loaded `offset` bytes from where it was linked. */
  sink(offset: bigint): RowSink {
    // A sequence at address 0 is code that the linker dropped.
    let sequence: Row[] = [];
    return {
      file: (path) => this.number(path),
      row: (row) => {
        sequence.push(row);
        if (!row.end) return;
        const first = sequence[0]!;
        if (first.address !== 0n || offset !== 0n || sequence.length > 1) this.take(sequence, offset);
        sequence = [];
      },
    };
  }

  private number(path: string): number {
    const known = this.numbers.get(path);
    if (known !== undefined) return known;
    this.numbers.set(path, this.paths.length);
    return this.paths.push(path) - 1;
  }

  private take(sequence: readonly Row[], offset: bigint): void {
    for (const row of sequence) {
      const flags = (row.statement ? STATEMENT : 0) | (row.end ? END : 0);
      this.rows.push(BigInt.asUintN(64, row.address + offset), row.file, row.line, row.column, flags);
    }
    this.order = undefined;
    this.byFile.clear();
  }

  private sorted(): Uint32Array {
    if (this.order) return this.order;
    const { addresses, flags, length } = this.rows;
    const order = Uint32Array.from({ length }, (_, index) => index);
    // An end row sorts before the row of the next sequence at the same address.
    order.sort((a, b) => {
      const left = addresses[a]!;
      const right = addresses[b]!;
      return left < right ? -1 : left > right ? 1 : (flags[b]! & END) - (flags[a]! & END) || a - b;
    });
    return (this.order = order);
  }

  private at(position: number): Line | undefined {
    const order = this.sorted();
    const row = order[position]!;
    const { addresses, files, lines, columns, flags } = this.rows;
    if (flags[row]! & END) return undefined;
    let next = position + 1;
    while (next < order.length && addresses[order[next]!] === addresses[row]) next++;
    return {
      path: this.paths[files[row]!]!,
      line: lines[row]!,
      column: columns[row]!,
      start: addresses[row]!,
      end: next < order.length ? addresses[order[next]!]! : addresses[row]! + 1n,
      statement: (flags[row]! & STATEMENT) !== 0,
    };
  }

  /** The row that `address` lies in. */
  lookup(address: bigint): Line | undefined {
    const order = this.sorted();
    const { addresses } = this.rows;
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (addresses[order[middle]!]! <= address) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const line = this.at(low - 1);
    return line && line.line > 0 ? line : undefined;
  }

  private rowsOf(file: number): Uint32Array {
    const known = this.byFile.get(file);
    if (known) return known;
    const { files, flags } = this.rows;
    const found = this.sorted().filter((row) => files[row] === file && (flags[row]! & END) === 0);
    this.byFile.set(file, found);
    return found;
  }

  /** Lines of a file that have code, in order. */
  linesOf(path: string): number[] {
    const file = this.numbers.get(path);
    if (file === undefined) return [];
    const { lines, flags } = this.rows;
    const found = new Set<number>();
    for (const row of this.rowsOf(file)) if (flags[row]! & STATEMENT && lines[row]! > 0) found.add(lines[row]!);
    return [...found].sort((a, b) => a - b);
  }

  /**
   * Where to stop for a line: the first address of each run of code for it, or for the next line that
   * has code. Runs in one function (by `owner`) give one address, the lowest.
   */
  addressesOf(path: string, line: number, owner: (address: bigint) => unknown = (address) => address): { line: number; addresses: bigint[] } | undefined {
    const file = this.numbers.get(path);
    const actual = this.linesOf(path).find((candidate) => candidate >= line);
    if (file === undefined || actual === undefined) return undefined;
    const { addresses, lines, flags } = this.rows;
    const firsts = new Map<unknown, bigint>();
    for (const row of this.rowsOf(file)) {
      if (lines[row] !== actual || !(flags[row]! & STATEMENT)) continue;
      const address = addresses[row]!;
      const key = owner(address) ?? address;
      if (!firsts.has(key)) firsts.set(key, address);
    }
    return { line: actual, addresses: [...firsts.values()] };
  }

  /** The rows from `start` up to `end`, at most `most` of them. */
  within(start: bigint, end: bigint, most: number): Line[] {
    const order = this.sorted();
    const { addresses } = this.rows;
    let low = 0;
    for (let high = order.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (addresses[order[middle]!]! < start) low = middle + 1;
      else high = middle;
    }
    const found: Line[] = [];
    for (let position = low; position < order.length && found.length < most && addresses[order[position]!]! < end; position++) {
      const line = this.at(position);
      if (line) found.push(line);
    }
    return found;
  }

  /** The second row of the function that starts at `address`: behind its prologue. */
  afterPrologue(address: bigint, end: bigint): bigint | undefined {
    const first = this.lookup(address);
    if (!first || first.start !== address) return undefined;
    const order = this.sorted();
    const { addresses, lines, flags } = this.rows;
    let low = 0;
    for (let high = order.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (addresses[order[middle]!]! <= address) low = middle + 1;
      else high = middle;
    }
    for (let position = low; position < order.length; position++) {
      const row = order[position]!;
      if (addresses[row]! >= end || flags[row]! & END) return undefined;
      if (flags[row]! & STATEMENT && lines[row]! > 0) return addresses[row]!;
    }
    return undefined;
  }
}
