import assert from 'node:assert/strict';
import { Ahci } from '../../../../emulator/devices/ahci';
import { AtaDisk } from '../../../../emulator/devices/atadisk';
import { AhciDriver, AT, IS } from './ahcidriver';
import { TestContext } from './context';
import { MemoryDisk } from './memorydisk';

function make(disk = new MemoryDisk()) {
  const context = new TestContext();
  const device = new Ahci(context, {
    drives: [new AtaDisk(disk)],
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: () => undefined,
  });
  const driver = new AhciDriver(context, device);
  driver.start();
  /** Status and error of a command. */
  const run = (...args: Parameters<AhciDriver['run']>): [status: number, error: number] => {
    const { status, error } = driver.run(...args);
    if (status & 1) driver.recover();
    return [status, error];
  };
  const words = (): Uint16Array => new Uint16Array(context.bytes.slice(AT.DATA, AT.DATA + 512).buffer);
  return { disk, context, driver, run, words };
}
const OK = [0x50, 0];
const ABORTED = [0x51, 0x04];
const NOT_FOUND = [0x51, 0x10];
const sectors = (count: number): { data: readonly [readonly [number, number]] } => ({ data: [[AT.DATA, 512 * count]] });

describe('ATA disk', () => {
  it('identifies itself', () => {
    const { run, words, context, driver } = make();
    const { is, status } = driver.run({ command: 0xec }, sectors(1));
    assert.deepEqual([is, status], [IS.PSS, 0x50], 'data by PIO ends in a PIO Setup FIS');
    assert.deepEqual(driver.fis(0x20, 3), [0x5f, 0x60, 0x58]);
    assert.deepEqual(driver.fis(0x20).slice(15, 18), [0x50, 0, 2]);
    const data = words();
    const text = (at: number, count: number): string => [...data.subarray(at, at + count)].map((word) => String.fromCharCode(word >> 8, word & 0xff)).join('');
    assert.deepEqual([text(10, 10), text(27, 20).trimEnd(), text(23, 4)], ['SERIAL-NUMBER-OF-20C', 'Some model', '1.0     ']);
    assert.deepEqual([data[60], data[61], data[100], data[75], data[76]! & 0x100], [64, 0, 64, 31, 0x100]);
    assert.equal(data[255]! & 0xff, 0xa5);
    assert.equal(context.bytes.subarray(AT.DATA, AT.DATA + 512).reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
    assert.deepEqual(run({ command: 0xa1 }, sectors(1)), ABORTED, 'it is no packet device');
  });

  it('reads and writes with every command for it', () => {
    const { run, context, disk } = make();
    run({ command: 0xc6, count: 4 });
    for (const [i, [write, read]] of [
      [0x30, 0x20], [0x34, 0x24], [0xca, 0xc8], [0x35, 0x25], [0x3d, 0x25], [0xc5, 0xc4], [0x39, 0x29], [0xce, 0x29], [0x31, 0x21], [0xcb, 0xc9],
    ].entries()) {
      context.bytes.fill(i + 1, AT.DATA, AT.DATA + 1536);
      assert.deepEqual(run({ command: write!, lba: 5, count: 3 }, { data: [[AT.DATA, 10], [AT.DATA + 10, 1526]] }), OK, write!.toString(16));
      assert.deepEqual([4, 5, 7, 8].map((sector) => disk.bytes[sector * 512]), [0, i + 1, i + 1, 0]);
      context.bytes.fill(0, AT.DATA, AT.DATA + 1536);
      assert.deepEqual(run({ command: read!, lba: 5, count: 3 }, sectors(3)), OK);
      assert.equal(context.bytes[AT.DATA + 1535], i + 1, read!.toString(16));
    } // prettier-ignore
  });

  it('addresses by 28 and 48 bits, and by cylinder, head and sector', () => {
    const { run, context, disk } = make(new MemoryDisk({ sectors: 2048 }));
    [63, 64, 1100].forEach((sector, i) => (disk.bytes[sector * 512] = i + 1));
    run({ command: 0xc8, lba: 0x000001, device: 0x01, count: 1 }, sectors(1));
    assert.equal(context.bytes[AT.DATA], 1, 'head 1, sector 1 is 63');
    assert.deepEqual(run({ command: 0xc8, lba: 0x000100, device: 0x00, count: 1 }, sectors(1)), NOT_FOUND, 'there is no sector 0');
    run({ command: 0xc8, lba: 1100, count: 1 }, sectors(1));
    assert.equal(context.bytes[AT.DATA], 3);
    assert.deepEqual(run({ command: 0xc8, lba: 0, device: 0x41, count: 1 }, sectors(1)), NOT_FOUND, 'bits 27 to 24');
    assert.deepEqual(run({ command: 0x25, lba: 2 ** 47, count: 1 }, sectors(1)), NOT_FOUND);
    assert.deepEqual(run({ command: 0xc8, lba: 2048 - 255, count: 0 }), NOT_FOUND, 'a count of 0 is 256');
    assert.deepEqual(run({ command: 0x40, lba: 2048 - 256, count: 0 }), OK);
  });

  it('knows of no multiple mode until it is set', () => {
    const { run } = make();
    assert.deepEqual(run({ command: 0xc4, count: 1 }, sectors(1)), ABORTED);
    for (const count of [3, 32, 255]) assert.deepEqual(run({ command: 0xc6, count }), ABORTED);
    assert.deepEqual(run({ command: 0xc6, count: 16 }), OK);
    assert.deepEqual(run({ command: 0xc4, count: 1 }, sectors(1)), OK);
  });

  it('flushes and trims, all ranges or none', () => {
    const { run, disk, driver } = make();
    const ranges = (...list: readonly (readonly [first: number, count: number])[]): void => {
      driver.context.bytes.fill(0, AT.DATA, AT.DATA + 512);
      list.forEach(([first, count], i) => driver.view.setBigUint64(AT.DATA + 8 * i, BigInt(first) | (BigInt(count) << 48n), true));
    };
    assert.deepEqual([run({ command: 0xe7 }), run({ command: 0xea })], [OK, OK]);
    ranges([8, 8], [40, 24]);
    assert.deepEqual(run({ command: 0x06, features: 1, count: 1 }, sectors(1)), OK);
    ranges([0, 1], [60, 5]);
    assert.deepEqual(run({ command: 0x06, features: 1, count: 1 }, sectors(1)), [0x51, 0x14]);
    assert.deepEqual(run({ command: 0x06, features: 1, count: 2 }, sectors(2)), ABORTED);
    assert.deepEqual(run({ command: 0x06, features: 2, count: 1 }, sectors(1)), ABORTED);
    assert.deepEqual(disk.calls, ['flush', 'flush', 'discard 8 8', 'discard 40 24']);
  });

  it('tells of errors of the disk', () => {
    const { run, disk } = make();
    disk.failure = 'medium';
    assert.deepEqual(run({ command: 0x25, lba: 9, count: 1 }, sectors(1)), [0x51, 0x40]);
    disk.failure = 'full';
    assert.deepEqual(run({ command: 0x35, count: 1 }, sectors(1)), ABORTED);
    const readOnly = make(new MemoryDisk({ readOnly: true }));
    assert.deepEqual(readOnly.run({ command: 0x35, count: 1 }, sectors(1)), ABORTED);
    assert.deepEqual(readOnly.run({ command: 0x06, features: 1, count: 1 }, sectors(1)), ABORTED);
  });

  it('power modes, features, SMART, native size', () => {
    const { run, driver, words } = make();
    const count = (): number => driver.fis(0x40)[12]!;
    run({ command: 0xe5 });
    assert.equal(count(), 0xff);
    run({ command: 0xe0 });
    run({ command: 0xe5 });
    assert.equal(count(), 0);
    run({ command: 0xf8 });
    assert.equal(driver.fis(0x40)[4], 63);
    assert.deepEqual(run({ command: 0xef, features: 3, count: 0x42 }), OK);
    assert.deepEqual(run({ command: 0xef, features: 3, count: 0x47 }), ABORTED);
    assert.deepEqual(run({ command: 0xef, features: 0x82 }), OK);
    run({ command: 0xec }, sectors(1));
    assert.deepEqual([words()[88], words()[85]! & 0x20], [0x047f, 0]);
    const KEY = 0xc24f00;
    assert.deepEqual(run({ command: 0xb0, features: 0xd0, lba: KEY }, sectors(1)), OK);
    assert.deepEqual(run({ command: 0xb0, features: 0xda, lba: KEY }), OK);
    assert.deepEqual(driver.fis(0x40).slice(5, 7), [0x4f, 0xc2], 'no threshold is exceeded');
    assert.deepEqual(run({ command: 0xb0, features: 0xda }), ABORTED, 'without the key');
    run({ command: 0xb0, features: 0xd9, lba: KEY });
    assert.deepEqual(run({ command: 0xb0, features: 0xda, lba: KEY }), ABORTED, 'disabled');
    for (const command of [0x00, 0x08, 0xf5, 0xff]) assert.deepEqual(run({ command }), ABORTED);
  });
});
