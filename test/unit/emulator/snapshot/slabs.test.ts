import assert from 'node:assert/strict';
import { PAGE } from '../../../../emulator/snapshot/format';
import { isZero, Slabs } from '../../../../emulator/snapshot/slabs';

const PAGES = 64; // of a slab
const SLAB = PAGES * PAGE;
const pagesOf = (slabs: Slabs, count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => slabs.copies(new Uint8Array(PAGE).fill(i + 1))[0]!);

describe('Slabs', () => {
  it('keep copies of pages', () => {
    const slabs = new Slabs();
    const pages = Uint8Array.from({ length: 80 * PAGE }, (_, i) => 1 + (i >> 12));
    const copies = slabs.copies(pages);
    pages.fill(99);
    copies.forEach((bytes, i) => assert.deepEqual(bytes, new Uint8Array(PAGE).fill(i + 1)));
    assert.equal(copies.length, 80);
    pagesOf(slabs, 70).forEach((bytes, i) => assert.deepEqual(bytes, new Uint8Array(PAGE).fill(i + 1)));
  });

  it('know pages of zeros, to the last byte', () => {
    const memory = new Uint8Array(3 * PAGE);
    memory[2 * PAGE - 1] = memory[2 * PAGE] = 1;
    assert.deepEqual([0, 1, 2].map((page) => isZero(memory.subarray(page * PAGE, (page + 1) * PAGE))), [true, false, false]); // prettier-ignore
  });

  it('count as long as one of their pages is held', () => {
    const slabs = new Slabs();
    const pages = pagesOf(slabs, PAGES + 8);
    assert.equal(slabs.bytes, 0, 'nobody holds any');
    slabs.hold(pages);
    assert.equal(slabs.bytes, 2 * SLAB);
    for (const page of pages.slice(1)) slabs.free(page);
    assert.equal(slabs.bytes, SLAB);
    slabs.free(pages[0]!);
    assert.equal(slabs.bytes, 0);
  });

  it('count a page as long as one of several holds it', () => {
    const slabs = new Slabs();
    const [page] = pagesOf(slabs, 1);
    slabs.hold([page!]);
    slabs.hold([page!]);
    slabs.free(page!);
    assert.equal(slabs.bytes, SLAB);
    slabs.free(page!);
    slabs.free(page!);
    assert.equal(slabs.bytes, 0, 'what nobody holds is let go once');
  });

  it('move the pages of a slab that few hold', () => {
    const slabs = new Slabs();
    const pages = pagesOf(slabs, 2 * PAGES);
    slabs.hold(pages.slice(0, 40));
    assert.equal(slabs.compacted(pages[0]!), pages[0], 'more than half of it is held');
    for (const page of pages.slice(20, 40)) slabs.free(page);
    const moved = slabs.compacted(pages[0]!);
    assert.notEqual(moved.buffer, pages[0]!.buffer);
    assert.deepEqual(moved, pages[0]);
  });

  it('are used again once nobody holds any of their pages', () => {
    const slabs = new Slabs();
    const [first, second] = [0, 1].map(() => pagesOf(slabs, PAGES)) as [Uint8Array[], Uint8Array[]];
    slabs.hold([...first, ...second]);
    for (const page of first.slice(1)) slabs.free(page);
    assert.notEqual(pagesOf(slabs, PAGES)[0]!.buffer, first[0]!.buffer, 'one page is held');
    slabs.free(first[0]!);
    assert.equal(pagesOf(slabs, 1)[0]!.buffer, first[0]!.buffer);
    assert.deepEqual(second[PAGES - 1], new Uint8Array(PAGE).fill(PAGES));
  });

  it('are not used again while somebody has borrowed pages, nor are those of others', () => {
    const slabs = new Slabs();
    const pages = [...pagesOf(slabs, PAGES), new Uint8Array(PAGE).fill(5)];
    pagesOf(slabs, 1);
    slabs.hold(pages);
    const back = slabs.borrow();
    for (const page of pages) slabs.free(page);
    back();
    pagesOf(slabs, 2 * PAGES);
    pages.forEach((page, i) => assert.deepEqual(page, new Uint8Array(PAGE).fill(i < PAGES ? i + 1 : 5)));
  });
});
