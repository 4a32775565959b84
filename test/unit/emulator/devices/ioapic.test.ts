import assert from 'node:assert/strict';
import type { ApicMessage } from '../../../../emulator/devices/apicbus';
import { IoApic, type IoApicOptions } from '../../../../emulator/devices/ioapic';
import { laws, SIZES, TestContext } from './context';

function make(context = new TestContext(), options: Partial<IoApicOptions> = {}) {
  const sent: ApicMessage[] = [];
  const ioapic = new IoApic(context, {
    deliver: (message) => {
      sent.push(message);
      return true;
    },
    ...options,
  });
  const read = (register: number): number => {
    ioapic.mmioWrite(0, 4, register);
    return ioapic.mmioRead(0x10, 4);
  };
  const write = (register: number, value: number): void => {
    ioapic.mmioWrite(0, 4, register);
    ioapic.mmioWrite(0x10, 4, value);
  };
  const lines = Array.from({ length: ioapic.pins }, (_, n) => ioapic.line(n));
  return { ioapic, sent, read, write, lines };
}

describe('IoApic', () => {
  it('identifies itself', () => {
    const { read, write } = make();
    assert.equal(read(1), 0x00170020);
    write(0, 0xffffffff);
    assert.equal(read(0), 0x0f000000);
    assert.equal(read(0x10), 0x10000, 'masked');
    assert.equal(read(0x40), 0);
    assert.equal(make(undefined, { version: 0x11, pins: 32 }).read(1), 0x001f0011);
  });

  it('sends an edge once', () => {
    const { sent, write, lines } = make();
    lines[4]!.set(true);
    lines[4]!.set(false);
    write(0x19, 0x03000000);
    write(0x18, 0x00000844);
    assert.equal(sent.length, 0, 'an edge while masked is lost');
    lines[4]!.set(true);
    lines[4]!.set(true);
    assert.deepEqual(sent, [{ destination: 3, logical: true, mode: 0, vector: 0x44, level: false }]);
    lines[4]!.set(false);
    lines[4]!.set(true);
    assert.equal(sent.length, 2);
  });

  it('asserts an input that two devices share while either holds it', () => {
    const { ioapic, sent, write, lines } = make();
    const other = ioapic.line(20, 'shared');
    write(0x10 + 40, 0x8061);
    lines[20]!.set(true);
    assert.equal(sent.length, 1);
    other.set(true);
    lines[20]!.set(false);
    ioapic.endOfInterrupt(0x61);
    assert.equal(sent.length, 2, 'the other one still holds it');
    other.set(false);
    ioapic.endOfInterrupt(0x61);
    assert.equal(sent.length, 2);
  });

  it('holds a level until EOI, then sends it again', () => {
    const { ioapic, sent, read, write, lines } = make();
    lines[10]!.set(true);
    write(0x10 + 20, 0x8051);
    assert.equal(sent.length, 1, 'asserted when it is unmasked');
    assert.equal(read(0x10 + 20), 0xc051);
    lines[10]!.set(false);
    lines[10]!.set(true);
    assert.equal(sent.length, 1);
    ioapic.endOfInterrupt(0x50);
    assert.equal(sent.length, 1);
    ioapic.endOfInterrupt(0x51);
    assert.equal(sent.length, 2);
    lines[10]!.set(false);
    ioapic.mmioWrite(0x40, 4, 0x51);
    assert.equal(sent.length, 2);
    assert.equal(read(0x10 + 20), 0x8051);
  });

  it('clears remote IRR when an entry turns to edge', () => {
    const { read, write, lines, sent } = make(undefined, { version: 0x11 });
    lines[10]!.set(true);
    write(0x10 + 20, 0x8051);
    write(0x10 + 20, 0x10051);
    assert.equal(read(0x10 + 20), 0x10051);
    write(0x10 + 20, 0x8051);
    assert.equal(sent.length, 2);
  });

  it('keeps remote IRR clear when nobody took the message, widens a broadcast', () => {
    const seen: number[] = [];
    const { read, write, lines } = make(undefined, {
      deliver: (m) => {
        seen.push(m.destination);
        return false;
      },
    });
    write(0x11, 0xff000000);
    write(0x10, 0x8051);
    lines[0]!.set(true);
    assert.deepEqual(seen, [0xffffffff]);
    assert.equal(read(0x10), 0x8051);
  });

  laws('IoApic', (context) => {
    const { ioapic, sent, lines } = make(context);
    return {
      device: ioapic,
      observe: () => sent.splice(0),
      poke: (next) => {
        const offset = [0, 0x10, 0x10, 0x40, next(0x100)][next(5)]!;
        switch (next(4)) {
          case 0:
            return ioapic.mmioRead(offset, SIZES[next(3)]!);
          case 1:
            return ioapic.mmioWrite(0, 1, next(0x44));
          case 2:
            return ioapic.mmioWrite(offset, SIZES[next(3)]!, next(2 ** 32));
          default:
            return lines[next(24)]!.set(next(2) === 0);
        }
      },
    };
  });
});
