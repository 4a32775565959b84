/** Code without source as a text that stands in for it: one instruction a line, the same lines at every stop. */
import { bytesText, hex } from '../inspect/format';
import { Handles } from '../inspect/handles';
import type { SymbolStore } from '../symbols/store';
import { backwards, forwards, type Code, type Entry } from './window';

export interface Listing {
  readonly name: string;
  readonly reference: number;
  readonly addresses: readonly bigint[];
  readonly text: string;
}

/** Longer functions are cut around the place that is asked for. */
const MOST = 600;
const BEFORE = 40;

export function entryText(entry: Entry, symbols: SymbolStore): string {
  if (entry.outside) return '';
  if (entry.text === undefined) return entry.unreadable ? '(unreadable)' : '(bad)';
  const label = entry.target === undefined ? undefined : symbols.label(entry.target);
  return label === undefined ? entry.text : `${entry.text}  ; ${label}`;
}

export class Listings {
  private readonly handles = new Handles<Listing>();
  private readonly all: Listing[] = [];

  constructor(private readonly symbols: SymbolStore) {}

  get(reference: number): Listing | undefined {
    return this.handles.get(reference);
  }

  /** The listing that shows `pc`: one that exists, or a new one of the function around it. */
  async of(code: Code, pc: bigint): Promise<{ listing: Listing; line: number }> {
    for (const listing of this.all) {
      const index = listing.addresses.indexOf(pc);
      if (index >= 0) return { listing, line: index + 1 };
    }
    const found = this.symbols.index.nearest(pc);
    let entries = found ? await this.whole(code, found.symbol.address, this.symbols.index.end(found.symbol)) : [];
    if (!entries.some(({ address }) => address === pc)) {
      entries = [...(await backwards(code, pc, BEFORE)), ...(await forwards(code, pc, MOST - BEFORE))].filter(({ outside }) => !outside);
    }
    const name = `${found?.symbol.name ?? hex(pc)}.asm`;
    return this.add(name, entries, pc);
  }

  private async whole(code: Code, start: bigint, end: bigint): Promise<Entry[]> {
    const entries = await forwards(code, start, Math.min(MOST, Number(end - start)));
    return entries.filter(({ address, outside, unreadable }) => address < end && !outside && !unreadable);
  }

  private add(name: string, entries: readonly Entry[], pc: bigint): { listing: Listing; line: number } {
    const lines = entries.map((entry) => {
      const label = this.symbols.label(entry.address) ?? '';
      const place = `${hex(entry.address, 16).slice(2)}  ${label.padEnd(28)}`;
      return `${place} ${bytesText(entry.bytes).padEnd(32)} ${entryText(entry, this.symbols)}`;
    });
    const addresses = entries.map(({ address }) => address);
    const key = `listing ${this.all.length}`;
    const reference = this.handles.of(key, undefined as never);
    const listing: Listing = { name, reference, addresses, text: `${lines.join('\n')}\n` };
    this.handles.of(key, listing);
    this.all.push(listing);
    return { listing, line: Math.max(1, addresses.indexOf(pc) + 1) };
  }
}
