import * as layout from '../../x86/layout';
import type { RegionBlock } from './graph';
import { findLoops, loopChains, type Edge } from './loops';
import { returnSites } from './returns';

const PAGE = 0x1000;
/** Return addresses that are compared one by one at a return; more of them are looked up. */
const RETURN_SITES = 4;

/**
 * What a region's code looks like before it is written: blocks are nodes from 1 on, node 0 hands control to entries.
 */
export interface Plan {
  readonly blocks: readonly RegionBlock[];
  readonly mode64: boolean;
  /** Address of the TLB set of the privilege that the region is compiled for. */
  readonly tlbSet: number;
  /** Successors of each node, loops being entered through their headers. */
  readonly edges: readonly (readonly number[])[];
  /** Nodes that control is dispatched to. */
  readonly switched: ReadonlySet<number>;
  /** Headers of the loops around each node. */
  readonly loops: readonly (readonly number[])[];
  /** Nodes where the region can be entered. */
  readonly entries: readonly number[];
  /** Pages that hold entries, as places relative to the region's first page. */
  readonly entryPages: readonly number[];
  /** All pages that the region's code lies in. */
  readonly pages: readonly number[];
  /** Instructions from any entry to the next check of the budget, at most. */
  readonly longest: number;
  /** Nodes that control is passed on to by the headers of the loops around them. */
  readonly passed: ReadonlySet<number>;
  nodeAt(place: number): number | undefined;
  blockOf(node: number): RegionBlock;
  route(from: number, to: number): Edge;
  /** Where a node that loops are entered through, or the root, sends control for each entry. */
  dispatch(node: number): ReadonlyMap<number, number>;
  /** For loop headers: instructions from there to the next check. */
  cost(header: number): number | undefined;
  /** Nodes that a return or an indirect call at this node may lead to, likeliest first. */
  targets(node: number): readonly number[];
  /** Whether an indirect jump at this node may lead to any entry. */
  dispatches(node: number): boolean;
}

/**
 * @param blocks the region's blocks, the one that it begins with first
 * @param wanted headers of blocks that are to be entries too
 */
export function planRegion(blocks: readonly RegionBlock[], mode: number, tlbSet: number, wanted: ReadonlySet<number> = new Set()): Plan {
  const nodes = new Map(blocks.map((b, i) => [b.place, i + 1]));
  const nodeAt = (place: number) => nodes.get(place);
  const blockOf = (node: number) => blocks[node - 1]!;
  const known = (...places: (number | undefined)[]) => places.flatMap((p) => (p === undefined ? [] : (nodes.get(p) ?? [])));

  const sitesOf = returnSites(blocks, nodes);
  const entries = new Set<number>([1]);
  const reached = new Set(blocks.flatMap((block) => [...directPlaces(block), ...calledAt(block)]));
  blocks.forEach((block, i) => {
    const t = block.terminator;
    if (t.kind === 'call' || t.kind === 'indirect' || t.kind === 'leave') for (const n of known(t.next)) entries.add(n);
    if (wanted.has(block.header)) entries.add(i + 1);
    // Reached by nothing else: the targets of a jump table.
    if (!reached.has(block.place)) entries.add(i + 1);
  });
  const jumps = (block: RegionBlock) => block.terminator.kind === 'indirect' && block.terminator.next === undefined;
  const many = (node: number): boolean => (sitesOf.get(node)?.size ?? 0) > RETURN_SITES;
  const dispatches = (node: number): boolean => jumps(blockOf(node)) || many(node);
  const rootLoops = blocks.some((_, i) => dispatches(i + 1));

  const direct = [[] as number[], ...blocks.map((block, i) => {
    const { terminator: t } = block;
    if (t.kind === 'return') return [...new Set([...known(t.last), ...(many(i + 1) ? [] : (sitesOf.get(i + 1) ?? []))])];
    return t.kind === 'indirect' ? known(t.last) : known(...directPlaces(block));
  })]; // prettier-ignore
  // Loops can be entered at their headers: what leaves them for the interpreter comes back there.
  const chains = loopChains(direct);
  for (const chain of chains) for (const header of chain) entries.add(header);
  direct[0] = [...entries].sort((a, b) => a - b);
  const forest = findLoops(direct, rootLoops, chains);
  // Two ways to the same node count twice: its code is written once.
  const routed = direct.map((list, from) => list.map((to) => forest.route(from, to).to));

  const dispatch = (node: number): ReadonlyMap<number, number> => {
    const through = node === 0 ? direct[0]! : [...(forest.through.get(node) ?? [])];
    return new Map(through.map((entry) => [entry, forest.route(node, entry).to]));
  };
  const switched = new Set<number>();
  const edges = routed.map((list, node) => {
    const targets = node === 0 ? [] : [...dispatch(node).values()];
    if (node > 0 || list.length > 1) for (const to of node === 0 ? list : targets) switched.add(to);
    const back = node > 0 && dispatches(node) ? [0] : [];
    return [...list, ...targets, ...back];
  });

  const headers = new Set(forest.chains.flat());
  const costs = new Map<number, number>();
  const costFrom = (node: number): number => {
    const found = costs.get(node);
    if (found !== undefined) return found;
    costs.set(node, 0);
    const after = direct[node]!.filter((to) => !headers.has(to)).map(costFrom);
    const cost = blockOf(node).count + Math.max(0, ...after);
    costs.set(node, cost);
    return cost;
  };
  const pageOf = (node: number) => blockOf(node).place - (blockOf(node).place & (PAGE - 1));
  return {
    blocks,
    mode64: (mode & layout.MODE_64) !== 0,
    tlbSet,
    edges,
    switched,
    loops: forest.chains,
    entries: direct[0],
    entryPages: [...new Set(direct[0].map(pageOf))],
    pages: [...new Set(blocks.flatMap(({ pages }) => pages))],
    longest: Math.max(...blocks.map((_, i) => costFrom(i + 1))),
    passed: new Set([...forest.through.values()].flatMap((set) => [...set])),
    nodeAt,
    blockOf,
    route: forest.route,
    dispatch,
    cost: (header) => (headers.has(header) && header !== 0 ? costFrom(header) : undefined),
    targets: (node) => direct[node]!,
    dispatches,
  };
}

/** Places that a block jumps or runs on to without being looked up. */
function directPlaces({ terminator: t }: RegionBlock): readonly number[] {
  switch (t.kind) {
    case 'jump':
    case 'call':
      return [t.target];
    case 'branch':
      return [t.taken, t.next];
    case 'indirect':
    case 'return':
    case 'leave':
      return [];
  }
}

/** Where a function begins that a block calls through a register, or jumps to with a return. */
function calledAt({ terminator: t }: RegionBlock): readonly number[] {
  return (t.kind === 'return' || t.kind === 'indirect') && t.last !== undefined ? [t.last] : [];
}
