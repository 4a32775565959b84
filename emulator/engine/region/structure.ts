import type { FunctionBuilder, Label } from '../../wasm/function';

/** What a node is emitted with: where control can go from it. */
export interface Way {
  /** Emits the transfer to a successor; code after it is not reached. */
  go(to: number): void;
  /** The label of a successor that a `br_table` leads to. */
  label(to: number): Label;
  /** Control comes from one place only, where it has just been: what was known there is known here. */
  readonly straight: boolean;
  /** Whether `to` will be emitted there, as a node that control comes straight to. */
  goesStraight(to: number): boolean;
}

/**
 * Writes a reducible graph with structured control flow, by its dominator tree (N. Ramsey, "Beyond Relooper", 2022):
 * a node with several predecessors follows a block that ends before it, inside the node that dominates it.
 * Code that follows a loop is put after it, so that the loop holds nothing else.
 */
export class Structure {
  private readonly order: readonly number[];
  /** Position in reverse postorder. */
  private readonly position: ReadonlyMap<number, number>;
  private readonly headers = new Set<number>();
  private readonly labelled = new Set<number>();
  private readonly children = new Map<number, number[]>();
  private readonly labels = new Map<number, Label>();
  private readonly loopLabels = new Map<number, Label>();

  /**
   * @param edges successors of each node; node 0 is the root
   * @param switched nodes that a `br_table` leads to
   * @param loops headers of the loops around each node, outermost first
   */
  constructor(
    private readonly edges: readonly (readonly number[])[],
    switched: ReadonlySet<number>,
    private readonly loops: readonly (readonly number[])[],
  ) {
    this.order = reversePostorder(edges);
    this.position = new Map(this.order.map((n, i) => [n, i]));
    const dominator = this.dominators();
    const entering = new Map<number, number>();
    for (const n of this.order)
      for (const to of edges[n]!)
        if (this.backward(n, to)) this.headers.add(to);
        else entering.set(to, (entering.get(to) ?? 0) + 1);
    for (const n of this.order) {
      if (n === 0) continue;
      const over = dominator.get(n)!;
      // Outside of the loop that its dominator is in: after that loop.
      const left = loops[over]!.find((header) => !loops[n]!.includes(header));
      const parent = left ?? over;
      if (left !== undefined || switched.has(n) || (entering.get(n) ?? 0) > 1) this.labelled.add(n);
      this.children.set(parent, [...(this.children.get(parent) ?? []), n]);
    }
  }

  /** Whether a node can be reached at all. */
  reaches(node: number): boolean {
    return this.position.has(node);
  }

  emit(f: FunctionBuilder, node: (n: number, way: Way) => void): void {
    this.tree(f, 0, node);
  }

  private backward(from: number, to: number): boolean {
    return this.position.get(to)! <= this.position.get(from)!;
  }

  private tree(f: FunctionBuilder, n: number, node: (n: number, way: Way) => void): void {
    const following = (this.children.get(n) ?? []).filter((child) => this.labelled.has(child));
    following.sort((a, b) => this.position.get(b)! - this.position.get(a)!);
    if (!this.headers.has(n)) {
      this.within(f, n, following, node, () => this.body(f, n, node));
      return;
    }
    const inside = (child: number) => this.loops[child]!.includes(n);
    this.within(
      f,
      n,
      following.filter((child) => !inside(child)),
      node,
      () =>
        f.loop((start) => {
          this.loopLabels.set(n, start);
          this.within(f, n, following.filter(inside), node, () => this.body(f, n, node));
        }),
    );
  }

  /** Blocks around `innermost`, each followed by one of the nodes. */
  private within(f: FunctionBuilder, n: number, following: readonly number[], node: (n: number, way: Way) => void, innermost: () => void): void {
    const [last, ...rest] = following;
    if (last === undefined) {
      innermost();
      return;
    }
    f.block((end) => {
      this.labels.set(last, end);
      this.within(f, n, rest, node, innermost);
    });
    this.tree(f, last, node);
  }

  private body(f: FunctionBuilder, n: number, node: (n: number, way: Way) => void): void {
    const label = (to: number): Label => {
      const found = this.backward(n, to) ? this.loopLabels.get(to) : this.labels.get(to);
      if (!found) throw new RangeError(`no label for node ${to} at node ${n}`);
      return found;
    };
    const nested = (to: number): boolean => !this.backward(n, to) && !this.labelled.has(to);
    node(n, {
      label,
      straight: n !== 0 && !this.labelled.has(n) && !this.headers.has(n),
      goesStraight: (to) => nested(to) && !this.headers.has(to),
      go: (to) => {
        if (nested(to)) this.tree(f, to, node);
        else f.br(label(to));
      },
    });
  }

  /** Immediate dominators (Cooper, Harvey, Kennedy). */
  private dominators(): ReadonlyMap<number, number> {
    const before = new Map<number, number[]>();
    for (const n of this.order) for (const to of this.edges[n]!) before.set(to, [...(before.get(to) ?? []), n]);
    const dominator = new Map<number, number>([[0, 0]]);
    const meet = (a: number, b: number): number => {
      while (a !== b) {
        while (this.position.get(a)! > this.position.get(b)!) a = dominator.get(a)!;
        while (this.position.get(b)! > this.position.get(a)!) b = dominator.get(b)!;
      }
      return a;
    };
    for (let changed = true; changed;) {
      changed = false;
      for (const n of this.order) {
        if (n === 0) continue;
        const known = before.get(n)!.filter((p) => dominator.has(p));
        const found = known.reduce(meet);
        if (dominator.get(n) !== found) {
          dominator.set(n, found);
          changed = true;
        }
      }
    }
    return dominator;
  }
}

function reversePostorder(edges: readonly (readonly number[])[]): number[] {
  const seen = new Set<number>([0]);
  const order: number[] = [];
  const work: { node: number; at: number }[] = [{ node: 0, at: 0 }];
  while (work.length) {
    const top = work.at(-1)!;
    const next = edges[top.node]!;
    if (top.at < next.length) {
      const to = next[top.at++]!;
      if (seen.has(to)) continue;
      seen.add(to);
      work.push({ node: to, at: 0 });
    } else {
      order.push(top.node);
      work.pop();
    }
  }
  return order.reverse();
}
