import assert from 'node:assert/strict';
import { Hpet } from '../../../../emulator/devices/hpet';
import { laws, SIZES, TestContext, TestLine } from './context';

function make(context = new TestContext()) {
  const lines = Array.from({ length: 32 }, () => new TestLine());
  const irq0 = new TestLine();
  const irq8 = new TestLine();
  const messages: number[][] = [];
  const hpet = new Hpet(context, {
    line: (pin) => lines[pin]!,
    irq0,
    irq8,
    msi: (address, data) => void messages.push([address, data]),
  });
  const read = (offset: number): number => hpet.mmioRead(offset, 4);
  const write = (offset: number, value: number): void => hpet.mmioWrite(offset, 4, value);
  const at = (ns: number): void => context.run(hpet, ns);
  return { hpet, lines, irq0, irq8, messages, read, write, at };
}

describe('Hpet', () => {
  it('identifies itself and counts at 10 MHz while enabled', () => {
    const { read, write, at } = make();
    assert.equal(read(0x000), 0x80868201);
    assert.equal(read(0x004), 100_000_000);
    at(1000);
    assert.equal(read(0x0f0), 0);
    write(0x010, 1);
    at(2000);
    assert.equal(read(0x0f0), 10);
    write(0x010, 0);
    at(5000);
    assert.equal(read(0x0f0), 10);
    write(0x0f0, 0xfffffffe);
    write(0x010, 1);
    at(5400);
    assert.equal(read(0x0f0), 2);
  });

  it('interrupts once per round, level triggered until the status is cleared', () => {
    const { hpet, lines, read, write, at } = make();
    write(0x100 + 0x20, 0x6 | (20 << 9));
    write(0x108 + 0x20, 50);
    write(0x010, 1);
    assert.equal(hpet.deadline(), 5000);
    at(4999);
    assert.equal(lines[20]!.level, false);
    at(5000);
    assert.equal(lines[20]!.level, true);
    assert.equal(read(0x020), 2);
    write(0x020, 2);
    assert.equal(lines[20]!.level, false);
    at(2 ** 32 * 100 + 4999);
    assert.equal(lines[20]!.level, false);
    at(2 ** 32 * 100 + 5000);
    assert.equal(lines[20]!.level, true);
  });

  it('replaces the PIT, set up as Linux does', () => {
    const { hpet, irq0, read, write, at } = make();
    write(0x010, 3);
    assert.equal(hpet.legacy, true);
    at(1000);
    write(0x100, 0x14c);
    write(0x108, 10 + 4000);
    write(0x108, 4000);
    assert.equal(read(0x100) & 0x40, 0);
    for (let i = 1; i <= 10; i++) {
      at(1000 + i * 400_000 - 1);
      assert.equal(irq0.rises, i - 1);
      at(1000 + i * 400_000);
      assert.equal(irq0.rises, i);
    }
    assert.equal(read(0x108), 10 + 11 * 4000);
  });

  it('sends messages', () => {
    const { messages, write, at } = make();
    write(0x140, 0x4004);
    write(0x150, 0x41);
    write(0x154, 0xfee00000);
    write(0x148, 7);
    write(0x010, 1);
    at(1000);
    assert.deepEqual(messages, [[0xfee00000, 0x41]]);
  });

  it('does not let a period of one tick stall the host', () => {
    const { irq0, write, at } = make();
    write(0x100, 0x4c);
    write(0x108, 1);
    write(0x010, 3);
    at(1_000_000);
    assert.ok(irq0.rises > 900 && irq0.rises <= 1001);
  });

  laws('Hpet', (context) => {
    const { hpet, lines, irq0, irq8, messages } = make(context);
    return {
      device: hpet,
      observe: () => {
        const pulses = [irq0.rises, irq8.rises];
        irq0.rises = irq8.rises = 0;
        return [hpet.deadline(), pulses, lines.map((line) => line.level), messages.splice(0)];
      },
      poke: (next) => {
        const offset = [0x10, 0x20, 0xf0, 0x100, 0x108, 0x120, 0x128, 0x140, 0x154, next(0x400)][next(10)]!;
        if (next(3) === 0) return hpet.mmioRead(offset, SIZES[next(3)]!);
        return hpet.mmioWrite(offset, SIZES[next(4) ? 2 : next(2)]!, next(2) ? next(2 ** 32) : next(2 ** 16));
      },
    };
  });
});
