import assert from 'node:assert/strict';
import { findLoops } from '../../../../../emulator/engine/region/loops';
import { Structure } from '../../../../../emulator/engine/region/structure';
import { i32, type I32 } from '../../../../../emulator/wasm/expr';
import { ModuleBuilder } from '../../../../../emulator/wasm/module';

/** A random graph: any node may jump anywhere, into the middle of loops too. */
function randomGraph(random: (below: number) => number): number[][] {
  const size = 2 + random(9);
  const graph = Array.from({ length: size }, (_, n) => (n === 0 ? [] : Array.from({ length: random(3) }, () => 1 + random(size - 1))));
  graph[0] = [1, ...Array.from({ length: random(3) }, () => 1 + random(size - 1))].filter((n, i, all) => all.indexOf(n) === i);
  return graph;
}

/** What a walk over the graph should log: choices come from a generator that the compiled code has too. */
function walk(graph: readonly (readonly number[])[], entry: number, steps: number): number {
  let [node, seed, log] = [entry, 12345, 0];
  for (let i = 0; i < steps; i++) {
    log = (Math.imul(log, 31) + node) | 0;
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    const next = graph[node]!;
    if (!next.length) return log;
    node = next.length === 1 ? next[0]! : next[(seed >>> 16) & 1]!;
  }
  return log;
}

/** The same walk as structured WebAssembly, the way regions are emitted. */
function compile(graph: readonly (readonly number[])[]): (entry: number, steps: number) => number {
  const forest = findLoops(graph, false);
  const dispatch = (node: number) => new Map((node === 0 ? graph[0]! : [...(forest.through.get(node) ?? [])]).map((e) => [e, forest.route(node, e).to]));
  const routed = graph.map((list, from) => list.map((to) => forest.route(from, to).to));
  const switched = new Set(graph.flatMap((_, n) => (n === 0 ? routed[0]! : [...dispatch(n).values()])));
  const edges = routed.map((list, n) => (n === 0 ? list : [...list, ...dispatch(n).values()]));
  const passed = new Set([...forest.through.values()].flatMap((set) => [...set]));
  const module = new ModuleBuilder();
  const walkIt = module.function('walk', ['i32', 'i32'], ['i32'], (f) => {
    const [entry, steps] = [f.param(0, 'i32'), f.param(1, 'i32')];
    const [seed, log] = [f.lasting('i32'), f.lasting('i32')];
    f.set(seed, i32.const(12345));
    const choice = (): I32 => i32.and(i32.shrU(f.get(seed), i32.const(16)), i32.const(1));
    new Structure(edges, switched, forest.chains).emit(f, (n, way) => {
      const spread = (targets: ReadonlyMap<number, number>) =>
        f.block((none) => {
          const labels = Array.from({ length: graph.length }, (_, e) => (targets.has(e) ? way.label(targets.get(e)!) : none));
          f.brTable(f.get(entry), labels, none);
        });
      const go = (to: number) => {
        const edge = forest.route(n, to);
        if (edge.entry !== undefined) f.set(entry, i32.const(edge.entry));
        way.go(edge.to);
      };
      if (n === 0) {
        spread(dispatch(0));
        f.unreachable();
        return;
      }
      const through = dispatch(n);
      if (through.size)
        f.if(f.get(entry), () => {
          spread(through);
          f.set(entry, i32.const(0));
        });
      else if (passed.has(n)) f.set(entry, i32.const(0));
      f.if(i32.eqz(f.get(steps)), () => f.return(f.get(log)));
      f.set(steps, i32.sub(f.get(steps), i32.const(1)));
      f.set(log, i32.add(i32.mul(f.get(log), i32.const(31)), i32.const(n)));
      f.set(seed, i32.add(i32.mul(f.get(seed), i32.const(1103515245)), i32.const(12345)));
      const [first, second] = graph[n]!;
      if (first === undefined) f.return(f.get(log));
      else if (second === undefined) go(first);
      else {
        f.if(choice(), () => go(second));
        go(first);
      }
    });
    f.unreachable();
  });
  module.export('walk', walkIt);
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish())).exports['walk'] as (entry: number, steps: number) => number;
}

describe('structured control flow', () => {
  it('follows every path of any graph, from each entry', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 3000; i++) {
      const graph = randomGraph(random);
      const compiled = compile(graph);
      for (const entry of graph[0]!)
        for (const steps of [1, 7, 60]) assert.equal(compiled(entry, steps), walk(graph, entry, steps), `graph ${JSON.stringify(graph)} from ${entry}`);
    }
  });
});
