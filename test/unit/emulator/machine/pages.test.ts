import assert from 'node:assert/strict';
import { pageOfDisk, WrittenPages, type PageNumbers } from '../../../../emulator/machine/pages';
import type { Overlay } from '../../../../emulator/storage/overlay';
import { LOADED } from '../../../../emulator/snapshot/slabs';
import * as layout from '../../../../emulator/x86/layout';
import { bareEngine } from '../engine/bare';

const listed = ({ memory, disks }: PageNumbers): number[] => [...memory, ...disks];

describe('written pages', () => {
  /** Pages of RAM by their number there, with `write`, and a disk of which pages are written by `written`. */
  async function make(): Promise<{ pages: WrittenPages; of: (...own: number[]) => number[]; write: (...own: number[]) => void; written: Set<number> }> {
    const engine = await bareEngine('90');
    const written = new Set<number>();
    const overlay = { takeWritten: () => new Set([...written].filter((page) => written.delete(page))) } as unknown as Overlay;
    const pages = new WrittenPages(engine, [overlay]);
    const of = (...own: number[]): number[] => own.map((page) => (layout.RAM >>> 12) + page);
    // What the engine was made with is written, too: nobody hears of it that comes now.
    for (const page of pages.all()) new Uint8Array(engine.memory.buffer)[layout.UNREAD_PAGES + page] = 0;
    return { pages, of, write: (...own) => own.forEach((page) => engine.physicalWrite(page * 4096, Uint8Array.of(1))), written };
  }

  it('are given to every reader once', async () => {
    const { pages, of, write } = await make();
    const first = pages.reader();
    write(5, 7000);
    assert.deepEqual(listed(first.take()), of(5, 7000));
    write(6);
    const second = pages.reader();
    assert.deepEqual(listed(second.take()), of(5, 6, 7000), 'one that comes later hears of everything');
    assert.deepEqual(listed(first.take()), of(6));
    assert.deepEqual(listed(first.take()), []);
    pages.mark(of(5));
    assert.deepEqual([first, second].map((reader) => listed(reader.take())), [of(5), of(5)]); // prettier-ignore
    assert.deepEqual(pages.all(), of(5, 6, 7000));
  });

  it('are given of a range to who wants no others, which stay marked', async () => {
    const { pages, of, write } = await make();
    const [one, other] = [pages.reader(), pages.reader()];
    write(63, 64, 100, 101, 4000);
    const within = (first: number, last: number): number[] => [...one.takeWithin(of(first)[0]!, of(last)[0]!)];
    assert.deepEqual(within(64, 100), of(64, 100));
    assert.deepEqual(within(64, 100), []);
    assert.deepEqual(within(5000, 8191), []);
    assert.deepEqual(listed(other.take()), of(63, 64, 100, 101, 4000));
    assert.deepEqual(listed(one.take()), of(63, 101, 4000));
  });

  it('are those of disks, too', async () => {
    const { pages, of, write, written } = await make();
    const first = pages.reader();
    write(3);
    written.add(0).add(70_000);
    const disk = [pageOfDisk(0, 0), pageOfDisk(0, 70_000)];
    assert.deepEqual(listed(first.take()), [...of(3), ...disk]);
    assert.deepEqual(listed(first.take()), []);
    assert.deepEqual(listed(pages.reader().take()), [...of(3), ...disk]);
    pages.mark([disk[1]!]);
    assert.deepEqual(listed(first.take()), [disk[1]]);
    assert.deepEqual(pages.all(), [...of(3), ...disk]);
  });

  it('can be put back as they were loaded, where they are of one piece only', async () => {
    const { pages, of, write } = await make();
    const piece = (address: number, length: number, byte: number) => ({ address, bytes: new Uint8Array(length).fill(byte) });
    pages.load([piece(0x100800, 0x4000, 1), piece(0x200000, 0x3000, 2), piece(0x201ff0, 0x20, 3), piece(0x300000, 0x1000, 4)]);
    assert.deepEqual(pages.takeLoaded(), of(0x101, 0x102, 0x103, 0x200, 0x300), 'neither parts of pages nor what lies under another piece');
    write(0x102);
    const [page] = of(0x102);
    assert.equal(pages.contents(page!)![0x7ff], 1);
    new Uint8Array(pages.contents(page!)!.buffer).fill(9, page! * 4096, (page! + 1) * 4096);
    pages.put(page!, LOADED);
    assert.deepEqual(pages.contents(page!), new Uint8Array(4096).fill(1));
    assert.throws(() => pages.loadedContents(of(0x104)[0]!), { code: 'not-loaded' });
  });

  it('have as many readers as the engine has marks for', async () => {
    const { pages } = await make();
    for (let i = 1; i < layout.READERS; i++) pages.reader();
    assert.throws(() => pages.reader(), { code: 'page-readers', blame: 'internal' });
  });
});
