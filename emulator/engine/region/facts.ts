/** What is known at some place of the code, for `recall` where control goes on from there. */
export interface KnownFacts {
  readonly facts: ReadonlyMap<number, ReadonlySet<string>>;
  readonly narrow: number;
}

/**
 * What is known of registers on a straight line of compiled code, because it was looked at further up: by the register's
 * address in the window.
 */
export class Facts {
  private facts = new Map<number, Set<string>>();
  /** General registers, a bit each, whose upper halves are known to be 0. */
  narrow = 0;

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
    this.narrow = 0;
  }
  get known(): KnownFacts {
    return { facts: copy(this.facts), narrow: this.narrow };
  }
  recall({ facts, narrow }: KnownFacts): void {
    this.facts = copy(facts);
    this.narrow = narrow;
  }
}

function copy(facts: ReadonlyMap<number, ReadonlySet<string>>): Map<number, Set<string>> {
  const copied = new Map<number, Set<string>>();
  for (const [register, known] of facts) copied.set(register, new Set(known));
  return copied;
}
