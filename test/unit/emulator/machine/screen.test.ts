import assert from 'node:assert/strict';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { readCoarseFrame, readFrame } from '../../../../emulator/machine/screen';
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

  for (const depth of [16, 24, 32])
    it(`has those of the whole in ${depth} bits when it is read with fewer`, async () => {
      const guest = await make({ width: 800, height: 600 });
      const base = (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!.first;
      await guest.setDeviceState(['fbuf', 'mode', 'depth'], BigInt(depth));
      await guest.writeMemory(
        0,
        'physical',
        base,
        Uint8Array.from({ length: 3200 * 8 }, (_, i) => i * 7 + (i >> 8)),
      );
      const pixels = ({ rgba }: { rgba: Uint8Array }): Uint32Array => new Uint32Array(rgba.buffer);
      const { width, ...coarse } = readCoarseFrame(guest.machine.board, 130)!;
      const whole = pixels(readFrame(guest.machine.board)!);
      assert.equal(width, 134);
      pixels(coarse).forEach((pixel, i) => assert.equal(pixel, whole[Math.floor(i / width) * 6 * 800 + (i % width) * 6]));
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
