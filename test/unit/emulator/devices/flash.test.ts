import assert from 'node:assert/strict';
import { Flash, FLASH_BLOCK } from '../../../../emulator/devices/flash';
import { laws, TestContext } from './context';
import { backing, TestBus } from './testbus';

function make(length = 0x10000) {
  const array = { ...backing(length), writable: false };
  array.bytes.fill(0xff);
  const stores: [number, number][] = [];
  const flash = new Flash(new TestContext(), {
    name: 'flash0',
    address: 0xfff00000,
    backing: array,
    store: (offset, from) => {
      stores.push([offset, from.length]);
      array.bytes.set(from, offset);
    },
  });
  const bus = new TestBus();
  flash.attach(bus);
  return { flash, array, stores, bus };
}

// Contents are memory, which is kept page by page: they are not looked at here.
laws('Flash', () => {
  const { flash } = make();
  return {
    device: flash,
    poke: (next) => {
      const at = next(0x10000 - 4);
      if (next(3) === 0) return flash.state.mode === 'array' ? 0 : flash.mmioRead(at, 1);
      return flash.mmioWrite(at, 1, [0x10, 0x20, 0x60, 0xd0, 0xe8, 0x98, 0xff, next(256)][next(8)]!);
    },
    observe: () => [flash.state.mode, flash.state.status],
  };
});

describe('flash', () => {
  it('programs bytes as UEFI does: command, data, read array', () => {
    const { flash, array } = make();
    for (const [i, byte] of [0x12, 0x34].entries()) {
      flash.mmioWrite(0x100 + i, 1, 0x10);
      flash.mmioWrite(0x100 + i, 1, byte);
    }
    assert.equal(flash.mmioRead(0x100, 1), 0x80, 'status until the array is asked for');
    flash.mmioWrite(0x101, 1, 0xff);
    assert.deepEqual([...array.bytes.subarray(0xff, 0x103)], [0xff, 0x12, 0x34, 0xff]);
    assert.equal(flash.state.mode, 'array');
    assert.equal(flash.state.writes, 2);
  });

  it('clears bits by programming, sets them by erasing whole blocks', () => {
    const { flash, array } = make();
    array.bytes.fill(0x0f);
    flash.mmioWrite(FLASH_BLOCK + 5, 1, 0x40);
    flash.mmioWrite(FLASH_BLOCK + 5, 1, 0xf3);
    assert.equal(array.bytes[FLASH_BLOCK + 5], 0x03);
    flash.mmioWrite(FLASH_BLOCK + 5, 1, 0x20);
    flash.mmioWrite(FLASH_BLOCK + 5, 1, 0xd0);
    assert.ok(array.bytes.subarray(FLASH_BLOCK, 2 * FLASH_BLOCK).every((byte) => byte === 0xff));
    assert.equal(array.bytes[FLASH_BLOCK - 1], 0x0f);
    assert.equal(array.bytes[2 * FLASH_BLOCK], 0x0f);
  });

  it('says that a sequence was wrong, until the status is cleared', () => {
    const { flash, stores } = make();
    flash.mmioWrite(0, 1, 0x20);
    flash.mmioWrite(0, 1, 0x10);
    assert.equal(flash.mmioRead(0, 1), 0xb0);
    flash.mmioWrite(0, 1, 0x50);
    flash.mmioWrite(0, 1, 0x70);
    assert.equal(flash.mmioRead(0, 1), 0);
    assert.equal(stores.length, 0);
  });

  it('answers queries: CFI and identifier', () => {
    const { flash } = make(0x84000);
    flash.mmioWrite(0x55, 1, 0x98);
    assert.equal(String.fromCharCode(...[0x10, 0x11, 0x12].map((at) => flash.mmioRead(at, 1))), 'QRY');
    assert.equal(flash.mmioRead(0x2d, 2), 0x84 - 1);
    flash.mmioWrite(0, 1, 0xff);
    flash.mmioWrite(0, 1, 0x90);
    assert.equal(flash.mmioRead(0, 2), 0x1889);
  });

  it('takes a buffered write, within one block of the buffer', () => {
    const { flash, array } = make();
    flash.mmioWrite(0x200, 1, 0xe8);
    flash.mmioWrite(0x200, 1, 7);
    flash.mmioWrite(0x200, 4, 0x44332211);
    flash.mmioWrite(0x204, 4, 0x88776655);
    flash.mmioWrite(0x200, 1, 0xd0);
    assert.deepEqual([...array.bytes.subarray(0x200, 0x209)], [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0xff]);
    flash.mmioWrite(0x200, 1, 0xff);
    flash.mmioWrite(0x200, 1, 0xe8);
    flash.mmioWrite(0x200, 1, 0);
    flash.mmioWrite(0x300, 1, 0);
    flash.mmioWrite(0x300, 1, 0xd0);
    assert.equal(flash.mmioRead(0, 1) & 0x10, 0x10);
    assert.equal(array.bytes[0x300], 0xff);
  });

  it('bears any sequence of writes', () => {
    const { flash, array } = make();
    let seed = 7;
    for (let i = 0; i < 200_000; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      const size = ([1, 2, 4] as const)[(seed >>> 9) % 3]!;
      const offset = (seed >>> 8) % (array.length - size + 1);
      flash.mmioWrite(offset, size, [0x10, 0x20, 0xd0, 0xe8, 0x98, 0xff, seed][(seed >>> 12) % 7]!);
      assert.ok(flash.mmioRead(offset, size) <= 0xffffffff);
    }
    assert.equal(array.bytes.length, array.length);
  });
});
