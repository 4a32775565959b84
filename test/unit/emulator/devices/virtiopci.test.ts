import assert from 'node:assert/strict';
import { VirtioRnd } from '../../../../emulator/devices/virtiornd';
import { laws, SIZES, TestContext } from './context';
import { ALL_FEATURES, AT, VERSION_1, VirtioDriver } from './virtiodriver';

const BUFFER = 0x8000;

function make(context = new TestContext()) {
  const levels: boolean[] = [];
  const messages: [number, number][] = [];
  const device = new VirtioRnd(context, {
    seed: 1,
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: (address, data) => messages.push([address, data]),
  });
  device.pci.attach({
    bus: { addPorts: () => ({ move: () => undefined }), addMmio: () => ({ move: () => undefined }), addBacking: () => ({ move: () => undefined }) },
    owner: 'rnd',
    interrupt: (_pin, level) => levels.push(level),
  });
  const driver = new VirtioDriver(context, device.pci);
  const run = (): void => context.run(device, context.time + 1_000_000);
  return { context, device, driver, levels, messages, run };
}
const NEEDS_RESET = 0x40;

describe('virtio PCI transport', () => {
  it('is found by its capabilities', () => {
    const { device } = make();
    assert.equal(device.pci.read(0), 0x10441af4);
    const found = new Map<number, { bar: number; offset: number; length: number }>();
    let at = device.pci.read(0x34) & 0xff;
    for (let count = 0; at !== 0; count++) {
      assert.ok(count < 16 && at < 0x100, 'the list ends');
      const first = device.pci.read(at);
      if ((first & 0xff) === 0x09)
        found.set(first >>> 24, { bar: device.pci.read(at + 4) & 0xff, offset: device.pci.read(at + 8), length: device.pci.read(at + 12) });
      at = (first >>> 8) & 0xff;
    }
    assert.deepEqual([...found.keys()].sort(), [1, 2, 3, 5], 'common, notify, ISR, PCI access; no device configuration here');
    assert.deepEqual(found.get(1), { bar: 0, offset: AT.COMMON, length: 0x38 });
  });

  it('agrees on features that both know, and on no others', () => {
    const { driver, device } = make();
    assert.equal(driver.negotiate(ALL_FEATURES), 0x0b);
    assert.equal(driver.negotiate(0n), 0x03, 'without VERSION_1 there is nothing to agree on');
    assert.equal(driver.negotiate(VERSION_1 | (1n << 40n)), 0x03, 'a feature that was not offered');
    assert.equal(driver.negotiate(VERSION_1), 0x0b);
    driver.write(0x0c, 4, 0);
    assert.equal(device.state.driverFeatures, VERSION_1, 'they stay as agreed');
    driver.write(0x00, 4, 1);
    assert.equal(driver.read(0x04, 4), 1);
    driver.write(0x00, 4, 2);
    assert.equal(driver.read(0x04, 4), 0);
  });

  it('does nothing before the driver is ready, and loses nothing', () => {
    const { driver, device, run, context } = make();
    driver.negotiate(ALL_FEATURES);
    driver.enable(0);
    driver.offer([{ address: BUFFER, length: 16, write: true }]);
    driver.kick();
    run();
    assert.deepEqual(driver.used(), []);
    driver.write(0x14, 1, 0x0f);
    run();
    assert.deepEqual(driver.used(), [{ head: 0, length: 16 }]);
    assert.ok(context.bytes.subarray(BUFFER, BUFFER + 16).some((byte) => byte !== 0));
    assert.equal(device.deadline(), Infinity);
  });

  it('interrupts through its pin until the status is read', () => {
    const { driver, levels, run } = make();
    driver.start();
    driver.offer([{ address: BUFFER, length: 8, write: true }]);
    driver.kick();
    run();
    assert.equal(levels.at(-1), true);
    assert.equal(driver.read(AT.ISR, 1), 1);
    assert.equal(levels.at(-1), false);
    assert.equal(driver.read(AT.ISR, 1), 0);
  });

  it('interrupts through MSI-X where it is enabled', () => {
    const { driver, device, levels, messages, run } = make();
    const table = device.pci.identity.bars![1]!.handler as { mmioWrite(offset: number, size: number, value: number): void };
    [0xfee00000, 0, 0x41, 0].forEach((value, i) => table.mmioWrite(16 + 4 * i, 4, value));
    device.pci.write(0x40, 0x80000000, 0xffff0000);
    driver.start();
    driver.offer([{ address: BUFFER, length: 8, write: true }]);
    driver.kick();
    run();
    assert.deepEqual(messages, [[0xfee00000, 0x41]]);
    assert.equal(levels.includes(true), false);
    driver.write(0x1a, 2, 9);
    assert.equal(driver.read(0x1a, 2), 0xffff, 'a vector that does not exist');
  });

  it('is quiet where the driver does not want to hear', () => {
    const { driver, levels, run, context } = make();
    driver.start(VERSION_1);
    context.bytes[driver.place(0, 'driver')] = 1; // NO_INTERRUPT
    driver.offer([{ address: BUFFER, length: 8, write: true }]);
    driver.kick();
    run();
    assert.equal(driver.used().length, 1);
    assert.equal(levels.includes(true), false);
  });

  it('follows event indices', () => {
    const { driver, levels, run, context } = make();
    driver.start();
    const event = driver.place(0, 'driver') + 4 + 2 * 16;
    context.bytes[event] = 1; // tell me of the second
    driver.offer([{ address: BUFFER, length: 8, write: true }]);
    driver.kick();
    run();
    assert.equal(levels.includes(true), false, 'the first is used silently');
    assert.equal(context.bytes[driver.place(0, 'device') + 4 + 8 * 16], 1, 'avail_event: what has been seen');
    driver.offer([{ address: BUFFER, length: 8, write: true }], { first: 1 });
    driver.kick();
    run();
    assert.equal(levels.at(-1), true);
  });

  it('is reset by a status of 0', () => {
    const { driver, device, levels } = make();
    driver.start();
    driver.offer([{ address: BUFFER, length: 8, write: true }]);
    driver.kick();
    driver.write(0x14, 1, 0);
    assert.deepEqual([driver.status, device.deadline(), levels.at(-1), device.state.queues[0]!.enable], [0, Infinity, false, false]);
    driver.write(0x16, 2, 0);
    assert.equal(driver.read(0x18, 2), 64, 'queue_size is what it can be');
    driver.write(0x16, 2, 7);
    assert.equal(driver.read(0x18, 2), 0, 'a queue that there is not');
  });

  it('can be driven through configuration space alone', () => {
    const { driver, device } = make();
    driver.negotiate(ALL_FEATURES);
    let at = device.pci.read(0x34) & 0xff;
    while (device.pci.read(at) >>> 24 !== 5 || (device.pci.read(at) & 0xff) !== 9) at = (device.pci.read(at) >>> 8) & 0xff;
    const access = (offset: number, length: number): void => {
      device.pci.write(at + 4, 0, 0xff);
      device.pci.write(at + 8, offset, 0xffffffff);
      device.pci.write(at + 12, length, 0xffffffff);
    };
    access(0x14, 1);
    assert.equal(device.pci.read(at + 16), 0x0b);
    device.pci.write(at + 16, 0, 0xffffffff);
    assert.equal(driver.status, 0);
    for (const [offset, length] of [
      [0xffffffff, 4],
      [0x4000, 1],
      [1, 4],
      [0, 8],
    ] as const) {
      access(offset, length);
      assert.equal(device.pci.read(at + 16), 0);
      device.pci.write(at + 16, 1, 0xffffffff);
    }
  });
});

describe('virtqueues of drivers that are wrong', () => {
  const broken = (name: string, fault: string, prepare: (rig: ReturnType<typeof make>) => void, features = ALL_FEATURES): void => {
    it(`${name}: the device needs a reset`, () => {
      const rig = make();
      const { driver, device, run } = rig;
      driver.start(features);
      prepare(rig);
      driver.kick();
      run();
      assert.equal(driver.status & NEEDS_RESET, NEEDS_RESET);
      assert.equal(device.state.fault, fault);
      assert.deepEqual(driver.used(), []);
      assert.equal(rig.levels.at(-1), true, 'the driver is told');
      assert.equal(driver.read(AT.ISR, 1), 2);
      // It goes on after the reset.
      driver.start();
      driver.offer([{ address: BUFFER, length: 4, write: true }]);
      driver.kick();
      run();
      assert.equal(driver.used().length, 1);
    });
  };
  const word = ({ context }: ReturnType<typeof make>, at: number, value: number): void => void context.bytes.set([value & 0xff, value >> 8], at);

  broken('more available than there are descriptors', 'available index', (rig) => word(rig, rig.driver.place(0, 'driver') + 2, 17));
  broken('a head beyond the table', 'descriptor index', (rig) => rig.driver.available(0, 16));
  broken('a next descriptor beyond the table', 'descriptor index', ({ driver }) => {
    driver.descriptor(driver.place(0, 'desc'), BUFFER, 4, 3, 16);
    driver.available(0, 0);
  });
  broken('a chain that comes back to itself', 'descriptor loop', ({ driver }) => {
    driver.descriptor(driver.place(0, 'desc'), BUFFER, 4, 3, 1);
    driver.descriptor(driver.place(0, 'desc') + 16, BUFFER, 4, 3, 0);
    driver.available(0, 0);
  });
  for (const [address, length] of [
    [0x10000, 1],
    [0xfff0, 17],
    [2n ** 64n - 1n, 1],
    [2n ** 52n, 4],
    [0, 0xffffffff],
  ] as const)
    broken(`a buffer of ${length} at ${address.toString(16)}`, 'descriptor address', ({ driver }) => {
      driver.descriptor(driver.place(0, 'desc'), address, length, 2, 0);
      driver.available(0, 0);
    });
  broken('a buffer to read after one to write', 'descriptor order', ({ driver }) =>
    driver.offer([
      { address: BUFFER, length: 4, write: true },
      { address: BUFFER, length: 4 },
    ]),
  );
  for (const [name, length, flags] of [
    ['of no length', 0, 4],
    ['of half a descriptor', 24, 4],
    ['that goes on', 16, 5],
  ] as const)
    broken(`an indirect table ${name}`, 'indirect table', ({ driver }) => {
      driver.descriptor(driver.place(0, 'desc'), driver.place(0, 'indirect'), length, flags, 1);
      driver.available(0, 0);
    });
  broken('an indirect table in another', 'indirect table', ({ driver }) => {
    driver.descriptor(driver.place(0, 'indirect'), driver.place(0, 'indirect'), 16, 4, 0);
    driver.descriptor(driver.place(0, 'desc'), driver.place(0, 'indirect'), 16, 4, 0);
    driver.available(0, 0);
  });
  broken(
    'an indirect table that was not agreed upon',
    'indirect table',
    ({ driver }) => driver.offer([{ address: BUFFER, length: 4, write: true }], { indirect: true }),
    VERSION_1,
  );
  broken('a queue that leaves nothing to write', 'request', ({ driver }) => driver.offer([{ address: BUFFER, length: 4 }]));

  for (const [name, offset, value] of [
    ['descriptors', 0x20, 8],
    ['available ring', 0x28, 1],
    ['used ring', 0x30, 2],
    ['high half', 0x24, 1],
    ['end', 0x20, 0xfff0],
  ] as const)
    it(`a queue with bad addresses is not enabled: ${name}`, () => {
      const { driver, device } = make();
      driver.negotiate(ALL_FEATURES);
      driver.enable(0);
      driver.write(0x14, 1, 0);
      driver.negotiate(ALL_FEATURES);
      driver.write(0x16, 2, 0);
      driver.write(offset, 4, value);
      driver.write(0x1c, 2, 1);
      assert.deepEqual([driver.read(0x1c, 2), device.state.fault], [0, 'queue addresses']);
    });

  it('takes indirect tables that are right', () => {
    const { driver, run } = make();
    driver.start();
    driver.offer(
      [
        { address: BUFFER, length: 4, write: true },
        { address: BUFFER + 100, length: 6, write: true },
      ],
      { indirect: true, first: 3 },
    );
    driver.kick();
    run();
    assert.deepEqual(driver.used(), [{ head: 3, length: 10 }]);
  });

  it('the wrap of its indices is no event', () => {
    const { driver, run } = make();
    driver.start(VERSION_1);
    for (let i = 0; i < 0x10010; i += 8) {
      for (let k = 0; k < 8; k++) driver.offer([{ address: BUFFER, length: 4, write: true }], { first: k });
      driver.kick();
      run();
      assert.equal(driver.used().length, 8, `around ${i}`);
    }
    assert.equal(driver.status, 0x0f);
  });
});

laws('virtio entropy device', (context) => {
  const { device, driver, levels } = make(context);
  return {
    device,
    observe: () => levels.at(-1) ?? false,
    poke: (next) => {
      const size = SIZES[next(3)]!;
      const value = [0, 1, 0x0f, 0xffffffff, next(2 ** 32)][next(5)]!;
      switch (next(8)) {
        case 0:
          return driver.start([ALL_FEATURES, VERSION_1][next(2)]);
        case 1:
        case 2: {
          // Memory is not the device's: each request finds it the same, and leaves nothing.
          context.bytes.fill(0);
          driver.goOn(device.state.queues[0]!.nextAvailable);
          driver.offer([{ address: next(0x10000), length: next(64), write: next(4) > 0 }], { first: next(16), indirect: next(3) === 0 });
          if (next(3) === 0) context.bytes[next(0x2000)] = next(256);
          driver.kick();
          context.run(device, context.time + 20_000);
          const seen = context.bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 0);
          context.bytes.fill(0);
          return seen;
        }
        case 3:
          return driver.write(next(0x4000), size, value);
        case 4:
          return driver.write(next(0x38), size, value);
        case 5:
          return device.pci.write(4 * next(64), value, 0xffffffff);
        case 6:
          return device.pci.read(4 * next(64));
        default:
          return driver.read(next(2) ? next(0x38) : next(0x4000), size);
      }
    },
  };
});
