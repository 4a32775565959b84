/**
 * What is known of registers on a straight line of compiled code, because it was looked at further up: by the register's
 * address in the window.
 */
export class Facts {
  private facts = new Map<number, Set<string>>();

  has(fact: string, register: number): boolean {
    return this.facts.get(register)?.has(fact) ?? false;
  }
  add(fact: string, register: number): void {
    const known = this.facts.get(register);
    if (known) known.add(fact);
    else this.facts.set(register, new Set([fact]));
  }
  /** A register was written; from another one, if that is given. */
  written(register: number, from?: number): void {
    const known = from === undefined ? undefined : this.facts.get(from);
    if (known) this.facts.set(register, new Set(known));
    else this.facts.delete(register);
  }
  /** Control may come from several places. */
  forget(): void {
    this.facts.clear();
  }
  /** What is known here, for `recall` where control goes on from here. */
  get known(): ReadonlyMap<number, ReadonlySet<string>> {
    return copy(this.facts);
  }
  recall(known: ReadonlyMap<number, ReadonlySet<string>>): void {
    this.facts = copy(known);
  }
}

const copy = (facts: ReadonlyMap<number, ReadonlySet<string>>): Map<number, Set<string>> =>
  new Map([...facts].map(([register, known]) => [register, new Set(known)]));
