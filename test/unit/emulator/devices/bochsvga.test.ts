import assert from 'node:assert/strict';
import { BochsVga } from '../../../../emulator/devices/bochsvga';
import { DISPI } from '../../../../emulator/devices/dispi';
import { pictureOf } from '../../../../emulator/devices/scanout';
import { laws, SIZES, TestContext } from './context';
import { backing, TestBus } from './testbus';

const MEMORY = 1 << 20;

function make() {
  const bus = new TestBus();
  const memory = backing(MEMORY);
  const vga = new BochsVga(new TestContext(), { backing: memory, store: (offset, from) => memory.bytes.set(from, offset) });
  vga.attach(bus);
  bus.out(0x3c0, 0x20); // the screen is on
  bus.in(0x3ba);
  const write = (index: number, value: number): void => {
    bus.out(0x1ce, index, 2);
    bus.out(0x1cf, value, 2);
  };
  const read = (index: number): number => {
    bus.out(0x1ce, index, 2);
    return bus.in(0x1cf, 2);
  };
  const setMode = (width: number, height: number, bpp: number, enable: number): void => {
    write(DISPI.ENABLE, 0);
    [width, height, bpp].forEach((value, i) => write(DISPI.XRES + i, value));
    write(DISPI.ENABLE, enable);
  };
  return { bus, vga, memory, write, read, setMode };
}

describe('Bochs VGA', () => {
  it('is 1234:1111 with memory and a register window', () => {
    const { vga, read } = make();
    assert.equal(vga.pci.read(0), 0x11111234);
    assert.equal(vga.pci.read(8) >>> 8, 0x030000);
    vga.pci.write(0x10, 0xffffffff, 0xffffffff);
    vga.pci.write(0x18, 0xffffffff, 0xffffffff);
    assert.deepEqual([vga.pci.read(0x10), vga.pci.read(0x18)], [0xfff00008, 0xfffff000]);
    assert.equal(read(DISPI.ID), 0xb0c5);
    assert.equal(read(DISPI.VIDEO_MEMORY_64K), MEMORY >> 16);
  });

  it('sets a mode by ports, and clears memory unless told', () => {
    const { vga, memory, setMode, write, read } = make();
    memory.bytes.fill(0x55);
    setMode(320, 200, 32, 0xc1);
    assert.deepEqual(vga.mode(), { width: 320, height: 200, depth: 32, stride: 1280, start: 0 });
    assert.equal(memory.bytes[0], 0x55);
    setMode(320, 200, 32, 0x41);
    assert.deepEqual([memory.bytes[0], memory.bytes[1280 * 200 - 1], memory.bytes[1280 * 200]], [0, 0, 0x55]);
    write(DISPI.XRES, 640);
    assert.equal(read(DISPI.XRES), 320, 'not while it is enabled');
    write(DISPI.VIRT_WIDTH, 512);
    write(DISPI.X_OFFSET, 8);
    write(DISPI.Y_OFFSET, 2);
    assert.deepEqual(vga.mode(), { width: 320, height: 200, depth: 32, stride: 2048, start: 2 * 2048 + 32 });
    assert.equal(read(DISPI.VIRT_HEIGHT), MEMORY / 2048);
    write(DISPI.ENABLE, 0);
    assert.equal(vga.mode(), undefined);
  });

  it('sets a mode through BAR2 as UEFI does', () => {
    const { vga } = make();
    const write = (index: number, value: number): void => vga.mmioWrite(0x500 + 2 * index, 2, value);
    [640, 400, 16].forEach((value, i) => write(DISPI.XRES + i, value));
    write(DISPI.ENABLE, 0x41);
    assert.deepEqual(vga.mode(), { width: 640, height: 400, depth: 16, stride: 1280, start: 0 });
    assert.equal(vga.mmioRead(0x500, 4), 0xb0c5 | (640 << 16));
    assert.equal(vga.mmioRead(0x604, 4), 0x1e1e1e1e);
  });

  it('shows modes with a palette, and the window at A0000 by banks', () => {
    const { vga, bus, memory, setMode, write } = make();
    setMode(320, 240, 8, 0x41);
    assert.equal(vga.mode(), undefined, 'its memory is no picture');
    write(DISPI.BANK, 1);
    bus.write(0xa0000, 0x0201, 2);
    assert.deepEqual([memory.bytes[0x10000], bus.read(0xa0001, 1), bus.read(0xb0000, 1)], [1, 2, 0xff]);
    bus.out(0x3c8, 1);
    for (const value of [0xff, 0x20, 0x10]) bus.out(0x3c9, value);
    const pixel = (at: number): number[] => [...pictureOf(vga.scanout()).rgba.subarray(4 * at, 4 * at + 4)];
    assert.deepEqual(pixel(0x10000), [255, 130, 65, 255], 'six bits');
    setMode(320, 240, 8, 0xe1);
    bus.out(0x3c8, 1);
    for (const value of [0xff, 0x80, 0x41]) bus.out(0x3c9, value);
    assert.deepEqual(pixel(0x10000), [255, 128, 65, 255], 'eight');
    setMode(320, 240, 4, 0xe1);
    memory.bytes.set([0x80, 0, 0, 0], 0);
    bus.out(0x3c0, 1);
    bus.out(0x3c0, 1);
    bus.out(0x3c0, 0x20);
    assert.deepEqual([pixel(0), pixel(1)], [[255, 128, 65, 255], [0, 0, 0, 255]]); // prettier-ignore
  });

  it('is black with a palette when the guest switches the screen off, as large as before; modes of direct colors are shown', () => {
    const { vga, bus, memory, setMode } = make();
    setMode(320, 200, 8, 0x41);
    memory.bytes.fill(0xff);
    bus.out(0x3c0, 0);
    const { width, height, rgba } = pictureOf(vga.scanout());
    assert.deepEqual([width, height, rgba[0], rgba[3]], [320, 200, 0, 255]);
    setMode(320, 200, 32, 0x41);
    assert.equal(vga.mode()?.width, 320);
  });

  it('gives maxima when asked for capabilities', () => {
    const { write, read } = make();
    write(DISPI.ENABLE, 2);
    assert.deepEqual([read(DISPI.XRES), read(DISPI.YRES), read(DISPI.BPP)], [2560, 1600, 32]);
  });

  it('shows nothing of a picture that does not fit into its memory', () => {
    const { vga, setMode, write } = make();
    setMode(1024, 768, 32, 0x41);
    assert.equal(vga.mode(), undefined);
    setMode(512, 512, 32, 0x41);
    assert.ok(vga.mode());
    write(DISPI.Y_OFFSET, 1);
    assert.equal(vga.mode(), undefined);
    setMode(0, 0, 32, 0x41);
    assert.equal(vga.mode(), undefined);
  });
});

laws('BochsVga', () => {
  const { vga, bus } = make();
  return {
    device: vga,
    poke: (next) => {
      const size = SIZES[next(3)]!;
      switch (next(7)) {
        case 4:
          return bus.out(0x3b0 + next(0x30), next(0x10000), size);
        case 5:
          return bus.write(0xa0000 + next(0x20000), next(2 ** 32), size);
        case 6:
          return [bus.in(0x3b0 + next(0x30), size), bus.read(0xa0000 + next(0x20000), size)];
        case 0:
          return bus.out(0x1ce, next(12), 2);
        case 1:
          return bus.out(0x1cf + next(2), next(3) === 0 ? next(0x10000) : next(1024), size);
        case 2:
          return vga.mmioWrite(next(0x1000), size, next(2 ** 32));
        default:
          return [vga.mmioRead(next(0x1000), size), bus.in(0x1ce + next(3), size)];
      }
    },
    observe: () => vga.mode(),
  };
});
