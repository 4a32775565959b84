import assert from 'node:assert/strict';
import { LegacyVga } from '../../../../emulator/devices/legacyvga';
import { pictureOf } from '../../../../emulator/devices/scanout';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { compiled, CONFIG, ECHO } from '../machine/guests';
import { laws, TestContext } from './context';
import { backing, TestBus } from './testbus';

function make(context = new TestContext(), window = true) {
  const bus = new TestBus();
  const memory = backing(0x40000);
  const vga = new LegacyVga(context, { backing: memory, store: (offset, from) => memory.bytes.set(from, offset), window });
  vga.attach(bus);
  const set = (port: number, index: number, value: number): void => bus.out(port, index | (value << 8), 2);
  return { vga, bus, memory, set };
}

describe('the VGA behind a framebuffer', () => {
  it('answers at its ports and in its window, and shows what is there', () => {
    const { vga, bus, memory, set } = make();
    assert.equal(pictureOf(vga.scanout()).rgba[0], 0, 'nothing before a mode is set');
    bus.out(0x3c2, 0x23);
    set(0x3ce, 6, 5);
    set(0x3c4, 4, 6);
    set(0x3c4, 2, 15);
    set(0x3ce, 8, 0xff);
    bus.write(0xa0000, 0xff, 1);
    assert.deepEqual([...memory.bytes.subarray(0, 4)], [255, 255, 255, 255]);
    assert.equal(bus.read(0xa0000, 1), 255);
  });

  it('has no window where only its ports are wanted', () => {
    const { bus } = make(new TestContext(), false);
    bus.out(0x3c2, 0x23);
    assert.equal(bus.in(0x3cc), 0x23);
    assert.ok(!bus.at('vga').includes(0xa0000));
  });

  it('is shown while the width of the framebuffer is zero; without one the screen is black', async function () {
    this.timeout(20_000);
    for (const legacyVga of ['on', 'io', 'off', undefined] as const) {
      const config = { ...CONFIG, framebuffer: { width: 800, height: 600 }, ...(legacyVga && { legacyVga }) };
      const guest = await LocalGuest.create(config, { images: ECHO, binaries: await compiled(), pace: nodePace });
      const owners = (await guest.memoryMap()).filter(({ owner }) => owner === 'vga').map(({ space }) => space);
      assert.equal(owners.includes('port'), legacyVga === 'on' || legacyVga === 'io', `${legacyVga}: ports`);
      assert.equal(owners.includes('memory'), legacyVga === 'on', `${legacyVga}: window`);
      assert.equal((await guest.frame())!.width, 800);
      await guest.setDeviceState(['fbuf', 'mode', 'vga'], 1n);
      const { width, height, rgba } = (await guest.frame())!;
      assert.deepEqual([width, height, ...rgba.subarray(0, 4)], [640, 480, 0, 0, 0, 255]);
      if (owners.includes('port')) {
        // 16 characters of 8 dots by 20 lines, all of a color that is in the DAC.
        for (const [path, value] of [
          [['crtc', 'horizontalTotal'], 20],
          [['crtc', 'horizontalDisplayEnd'], 15],
          [['crtc', 'verticalDisplayEnd'], 19],
          [['sequencer', 'clocking'], 1],
          [['attribute', 'mode'], 1],
          [['attributeIndex'], 0x20],
        ] as const)
          await guest.setDeviceState(['vga', 'vga', ...path], BigInt(value));
        const shown = (await guest.frame())!;
        assert.deepEqual([shown.width, shown.height], [128, 20]);
      }
      await guest.close();
    }
  });
});

laws('LegacyVga', (context) => {
  const { vga, bus } = make(context);
  return {
    device: vga,
    poke: (next) => {
      const size = ([1, 2, 4] as const)[next(3)]!;
      switch (next(4)) {
        case 0:
          return bus.out(0x3b0 + next(0x30), next(0x10000), size);
        case 1:
          return bus.write(0xa0000 + next(0x20000), next(2 ** 32), size);
        default:
          return [bus.in(0x3b0 + next(0x30), size), bus.read(0xa0000 + next(0x20000), size)];
      }
    },
    observe: () => {
      const { width, height } = vga.scanout();
      return [width, height];
    },
  };
});
