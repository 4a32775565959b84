import type { Pages } from './checkpoint';

/** By page of memory: whose contents are memory's own. */
export class LivePages {
  /** Numbers of owners; 0: nobody. */
  readonly owners = new Uint32Array(2 ** 20);
  /** Where they were in `take`. */
  readonly indexes = new Uint32Array(2 ** 20);
  private readonly numbers = new Map<Pages, number>();
  private readonly byNumber = new Map<number, Pages>();
  private last: Pages | undefined;
  private lastNumber = 0;
  private next = 1;

  of(page: number): Pages | undefined {
    return this.named(this.owners[page] ?? 0);
  }
  named(number: number): Pages | undefined {
    return number === this.lastNumber ? this.last : this.byNumber.get(number);
  }

  /** It had another owner, or has none now. */
  put(page: number, owner: Pages | undefined): void {
    this.owners[page] = owner ? this.numberOf(owner) : 0;
  }

  /** All of these get this owner; `settle` is called for those that another has. */
  take(pages: ArrayLike<number>, owner: Pages, settle: (page: number) => void): void {
    if (pages.length === 0) return;
    const { owners, indexes } = this;
    const number = this.numberOf(owner);
    for (let i = 0; i < pages.length; i++) {
      const page = pages[i]!;
      const before = owners[page];
      if (before !== 0 && before !== number) settle(page);
      owners[page] = number;
      indexes[page] = i;
    }
  }

  private numberOf(owner: Pages): number {
    if (owner === this.last) return this.lastNumber;
    let number = this.numbers.get(owner);
    if (number === undefined) {
      number = this.next++;
      this.numbers.set(owner, number);
      this.byNumber.set(number, owner);
    }
    [this.last, this.lastNumber] = [owner, number];
    return number;
  }

  /** None of these has this owner any more, nor has another page. */
  drop(pages: ArrayLike<number>, owner: Pages): void {
    for (let i = 0; i < pages.length; i++) if (this.of(pages[i]!) === owner) this.put(pages[i]!, undefined);
    const number = this.numbers.get(owner);
    if (number === undefined) return;
    this.numbers.delete(owner);
    this.byNumber.delete(number);
    if (owner === this.last) [this.last, this.lastNumber] = [undefined, 0];
  }
}
