import { placesAfter, type RegionBlock } from './graph';

/**
 * For each return, by its node: where the calls of the functions that it belongs to go on.
 * @param nodes numbers of blocks, from 1 on, by their places
 */
export function returnSites(blocks: readonly RegionBlock[], nodes: ReadonlyMap<number, number>): ReadonlyMap<number, ReadonlySet<number>> {
  const nodeAt = (place: number | undefined): number | undefined => (place === undefined ? undefined : nodes.get(place));
  /** Where a call leads whose return is a jump: it does not come back. */
  const away = ({ terminator: t }: RegionBlock): number | undefined => {
    const called = t.kind === 'call' ? nodeAt(t.target) : undefined;
    const back = called && blocks[called - 1]!.terminator;
    return back && back.kind === 'return' ? back.last : undefined;
  };
  const sites = new Map<number, Set<number>>();
  const returnsOf = new Map<number, readonly number[]>();
  for (const block of blocks) {
    const { terminator: t } = block;
    if ((t.kind !== 'call' && t.kind !== 'indirect') || away(block) !== undefined) continue;
    const [called, site] = [nodeAt(t.kind === 'call' ? t.target : t.last), nodeAt(t.next)];
    if (called === undefined || site === undefined) continue;
    if (!returnsOf.has(called)) returnsOf.set(called, returnsFrom(called));
    for (const node of returnsOf.get(called)!) sites.set(node, (sites.get(node) ?? new Set()).add(site));
  }
  return sites;

  /** Returns that are reached from a node, but for those of what is called on the way. */
  function returnsFrom(first: number): readonly number[] {
    const found: number[] = [];
    const seen = new Set<number>();
    const work = [first];
    for (let node = work.pop(); node !== undefined; node = work.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      const block = blocks[node - 1]!;
      if (block.terminator.kind === 'return' && block.terminator.last === undefined) found.push(node);
      for (const place of goesOnAt(block)) {
        const next = nodeAt(place);
        if (next !== undefined) work.push(next);
      }
    }
    return found;
  }
  /** Behind a call, but where that does not come back. */
  function goesOnAt(block: RegionBlock): readonly (number | undefined)[] {
    const { terminator: t } = block;
    if (t.kind === 'call') return [away(block) ?? t.next];
    return t.kind === 'indirect' ? [t.next] : placesAfter(block);
  }
}
