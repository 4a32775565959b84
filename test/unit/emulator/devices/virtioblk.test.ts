import assert from 'node:assert/strict';
import type { BlockDevice, BlockFailure } from '../../../../emulator/bus/block';
import { VirtioBlk } from '../../../../emulator/devices/virtioblk';
import { laws, TestContext } from './context';
import { ALL_FEATURES, AT, VirtioDriver, type Part } from './virtiodriver';

const HEADER = 0x8000;
const DATA = 0x9000;
const STATUS = 0x8800;
const SECTORS = 64;
const TYPE = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const RESULT = { OK: 0, IOERR: 1, UNSUPP: 2, NONE: 0xee } as const;

class Memory implements BlockDevice {
  readonly name = 'disk0';
  readonly identity = { serial: 'SERIAL-NUMBER-OF-20C', model: 'm', revision: '1' };
  readonly sectorSize = 512;
  readonly sectors = SECTORS;
  readonly bytes = new Uint8Array(SECTORS * 512);
  readonly calls: string[] = [];
  failure: BlockFailure | undefined;

  constructor(readonly readOnly = false) {}
  read(lba: number, into: Uint8Array): BlockFailure | undefined {
    assert.ok(lba >= 0 && lba * 512 + into.length <= this.bytes.length);
    into.set(this.bytes.subarray(lba * 512, lba * 512 + into.length));
    return this.failure;
  }
  write(lba: number, from: Uint8Array): BlockFailure | undefined {
    assert.ok(lba >= 0 && lba * 512 + from.length <= this.bytes.length);
    if (this.readOnly) return 'read-only';
    this.bytes.set(from, lba * 512);
    return this.failure;
  }
  zero(lba: number, count: number): BlockFailure | undefined {
    this.calls.push(`zero ${lba} ${count}`);
    return this.failure;
  }
  discard(lba: number, count: number): BlockFailure | undefined {
    this.calls.push(`discard ${lba} ${count}`);
    return this.failure;
  }
  flush(): BlockFailure | undefined {
    this.calls.push('flush');
    return this.failure;
  }
}

function make(disk = new Memory(), context = new TestContext()) {
  const device = new VirtioBlk(context, {
    name: 'virtio-disk0',
    disk,
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: () => undefined,
  });
  const driver = new VirtioDriver(context, device.pci);
  const run = (): void => context.run(device, context.time + 10_000_000);
  const header = (type: number, sector: bigint | number, at = HEADER): Part => {
    const view = new DataView(context.bytes.buffer);
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(sector), true);
    return { address: at, length: 16 };
  };
  /** A request by itself; gives its status and the length that was given back. */
  const request = (type: number, sector: bigint | number, data: readonly Part[] = []): { status: number; length: number } => {
    context.bytes[STATUS] = RESULT.NONE;
    driver.offer([header(type, sector), ...data, { address: STATUS, length: 1, write: true }]);
    driver.kick();
    run();
    const used = driver.used();
    assert.equal(used.length, 1);
    return { status: context.bytes[STATUS], length: used[0]!.length };
  };
  const into = (length: number): Part => ({ address: DATA, length, write: true });
  const from = (length: number): Part => ({ address: DATA, length });
  return { device, driver, context, disk, run, header, request, into, from };
}
const started = (disk?: Memory) => {
  const rig = make(disk);
  rig.driver.start();
  return rig;
};

describe('virtio block device', () => {
  it('says how large the disk is and what it can do', () => {
    const { driver } = make();
    assert.deepEqual([driver.read(AT.CONFIG, 4), driver.read(AT.CONFIG + 4, 4), driver.read(AT.CONFIG + 20, 4)], [SECTORS, 0, 512]);
    assert.equal(driver.read(0x04, 4) & (1 << 5), 0);
    const readOnly = make(new Memory(true)).driver.read(0x04, 4);
    assert.equal(readOnly & (1 << 5), 1 << 5);
    assert.equal(readOnly & ((1 << 13) | (1 << 14)), 0);
  });

  it('reads and writes, in parts of any length', () => {
    const { request, disk, context, into } = started();
    context.bytes.fill(0x5a, DATA, DATA + 1024);
    const parts = [
      { address: DATA, length: 7 },
      { address: DATA + 7, length: 1000 },
      { address: DATA + 1007, length: 17 },
    ];
    assert.deepEqual(request(TYPE.OUT, 3, parts), { status: RESULT.OK, length: 1 });
    assert.deepEqual([disk.bytes[3 * 512 - 1], disk.bytes[3 * 512], disk.bytes[5 * 512 - 1], disk.bytes[5 * 512]], [0, 0x5a, 0x5a, 0]);
    context.bytes.fill(0, DATA, DATA + 2048);
    assert.deepEqual(request(TYPE.IN, 2, [into(2048)]), { status: RESULT.OK, length: 2049 });
    assert.deepEqual(
      [511, 512, 1535, 1536].map((at) => context.bytes[DATA + at]),
      [0, 0x5a, 0x5a, 0],
    );
  });

  it('takes header, data and status in one buffer each way', () => {
    const { driver, run, context, header, disk } = started();
    header(TYPE.OUT, 1, DATA - 16);
    context.bytes.fill(0x77, DATA, DATA + 512);
    driver.offer(
      [
        { address: DATA - 16, length: 528 },
        { address: STATUS, length: 1, write: true },
      ],
      { indirect: true },
    );
    driver.kick();
    run();
    assert.deepEqual([context.bytes[STATUS], disk.bytes[512], disk.bytes[1023]], [RESULT.OK, 0x77, 0x77]);
    header(TYPE.IN, 1);
    driver.offer([
      { address: HEADER, length: 16 },
      { address: DATA, length: 513, write: true },
    ]);
    context.bytes[DATA + 512] = RESULT.NONE;
    driver.kick();
    run();
    assert.deepEqual([context.bytes[DATA], context.bytes[DATA + 512]], [0x77, RESULT.OK]);
  });

  it('refuses what does not exist, and moves nothing', () => {
    const { request, disk, into, from, context } = started();
    context.bytes.fill(0x33, DATA, DATA + 1024);
    for (const sector of [SECTORS, SECTORS - 1, 2n ** 63n, 2n ** 64n - 1n]) {
      assert.equal(request(TYPE.OUT, sector, [from(1024)]).status, RESULT.IOERR, `writing ${sector}`);
      assert.equal(request(TYPE.IN, sector, [into(1024)]).status, RESULT.IOERR, `reading ${sector}`);
    }
    assert.equal(request(TYPE.IN, 0, [into(100)]).status, RESULT.IOERR, 'part of a sector');
    assert.equal(context.bytes[DATA], 0x33);
    assert.ok(disk.bytes.every((byte) => byte === 0));
    assert.equal(request(2, 0).status, RESULT.UNSUPP);
    assert.equal(request(0xffffffff, 0, [into(512)]).status, RESULT.UNSUPP);
  });

  it('tells of errors of the disk', () => {
    const { request, disk, into, from } = started();
    disk.failure = 'medium';
    assert.deepEqual(request(TYPE.IN, 0, [into(512)]), { status: RESULT.IOERR, length: 0 });
    assert.equal(request(TYPE.OUT, 0, [from(512)]).status, RESULT.IOERR);
    assert.equal(request(TYPE.FLUSH, 0).status, RESULT.IOERR);
    const only = started(new Memory(true));
    assert.equal(only.request(TYPE.OUT, 0, [only.from(512)]).status, RESULT.IOERR);
    assert.equal(only.request(TYPE.WRITE_ZEROES, 0, [only.from(16)]).status, RESULT.IOERR);
  });

  it('gives its serial number, as much as has room', () => {
    const { request, context, into } = started();
    assert.deepEqual(request(TYPE.GET_ID, 0, [into(20)]), { status: RESULT.OK, length: 21 });
    assert.equal(Buffer.from(context.bytes.subarray(DATA, DATA + 20)).toString(), 'SERIAL-NUMBER-OF-20C');
    context.bytes.fill(0, DATA, DATA + 20);
    request(TYPE.GET_ID, 0, [into(6)]);
    assert.equal(Buffer.from(context.bytes.subarray(DATA, DATA + 8)).toString(), 'SERIAL\0\0');
    assert.equal(request(TYPE.GET_ID, 0).status, RESULT.IOERR);
  });

  it('flushes, discards and zeroes', () => {
    const { request, disk, context, from } = started();
    const ranges = (...list: readonly (readonly [sector: number, count: number, flags: number])[]): Part => {
      const view = new DataView(context.bytes.buffer, DATA);
      list.forEach(([sector, count, flags], i) => {
        view.setBigUint64(16 * i, BigInt(sector), true);
        view.setUint32(16 * i + 8, count, true);
        view.setUint32(16 * i + 12, flags, true);
      });
      return from(16 * list.length);
    };
    assert.equal(request(TYPE.FLUSH, 0).status, RESULT.OK);
    assert.equal(request(TYPE.DISCARD, 0, [ranges([8, 16, 0], [40, 24, 0])]).status, RESULT.OK);
    assert.equal(request(TYPE.WRITE_ZEROES, 0, [ranges([3, 2, 1])]).status, RESULT.OK);
    const calls = ['flush', 'discard 8 16', 'discard 40 24', 'zero 3 2'];
    assert.deepEqual(disk.calls, calls);
    assert.equal(request(TYPE.DISCARD, 0, [ranges([8, 16, 1])]).status, RESULT.UNSUPP, 'a flag that is not for it');
    assert.equal(request(TYPE.WRITE_ZEROES, 0, [ranges([0, 1, 0], [SECTORS, 1, 0])]).status, RESULT.IOERR);
    assert.equal(request(TYPE.WRITE_ZEROES, 0, [ranges([0, 0xffffffff, 0])]).status, RESULT.IOERR);
    assert.equal(request(TYPE.DISCARD, 0, [from(15)]).status, RESULT.IOERR);
    assert.equal(request(TYPE.DISCARD, 0).status, RESULT.IOERR);
    assert.deepEqual(disk.calls, calls, 'all or nothing');
  });

  it('completes in order, each at its virtual time', () => {
    const { driver, device, context, header } = started();
    for (const [i, length] of [512, 16384, 512].entries())
      driver.offer([header(TYPE.IN, 0, HEADER + 16 * i), { address: DATA, length, write: true }, { address: STATUS + i, length: 1, write: true }], {
        first: 3 * i,
      });
    driver.kick();
    driver.kick();
    const times: number[] = [];
    while (device.deadline() !== Infinity) {
      context.run(device, device.deadline());
      times.push(context.time);
      assert.equal(driver.used().length, 1);
    }
    assert.deepEqual(times, [20_000, 40_256, 68_448]);
  });

  it('a request whose data overwrites its own descriptors and header is carried out as it was', () => {
    const { driver, context, disk, run, header } = started();
    disk.bytes.fill(0xff);
    driver.offer([header(TYPE.IN, 1), { address: driver.place(0, 'desc'), length: 512, write: true }, { address: STATUS, length: 1, write: true }]);
    driver.kick();
    run();
    assert.deepEqual([context.bytes[STATUS], driver.used()[0]?.length, driver.status & 0x40], [RESULT.OK, 513, 0]);
    assert.equal(context.bytes[driver.place(0, 'desc')], 0xff);
    // What is left there is a descriptor to nowhere.
    driver.available(0, 0);
    driver.kick();
    run();
    assert.equal(driver.status & 0x40, 0x40);
  });

  it('asks for a reset where a request is none', () => {
    for (const parts of [
      [
        { address: HEADER, length: 15 },
        { address: STATUS, length: 1, write: true },
      ],
      [{ address: HEADER, length: 16 }],
      [{ address: STATUS, length: 600, write: true }],
    ]) {
      const { driver, run, device } = started();
      driver.offer(parts);
      driver.kick();
      run();
      assert.deepEqual([driver.status & 0x40, device.state.fault], [0x40, 'request']);
    }
  });
});

laws('virtio block device', (context) => {
  const { device, driver, header } = make(undefined, context);
  return {
    device,
    observe: () => device.deadline() === Infinity,
    poke: (next) => {
      if (next(4) === 0) return driver.write(next(0x4000), 4, next(2 ** 32));
      if (next(6) === 0) return driver.start(ALL_FEATURES);
      context.bytes.fill(0);
      driver.goOn(device.state.queues[0]!.nextAvailable);
      const data = { address: next(0x10000), length: next(3) * 512 + next(2) * next(600), write: next(2) === 0 };
      driver.offer([header([0, 1, 4, 8, 11, 13, next(256)][next(7)]!, next(SECTORS + 4)), data, { address: next(0x10000), length: next(3), write: true }]);
      if (next(3) === 0) context.bytes[next(0x2000)] = next(256);
      driver.kick();
      context.run(device, context.time + 100_000);
      const seen = driver.used().length;
      context.bytes.fill(0);
      return seen >= 0;
    },
  };
});
