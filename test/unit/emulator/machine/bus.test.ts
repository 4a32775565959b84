import assert from 'node:assert/strict';
import type { AccessSize, Backing, MmioHandler, PortHandler } from '../../../../emulator/bus/device';
import { MachineBus } from '../../../../emulator/machine/bus';

/** Remembers accesses; reads give a number that names the handler. */
class Recorder implements PortHandler, MmioHandler {
  readonly log: string[] = [];
  constructor(private readonly value: number) {}
  portRead(port: number, size: AccessSize): number {
    this.log.push(`in ${port.toString(16)} ${size}`);
    return this.value;
  }
  portWrite(port: number, size: AccessSize, value: number): void {
    this.log.push(`out ${port.toString(16)} ${size} ${value.toString(16)}`);
  }
  mmioRead(offset: number, size: AccessSize): number {
    this.log.push(`read ${offset.toString(16)} ${size}`);
    return this.value;
  }
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    this.log.push(`write ${offset.toString(16)} ${size} ${value.toString(16)}`);
  }
}

const bus = (): MachineBus => new MachineBus(() => undefined);

describe('machine bus', () => {
  it('reads all ones where nothing answers', () => {
    const b = bus();
    assert.deepEqual(
      [1, 2, 4].map((size) => b.portRead(0x123, size as AccessSize)),
      [0xff, 0xffff, 0xffffffff],
    );
    assert.deepEqual(
      [1, 2, 4].map((size) => b.mmioRead(0xd0000000, size as AccessSize)),
      [0xff, 0xffff, 0xffffffff],
    );
    b.portWrite(0x123, 4, 1);
    b.mmioWrite(0xd0000000, 4, 1);
  });

  it('cuts what a handler gives to the size of the access', () => {
    const b = bus();
    b.addPorts(0x10, 4, new Recorder(-1), 'chip');
    assert.equal(b.portRead(0x10, 2), 0xffff);
    assert.equal(b.portRead(0x10, 4), 0xffffffff);
  });

  it('splits an access that goes beyond a window into bytes', () => {
    const b = bus();
    const [low, high] = [new Recorder(0x11), new Recorder(0x22)];
    b.addPorts(0x60, 1, low, 'low');
    b.addPorts(0x61, 1, high, 'high');
    assert.equal(b.portRead(0x60, 4), 0xffff2211);
    b.portWrite(0x60, 2, 0xbeef);
    assert.deepEqual(low.log, ['in 60 1', 'out 60 1 ef']);
    assert.deepEqual(high.log, ['in 61 1', 'out 61 1 be']);
  });

  it('knows where a read or a write changes no deadline', () => {
    const b = bus();
    const quiet = Object.assign(new Recorder(1), { quietReads: true as const });
    b.addPorts(0x408, 4, quiet, 'timer');
    b.addPorts(0x40c, 4, new Recorder(2), 'other');
    b.addPorts(0x410, 1, Object.assign(new Recorder(1), { quietWrites: true as const }), 'console');
    b.addMmio(0xfed00000, 0x400, quiet, 'counter');
    b.addMmio(0xfed00400, 0x400, new Recorder(2), 'next');
    assert.deepEqual([b.quietPort(0x408, 4), b.quietPort(0x40b, 1), b.quietPort(0x40a, 4), b.quietPort(0x40c, 1)], [true, true, false, false]);
    assert.deepEqual([b.quietPort(0x410, 1), b.quietPort(0x410, 1, true), b.quietPort(0x408, 1, true)], [false, true, false]);
    assert.deepEqual([b.quietMemory(0xfed000f0, 4), b.quietMemory(0xfed003fe, 4), b.quietMemory(0xfed00400, 4)], [true, false, false]);
  });

  it('goes on at port 0 after port 0xFFFF', () => {
    const b = bus();
    b.addPorts(0, 1, new Recorder(0x33), 'zero');
    assert.equal(b.portRead(0xffff, 2), 0x33ff);
  });

  it('gives memory handlers offsets, above 4 GB too', () => {
    const b = bus();
    const chip = new Recorder(7);
    b.addMmio(0x20_0000_0000, 0x1000, chip, 'chip');
    assert.equal(b.mmioRead(0x20_0000_0ffc, 4), 7);
    assert.deepEqual(chip.log, ['read ffc 4']);
    b.mmioWrite(0x20_0000_0fff, 2, 0xabcd);
    assert.equal(chip.log[1], 'write fff 1 cd');
    assert.equal(b.mmioRead(0x20_0000_1000, 1), 0xff);
  });

  it('lets the window that was there first answer where two overlap', () => {
    const b = bus();
    const [fixed, moving] = [new Recorder(1), new Recorder(2)];
    b.addMmio(0x1000, 0x100, fixed, 'fixed');
    const mapping = b.addMmio(0xf80, 0x200, moving, 'moving');
    assert.deepEqual(
      [0xf80, 0x1000, 0x10ff, 0x1100].map((a) => b.mmioRead(a, 1)),
      [2, 1, 1, 2],
    );
    assert.equal(moving.log.at(-1), 'read 180 1');
    mapping.move(null);
    assert.equal(b.mmioRead(0xf80, 1), 0xff);
    mapping.move(0x5000);
    assert.equal(b.mmioRead(0x51ff, 1), 2);
  });

  it('keeps the order of windows that are moved to an address later', () => {
    const b = bus();
    const first = b.addMmio(null, 0x1000, new Recorder(1), 'first');
    const second = b.addMmio(null, 0x1000, new Recorder(2), 'second');
    second.move(0xd0000000);
    first.move(0xd0000000);
    assert.equal(b.mmioRead(0xd0000000, 1), 1);
    first.move(null);
    assert.equal(b.mmioRead(0xd0000000, 1), 2);
  });

  it('moves ports and uncovers what they hid', () => {
    const b = bus();
    const mapping = b.addPorts(0x100, 8, new Recorder(1), 'a');
    b.addPorts(0x104, 8, new Recorder(2), 'b');
    assert.equal(b.portRead(0x104, 1), 1);
    mapping.move(0x200);
    assert.equal(b.portRead(0x104, 1), 2);
    assert.equal(b.portOwner(0x207), 'a');
    assert.equal(b.portOwner(0x100), undefined);
  });

  it('survives windows beyond the end of the port space', () => {
    const b = bus();
    b.addPorts(0xfffe, 8, new Recorder(5), 'end');
    assert.equal(b.portRead(0xffff, 1), 5);
    assert.equal(b.portRead(0, 1), 0xff);
  });

  it('maps and moves backings through the engine, and lists everything', () => {
    const placed: (number | null)[] = [];
    const b = new MachineBus((_, address) => placed.push(address));
    const backing: Backing = { length: 0x2000, writable: true, bytes: new Uint8Array(0x2000) };
    b.addBacking(0xc0000000, backing, 'picture').move(0xd0000000);
    b.addPorts(0x60, 2, new Recorder(0), 'chip');
    assert.deepEqual(placed, [0xc0000000, 0xd0000000]);
    assert.deepEqual(b.map(), [
      { first: 0x60n, last: 0x61n, owner: 'chip', space: 'port' },
      { first: 0xd0000000n, last: 0xd0001fffn, owner: 'picture', space: 'memory' },
    ]);
  });
});
