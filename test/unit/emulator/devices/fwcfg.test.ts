import assert from 'node:assert/strict';
import { FW_CFG, FwCfg } from '../../../../emulator/devices/fwcfg';
import { Ramfb } from '../../../../emulator/devices/ramfb';
import { pictureOf } from '../../../../emulator/devices/scanout';
import { laws, TestContext } from './context';
import { TestBus } from './testbus';

const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes);

function make(context = new TestContext()) {
  const bus = new TestBus();
  const ramfb = new Ramfb(context);
  let made = 0;
  const device = new FwCfg(context, {
    items: new Map([[FW_CFG.NB_CPUS, Uint8Array.of(3, 0)]]),
    files: [{ name: 'opt/z', contents: Uint8Array.of(1, 2, 3, 4, 5) }, ramfb.file, { name: 'etc/made', contents: () => Uint8Array.of(7, ++made) }],
  });
  device.attach(bus);
  const read = (count: number): number[] => Array.from({ length: count }, () => bus.in(0x511));
  const select = (key: number): void => bus.out(0x510, key, 2);
  const swap = (value: number): number => new DataView(Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24).buffer).getUint32(0);
  /** A DMA command at 0x100; the answer's control word. */
  const dma = (control: number, length: number, address: number): number => {
    const view = new DataView(context.bytes.buffer);
    view.setUint32(0x100, control);
    view.setUint32(0x104, length);
    view.setBigUint64(0x108, BigInt(address));
    bus.out(0x514, 0, 4);
    bus.out(0x518, swap(0x100), 4);
    return view.getUint32(0x100);
  };
  return { bus, device, ramfb, context, read, select, dma };
}

describe('firmware configuration device', () => {
  it('shows itself by signature, id and DMA register', () => {
    const { bus, read, select } = make();
    select(FW_CFG.SIGNATURE);
    assert.equal(text(read(4)), 'QEMU');
    select(FW_CFG.ID);
    assert.deepEqual(read(4), [3, 0, 0, 0]);
    assert.equal(text([0, 1, 2, 3, 4, 5, 6, 7].map((i) => bus.in(0x514 + i))), 'QEMU CFG');
    select(FW_CFG.NB_CPUS);
    assert.deepEqual(read(4), [3, 0, 0, 0], 'zeros beyond the end');
    select(0x1234);
    assert.deepEqual(read(2), [0, 0]);
  });

  it('lists files in order of their names', () => {
    const { read, select } = make();
    select(FW_CFG.FILE_DIR);
    assert.deepEqual(read(4), [0, 0, 0, 3]);
    const entries = Array.from({ length: 3 }, () => read(64)).map((entry) => ({
      size: entry[3],
      key: (entry[4]! << 8) | entry[5]!,
      name: text(entry.slice(8)).replace(/\0+$/, ''),
    }));
    assert.deepEqual(entries, [
      { size: 2, key: 0x20, name: 'etc/made' },
      { size: 28, key: 0x21, name: 'etc/ramfb' },
      { size: 5, key: 0x22, name: 'opt/z' },
    ]);
    select(0x22);
    assert.deepEqual(read(6), [1, 2, 3, 4, 5, 0]);
  });

  it('reads, skips and writes by DMA, and says what failed', () => {
    const { context, ramfb, dma } = make();
    assert.equal(dma((0x22 << 16) | 0x08 | 0x02, 3, 0x400), 0);
    assert.deepEqual([...context.bytes.subarray(0x400, 0x404)], [1, 2, 3, 0]);
    assert.equal(dma(0x04, 1, 0), 0);
    context.bytes.fill(0xee, 0x400, 0x404);
    assert.equal(dma(0x02, 3, 0x400), 0);
    assert.deepEqual([...context.bytes.subarray(0x400, 0x404)], [5, 0, 0, 0xee]);
    assert.equal(dma((0x22 << 16) | 0x08 | 0x10, 1, 0x400), 1, 'opt/z is read-only');
    assert.equal(dma((0x21 << 16) | 0x08 | 0x10, 29, 0x400), 1, 'too long');
    context.bytes.set([9, 8, 7], 0x400);
    assert.equal(dma((0x21 << 16) | 0x08 | 0x10, 3, 0x400), 0);
    assert.deepEqual([...ramfb.state.config.subarray(0, 4)], [9, 8, 7, 0]);
  });

  it('bounds what a guest makes it do', () => {
    const { dma } = make();
    assert.equal(dma((0x22 << 16) | 0x08 | 0x02, 0xffffffff, 0), 0);
    assert.equal(dma((0x22 << 16) | 0x08 | 0x10, 0xffffffff, 0), 1);
    assert.equal(dma(0x04, 0xffffffff, 0), 0);
  });
});

describe('framebuffer in RAM', () => {
  it('is what firmware has written, where that makes sense', () => {
    const { ramfb, context } = make();
    const set = (address: number, fourcc: string, width: number, height: number, stride: number): void => {
      const view = new DataView(ramfb.state.config.buffer);
      view.setBigUint64(0, BigInt(address));
      view.setUint32(
        8,
        [...fourcc].reduceRight((value, c) => (value << 8) | c.charCodeAt(0), 0),
      );
      view.setUint32(16, width);
      view.setUint32(20, height);
      view.setUint32(24, stride);
    };
    assert.equal(ramfb.mode(), undefined);
    set(0x1000, 'XR24', 4, 2, 32);
    context.bytes.set([1, 2, 3], 0x1000);
    assert.deepEqual(ramfb.mode(), { width: 4, height: 2, depth: 32, stride: 32, start: 0x1000 });
    const { rgba } = pictureOf(ramfb.scanout()!);
    assert.deepEqual([rgba.length, ...rgba.subarray(0, 4)], [32, 3, 2, 1, 255]);
    for (const bad of [
      ['XR24', 0, 2, 0],
      ['XR24', 4, 2, 8],
      ['YUYV', 4, 2, 0],
      ['XR24', 0xffffffff, 1, 0],
      ['XR24', 8, 8192, 0xffffffff],
      ['RG16', 8192, 8192, 0],
    ] as const) {
      set(0x1000, bad[0], bad[1], bad[2], bad[3]);
      assert.equal(ramfb.mode(), undefined, bad.join(' '));
    }
  });
});

// Contents that others own, or that are made anew, are not the device's state: they are left out.
laws('FwCfg', (context) => {
  const { device, bus, dma } = make(context);
  return {
    device,
    poke: (next) => {
      switch (next(4)) {
        case 0:
          return bus.out(0x510, [0x19, 0x22, 1, 5, next(0x19)][next(5)]!, 2);
        case 1:
          return bus.in(0x510 + next(12), 1);
        case 2:
          return bus.out(0x514 + 4 * next(2), next(2 ** 32), 4);
        default:
          return dma((0x22 << 16) | next(64), next(100), 0x400 + next(100));
      }
    },
    observe: () => [device.state.selector, device.state.offset],
  };
});

laws('Ramfb', (context) => {
  const { ramfb } = make(context);
  const sizes = [0, 1, 4, 640, 8192, 0xffffffff];
  return {
    device: ramfb,
    poke: (next) => {
      const bytes = new Uint8Array(28);
      const view = new DataView(bytes.buffer);
      view.setUint32(next(4), next(2 ** 32));
      view.setUint32(8, [0x34325258, 0x34324742, 0x36314752, next(2 ** 32)][next(4)]!);
      for (const at of [16, 20, 24]) view.setUint32(at, sizes[next(sizes.length)]!);
      const first = next(2) * next(28);
      ramfb.file.write!(first, bytes.subarray(first, 28 - next(28 - first)));
      const scanout = ramfb.scanout();
      if (!scanout || scanout.width * scanout.height > 1 << 16) return ramfb.mode();
      return pictureOf(scanout).rgba.length;
    },
    observe: () => ramfb.mode(),
  };
});
