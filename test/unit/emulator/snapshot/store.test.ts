import assert from 'node:assert/strict';
import { Branches } from '../../../../emulator/snapshot/branch';
import { bytesOf, Pages, type Checkpoint } from '../../../../emulator/snapshot/checkpoint';
import { PAGE } from '../../../../emulator/snapshot/format';
import { isCopy, isZero, LIVE, type Contents } from '../../../../emulator/snapshot/slabs';
import { CheckpointStore, type Memory } from '../../../../emulator/snapshot/store';
import { KEPT_ZERO } from '../../../../emulator/x86/layout';

const page = (value: number): Uint8Array => new Uint8Array(PAGE).fill(value);

let nextId = 1;
function checkpoint(position: number, pages: Record<number, Contents>, more: Partial<Checkpoint> & { journal?: number } = {}): Checkpoint {
  const { journal = 0, ...rest } = more;
  const all = Object.entries(pages).map(([number, contents]): [number, Contents] => [Number(number), contents]);
  const others = all.filter(([, contents]) => contents !== LIVE);
  const live = all.filter((each) => !others.includes(each)).map(([number]) => number);
  return {
    id: nextId++,
    state: { position, clock: { offset: 0, jumps: 0 }, turn: { vcpu: 0, end: 0 }, off: false, journal, vcpus: [], devices: {} },
    time: position,
    kept: false,
    passing: false,
    pages: new Pages(Uint32Array.from(live), others),
    ...rest,
  };
}
const never = (): never => assert.fail("nothing is memory's own");
const noMemory: Memory = { contents: never };
/** Memory of some pages; what they were is told when the store is about to be asked, as of a machine: of all of them, whoever has them. */
function liveMemory(pages: number): {
  at(page: number): Uint8Array;
  write(page: number, value: number): void;
  tell(store: CheckpointStore): void;
  memory: Memory;
} {
  const bytes = new Uint8Array(pages * PAGE);
  const at = (page: number): Uint8Array => bytes.subarray(page * PAGE, (page + 1) * PAGE);
  const kept = new Map<number, Uint8Array | null>();
  return {
    at,
    write(page, value) {
      if (!kept.has(page)) kept.set(page, isZero(at(page)) ? null : at(page).slice());
      at(page).fill(value);
    },
    tell(store) {
      const numbers = [...kept].map(([page, contents]) => (contents ? page : page | KEPT_ZERO));
      const contents = Buffer.concat([...kept.values()].flatMap((own) => own ?? []));
      kept.clear();
      store.settleKept({ pages: Uint32Array.from(numbers), contents });
    },
    memory: { contents: (page) => (isZero(at(page)) ? null : at(page)) },
  };
}
/** First byte of a page at a checkpoint; `own`: memory's, as it is now. */
const first = (contents: Contents, own?: Uint8Array): number => (isCopy(contents) ? contents : contents === LIVE ? own! : undefined)?.[0] ?? 0;
const positions = (store: CheckpointStore): number[] => store.all.map(({ state }) => state.position);

describe('checkpoint store', () => {
  it('finds the newest version of a page at or before a checkpoint', () => {
    const store = new CheckpointStore(1 << 20, noMemory);
    const [a, b, c] = [checkpoint(0, { 1: page(1), 2: page(2) }), checkpoint(10, { 1: page(3) }), checkpoint(20, { 2: null })];
    for (const each of [a, b, c]) store.add(each, undefined);
    assert.equal(first(store.version(1, a)), 1);
    assert.equal(first(store.version(1, c)), 3);
    assert.equal(first(store.version(2, b)), 2);
    assert.equal(store.version(2, c), null, 'zeros again');
    assert.equal(store.version(9, c), null, 'never written');
    assert.deepEqual([...store.between(c, a)].sort(), [1, 2]);
    assert.deepEqual([...store.between(b, c)], [2]);
    assert.equal(store.bytes, 3 * PAGE);
  });

  it('copies memory only where it changes after a checkpoint', () => {
    const { at, write, tell, memory } = liveMemory(4);
    const store = new CheckpointStore(1 << 20, memory);
    for (const number of [0, 1, 2]) write(number, 10 + number);
    tell(store);
    const a = checkpoint(0, { 0: LIVE, 1: LIVE, 2: LIVE });
    store.add(a, undefined);
    assert.deepEqual([store.bytes, bytesOf(a)], [0, 0], 'nothing is copied yet');
    write(1, 21);
    const b = checkpoint(10, { 1: LIVE });
    tell(store);
    store.add(b, a);
    write(1, 31);
    write(2, 32);
    const c = checkpoint(20, { 1: LIVE, 2: LIVE, 3: LIVE });
    tell(store);
    store.add(c, b);
    const seen = [a, b, c].map((each) => [0, 1, 2].map((number) => first(store.version(number, each), at(number))));
    assert.deepEqual(seen, [[10, 11, 12], [10, 21, 12], [10, 31, 32]]); // prettier-ignore
    assert.equal(bytesOf(a) + bytesOf(b) + bytesOf(c), 3 * PAGE);
    const whole = store.whole(c);
    for (const number of [0, 2, 3]) write(number, 40 + number);
    tell(store);
    assert.equal(store.version(3, c), null, 'it was all zeros');
    assert.deepEqual(
      [0, 1, 2].map((number) => first(whole.get(number)!)),
      [10, 31, 32],
    );
  });

  it('thins checkpoints whose pages are memory itself', () => {
    const { at, write, tell, memory } = liveMemory(8);
    const budget = 65 * PAGE; // a slab
    const store = new CheckpointStore(budget, memory);
    const truth = new Map<number, number[]>();
    const now = Array.from({ length: 8 }, () => 0);
    for (let i = 0; i < 100; i++) {
      const changed = [i % 8, (i * 3) % 7];
      for (const number of changed) write(number, (now[number] = i + 1));
      tell(store);
      truth.set(i, [...now]);
      store.add(checkpoint(i, Object.fromEntries(changed.map((number) => [number, LIVE]))), store.all.at(-1));
    }
    assert.ok(store.all.length < 60, `${store.all.length} are left`);
    for (const each of store.all) assert.deepEqual(now.map((_, number) => first(store.version(number, each), at(number))), truth.get(each.state.position)); // prettier-ignore
  });

  it('finds the checkpoint at or before a position', () => {
    const store = new CheckpointStore(1 << 20, noMemory);
    for (const position of [0, 30, 10]) store.add(checkpoint(position, {}), undefined);
    assert.deepEqual(positions(store), [0, 10, 30]);
    assert.equal(store.before(29).state.position, 10);
    assert.equal(store.before(30).state.position, 30);
    assert.equal(store.at(11), undefined);
  });

  it('stays within its budget, dense near the present, and loses no page by thinning', () => {
    const budget = 32 * PAGE; // room for the working set at the kept one, and again since then
    const store = new CheckpointStore(budget, noMemory);
    const truth = new Map<number, Map<number, number>>();
    const now = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const number = (i * 7) % 13;
      now.set(number, (i % 250) + 1);
      truth.set(i * 100, new Map(now));
      store.add(checkpoint(i * 100, { [number]: page((i % 250) + 1) }, { kept: i === 50 }), store.all.at(-1));
      assert.ok(store.bytes <= budget, `${store.bytes} at ${i}`);
    }
    for (const each of store.all)
      for (const [number, value] of truth.get(each.state.position)!)
        assert.equal(first(store.version(number, each)), value, `page ${number} at ${each.state.position}`);
    const left = positions(store);
    assert.ok(left.includes(5000), 'what a user asked for stays');
    assert.deepEqual(left.slice(-2), [19800, 19900]);
    const gaps = left.slice(1).map((position, i) => position - left[i]!);
    assert.ok(gaps[0]! >= gaps.at(-1)!, String(gaps));
  });

  it('lets passing checkpoints go first', () => {
    const store = new CheckpointStore(3 * PAGE, noMemory);
    for (const position of [0, 10]) store.add(checkpoint(position, { 1: page(position + 1) }), undefined);
    store.add(checkpoint(5, { 1: page(9) }, { passing: true }), undefined);
    store.add(checkpoint(20, { 1: page(21) }), undefined);
    assert.deepEqual(positions(store), [0, 10, 20]);
    assert.equal(store.bytes, 3 * PAGE);
  });
});

describe('branches', () => {
  const fork = { position: 15, journal: 0 };
  function timeline(): { store: CheckpointStore; branches: Branches; wanted: Checkpoint } {
    const branches = new Branches();
    const store: CheckpointStore = new CheckpointStore(100 * PAGE, noMemory, () => branches.release(store));
    const wanted = checkpoint(20, { 1: page(3) }, { kept: true });
    for (const each of [checkpoint(0, { 1: page(1) }), checkpoint(10, { 2: page(2) }), wanted, checkpoint(30, { 1: page(4) }), checkpoint(40, { 3: page(5) })])
      store.add(each, undefined);
    return { store, branches, wanted };
  }

  it('keep what was asked for and the furthest point, whole by themselves', () => {
    const { store, branches, wanted } = timeline();
    branches.leave(store, fork, []);
    assert.deepEqual(positions(store), [0, 10]);
    assert.deepEqual(
      branches.checkpoints.map(({ checkpoint }) => checkpoint.state.position),
      [20, 40],
    );
    const { checkpoint: taken, fork: where } = branches.take(wanted.id)!;
    assert.deepEqual([...taken.pages].map(([number, bytes]) => [number, bytes?.[0]]), [[1, 3], [2, 2]]); // prettier-ignore
    assert.deepEqual(where, fork);
    assert.equal(branches.take(wanted.id), undefined);
  });

  it('have less in common with the current one when it forks earlier', () => {
    const { store, branches, wanted } = timeline();
    branches.leave(store, fork, []);
    branches.leave(store, { position: 5, journal: 2 }, []);
    assert.deepEqual(branches.take(wanted.id)!.fork, { position: 5, journal: 0 });
  });

  it('part at an input, also where it leaves the position as it was', () => {
    const { store, branches } = timeline();
    store.add(checkpoint(50, {}, { journal: 1 }), undefined);
    branches.leave(store, { position: 50, journal: 0 }, []);
    assert.deepEqual(positions(store), [0, 10, 20, 30, 40]);
  });

  it('free the memory that nothing else holds', () => {
    const { store, branches } = timeline();
    branches.leave(store, fork, []);
    assert.equal(store.bytes, 5 * PAGE, 'shared pages count once');
    assert.ok(branches.release(store), 'the furthest point goes');
    assert.equal(store.bytes, 3 * PAGE);
    assert.ok(!branches.release(store), 'what was asked for stays');
  });
});
