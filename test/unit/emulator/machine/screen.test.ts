import assert from 'node:assert/strict';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { readCoarseFrame, readFrame } from '../../../../emulator/machine/screen';
import { WrittenPages } from '../../../../emulator/machine/pages';
import type { Engine } from '../../../../emulator/engine/engine';
import { compiled, CONFIG, ECHO } from './guests';

const make = async (framebuffer: { width: number; height: number } | false): Promise<LocalGuest> =>
  LocalGuest.create({ ...CONFIG, framebuffer }, { images: ECHO, binaries: await compiled(), pace: nodePace });

describe('picture of the guest', function () {
  this.timeout(20_000);

  it('is the memory of the framebuffer, in the mode of its registers', async () => {
    const guest = await make({ width: 800, height: 600 });
    const window = (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!;
    const at = window.first + BigInt((2 * 800 + 3) * 4);
    assert.equal(await guest.writeMemory(0, 'physical', at, Uint8Array.of(0x11, 0x22, 0x33, 0)), 4);
    const frame = (await guest.frame())!;
    assert.deepEqual([frame.width, frame.height, frame.rgba.length], [800, 600, 800 * 600 * 4]);
    const pixel = (2 * 800 + 3) * 4;
    assert.deepEqual([...frame.rgba.subarray(pixel, pixel + 4)], [0x33, 0x22, 0x11, 255], 'red, green, blue of X8R8G8B8');
    assert.deepEqual([...frame.rgba.subarray(pixel + 4, pixel + 8)], [0, 0, 0, 255]);
  });

  it('shows 16-bit pixels with full white', async () => {
    const guest = await make({ width: 800, height: 600 });
    const base = (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!.first;
    await guest.setDeviceState(['fbuf', 'mode', 'depth'], 16n);
    await guest.writeMemory(0, 'physical', base, Uint8Array.of(0xff, 0xff, 0x00, 0xf8, 0xe0, 0x07));
    const { rgba } = (await guest.frame())!;
    assert.deepEqual([...rgba.subarray(0, 12)], [255, 255, 255, 255, 255, 0, 0, 255, 0, 255, 0, 255]);
  });

  it('can be read with fewer pixels', async () => {
    const guest = await make({ width: 800, height: 600 });
    const base = (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!.first;
    for (const [x, y, blue] of [[0, 0, 1], [1, 0, 2], [2, 0, 3], [0, 1, 4], [798, 598, 5]] as const)
      await guest.writeMemory(0, 'physical', base + BigInt((y * 800 + x) * 4), Uint8Array.of(blue)); // prettier-ignore
    const { width, height, rgba } = readCoarseFrame(guest.machine.board, 400)!;
    assert.deepEqual([width, height, rgba.length], [400, 300, 400 * 300 * 4]);
    assert.deepEqual([rgba[2], rgba[6], rgba[400 * 4 + 2], rgba.at(-2)], [1, 3, 0, 5]);
    assert.deepEqual(readCoarseFrame(guest.machine.board, 500), readFrame(guest.machine.board));
  });

  it('is part of the state hash', async () => {
    const guest = await make({ width: 800, height: 600 });
    const base = (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!.first;
    const hashes = [await guest.stateHash()];
    for (const value of [7, 0]) {
      await guest.writeMemory(0, 'physical', base, Uint8Array.of(value));
      hashes.push(await guest.stateHash());
    }
    assert.equal(new Set(hashes).size, 3, 'the writes are events of the journal, too');
  });

  it('is absent where there is no framebuffer', async () => {
    assert.equal(await (await make(false)).frame(), undefined);
  });
});

describe('written pages', () => {
  it('hands every mark of the engine to every reader once', () => {
    let dirty: number[] = [];
    const memory = new WebAssembly.Memory({ initial: 1 });
    const engine = { memory, dirtyPages: () => Uint32Array.from(dirty), clearDirty: () => (dirty = []) } as unknown as Engine;
    const pages = new WrittenPages(engine);
    const first = pages.reader();
    dirty = [5, 70_000];
    assert.deepEqual([...first.take()], [5, 70_000]);
    dirty = [6];
    const second = pages.reader();
    assert.deepEqual([...second.take()], [5, 6, 70_000], 'one that comes later hears of everything');
    assert.deepEqual([...first.take()], [6]);
    assert.deepEqual([...first.take()], []);
    pages.mark([5]);
    assert.deepEqual([[...first.take()], [...second.take()]], [[5], [5]]);
    assert.deepEqual([...pages.all()], [5, 6, 70_000]);
  });

  it('hands some of them to who wants no others, and leaves the others marked', () => {
    let dirty: number[] = [];
    const memory = new WebAssembly.Memory({ initial: 1 });
    const within = (first = 0, last = Infinity) => Uint32Array.from(dirty.filter((page) => page >= first && page <= last));
    const clear = (first = 0, last = Infinity): void => void (dirty = dirty.filter((page) => page < first || page > last));
    const pages = new WrittenPages({ memory, dirtyPages: within, clearDirty: clear } as unknown as Engine);
    const [one, other] = [pages.reader(), pages.reader()];
    dirty = [63, 64, 100, 101, 4000];
    assert.deepEqual([...one.takeWithin(64, 100)], [64, 100]);
    assert.deepEqual(dirty, [63, 101, 4000]);
    assert.deepEqual([...one.takeWithin(64, 100)], []);
    assert.deepEqual([...one.takeWithin(5000, 1 << 20)], []);
    assert.deepEqual([...other.take()], [63, 64, 100, 101, 4000]);
    assert.deepEqual([...one.take()], [63, 101, 4000]);
  });
});
