import assert from 'node:assert/strict';
import { Frequency } from '../../../../emulator/devices/frequency';
import { Pit8254 } from '../../../../emulator/devices/pit8254';
import { laws, random, SIZES, TestContext, TestLine } from './context';

const clock = new Frequency(1193182);

function make(context = new TestContext()) {
  const irq0 = new TestLine();
  const pit = new Pit8254(context, { output: irq0 });
  const out = (port: number, value: number): void => pit.portWrite(port, 1, value);
  const inb = (port: number): number => pit.portRead(port, 1);
  const word = (port: number): number => inb(port) | (inb(port) << 8);
  const at = (tick: number): void => context.run(pit, clock.nsAt(tick));
  const out2 = (): number => (inb(0x61) >> 5) & 1;
  /** Programs counter 2: mode, count as two bytes. Written at the present tick t, loaded at t + 1. */
  const counter2 = (mode: number, count: number, bcd = 0): void => {
    out(0x43, 0xb0 | (mode << 1) | bcd);
    out(0x42, count & 0xff);
    out(0x42, count >> 8);
  };
  const count2 = (): number => {
    out(0x43, 0x80);
    return word(0x42);
  };
  return { context, pit, irq0, out, inb, word, at, out2, counter2, count2 };
}

describe('Pit8254', () => {
  it('has the same deadline after a read', () => {
    const { context, pit, inb, out } = make();
    const next = random(3);
    for (let i = 0; i < 5000; i++) {
      context.run(pit, context.time + next(100_000));
      if (next(3) === 0) out([0x40, 0x41, 0x42, 0x43, 0x61][next(5)]!, next(256));
      const due = pit.deadline();
      inb([0x40, 0x41, 0x42, 0x61][next(4)]!);
      assert.equal(pit.deadline(), due);
    }
  });

  it('mode 2: interrupts exactly every N clocks', () => {
    const { context, pit, irq0, out, at } = make();
    at(10);
    out(0x43, 0x34);
    out(0x40, 11932 & 0xff);
    out(0x40, 11932 >> 8);
    assert.equal(pit.deadline(), clock.nsAt(11 + 11932));
    const before = irq0.rises;
    context.run(pit, clock.nsAt(11 + 11932) - 1);
    assert.equal(irq0.rises, before);
    context.run(pit, clock.nsAt(11 + 100 * 11932));
    assert.equal(irq0.rises, before + 100);
  });

  it('mode 2: takes a new count at the end of the cycle', () => {
    const { pit, irq0, out, at } = make();
    out(0x43, 0x34);
    out(0x40, 100);
    out(0x40, 0);
    at(51);
    out(0x40, 200);
    out(0x40, 0);
    assert.equal(pit.deadline(), clock.nsAt(101));
    at(101);
    assert.equal(irq0.rises, 2, 'the control word and the first cycle');
    assert.equal(pit.deadline(), clock.nsAt(301));
  });

  it('mode 0: OUT rises N + 1 clocks after the write and the count wraps', () => {
    const { out, at, out2, counter2, count2, inb } = make();
    out(0x61, 1);
    at(5);
    counter2(0, 100);
    assert.equal(out2(), 0);
    at(6);
    assert.equal(count2(), 100);
    at(56);
    assert.equal(count2(), 50);
    at(105);
    assert.equal(out2(), 0);
    at(106);
    assert.equal(out2(), 1);
    at(107);
    assert.equal(count2(), 0xffff);
    out(0x42, 1);
    assert.equal(out2(), 0, 'the first byte of a new count sets OUT low');
    assert.equal(inb(0x61) & 0x0f, 1);
  });

  it('mode 0: GATE low holds the count', () => {
    const { out, at, counter2, count2, out2 } = make();
    out(0x61, 1);
    counter2(0, 100);
    at(31);
    out(0x61, 0);
    at(1000);
    assert.equal(count2(), 70);
    out(0x61, 1);
    at(1069);
    assert.equal(out2(), 0);
    at(1070);
    assert.equal(out2(), 1);
  });

  it('mode 1: a one-shot from the trigger, which can be repeated', () => {
    const { out, at, counter2, out2 } = make();
    counter2(1, 10);
    assert.equal(out2(), 1);
    at(100);
    out(0x61, 1);
    at(101);
    assert.equal(out2(), 0);
    at(105);
    out(0x61, 0);
    out(0x61, 1);
    at(115);
    assert.equal(out2(), 0);
    at(116);
    assert.equal(out2(), 1);
  });

  it('mode 2 and 3: OUT over the cycle, GATE low sets it high', () => {
    const { out, at, counter2, out2, count2 } = make();
    out(0x61, 1);
    counter2(2, 4);
    const wave = (from: number, length: number): string => {
      let s = '';
      for (let i = 0; i < length; i++) {
        at(from + i);
        s += out2();
      }
      return s;
    };
    assert.equal(wave(1, 9), '111011101');
    at(20);
    counter2(3, 5);
    assert.equal(wave(21, 11), '11100111001');
    at(40);
    counter2(3, 6);
    const counts: number[] = [];
    for (let i = 0; i < 7; i++) {
      at(41 + i);
      counts.push(count2());
    }
    assert.deepEqual(counts, [6, 4, 2, 6, 4, 2, 6]);
    at(52);
    out(0x61, 0);
    assert.equal(out2(), 1);
    at(60);
    assert.equal(out2(), 1);
    out(0x61, 1);
    at(61);
    assert.equal(count2(), 6, 'the rising edge loads the counter');
  });

  it('mode 4 and 5: a strobe of one clock', () => {
    const { out, at, counter2, out2 } = make();
    out(0x61, 1);
    counter2(4, 3);
    const wave = (from: number): string => {
      let s = '';
      for (let i = 0; i < 6; i++) {
        at(from + i);
        s += out2();
      }
      return s;
    };
    assert.equal(wave(1), '111011');
    at(20);
    out(0x61, 0);
    counter2(5, 3);
    at(30);
    out(0x61, 1);
    assert.equal(wave(31), '111011');
  });

  it('mode 4 on counter 0 interrupts once, as Linux uses it', () => {
    const { context, pit, irq0, out } = make();
    out(0x43, 0x38);
    assert.equal(irq0.level, true);
    out(0x40, 0x10);
    out(0x40, 0x00);
    assert.equal(pit.deadline(), clock.nsAt(1 + 16 + 1));
    const before = irq0.rises;
    context.run(pit, 1e9);
    assert.equal(irq0.rises, before + 1);
    assert.equal(pit.deadline(), Infinity);
  });

  it('counts in BCD', () => {
    const { out, at, counter2, count2 } = make();
    out(0x61, 1);
    counter2(2, 0x1000, 1);
    at(2);
    assert.equal(count2(), 0x0999);
    counter2(2, 0, 1);
    at(4);
    assert.equal(count2(), 0x9999);
  });

  it('latches, reads back, and reads single bytes', () => {
    const { out, inb, word, at } = make();
    out(0x61, 1);
    out(0x43, 0x94); // counter 2, low byte, mode 2
    out(0x42, 100);
    at(11);
    assert.equal(inb(0x42), 90);
    out(0x43, 0xb4);
    out(0x43, 0xe8); // status of counter 2
    assert.equal(inb(0x42), 0xf4, 'null count: nothing is loaded');
    out(0x42, 0x34);
    out(0x42, 0x12);
    at(12);
    out(0x43, 0xc8); // count and status
    at(100);
    assert.equal(inb(0x42), 0xb4);
    assert.equal(word(0x42), 0x1234);
    assert.equal(word(0x42), 0x1234 - 88);
    out(0x43, 0x80);
    at(200);
    out(0x43, 0x80);
    assert.equal(word(0x42), 0x1234 - 88, 'a second latch is ignored until the first is read');
  });

  it('toggles the refresh bit', () => {
    const { context, inb, pit } = make();
    let toggles = 0;
    let last = 0;
    for (let ns = 0; ns < 1_000_000; ns += 1000) {
      context.run(pit, ns);
      const bit = inb(0x61) & 0x10;
      if (bit !== last) toggles++;
      last = bit;
    }
    assert.equal(toggles, 66);
  });

  laws('Pit8254', (context) => {
    const { pit, irq0 } = make(context);
    return {
      device: pit,
      observe: () => [irq0.level, pit.deadline()],
      poke: (next) => {
        const port = [0x40, 0x40, 0x41, 0x42, 0x42, 0x43, 0x43, 0x61][next(8)]!;
        if (next(2) === 0) return pit.portRead(port, SIZES[next(3)]!);
        if (port === 0x40) return pit.portWrite(port, 1, next(4) === 0 ? 0x80 + next(128) : next(256));
        return pit.portWrite(port, SIZES[next(3)]!, next(2 ** 32));
      },
    };
  });
});
