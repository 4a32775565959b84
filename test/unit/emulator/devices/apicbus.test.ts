import assert from 'node:assert/strict';
import { ApicBus } from '../../../../emulator/devices/apicbus';
import { IoApic } from '../../../../emulator/devices/ioapic';
import { Lapic } from '../../../../emulator/devices/lapic';
import { TestContext } from './context';

/** Processors with their LAPICs enabled, flat logical ids 1, 2, 4 ..., and one I/O APIC. */
function make(ids: readonly number[], x2apic = false) {
  const context = new TestContext();
  const bus = new ApicBus();
  const log: string[] = [];
  const lapics = ids.map((id, n) => {
    const lapic = new Lapic(context, {
      id,
      bsp: n === 0,
      frequency: 100e6,
      send: (ipi) => bus.send(ipi),
      eoi: (vector) => bus.endOfInterrupt(vector),
      nsAtTsc: (tsc) => tsc,
      nmi: () => void log.push(`nmi${id}`),
      init: () => void log.push(`init${id}`),
      sipi: (vector) => void log.push(`sipi${id}:${vector}`),
    });
    lapic.mmioWrite(0xf0, 4, 0x1ff);
    lapic.mmioWrite(0xd0, 4, 1 << (24 + n));
    if (x2apic) lapic.setBase(lapic.apicBase | 0x400n);
    bus.attach(lapic);
    return lapic;
  });
  const ioapic = new IoApic(context, { deliver: (message) => bus.deliver(message) });
  bus.attachIo(ioapic);
  /** Who has something pending: vectors by processor; all are taken. */
  const taken = (): number[] =>
    lapics.map((lapic) => {
      const vector = lapic.pending();
      if (vector < 0) return 0;
      lapic.acknowledge();
      if (x2apic) lapic.writeMsr(0x80b, 0, 0);
      else lapic.mmioWrite(0xb0, 4, 0);
      return vector;
    });
  return { bus, lapics, ioapic, log, taken };
}

describe('ApicBus', () => {
  it('routes physical, logical and broadcast MSIs', () => {
    const { bus, taken } = make([0, 1, 2]);
    assert.equal(bus.msi(0xfee01000, 0x40), true);
    assert.deepEqual(taken(), [0, 0x40, 0]);
    bus.msi(0xfee05004, 0x41);
    assert.deepEqual(taken(), [0x41, 0, 0x41]);
    bus.msi(0xfeeff000, 0x42);
    assert.deepEqual(taken(), [0x42, 0x42, 0x42]);
    assert.equal(bus.msi(0xfee09000, 0x40), false, 'nobody there');
    assert.equal(bus.msi(0xfed00000, 0x40), false);
    assert.equal(bus.msi(0xfee00000, 0x8040), false, 'level de-assert');
  });

  it('lowest priority: the least busy, among equals the lowest id', () => {
    const { bus, lapics, taken } = make([0, 1, 2]);
    bus.msi(0xfee07004, 0x140);
    assert.deepEqual(taken(), [0x40, 0, 0]);
    lapics[0]!.cr8 = 5;
    bus.msi(0xfee0700c, 0x41);
    assert.deepEqual(taken(), [0, 0x41, 0]);
    lapics[1]!.mmioWrite(0xf0, 4, 0xff); // software disabled: no candidate
    bus.msi(0xfee07004, 0x142);
    assert.deepEqual(taken(), [0, 0, 0x42]);
  });

  it('matches clusters', () => {
    const { bus, lapics, taken } = make([0, 1, 2]);
    lapics.forEach((lapic) => lapic.mmioWrite(0xe0, 4, 0x0fffffff));
    lapics[0]!.mmioWrite(0xd0, 4, 0x11000000);
    lapics[1]!.mmioWrite(0xd0, 4, 0x12000000);
    lapics[2]!.mmioWrite(0xd0, 4, 0x21000000);
    bus.msi(0xfee13004, 0x40);
    assert.deepEqual(taken(), [0x40, 0x40, 0]);
    bus.msi(0xfee21004, 0x40);
    assert.deepEqual(taken(), [0, 0, 0x40]);
  });

  it('routes x2APIC ids and clusters', () => {
    const { bus, lapics, taken } = make([0, 0x12, 0x1ff], true);
    lapics[0]!.writeMsr(0x830, 0x4050, 0x1ff);
    assert.deepEqual(taken(), [0, 0, 0x50]);
    lapics[0]!.writeMsr(0x830, 0x4850, 0x10004);
    assert.deepEqual(taken(), [0, 0x50, 0]);
    lapics[0]!.writeMsr(0x830, 0x4050, 0xff);
    assert.deepEqual(taken(), [0, 0, 0], '0xFF is an id like any other');
    lapics[0]!.writeMsr(0x830, 0x4050, 0xffffffff);
    assert.deepEqual(taken(), [0x50, 0x50, 0x50]);
    bus.msi(0xfee12000, 0x61);
    assert.deepEqual(taken(), [0, 0x61, 0]);
  });

  it('starts processors, and knows the shorthands', () => {
    const { lapics, log, taken } = make([0, 1, 2]);
    const icr = (value: number): void => lapics[0]!.mmioWrite(0x300, 4, value);
    icr(0xc40f1);
    assert.deepEqual(taken(), [0, 0xf1, 0xf1]);
    icr(0x840f2);
    assert.deepEqual(taken(), [0xf2, 0xf2, 0xf2]);
    icr(0x440f3);
    assert.deepEqual(taken(), [0xf3, 0, 0]);
    icr(0xc4400);
    lapics[0]!.mmioWrite(0x310, 4, 0x01000000);
    icr(0x4500);
    icr(0x469a);
    assert.deepEqual(log, ['nmi1', 'nmi2', 'init1', 'sipi1:154']);
  });

  it('carries a level interrupt from pin to EOI and back', () => {
    const { ioapic, lapics } = make([0, 1]);
    const line = ioapic.line(11);
    ioapic.mmioWrite(0, 4, 0x10 + 23);
    ioapic.mmioWrite(0x10, 4, 0x01000000);
    ioapic.mmioWrite(0, 4, 0x10 + 22);
    ioapic.mmioWrite(0x10, 4, 0xa061);
    line.set(true);
    assert.equal(lapics[1]!.acknowledge(), 0x61);
    lapics[1]!.mmioWrite(0xb0, 4, 0);
    assert.equal(lapics[1]!.acknowledge(), 0x61, 'still asserted');
    line.set(false);
    lapics[1]!.mmioWrite(0xb0, 4, 0);
    assert.equal(lapics[1]!.pending(), -1);
    assert.equal(ioapic.mmioRead(0x10, 4), 0xa061);
  });
});
