import assert from 'node:assert/strict';
import { BochsVga } from '../../../../emulator/devices/bochsvga';
import { DISPI } from '../../../../emulator/devices/dispi';
import { laws, SIZES, TestContext } from './context';
import { backing, TestBus } from './testbus';

const MEMORY = 1 << 20;

function make() {
  const bus = new TestBus();
  const memory = backing(MEMORY);
  const vga = new BochsVga(new TestContext(), { backing: memory, store: (offset, from) => memory.bytes.set(from, offset) });
  vga.attach(bus);
  bus.out(0x3c0, 0x20); // the screen is on
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
      switch (next(4)) {
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
