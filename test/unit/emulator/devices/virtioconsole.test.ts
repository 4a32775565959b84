import assert from 'node:assert/strict';
import { VirtioConsole } from '../../../../emulator/devices/virtioconsole';
import { VirtioRnd } from '../../../../emulator/devices/virtiornd';
import { laws, SIZES, TestContext } from './context';
import { VirtioDriver } from './virtiodriver';

const BUFFER = 0x8000;
const [RECEIVE, TRANSMIT] = [0, 1];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function make(context = new TestContext()) {
  const sent: number[] = [];
  const device = new VirtioConsole(context, {
    transmit: (byte) => sent.push(byte),
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: () => undefined,
  });
  const driver = new VirtioDriver(context, device.pci);
  driver.start(undefined, 2);
  return { context, device, driver, sent, run: () => context.run(device, context.time + 1_000_000) };
}

describe('virtio console', () => {
  it('sends what the guest writes at the access that tells of it', () => {
    const { context, driver, sent } = make();
    context.bytes.set(Buffer.from('hello, console'), BUFFER);
    driver.offer(
      [
        { address: BUFFER, length: 7 },
        { address: BUFFER + 7, length: 7 },
      ],
      { queue: TRANSMIT },
    );
    driver.kick(TRANSMIT);
    assert.equal(text(Uint8Array.from(sent)), 'hello, console');
    assert.deepEqual(driver.used(TRANSMIT), [{ head: 0, length: 0 }]);
  });

  it('gives what was typed when the guest has buffers for it', () => {
    const { context, device, driver, run } = make();
    device.receive(Buffer.from('typed early'));
    run();
    assert.deepEqual(driver.used(RECEIVE), []);
    driver.offer([{ address: BUFFER, length: 6, write: true }], { queue: RECEIVE });
    driver.offer([{ address: BUFFER + 6, length: 60, write: true }], { queue: RECEIVE, first: 1 });
    driver.kick(RECEIVE);
    run();
    assert.deepEqual(driver.used(RECEIVE), [
      { head: 0, length: 6 },
      { head: 1, length: 5 },
    ]);
    assert.equal(text(context.bytes.subarray(BUFFER, BUFFER + 11)), 'typed early');
    driver.offer([{ address: BUFFER, length: 6, write: true }], { queue: RECEIVE, first: 2 });
    driver.kick(RECEIVE);
    run();
    assert.deepEqual(driver.used(RECEIVE), [], 'nothing more');
    device.receive(Buffer.from('x'));
    run();
    assert.deepEqual(driver.used(RECEIVE), [{ head: 2, length: 1 }]);
  });

  it('bounds what waits', () => {
    const { device } = make();
    for (let i = 0; i < 100; i++) device.receive(new Uint8Array(1000));
    assert.equal(device.state.input.length, 4096);
  });

  it('asks for a reset where buffers are of the wrong kind', () => {
    const sending = make();
    sending.driver.offer([{ address: BUFFER, length: 6, write: true }], { queue: TRANSMIT });
    sending.driver.kick(TRANSMIT);
    assert.equal(sending.driver.status & 0x40, 0x40);
    const { device, driver, run } = make();
    driver.offer([{ address: BUFFER, length: 6 }], { queue: RECEIVE });
    device.receive(Buffer.from('x'));
    run();
    assert.equal(driver.status & 0x40, 0x40);
  });
});

laws('virtio console', (context) => {
  const { device, driver, sent } = make(context);
  return {
    device,
    observe: () => sent.splice(0).length,
    poke: (next) => {
      const value = [0, 1, 0x0f, 0xffffffff, next(2 ** 32)][next(5)]!;
      switch (next(6)) {
        case 0:
          return driver.start(undefined, 2);
        case 1:
          return device.receive(new Uint8Array(next(next(8) === 0 ? 5000 : 20)).fill(value));
        case 2:
          return driver.write(next(0x4000), SIZES[next(3)]!, value);
        case 3:
          return driver.write(next(0x38), SIZES[next(3)]!, value);
        default: {
          // Memory is not the device's: each request finds it the same, and leaves nothing.
          const queue = next(2);
          context.bytes.fill(0);
          driver.goOn(device.state.queues[queue]!.nextAvailable, queue);
          driver.offer([{ address: next(0x10000), length: next(64), write: (queue === RECEIVE) !== (next(8) === 0) }], { queue });
          driver.kick(queue);
          context.run(device, context.time + 20_000);
          const seen = context.bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 0);
          context.bytes.fill(0);
          return seen;
        }
      }
    },
  };
});

describe('virtio entropy device', () => {
  const bytesOf = (seed: number, lengths: readonly number[]): string => {
    const context = new TestContext();
    const device = new VirtioRnd(context, { seed, reachable: () => true, msi: () => undefined });
    const driver = new VirtioDriver(context, device.pci);
    driver.start();
    let all = '';
    for (const length of lengths) {
      driver.offer([{ address: BUFFER, length, write: true }]);
      driver.kick();
      context.run(device, context.time + 1_000_000);
      assert.deepEqual(driver.used(), [{ head: 0, length }]);
      all += text(context.bytes.subarray(BUFFER, BUFFER + length));
    }
    return all;
  };

  it('gives bytes that follow from the seed, and differ with it', () => {
    assert.equal(bytesOf(1, [64, 64]), bytesOf(1, [128]));
    const first = new Set([0, 1, 2, 2 ** 32 + 5, 2 ** 40].map((seed) => bytesOf(seed, [32])));
    assert.equal(first.size, 5);
  });

  it('with bytes from outside, a request waits for them, and one that nobody has made gets none', () => {
    const context = new TestContext();
    const device = new VirtioRnd(context, { seed: 'host', reachable: () => true, msi: () => undefined });
    const driver = new VirtioDriver(context, device.pci);
    driver.start();
    const run = (): void => context.run(device, context.time + 1_000_000);
    device.receive(Buffer.from('too early'));
    driver.offer([{ address: BUFFER, length: 6, write: true }]);
    driver.offer([{ address: BUFFER + 6, length: 60, write: true }], { first: 1 });
    driver.kick();
    assert.equal(device.wanted, 0, 'not before it has looked at the queue');
    run();
    assert.equal(device.wanted, 64);
    assert.deepEqual(driver.used(), []);
    device.receive(Buffer.from('random bytes'));
    assert.equal(device.wanted, 0);
    run();
    device.receive(Buffer.from('and more'));
    run();
    assert.equal(device.wanted, 0);
    assert.deepEqual(driver.used(), [
      { head: 0, length: 6 },
      { head: 1, length: 8 },
    ]);
    assert.equal(text(context.bytes.subarray(BUFFER, BUFFER + 14)), 'randomand more');
  });

  it('has every byte about as often', () => {
    const counts = new Array<number>(256).fill(0);
    for (const character of bytesOf(7, new Array<number>(64).fill(4096))) counts[character.charCodeAt(0)]!++;
    const square = counts.reduce((sum, count) => sum + (count - 1024) ** 2 / 1024, 0);
    assert.ok(square > 150 && square < 380, `chi-square of ${square} with 255 degrees of freedom`);
  });
});
