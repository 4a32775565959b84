/** Where returns and indirect jumps of a region lead. */
import assert from 'node:assert/strict';
import type { RegionBlock, Terminator } from '../../../../../emulator/engine/region/graph';
import { planRegion } from '../../../../../emulator/engine/region/plan';
import * as layout from '../../../../../emulator/x86/layout';

const BYTES = 4;
/** Blocks of a few bytes, one behind the other's place; by name, so that terminators can say where they lead. */
function planOf(terminators: Readonly<Record<string, (at: (name: string) => number) => Terminator>>) {
  const names = Object.keys(terminators);
  const at = (name: string): number => names.indexOf(name) * 0x10;
  const blocks = names.map((name): RegionBlock => ({
    header: 0x1000 + at(name) * 0x40,
    place: at(name),
    bytes: BYTES,
    pages: [0],
    count: 2,
    compiled: 2,
    terminator: terminators[name]!(at),
  }));
  const plan = planRegion(blocks, layout.MODE_64, layout.TLB);
  const node = (name: string): number => names.indexOf(name) + 1;
  return {
    targets: (name: string) => plan.targets(node(name)).map((to) => names[to - 1]),
    dispatches: (name: string) => plan.dispatches(node(name)),
    isEntry: (name: string) => plan.entries.includes(node(name)),
  };
}

describe('where control goes in a region', () => {
  it('returns lead behind the calls of their own function', () => {
    const { targets } = planOf({
      start: (at) => ({ kind: 'call', target: at('one'), next: at('between') }),
      between: (at) => ({ kind: 'call', target: at('other'), next: at('end') }),
      end: () => ({ kind: 'leave' }),
      one: (at) => ({ kind: 'branch', taken: at('early'), next: at('late') }),
      early: () => ({ kind: 'return' }),
      // What it calls returns to it, not to where it was called.
      late: (at) => ({ kind: 'call', target: at('other'), next: at('last') }),
      last: () => ({ kind: 'return' }),
      other: () => ({ kind: 'return' }),
    });
    assert.deepEqual(targets('early'), ['between']);
    assert.deepEqual(targets('last'), ['between']);
    assert.deepEqual(targets('other'), ['end', 'last']);
  });

  it('returns lead behind calls that went through a register, and on from a jump at a function’s end', () => {
    const { targets, isEntry } = planOf({
      start: (at) => ({ kind: 'indirect', next: at('end'), last: at('called') }),
      end: () => ({ kind: 'leave' }),
      called: (at) => ({ kind: 'jump', target: at('tail') }),
      tail: () => ({ kind: 'return' }),
    });
    assert.deepEqual(targets('start'), ['called']);
    assert.deepEqual(targets('tail'), ['end']);
    assert.equal(isEntry('called'), false);
  });

  it('a return that is a jump leads where it led, and the function there returns for it', () => {
    const { targets } = planOf({
      start: (at) => ({ kind: 'call', target: at('thunk'), next: at('end') }),
      end: () => ({ kind: 'leave' }),
      // The address that this puts on the stack is replaced before the return.
      thunk: (at) => ({ kind: 'call', target: at('jump'), next: at('never') }),
      never: (at) => ({ kind: 'jump', target: at('never') }),
      jump: (at) => ({ kind: 'return', last: at('called') }),
      called: () => ({ kind: 'return' }),
    });
    assert.deepEqual(targets('jump'), ['called']);
    assert.deepEqual(targets('called'), ['end']);
  });

  it('returns of a function that is called at many places are looked up', () => {
    const callers = Array.from(
      { length: 5 },
      (_, i) => [`call ${i}`, (at: (name: string) => number) => ({ kind: 'call', target: at('called'), next: at(i < 4 ? `call ${i + 1}` : 'end') })] as const,
    );
    const { targets, dispatches } = planOf({
      ...Object.fromEntries(callers),
      end: () => ({ kind: 'leave' }),
      called: () => ({ kind: 'return' }),
    } as Parameters<typeof planOf>[0]);
    assert.equal(dispatches('called'), true);
    assert.deepEqual(targets('called'), []);
  });
});
