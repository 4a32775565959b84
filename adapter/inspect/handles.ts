/**
 * Numbers for things that the client refers to. One thing keeps its number for the whole session, named by
 * a key, so that a tree in the client stays open from stop to stop.
 */
export class Handles<T> {
  private readonly numbers = new Map<string, number>();
  private readonly things: T[] = [];

  constructor(private readonly first = 1) {}

  /** The number of the thing that `key` names; `thing` is what it stands for now. */
  of(key: string, thing: T): number {
    const known = this.numbers.get(key);
    if (known !== undefined) {
      this.things[known - this.first] = thing;
      return known;
    }
    const number = this.first + this.things.push(thing) - 1;
    this.numbers.set(key, number);
    return number;
  }

  get(number: number): T | undefined {
    return this.things[number - this.first];
  }
}
