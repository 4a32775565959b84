/** Names of addresses: every symbol of every loaded file, found by address and by name. */

export interface Symbol {
  readonly name: string;
  readonly address: bigint;
  /** 0 where the file doesn't say. */
  readonly size: bigint;
  readonly kind: 'function' | 'object' | 'other';
  /** The file it came from. */
  readonly module: string;
}

export interface Nearest {
  readonly symbol: Symbol;
  readonly offset: bigint;
}

/** A symbol without size reaches to the next one, but not further than this: beyond lies no man's land. */
const LONGEST_GAP = 0x10_0000n;

const RANK = { function: 0, object: 1, other: 2 } as const;

export class SymbolIndex {
  private sorted: Symbol[] = [];
  private names = new Map<string, Symbol[]>();

  get size(): number {
    return this.sorted.length;
  }

  add(symbols: Iterable<Symbol>): void {
    for (const symbol of symbols) {
      this.sorted.push(symbol);
      const same = this.names.get(symbol.name);
      if (same) same.push(symbol);
      else this.names.set(symbol.name, [symbol]);
    }
    // At one address the best name comes last, where the search by address finds it.
    this.sorted.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : RANK[b.kind] - RANK[a.kind] || (a.size < b.size ? -1 : 1)));
  }

  removeModule(module: string): void {
    const rest = this.sorted.filter((symbol) => symbol.module !== module);
    this.sorted = [];
    this.names = new Map();
    this.add(rest);
  }

  private lastAtOrBelow(address: bigint): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The symbol that `address` lies in. */
  nearest(address: bigint): Nearest | undefined {
    const last = this.lastAtOrBelow(address);
    // Labels inside a sized function don't hide it; look a few symbols back.
    for (let index = last; index >= 0 && index > last - 16; index--) {
      const symbol = this.sorted[index]!;
      const offset = address - symbol.address;
      if (symbol.size > 0n ? offset < symbol.size : index === last && offset < LONGEST_GAP) return { symbol, offset };
    }
    return undefined;
  }

  /** Where the symbol's code or data ends. */
  end(symbol: Symbol): bigint {
    if (symbol.size > 0n) return symbol.address + symbol.size;
    const next = this.sorted[this.lastAtOrBelow(symbol.address) + 1];
    return next && next.address - symbol.address < LONGEST_GAP ? next.address : symbol.address + 0x1000n;
  }

  find(name: string): readonly Symbol[] {
    return this.names.get(name) ?? [];
  }

  /** Names that begin with `prefix`, shortest first. */
  complete(prefix: string, limit = 50): Symbol[] {
    const found: Symbol[] = [];
    for (const [name, [symbol]] of this.names) {
      if (!name.startsWith(prefix)) continue;
      found.push(symbol!);
      if (found.length >= 2000) break;
    }
    return found.sort((a, b) => a.name.length - b.name.length || (a.name < b.name ? -1 : 1)).slice(0, limit);
  }

  allNames(): IterableIterator<string> {
    return this.names.keys();
  }

  inModule(module: string): Symbol[] {
    return this.sorted.filter((symbol) => symbol.module === module);
  }

  /** `symbol+0x1f`, or nothing. */
  label(address: bigint): string | undefined {
    const found = this.nearest(address);
    if (!found) return undefined;
    return found.offset === 0n ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
  }
}
