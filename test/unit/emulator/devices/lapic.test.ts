import assert from 'node:assert/strict';
import type { InterprocessorInterrupt } from '../../../../emulator/devices/apicbus';
import { Lapic, type LapicOptions } from '../../../../emulator/devices/lapic';
import { laws, SIZES, TestContext } from './context';

const EN = 0x800n;
const EXTD = 0x400n;

function make(context = new TestContext(), options: Partial<LapicOptions> = {}) {
  const log: unknown[] = [];
  const sent: InterprocessorInterrupt[] = [];
  const tsc = { offset: 0 };
  const lapic: Lapic = new Lapic(context, {
    id: 0,
    bsp: true,
    frequency: 100e6,
    send: (ipi) => void sent.push({ ...ipi }),
    eoi: (vector) => void log.push(['eoi', vector]),
    nsAtTsc: (value) => Math.max(Math.ceil((value - tsc.offset) / 2), 0), // 2 GHz
    nmi: () => void log.push('nmi'),
    init: () => void log.push('init'),
    sipi: (vector) => void log.push(['sipi', vector]),
    smi: () => void log.push('smi'),
    ...options,
  });
  const read = (offset: number): number => lapic.mmioRead(offset, 4);
  const write = (offset: number, value: number): void => lapic.mmioWrite(offset, 4, value);
  const enable = (): void => write(0xf0, 0x1ff);
  return { context, lapic, log, sent, read, write, enable, tsc };
}

describe('Lapic', () => {
  it('has the power-up state of the SDM', () => {
    const { lapic, read } = make(undefined, { id: 5, bsp: false });
    assert.equal(read(0x20), 0x05000000);
    assert.equal(read(0x30) & 0xff00ff, 0x50014);
    assert.equal(read(0xe0), 0xffffffff);
    assert.equal(read(0xf0), 0xff);
    for (const lvt of [0x320, 0x330, 0x340, 0x350, 0x360, 0x370]) assert.equal(read(lvt), 0x10000);
    assert.equal(lapic.apicBase, 0xfee00800n);
    assert.equal(make().lapic.apicBase, 0xfee00900n);
    assert.equal(lapic.inject(0x40, false), false, 'software disabled');
  });

  it('orders interrupts by priority class', () => {
    const { lapic, read, write, enable } = make();
    enable();
    lapic.inject(0x41, false);
    lapic.inject(0x45, false);
    assert.equal(lapic.pending(), 0x45);
    assert.equal(read(0x220), 0x22);
    assert.equal(lapic.acknowledge(), 0x45);
    assert.equal(read(0x120), 0x20);
    assert.equal(read(0xa0), 0x40, 'PPR');
    assert.equal(lapic.pending(), -1, 'the same class waits');
    lapic.inject(0x51, false);
    assert.equal(lapic.acknowledge(), 0x51);
    write(0xb0, 0);
    write(0xb0, 0);
    assert.equal(lapic.pending(), 0x41);
    lapic.cr8 = 4;
    assert.equal(lapic.pending(), -1);
    assert.equal(read(0x80), 0x40);
    assert.equal(lapic.acknowledge(), 0xff, 'spurious');
    write(0x80, 0x3f);
    assert.equal(lapic.cr8, 3);
    assert.equal(lapic.pending(), 0x41);
  });

  it('broadcasts the EOI of level interrupts only, and not when directed', () => {
    const { lapic, log, write, enable } = make();
    enable();
    const serve = (vector: number, level: boolean): void => {
      lapic.inject(vector, level);
      lapic.acknowledge();
      write(0xb0, 0);
    };
    serve(0x50, true);
    serve(0x51, false);
    write(0xf0, 0x11ff);
    serve(0x52, true);
    assert.deepEqual(log, [['eoi', 0x50]]);
  });

  it('sends IPIs, and counts illegal vectors as errors', () => {
    const { lapic, sent, read, write, enable } = make();
    enable();
    write(0x370, 0xfe);
    write(0x310, 0x02000000);
    write(0x300, 0x000040f0);
    write(0x310, 0xff000000);
    write(0x300, 0x00004500);
    write(0x300, 0x00008500); // de-assert: nothing
    assert.deepEqual(
      sent.map((ipi) => [ipi.destination, ipi.mode, ipi.vector, ipi.shorthand, ipi.source]),
      [
        [2, 0, 0xf0, 0, 0],
        [0xffffffff, 5, 0, 0, 0],
      ],
    );
    write(0x300, 0x00044030);
    assert.equal(lapic.pending(), 0x30, 'self');
    write(0x300, 0x00004005);
    assert.equal(lapic.pending(), 0xfe, 'error interrupt');
    assert.equal(read(0x280), 0);
    write(0x280, 0);
    assert.equal(read(0x280), 0x20);
    write(0x280, 0);
    assert.equal(read(0x280), 0);
    read(0x3d0);
    write(0x280, 0);
    assert.equal(read(0x280), 0x80);
  });

  it('runs the timer one-shot and periodic, exactly', () => {
    const { context, lapic, read, write, enable } = make();
    enable();
    context.time = 1000;
    write(0x3e0, 0x3); // by 16
    write(0x320, 0x30);
    write(0x380, 1000);
    assert.equal(lapic.deadline(), 1000 + 160_000);
    context.run(lapic, 1000 + 80_000);
    assert.equal(read(0x390), 500);
    write(0x3e0, 0xb); // by 1: the count goes on from 500
    assert.equal(lapic.deadline(), 81_000 + 5000);
    context.run(lapic, 85_999);
    assert.equal(lapic.pending(), -1);
    context.run(lapic, 86_000);
    assert.equal(lapic.acknowledge(), 0x30);
    assert.equal(read(0x390), 0);
    assert.equal(lapic.deadline(), Infinity);
    write(0xb0, 0);

    write(0x320, 0x20031);
    write(0x380, 500);
    for (let i = 1; i <= 10; i++) {
      context.run(lapic, 86_000 + i * 5000);
      assert.equal(lapic.acknowledge(), 0x31);
      write(0xb0, 0);
    }
    context.run(lapic, 138_000);
    assert.equal(read(0x390), 300);
    write(0x320, 0x30031); // masked: counts on without events
    assert.equal(lapic.deadline(), Infinity);
    context.run(lapic, 147_000);
    assert.equal(read(0x390), 400);
    write(0x320, 0x20031);
    assert.equal(lapic.pending(), -1, 'ends that passed while masked are gone');
    assert.equal(lapic.deadline(), 151_000);
    write(0x380, 0);
    assert.equal(lapic.deadline(), Infinity);
  });

  it('does not let a period of one tick stall the host', () => {
    const { context, lapic, write, enable } = make();
    enable();
    write(0x320, 0x20031);
    write(0x3e0, 0xb);
    write(0x380, 1);
    context.run(lapic, 100_000, 101);
    assert.equal(lapic.pending(), 0x31);
  });

  it('has a TSC deadline mode', () => {
    const { context, lapic, read, write, enable, tsc } = make();
    enable();
    assert.equal(lapic.writeMsr(0x6e0, 1000, 0), true);
    assert.equal(lapic.readMsr(0x6e0), 0n, 'ignored in another mode');
    write(0x320, 0x40032);
    write(0x380, 100);
    assert.equal(read(0x390), 0);
    lapic.writeMsr(0x6e0, 1000, 0);
    assert.equal(lapic.deadline(), 500);
    tsc.offset = 200;
    lapic.tscChanged();
    assert.equal(lapic.deadline(), 400);
    context.run(lapic, 399);
    assert.equal(lapic.pending(), -1);
    assert.equal(lapic.readMsr(0x6e0), 1000n);
    context.run(lapic, 400);
    assert.equal(lapic.pending(), 0x32);
    assert.equal(lapic.readMsr(0x6e0), 0n);
    lapic.acknowledge();
    write(0xb0, 0);
    lapic.writeMsr(0x6e0, 5, 0);
    assert.equal(lapic.pending(), 0x32, 'a deadline in the past comes at once');
    lapic.writeMsr(0x6e0, 0xffffffff, 0xffffffff);
    assert.equal(lapic.readMsr(0x6e0), 0xffffffffffffffffn);
    lapic.writeMsr(0x6e0, 0, 0);
    assert.equal(lapic.deadline(), Infinity);
  });

  it('switches to x2APIC and back only as the SDM allows', () => {
    const { lapic, sent, log, read } = make(undefined, { id: 0x21 });
    const base = lapic.apicBase;
    assert.equal(lapic.readMsr(0x802), undefined);
    assert.equal(lapic.setBase(base | 1n), false);
    assert.equal(lapic.setBase((base & ~EN) | EXTD), false);
    assert.equal(lapic.setBase(base | EXTD), true);
    assert.equal(read(0x20), 0xffffffff, 'no memory interface');
    assert.equal(lapic.readMsr(0x802), 0x21n);
    assert.equal(lapic.readMsr(0x80d), 0x20002n);
    assert.equal(lapic.readMsr(0x80e), undefined);
    assert.equal(lapic.writeMsr(0x802, 0, 0), false);
    assert.equal(lapic.writeMsr(0x80f, 0x1ff, 0), true);
    assert.equal(lapic.writeMsr(0x80f, 0x8000, 0), false, 'reserved bit');
    assert.equal(lapic.writeMsr(0x80b, 1, 0), false);
    assert.equal(lapic.writeMsr(0x808, 0x20, 1), false);
    assert.equal(lapic.writeMsr(0x830, 0x4040, 0x12345678), true);
    assert.equal(sent[0]!.destination, 0x12345678);
    assert.equal(lapic.readMsr(0x830), 0x1234567800004040n);
    assert.equal(lapic.writeMsr(0x83f, 0x77, 0), true);
    assert.equal(lapic.pending(), 0x77);
    assert.equal(lapic.readMsr(0x823), 0x800000n);
    lapic.acknowledge();
    assert.equal(lapic.writeMsr(0x80b, 0, 0), true);
    assert.deepEqual(log, []);
    assert.equal(lapic.setBase(base), false, 'x2APIC to xAPIC');
    assert.equal(lapic.setBase(base & ~EN), true);
    assert.equal(lapic.setBase(base | EXTD), false, 'disabled to x2APIC');
    assert.equal(lapic.setBase(base), true);
    assert.equal(read(0x20), 0x21000000);
    assert.equal(read(0xf0), 0xff, 'reset by the round trip');
  });

  it('lets the PIC through LINT0', () => {
    const { lapic, log, write } = make();
    lapic.lint0.set(true);
    assert.equal(lapic.external(), false);
    lapic.virtualWire();
    assert.equal(lapic.external(), true);
    write(0x350, 0x10700);
    assert.equal(lapic.external(), false);
    lapic.lint1.set(true);
    assert.deepEqual(log, ['nmi']);
    lapic.setBase(lapic.apicBase & ~EN);
    assert.equal(lapic.external(), true, 'the pin of the processor itself');
    lapic.setBase(lapic.apicBase | EN);
    assert.equal(lapic.external(), false);
    lapic.accept(7, 0, false);
    assert.equal(lapic.external(), true);
    lapic.externalTaken();
    assert.equal(lapic.external(), false);
  });

  it('holds a level-triggered LINT until EOI', () => {
    const { lapic, read, write, enable } = make();
    enable();
    write(0x360, 0x8060);
    lapic.lint1.set(true);
    assert.equal(lapic.acknowledge(), 0x60);
    assert.equal(read(0x360), 0xc060);
    write(0xb0, 0);
    assert.equal(lapic.pending(), 0x60, 'still asserted');
    lapic.acknowledge();
    lapic.lint1.set(false);
    write(0xb0, 0);
    assert.equal(read(0x360), 0x8060);
    assert.equal(lapic.pending(), -1);
  });

  it('INIT resets all but the mode and the id', () => {
    const { lapic, log } = make(undefined, { id: 3 });
    lapic.setBase(lapic.apicBase | EXTD);
    lapic.writeMsr(0x80f, 0x1ff, 0);
    lapic.inject(0x40, false);
    assert.equal(lapic.accept(5, 0, false), true);
    assert.equal(lapic.accept(6, 0x9a, false), true);
    assert.deepEqual(log, ['init', ['sipi', 0x9a]]);
    assert.equal(lapic.pending(), -1);
    assert.equal(lapic.readMsr(0x802), 3n);
    assert.equal(lapic.readMsr(0x80f), 0xffn);
  });

  it('masks the LVT while software disabled', () => {
    const { read, write, enable } = make();
    enable();
    write(0x350, 0x700);
    write(0xf0, 0xff);
    assert.equal(read(0x350), 0x10700);
    write(0x320, 0x20);
    assert.equal(read(0x320), 0x10020);
  });

  laws('Lapic', (context) => {
    const { lapic, sent, log } = make(context);
    const offsets = [0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x350, 0x360, 0x370, 0x380, 0x3e0];
    const value = (next: (below: number) => number): number =>
      [next(256), next(256) | 0x20000, next(256) | 0x40000, next(2 ** 32), 0x1ff, 0x700, 0x8060][next(7)]!;
    return {
      device: lapic,
      observe: () => [lapic.pending(), lapic.external(), lapic.deadline(), sent.splice(0), log.splice(0)],
      poke: (next) => {
        const offset = next(4) === 0 ? next(0x1000) : offsets[next(offsets.length)]!;
        switch (next(10)) {
          case 0:
            return lapic.mmioRead(offset, SIZES[next(3)]!);
          case 1:
            return lapic.mmioWrite(0xf0, 4, 0x1ff);
          case 2:
            return lapic.mmioWrite(offset, SIZES[next(3)]!, value(next));
          case 3:
            return lapic.inject(next(256), next(2) === 0);
          case 4:
            return lapic.acknowledge();
          case 5:
            return (next(2) === 0 ? lapic.lint0 : lapic.lint1).set(next(2) === 0);
          case 6:
            return next(8) === 0 && lapic.setBase(BigInt(next(16)) << 8n);
          case 7:
            return lapic.writeMsr(next(8) === 0 ? 0x6e0 : 0x800 + (offset >> 4), value(next), next(4) ? 0 : next(2 ** 32));
          case 8:
            return lapic.readMsr(next(8) === 0 ? 0x6e0 : 0x800 + (offset >> 4));
          default:
            return lapic.accept(next(8), next(256), next(2) === 0);
        }
      },
    };
  });
});
