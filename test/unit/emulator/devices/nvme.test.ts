import assert from 'node:assert/strict';
import { Nvme } from '../../../../emulator/devices/nvme';
import { laws, TestContext } from './context';
import { MemoryDisk } from './memorydisk';
import { AT, ENTRIES, NvmeDriver, REG, type Order } from './nvmedriver';

const IO = 1;
const ADMIN = 0;
const OP = { FLUSH: 0, WRITE: 1, READ: 2, ZEROES: 8, DSM: 9 } as const;

function make(context = new TestContext(), disk = new MemoryDisk()) {
  const messages: number[] = [];
  const device = new Nvme(context, {
    name: 'nvme-disk0',
    disk,
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: (_, data) => messages.push(data),
  });
  let level = false;
  device.pci.attach({
    bus: { addPorts: () => ({ move: () => undefined }), addMmio: () => ({ move: () => undefined }), addBacking: () => ({ move: () => undefined }) },
    owner: 'nvme',
    interrupt: (_, now) => (level = now),
  });
  return { context, disk, device, messages, line: () => level, driver: new NvmeDriver(context, device) };
}
function started(disk?: MemoryDisk) {
  const rig = make(undefined, disk);
  rig.driver.start();
  return rig;
}

describe('NVMe controller', () => {
  it('says what it is, and becomes ready', () => {
    const { driver, device } = make();
    assert.deepEqual([device.pci.read(0x08) >>> 8, driver.read(REG.CAP) & 0xffff, driver.read(REG.VS)], [0x010802, 1023, 0x10400]);
    assert.equal(driver.read(REG.CSTS), 0);
    driver.enable();
    assert.equal(driver.read(REG.CSTS), 1);
    driver.write(REG.CC, 0x00464001);
    assert.equal(driver.read(REG.CSTS) & 0xc, 8, 'shutdown is complete');
    driver.write(REG.CC, 0);
    assert.deepEqual([driver.read(REG.CSTS), driver.read(REG.ASQ)], [0, AT.ASQ]);
  });

  it('identifies controller and namespace', () => {
    const { driver, context } = started();
    const text = (at: number, length: number): string => Buffer.from(context.bytes.subarray(AT.DATA + at, AT.DATA + at + length)).toString();
    assert.equal(driver.run(ADMIN, 0x06, { words: [1] }).status, 0);
    assert.deepEqual([text(4, 20), text(24, 40).trimEnd(), text(64, 8)], ['SERIAL-NUMBER-OF-20C', 'Some model', '1.0     ']);
    assert.equal(driver.run(ADMIN, 0x06, { namespace: 1, words: [0] }).status, 0);
    assert.deepEqual([driver.view.getUint32(AT.DATA, true), context.bytes[AT.DATA + 130]], [64, 9]);
    assert.equal(driver.run(ADMIN, 0x06, { namespace: 0, words: [2] }).status, 0);
    assert.deepEqual([driver.view.getUint32(AT.DATA, true), driver.view.getUint32(AT.DATA + 4, true)], [1, 0]);
    assert.deepEqual([driver.run(ADMIN, 0x06, { namespace: 2, words: [0] }).status, driver.run(ADMIN, 0x06, { words: [0x55] }).status], [0x0b, 0x02]);
  });

  it('reads and writes, in one page, two, and by lists over several pages', () => {
    const { driver, context, disk } = started();
    disk.bytes.forEach((_, i) => (disk.bytes[i] = (i * 7 + (i >> 9)) & 0xff));
    for (const [sectors, prp1, prp2] of [
      [1, AT.DATA + 0x204, 0],
      [8, AT.DATA + 0x800, AT.DATA + 0x2000],
      [24, AT.DATA, AT.LIST + 0x10],
    ] as const) {
      [0x7000, 0x9000].forEach((page, i) => driver.view.setBigUint64(AT.LIST + 0x10 + 8 * i, BigInt(page), true));
      context.bytes.fill(0, AT.DATA, 0x10000);
      assert.equal(driver.run(IO, OP.READ, { prp1, prp2, words: [5, 0, sectors - 1] }).status, 0);
      assert.deepEqual(context.bytes.slice(prp1, prp1 + 512), disk.bytes.slice(5 * 512, 6 * 512));
      const end = sectors === 24 ? 0x9fff : sectors === 8 ? AT.DATA + 0x27ff : AT.DATA + 0x403;
      assert.deepEqual([context.bytes[end], context.bytes[end + 1]], [disk.bytes[(5 + sectors) * 512 - 1], 0]);
      const before = disk.bytes.slice();
      disk.bytes.fill(0);
      assert.equal(driver.run(IO, OP.WRITE, { prp1, prp2, words: [5, 0, sectors - 1] }).status, 0);
      assert.deepEqual(disk.bytes.slice(5 * 512, (5 + sectors) * 512), before.slice(5 * 512, (5 + sectors) * 512));
      disk.bytes.set(before);
    }
  });

  it('writes what belongs to a command and nothing else, however much went through it before', () => {
    const { driver, context, disk } = started();
    disk.bytes.fill(0x3d);
    assert.equal(driver.run(IO, OP.READ, { prp2: AT.DATA + 0x1000, words: [0, 0, 15] }).status, 0);
    const [from, to] = [AT.DATA, AT.DATA + 0x3000];
    const after = (queue: number, opcode: number, order: Order): { status: number | 'none'; written: readonly number[] } => {
      context.bytes.fill(0xee, from, to);
      const { status } = driver.run(queue, opcode, order);
      const bytes = context.bytes.subarray(from, to);
      assert.ok(!bytes.includes(0x3d), 'nothing of the disk');
      return { status, written: [...bytes.entries()].filter(([, byte]) => byte !== 0xee).map(([at]) => at) };
    };
    for (const [namespace, cns] of [
      [0, 1],
      [1, 0],
      [0, 2],
      [1, 3],
    ] as const) {
      // prettier-ignore
      const { status, written } = after(ADMIN, 0x06, { namespace, words: [cns] });
      assert.deepEqual([cns, status, written.at(-1)], [cns, 0, 4095]);
    }
    assert.deepEqual(after(ADMIN, 0x02, { words: [0x00000002] }), { status: 0, written: [0, 1, 2, 3] }, 'one doubleword of a log');
    assert.deepEqual(after(IO, OP.READ, { words: [64, 0, 0] }).written, [], 'beyond the end of the disk');
    assert.deepEqual(after(IO, OP.READ, { words: [63, 0, 1] }).written, [], 'in part');
    assert.deepEqual(after(ADMIN, 0x06, { words: [0x55] }).written, []);
  });

  it('flushes, deallocates and zeroes', () => {
    const { driver, disk } = started();
    assert.equal(driver.run(IO, OP.FLUSH).status, 0);
    assert.equal(driver.run(IO, OP.ZEROES, { words: [3, 0, 1] }).status, 0);
    driver.context.bytes.fill(0, AT.DATA, AT.DATA + 64);
    driver.view.setUint32(AT.DATA + 4, 8, true);
    driver.view.setUint32(AT.DATA + 8, 16, true);
    assert.equal(driver.run(IO, OP.DSM, { words: [0, 4] }).status, 0);
    driver.view.setUint32(AT.DATA + 20, 9, true);
    driver.view.setUint32(AT.DATA + 24, 60, true);
    assert.equal(driver.run(IO, OP.DSM, { words: [1, 4] }).status, 0x80, 'all or none');
    assert.deepEqual(disk.calls, ['flush', 'zero 3 2', 'discard 16 8']);
  });

  it('tells of errors', () => {
    const { driver, disk } = started();
    for (const opcode of [OP.READ, OP.WRITE, OP.ZEROES]) {
      assert.equal(driver.run(IO, opcode, { words: [64, 0, 0] }).status, 0x80);
      assert.equal(driver.run(IO, opcode, { words: [0xffffffff, 0xffffffff, 0] }).status, 0x80);
      assert.equal(driver.run(IO, opcode, { namespace: 2, words: [0, 0, 0] }).status, 0x0b);
    }
    assert.equal(driver.run(IO, 0x7f).status, 0x01);
    assert.equal(driver.run(ADMIN, 0x7f).status, 0x01);
    disk.failure = 'medium';
    assert.equal(driver.run(IO, OP.READ, { words: [0, 0, 0] }).status, 0x281);
    const readOnly = started(new MemoryDisk({ readOnly: true }));
    assert.equal(readOnly.driver.run(IO, OP.WRITE, { words: [0, 0, 0] }).status, 0x182);
  });

  it('makes and deletes queues, and refuses those that are none', () => {
    const { driver } = make();
    driver.enable();
    const make5 = (id: number, size: number, flags: number, prp1: number = AT.CQ): number | 'none' =>
      driver.run(ADMIN, 0x05, { prp1, words: [((size - 1) << 16) | id, flags] }).status;
    assert.deepEqual([make5(0, 8, 3), make5(9, 8, 3), make5(0xffff, 8, 3)], [0x101, 0x101, 0x101]);
    assert.deepEqual([make5(1, 1, 3), make5(1, 1025, 3)], [0x102, 0x102]);
    assert.deepEqual([make5(1, 8, 2), make5(1, 8, 3, 0x4008), make5(1, 8, 3, 0x10000)], [2, 2, 2]);
    assert.equal(make5(1, 8, 0x00090003), 0x108);
    assert.equal(driver.run(ADMIN, 0x01, { prp1: AT.SQ, words: [0x00070001, 0x00010001] }).status, 0x100, 'without its completion queue');
    assert.deepEqual([make5(1, 8, 3), make5(1, 8, 3)], [0, 0x101]);
    assert.equal(driver.run(ADMIN, 0x01, { prp1: AT.SQ, words: [0x00070001, 0x00010001] }).status, 0);
    assert.equal(driver.run(ADMIN, 0x04, { words: [1] }).status, 0x10c);
    assert.deepEqual([driver.run(ADMIN, 0x00, { words: [1] }).status, driver.run(ADMIN, 0x04, { words: [1] }).status], [0, 0]);
  });

  it('features, logs, and events that never come', () => {
    const { driver, context } = started();
    assert.equal(driver.run(ADMIN, 0x09, { words: [7, 0x00030003] }).value, 0x00070007);
    driver.run(ADMIN, 0x09, { words: [6, 0] });
    assert.equal(driver.run(ADMIN, 0x0a, { words: [6] }).value, 0);
    assert.equal(driver.run(ADMIN, 0x09, { words: [0x80000006, 0] }).status, 0x10d);
    assert.equal(driver.run(ADMIN, 0x0a, { words: [0x7e] }).status, 2);
    assert.equal(driver.run(ADMIN, 0x02, { words: [0x007f0002] }).status, 0);
    assert.deepEqual([context.bytes[AT.DATA + 1], context.bytes[AT.DATA + 2]], [0x2c, 1]);
    assert.equal(driver.run(ADMIN, 0x02, { words: [0x007f0077] }).status, 0x109);
    for (let i = 0; i < 4; i++) assert.equal(driver.run(ADMIN, 0x0c).status, 'none');
    assert.equal(driver.run(ADMIN, 0x0c).status, 0x105);
  });

  it('interrupts by pin and by message', () => {
    const { driver, device, line, messages } = started();
    driver.put(IO, OP.FLUSH);
    driver.ring(IO);
    driver.pass();
    assert.equal(line(), true);
    driver.take(IO);
    assert.equal(line(), false);
    driver.write(0x2000 + 16 + 8, 0x55);
    driver.write(0x2000 + 16 + 12, 0);
    device.pci.write(0x40, 0x80000000, 0x80000000);
    driver.run(IO, OP.FLUSH);
    assert.deepEqual([messages, line()], [[0x55], false]);
  });

  it('waits where there is no room for completions', () => {
    const { driver, device } = started();
    for (let i = 0; i < ENTRIES - 1; i++) driver.put(IO, OP.FLUSH);
    driver.ring(IO);
    driver.pass();
    driver.put(IO, OP.FLUSH);
    driver.ring(IO);
    driver.pass();
    assert.equal(device.deadline(), Infinity);
    for (let i = 0; i < ENTRIES; i++) {
      assert.equal(driver.take(IO)?.head, (i + 1) % ENTRIES);
      driver.pass();
    }
  });
});

describe('NVMe controller: hostile guests', () => {
  it('pages and lists to nowhere, not aligned, and with no end', () => {
    const { driver, disk } = started();
    const read = (prp1: number, prp2: number, sectors: number): number | 'none' => driver.run(IO, OP.READ, { prp1, prp2, words: [0, 0, sectors - 1] }).status;
    disk.bytes.fill(1);
    assert.equal(read(0x10000, 0, 1), 0x04);
    assert.equal(read(2 ** 52, 0, 1), 0x04);
    assert.equal(read(AT.DATA + 2, 0, 1), 0x13);
    assert.equal(read(AT.DATA, AT.DATA + 8, 16), 0x13);
    assert.equal(read(AT.DATA, 2 ** 48, 64), 0x04);
    assert.equal(read(AT.DATA, AT.LIST + 4, 64), 0x13);
    driver.view.setBigUint64(AT.LIST + 0xff8, BigInt(AT.LIST + 0xff8), true);
    assert.equal(read(AT.DATA, AT.LIST + 0xff8, 64), 0x13, 'a list that is only a link to itself');
    assert.equal(driver.context.bytes[AT.DATA], 0, 'nothing is moved');
    assert.equal(driver.run(IO, OP.READ, { words: [0, 0, 0xffff] }).status, 0x02, 'more than there may be at once');
  });

  it('a read over its own queue and list is carried out as it was', () => {
    const { driver, disk, device } = started();
    disk.bytes.fill(0xff);
    const { base } = device.state.submissions[1]!;
    assert.equal(driver.run(IO, OP.READ, { prp1: Number(base), prp2: 0, words: [0, 0, 0] }).status, 0);
    assert.equal(driver.context.bytes[Number(base)], 0xff);
    driver.view.setBigUint64(AT.LIST, BigInt(AT.LIST), true);
    driver.view.setBigUint64(AT.LIST + 8, BigInt(AT.DATA), true);
    assert.equal(driver.run(IO, OP.READ, { prp1: AT.DATA, prp2: AT.LIST, words: [0, 0, 23] }).status, 0, 'its list is gone while it is read');
    assert.equal(driver.context.bytes[AT.DATA + 4095], 0xff);
  });

  it('queues beyond memory, and doorbells beyond queues', () => {
    const { driver, device } = make();
    driver.device.pci.write(0x04, 0x6, 0xffff);
    driver.write(REG.AQA, 0x0fff0fff);
    driver.write(REG.ASQ, 0xf000);
    driver.write(REG.CC, 1);
    assert.equal(driver.read(REG.CSTS), 2);
    driver.start();
    driver.write(0x1000 + 8, 8);
    driver.write(0x1000 + 8 * 5, 3);
    driver.write(0x1004 + 8, 0xffff);
    assert.equal(device.deadline(), Infinity);
    assert.equal(driver.run(IO, OP.FLUSH).status, 0);
    device.state.submissions[1]!.base = 0xfff000n;
    driver.run(IO, OP.FLUSH);
    assert.deepEqual([driver.read(REG.CSTS), device.deadline()], [3, Infinity], 'fatal until it is reset');
    driver.start();
    assert.equal(driver.run(IO, OP.FLUSH).status, 0);
  });
});

laws('NVMe controller', (context) => {
  const { device, driver, line, disk } = make(context);
  return {
    device,
    observe: () => [line(), driver.read(REG.CSTS), device.deadline() === Infinity],
    poke: (next) => {
      if (next(5) === 0) return driver.write(4 * next(16), next(2 ** 32));
      if (next(8) === 0) return driver.write(0x1000 + 4 * next(20), next(10));
      context.bytes.fill(0);
      disk.bytes.fill(0);
      if (next(5) === 0) driver.start();
      const view = new DataView(context.bytes.buffer);
      // Entries at any place of the rings: the driver's own memory of them is no part of the device.
      for (let at = 0; at < ENTRIES; at++) {
        for (const [queue, ring] of [[0, AT.ASQ], [1, AT.SQ]] as const) {
          const entry = ring + 64 * at;
          view.setUint8(entry, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, next(256)][next(11)]!);
          view.setUint16(entry + 2, next(0x10000), true);
          view.setUint32(entry + 4, next(3), true);
          view.setUint32(entry + 24, next(0x11) * 0x1000 + 4 * next(3), true);
          view.setUint32(entry + 32, next(0x11) * 0x1000, true);
          for (let word = 0; word < 3; word++) view.setUint32(entry + 40 + 4 * word, next(2) ? next(70) : (next(10) << 16) | next(4), true);
          if (next(4) === 0) driver.write(0x1000 + 8 * queue, next(9));
        }
      } // prettier-ignore
      context.run(device, context.time + 200_000);
      const seen = [...context.bytes.subarray(AT.ACQ, AT.ACQ + 128), ...context.bytes.subarray(AT.CQ, AT.CQ + 128)].join();
      context.bytes.fill(0);
      return seen;
    },
  };
});
