import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { VirtioNet } from '../../../../emulator/devices/virtionet';
import { laws, SIZES, TestContext, type Subject } from './context';
import { VirtioDriver, ALL_FEATURES } from './virtiodriver';

const BUFFER = 0x8000;
const [RECEIVE, TRANSMIT] = [0, 1];
const HEADER = 12;
const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const FEATURES = ALL_FEATURES | (1n << 5n) | (1n << 16n);
const MERGE = 1n << 15n;

function make(features = FEATURES) {
  const context = new TestContext();
  const frames: Uint8Array[] = [];
  const device = new VirtioNet(context, {
    mac: MAC,
    wire: { transmit: (frame) => void frames.push(frame) },
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: () => undefined,
  });
  const driver = new VirtioDriver(context, device.pci);
  driver.start(features, 2);
  return { context, device, driver, frames, run: () => context.run(device, context.time + 10_000_000) };
}
const frameOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at);
const offer = (driver: VirtioDriver, length: number, first = 0): void =>
  driver.offer([{ address: BUFFER + 0x800 * first, length, write: true }], { queue: RECEIVE, first });

describe('virtio network card', () => {
  it('is what it says: address, link, features', () => {
    const { device, driver } = make();
    const { vendor, device: id, classCode } = device.pci.identity;
    assert.deepEqual([vendor, id, classCode], [0x1af4, 0x1041, 0x020000]);
    assert.deepEqual(Array.from({ length: 8 }, (_, at) => driver.read(0x2000 + at, 1)), [...MAC, 1, 0]); // prettier-ignore
    driver.write(0x00, 4, 0);
    assert.equal(driver.read(0x04, 4), 0x30018020, 'no offloads');
    assert.equal(driver.status & 0x0f, 0x0f);
  });

  it('sends frames, whatever pieces they are in', () => {
    const { context, driver, frames, run } = make();
    context.bytes.set(frameOf(100), BUFFER + HEADER);
    driver.offer([{ address: BUFFER, length: 5 }, { address: BUFFER + 5, length: 30 }, { address: BUFFER + 35, length: 77 }], { queue: TRANSMIT }); // prettier-ignore
    driver.kick(TRANSMIT);
    assert.equal(frames.length, 0, 'not at once');
    run();
    assert.deepEqual(frames, [frameOf(100)]);
    assert.deepEqual(driver.used(TRANSMIT), [{ head: 0, length: 0 }]);
  });

  it('sends nothing that is too short or too long, and takes no wrong buffer', () => {
    const { driver, frames, run } = make();
    for (const [first, length] of [[0, HEADER], [1, HEADER + 13], [2, HEADER + 1519]] as const) driver.offer([{ address: BUFFER, length }], { queue: TRANSMIT, first }); // prettier-ignore
    driver.kick(TRANSMIT);
    run();
    assert.deepEqual([frames.length, driver.used(TRANSMIT).length], [0, 3]);
    driver.offer([{ address: BUFFER, length: 11 }], { queue: TRANSMIT, first: 3 });
    driver.kick(TRANSMIT);
    run();
    assert.equal(driver.status & 0x40, 0x40, 'no header: the driver is not understood');
  });

  it('receives into one buffer', () => {
    const { context, device, driver } = make();
    device.receive(frameOf(60));
    assert.deepEqual(driver.used(RECEIVE), [], 'lost: no buffer');
    offer(driver, 1526);
    device.receive(frameOf(200));
    assert.deepEqual(driver.used(RECEIVE), [{ head: 0, length: 212 }]);
    assert.deepEqual([...context.bytes.subarray(BUFFER, BUFFER + HEADER)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert.deepEqual(context.bytes.slice(BUFFER + HEADER, BUFFER + 212), frameOf(200));
    offer(driver, 100, 1);
    device.receive(frameOf(200));
    assert.deepEqual(driver.used(RECEIVE), [], 'too small: the frame is lost');
    device.receive(frameOf(80));
    assert.deepEqual(driver.used(RECEIVE), [{ head: 1, length: 92 }], 'its buffer is not');
  });

  it('a short frame leaves no bytes of a longer one before it, nor changes what is behind it', () => {
    const { context, device, driver } = make();
    offer(driver, 1600);
    device.receive(frameOf(1500).fill(0x77));
    context.bytes.fill(0x5a, BUFFER, BUFFER + 0x1000);
    offer(driver, 1600);
    device.receive(new Uint8Array(60));
    const written = [...context.bytes.subarray(BUFFER, BUFFER + 1600)];
    assert.deepEqual(driver.used(RECEIVE).map(({ length }) => length), [1512, 72]); // prettier-ignore
    assert.deepEqual([...new Set(written.slice(0, 72))].sort(), [0, 1], 'the header, and the frame');
    assert.ok(written.slice(72).every((byte) => byte === 0x5a));
  });

  it('receives into several buffers that the driver puts together', () => {
    const { context, device, driver } = make(FEATURES | MERGE);
    for (const first of [0, 1, 2]) offer(driver, 100, first);
    device.receive(frameOf(400));
    assert.deepEqual(driver.used(RECEIVE), [], 'lost: not enough of them');
    device.receive(frameOf(230));
    assert.deepEqual(driver.used(RECEIVE), [{ head: 0, length: 100 }, { head: 1, length: 100 }, { head: 2, length: 42 }]); // prettier-ignore
    assert.equal(context.bytes[BUFFER + 10], 3);
    const pieces = [0, 1, 2].map((n) => context.bytes.subarray(BUFFER + 0x800 * n, BUFFER + 0x800 * n + 100));
    assert.deepEqual(Uint8Array.from(Buffer.concat(pieces).subarray(HEADER, 242)), frameOf(230));
  });

  it('does not work through a queue without end at once', () => {
    const { context, driver, frames, device } = make();
    // The same chain over and over: the driver says that 16 are there, again and again.
    const flood = (): void => {
      for (let i = 0; i < 16; i++) driver.offer([{ address: BUFFER, length: 100 }], { queue: TRANSMIT, first: i });
      driver.kick(TRANSMIT);
    };
    for (let i = 0; i < 50; i++) {
      flood();
      context.run(device, context.time + 1_000_000);
    }
    assert.equal(frames.length, 800);
  });
});

laws('virtio network card', (context): Subject => {
  const frames: number[] = [];
  const device = new VirtioNet(context, {
    mac: MAC,
    wire: { transmit: (frame) => void frames.push(frame.length) },
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: (address, data) => void frames.push(address, data),
  });
  const driver = new VirtioDriver(context, device.pci);
  return {
    device,
    observe: () => [device.deadline(), driver.status],
    poke: (random) => {
      frames.length = 0;
      const at = [0, 0x1000, 0x2000, 0x3000][random(4)]! + random(0x40);
      // Memory is not the device's: each access finds it the same, and leaves nothing.
      context.bytes.fill(0);
      const kinds = [
        () => driver.start(FEATURES | (random(2) === 0 ? MERGE : 0n), 2),
        () => {
          for (const queue of [RECEIVE, TRANSMIT]) {
            driver.goOn(device.state.queues[queue]!.nextAvailable, queue);
            for (let i = random(4); i >= 0; i--)
              driver.offer([{ address: BUFFER + random(0x1000), length: random(2000), write: random(8) > 0 === (queue === RECEIVE) }], {
                queue,
                first: random(16),
              });
          }
          driver.kick(TRANSMIT);
          for (let i = random(3); i >= 0; i--) device.receive(frameOf(14 + random(1500)));
          context.run(device, context.time + 50_000);
        },
        () => driver.read(at, SIZES[random(3)]!),
        () => driver.write(at, SIZES[random(3)]!, random(0x7fffffff)),
      ];
      const read = kinds[random(kinds.length)]!();
      const sum = crc32(context.bytes);
      context.bytes.fill(0);
      return [read, sum, [...frames]];
    },
  };
});
