import assert from 'node:assert/strict';
import { bytesOf, Pages } from '../../../../emulator/snapshot/checkpoint';
import { PAGE } from '../../../../emulator/snapshot/format';
import { LIVE, LOADED } from '../../../../emulator/snapshot/slabs';

const copy = (byte: number): Uint8Array => new Uint8Array(PAGE).fill(byte);

describe('pages of a checkpoint', () => {
  const make = (): Pages => new Pages(Uint32Array.of(3, 5, 9), [[4, LOADED], [7, copy(7)]]); // prettier-ignore

  it("are memory's own until they are settled, by their index or without it", () => {
    const pages = make();
    assert.deepEqual(Array.from(pages.live()), [3, 5, 9]);
    pages.settle(5, 1, copy(5));
    pages.settle(9, 0, null);
    assert.deepEqual([3, 4, 5, 6, 9].map((page) => pages.get(page)), [LIVE, LOADED, copy(5), undefined, null]); // prettier-ignore
    assert.deepEqual(Array.from(pages.live()), [3]);
    assert.equal(bytesOf({ pages }), 2 * PAGE);
  });

  it('are the same whether somebody has asked for one of them before or not', () => {
    for (const ask of [true, false]) {
      const pages = make();
      if (ask) assert.ok(pages.has(9));
      assert.deepEqual(Array.from(pages.live()), [3, 5, 9]);
      pages.settle(3, 0, copy(3));
      pages.delete(9);
      assert.deepEqual([...pages].sort(([a], [b]) => a - b), [[3, copy(3)], [4, LOADED], [5, LIVE], [7, copy(7)]]); // prettier-ignore
      assert.deepEqual([pages.copies().length, [...pages.keys()].length], [2, 4]);
    }
  });

  it('can be copied, and then change by themselves', () => {
    const pages = make();
    const other = pages.copy();
    pages.settle(3, 0, copy(3));
    other.set(5, null);
    assert.deepEqual([pages.get(3), other.get(3), pages.get(5), other.get(5), other.get(4)], [copy(3), LIVE, LIVE, null, LOADED]);
  });
});
