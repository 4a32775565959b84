import assert from 'node:assert/strict';
import { Pic8259 } from '../../../../emulator/devices/pic8259';
import { laws, SIZES, TestContext, TestLine } from './context';

function make(context = new TestContext()) {
  const intr = new TestLine();
  const pic = new Pic8259(context, { output: intr });
  const lines = Array.from({ length: 16 }, (_, n) => pic.line(n));
  const out = (port: number, value: number): void => pic.portWrite(port, 1, value);
  const inb = (port: number): number => pic.portRead(port, 1);
  const pulse = (n: number): void => {
    lines[n]!.set(true);
    lines[n]!.set(false);
  };
  /** As Linux and every BIOS do it: vectors 0x30-0x37 and 0x38-0x3F. */
  const initialize = (icw4 = 1): void => {
    for (const [port, ...words] of [
      [0x20, 0x11, 0x30, 0x04, icw4],
      [0xa0, 0x11, 0x38, 0x02, icw4],
    ] as const) {
      out(port, words[0]);
      for (const word of words.slice(1)) out(port + 1, word);
    }
  };
  return { context, pic, intr, lines, out, inb, pulse, initialize };
}

describe('Pic8259', () => {
  it('interrupts only after initialization, and keeps a latched edge', () => {
    const { pic, intr, pulse, initialize, lines } = make();
    pulse(3);
    assert.equal(intr.level, false);
    initialize();
    assert.equal(intr.level, false, 'ICW1 clears the edge sense circuit');
    lines[3]!.set(true);
    lines[3]!.set(false);
    assert.equal(intr.level, true);
    assert.equal(pic.acknowledge(), 0x33);
    assert.equal(intr.level, false);
  });

  it('nests by priority until EOI', () => {
    const { pic, intr, pulse, out, inb, initialize } = make();
    initialize();
    pulse(4);
    assert.equal(pic.acknowledge(), 0x34);
    pulse(5);
    assert.equal(intr.level, false, 'lower priority waits');
    pulse(1);
    assert.equal(pic.acknowledge(), 0x31);
    out(0x20, 0x0b);
    assert.equal(inb(0x20), 0x12, 'ISR');
    out(0x20, 0x0a);
    assert.equal(inb(0x20), 0x20, 'IRR');
    out(0x20, 0x20);
    assert.equal(pic.state.master.isr, 0x10);
    out(0x20, 0x64);
    assert.equal(pic.state.master.isr, 0, 'specific EOI');
    assert.equal(pic.acknowledge(), 0x35);
  });

  it('cascades the slave at input 2', () => {
    const { pic, intr, pulse, out, initialize } = make();
    initialize();
    pulse(12);
    assert.equal(pic.acknowledge(), 0x3c);
    assert.equal(pic.state.master.isr, 0x04);
    assert.equal(pic.state.slave.isr, 0x10);
    pulse(8);
    assert.equal(intr.level, false, 'without special fully nested mode the master blocks its slave');
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert.equal(pic.acknowledge(), 0x38);
  });

  it('lets the slave nest in special fully nested mode', () => {
    const { pic, pulse, initialize } = make();
    initialize(0x11);
    pulse(12);
    assert.equal(pic.acknowledge(), 0x3c);
    pulse(8);
    assert.equal(pic.acknowledge(), 0x38);
  });

  it('gives spurious IRQ 7 and 15 without an ISR bit', () => {
    const { pic, lines, out, initialize } = make();
    initialize();
    assert.equal(pic.acknowledge(), 0x37);
    assert.equal(pic.state.master.isr, 0);
    out(0x4d1, 0x02); // IRQ 9 level
    lines[9]!.set(true);
    // The slave's request reaches the master; it is gone when the slave is asked.
    pic.state.slave.irr = 0;
    assert.equal(pic.acknowledge(), 0x3f);
    assert.equal(pic.state.master.isr, 4, 'the master serves the cascade');
    assert.equal(pic.state.slave.isr, 0);
  });

  it('follows level inputs where the ELCR says so', () => {
    const { pic, intr, lines, out, inb, initialize } = make();
    initialize();
    out(0x4d0, 0xff);
    assert.equal(inb(0x4d0), 0xf8);
    out(0x4d1, 0xff);
    assert.equal(inb(0x4d1), 0xde);
    lines[5]!.set(true);
    lines[5]!.set(false);
    assert.equal(intr.level, false);
    lines[5]!.set(true);
    assert.equal(pic.acknowledge(), 0x35);
    out(0x20, 0x20);
    assert.equal(intr.level, true, 'still asserted');
    lines[5]!.set(false);
    assert.equal(intr.level, false);
  });

  it('masks, polls, rotates, and ends automatically', () => {
    const { pic, intr, pulse, out, inb, initialize } = make();
    initialize();
    out(0x21, 0x08);
    assert.equal(inb(0x21), 0x08);
    pulse(3);
    assert.equal(intr.level, false);
    out(0x21, 0);
    assert.equal(intr.level, true);
    out(0x20, 0x0c);
    assert.equal(inb(0x20), 0x83, 'poll');
    assert.equal(pic.state.master.isr, 0x08);
    out(0x20, 0xa0); // rotate on non-specific EOI
    assert.equal(pic.state.master.lowest, 3);
    pulse(3);
    pulse(4);
    assert.equal(pic.acknowledge(), 0x34, '4 is now the highest');
    out(0x20, 0xc7); // set priority: 7 the lowest again
    out(0x20, 0x20);
    assert.equal(pic.acknowledge(), 0x33);

    initialize(0x03);
    pulse(6);
    assert.equal(pic.acknowledge(), 0x36);
    assert.equal(pic.state.master.isr, 0, 'AEOI');
    out(0x20, 0x80);
    pulse(2 + 1);
    pic.acknowledge();
    assert.equal(pic.state.master.lowest, 3, 'rotate in AEOI mode');
  });

  it('special mask mode lets lower inputs through', () => {
    const { pic, intr, pulse, out, initialize } = make();
    initialize();
    pulse(1);
    pic.acknowledge();
    pulse(6);
    assert.equal(intr.level, false);
    out(0x21, 0x02);
    out(0x20, 0x68);
    assert.equal(pic.acknowledge(), 0x36);
    out(0x20, 0x20);
    assert.equal(pic.state.master.isr, 0x02, 'non-specific EOI passes over the masked input');
  });

  laws('Pic8259', (context) => {
    const { pic, intr, lines, initialize } = make(context);
    initialize();
    const ports = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1];
    return {
      device: pic,
      observe: () => intr.level,
      poke: (next) => {
        const port = ports[next(6)]!;
        const size = SIZES[next(3)]!;
        switch (next(5)) {
          case 0:
            return pic.portRead(port, size);
          case 1:
            return pic.portWrite(port, size, next(2 ** 32));
          case 2:
            return pic.portWrite(port & ~1, 1, 0x20);
          case 3:
            return pic.acknowledge();
          default:
            return lines[next(16)]!.set(next(2) === 0);
        }
      },
    };
  });
});
