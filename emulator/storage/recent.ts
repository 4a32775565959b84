/** What was used last, up to a number of things; the one not used for longest goes first. */
export class Recent<T> {
  private readonly kept = new Map<number, T>();

  constructor(private readonly most: number) {}

  get(key: number, make: () => T): T {
    const found = this.kept.get(key);
    const value = found ?? make();
    this.kept.delete(key);
    this.kept.set(key, value);
    if (this.kept.size > this.most) this.kept.delete(this.kept.keys().next().value!);
    return value;
  }
}
