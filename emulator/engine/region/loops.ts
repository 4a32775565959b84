/** An edge of a region's graph: `entry` is the block that the loop's header is to pass control on to. */
export interface Edge {
  readonly to: number;
  readonly entry?: number;
}

/** The loops of a region. Node 0 is the root, which hands control to the entries. */
export interface LoopForest {
  /** Headers of the loops that hold a node, outermost first; a header's own comes last. */
  readonly chains: readonly (readonly number[])[];
  /** Where control goes for `to`: loops are entered through their headers only. */
  route(from: number, to: number): Edge;
  /** Entries that pass through a header, by header. */
  readonly through: ReadonlyMap<number, ReadonlySet<number>>;
}

type Graph = readonly (readonly number[])[];

/** Headers of the loops that hold a node, outermost first, whatever leads from the root. */
export function loopChains(successors: Graph): number[][] {
  const chains: number[][] = successors.map(() => []);
  const before: number[][] = successors.map(() => []);
  successors.forEach((list, from) => {
    if (from !== 0) for (const to of list) before[to]!.push(from);
  });

  const split = (nodes: readonly number[], cut: number | undefined): void => {
    const inside = new Set(nodes);
    const after = (n: number) => successors[n]!.filter((m) => inside.has(m) && m !== cut);
    for (const part of components(nodes, after)) {
      const [first] = part;
      const loops = part.length > 1 || after(first!).includes(first!);
      if (!loops) continue;
      const members = new Set(part);
      const entered = part.filter((n) => before[n]!.some((from) => !members.has(from)));
      // Nodes are numbered as they were found: the least is the nearest to where the region began.
      const header = Math.min(...(entered.length ? entered : part));
      for (const n of part) chains[n]!.push(header);
      split(part, header);
    }
  };
  split(
    successors.map((_, n) => n).filter((n) => n !== 0),
    undefined,
  );
  // A header's chain ends with itself: inner parts never hold it, as its incoming edges are cut there.
  return chains;
}

/**
 * Finds loops as strongly connected parts, each with one header, whatever jumps into its middle: such edges go to
 * the header, which passes them on. So the graph can always be written with structured loops.
 */
export function findLoops(successors: Graph, rootLoops: boolean, inner = loopChains(successors)): LoopForest {
  const chains = rootLoops ? inner.map((chain) => [0, ...chain]) : inner;
  const through = new Map<number, Set<number>>();

  const route = (from: number, to: number): Edge => {
    const mine = chains[from]!;
    const entered = chains[to]!.find((header) => !mine.includes(header));
    return entered === undefined || entered === to ? { to } : { to: entered, entry: to };
  };
  const pass = (from: number, to: number): void => {
    const chain = chains[to]!;
    const start = chain.findIndex((header) => !chains[from]!.includes(header));
    if (start < 0) return;
    for (const header of chain.slice(start)) {
      if (header === to) break;
      const set = through.get(header) ?? new Set();
      through.set(header, set.add(to));
    }
  };
  successors.forEach((list, from) => list.forEach((to) => pass(from, to)));
  return { chains, route, through };
}

/** Strongly connected components (Tarjan), without recursion. */
export function components(nodes: readonly number[], after: (n: number) => readonly number[]): number[][] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const result: number[][] = [];
  for (const root of nodes) {
    if (index.has(root)) continue;
    const work: { node: number; next: readonly number[]; at: number }[] = [];
    const open = (node: number) => {
      index.set(node, index.size);
      low.set(node, index.get(node)!);
      stack.push(node);
      onStack.add(node);
      work.push({ node, next: after(node), at: 0 });
    };
    open(root);
    while (work.length) {
      const top = work.at(-1)!;
      if (top.at < top.next.length) {
        const m = top.next[top.at++]!;
        if (!index.has(m)) open(m);
        else if (onStack.has(m)) low.set(top.node, Math.min(low.get(top.node)!, index.get(m)!));
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent) low.set(parent.node, Math.min(low.get(parent.node)!, low.get(top.node)!));
      if (low.get(top.node) !== index.get(top.node)) continue;
      const part: number[] = [];
      let n: number;
      do {
        n = stack.pop()!;
        onStack.delete(n);
        part.push(n);
      } while (n !== top.node);
      result.push(part);
    }
  }
  return result;
}
