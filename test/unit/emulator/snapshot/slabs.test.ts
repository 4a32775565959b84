import assert from 'node:assert/strict';
import { PAGE } from '../../../../emulator/snapshot/format';
import { isZero, Slabs } from '../../../../emulator/snapshot/slabs';

const SLAB = 32 * PAGE;
const pagesOf = (slabs: Slabs, count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => slabs.copy(new Uint8Array(PAGE).fill(i + 1)));

describe('Slabs', () => {
  it('keep copies of pages', () => {
    const slabs = new Slabs();
    const page = new Uint8Array(PAGE).fill(7);
    const copy = slabs.copy(page);
    page.fill(9);
    assert.deepEqual(copy, new Uint8Array(PAGE).fill(7));
    pagesOf(slabs, 70).forEach((bytes, i) => assert.deepEqual(bytes, new Uint8Array(PAGE).fill(i + 1)));
  });

  it('know pages of zeros, to the last byte', () => {
    const memory = new Uint8Array(3 * PAGE);
    memory[2 * PAGE - 1] = memory[2 * PAGE] = 1;
    assert.deepEqual([0, 1, 2].map((page) => isZero(memory.subarray(page * PAGE, (page + 1) * PAGE))), [true, false, false]); // prettier-ignore
  });

  it('count as long as one of their pages is held', () => {
    const slabs = new Slabs();
    const pages = pagesOf(slabs, 40);
    assert.equal(slabs.bytes, 0, 'nobody holds any');
    for (const page of pages) slabs.hold(page);
    assert.equal(slabs.bytes, 2 * SLAB);
    for (const page of pages.slice(1)) slabs.free(page);
    assert.equal(slabs.bytes, SLAB);
    slabs.free(pages[0]!);
    assert.equal(slabs.bytes, 0);
  });

  it('count a page as long as one of several holds it', () => {
    const slabs = new Slabs();
    const [page] = pagesOf(slabs, 1);
    slabs.hold(page!);
    slabs.hold(page!);
    slabs.free(page!);
    assert.equal(slabs.bytes, SLAB);
    slabs.free(page!);
    slabs.free(page!);
    assert.equal(slabs.bytes, 0, 'what nobody holds is let go once');
  });

  it('move the pages of a slab that few hold', () => {
    const slabs = new Slabs();
    const pages = pagesOf(slabs, 64);
    for (const page of pages.slice(0, 20)) slabs.hold(page);
    assert.equal(slabs.compacted(pages[0]!), pages[0], 'more than half of it is held');
    for (const page of pages.slice(10, 20)) slabs.free(page);
    const moved = slabs.compacted(pages[0]!);
    assert.notEqual(moved.buffer, pages[0]!.buffer);
    assert.deepEqual(moved, pages[0]);
  });
});
