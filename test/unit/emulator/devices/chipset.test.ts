import assert from 'node:assert/strict';
import { AcpiPm } from '../../../../emulator/devices/acpipm';
import { HostBridge } from '../../../../emulator/devices/hostbridge';
import { Ich9Pm } from '../../../../emulator/devices/ich9pm';
import { Mch } from '../../../../emulator/devices/mch';
import { Piix4Pm } from '../../../../emulator/devices/piix4pm';
import { PmTimer } from '../../../../emulator/devices/pmtimer';
import { laws, TestContext, TestLine, type Subject } from './context';
import { TestBus } from './testbus';

const ALL = 0xffffffff;

describe('PAM', () => {
  const models = [
    {
      name: 'i440fx',
      make: (shadow: (...call: [number, number, string]) => void) => new HostBridge(new TestContext(), { model: 'i440fx', shadow }),
      register: 0x59,
    },
    {
      name: 'q35',
      make: (shadow: (...call: [number, number, string]) => void) => new Mch(new TestContext(), { shadow, ecam: () => undefined }),
      register: 0x90,
    },
  ];
  for (const { name, make, register } of models) {
    it(`${name}: ROM at first, then what each segment is told`, () => {
      const calls: string[] = [];
      const bridge = make((address, length, shadow) => calls.push(`${address.toString(16)} ${length.toString(16)} ${shadow}`));
      const set = (at: number, byte: number): void => bridge.pci.write(at & ~3, byte << (8 * (at & 3)), 0xff << (8 * (at & 3)));
      bridge.reset();
      assert.equal(calls.length, 13);
      assert.ok(calls.every((call) => call.endsWith('hole')));
      calls.length = 0;
      set(register, 0x30);
      assert.deepEqual(calls.splice(0), ['f0000 10000 ram']);
      set(register, 0x10);
      assert.deepEqual(calls.splice(0), ['f0000 10000 read-only']);
      set(register + 1, 0x31);
      assert.deepEqual(calls.splice(0), ['c0000 4000 read-only', 'c4000 4000 ram']);
      set(register + 6, 0x20);
      assert.deepEqual(calls.splice(0), ['ec000 4000 hole'], 'writes alone leave reads to the ROM');
      assert.ok(bridge.pam.writesThrough(0xec123));
      assert.ok(!bridge.pam.writesThrough(0xf0000));
      set(register + 6, 0xff);
      assert.equal((bridge.pci.read((register + 6) & ~3) >>> (8 * ((register + 6) & 3))) & 0xff, 0x33);
    });
  }
});

describe('MCH of q35', () => {
  it('is 8086:29C0 and places configuration space', () => {
    const places: (number | null)[] = [];
    const mch = new Mch(new TestContext(), { ecam: (address) => places.push(address) });
    assert.equal(mch.pci.read(0), 0x29c08086);
    mch.pci.write(0x60, 0xe0000001, ALL);
    assert.deepEqual(places, [0xe0000000]);
    mch.pci.write(0x60, 0xb4000005, ALL); // 64 MB
    mch.pci.write(0x64, 1, ALL);
    assert.equal(places.at(-1), 0x1_b4000000);
    mch.pci.write(0x60, 0xb4000007, ALL);
    assert.equal(places.at(-1), null, 'a length that is reserved');
    mch.pci.write(0x60, 0, 1);
    assert.equal(mch.ecam, null);
  });
});

describe('power management ports', () => {
  function board() {
    const context = new TestContext();
    const bus = new TestBus();
    const timer = new PmTimer(context, { movable: true });
    let off = 0;
    const acpi = new AcpiPm(context, { sci: new TestLine(), powerOff: () => off++, timer, movable: true });
    acpi.attach(bus);
    timer.attach(bus);
    const place = (base: number | null): void => {
      acpi.place(base);
      timer.place(base === null ? null : base + 8);
    };
    return { context, bus, place, offs: () => off };
  }

  it('of the PIIX4 are where PMBA says once PMIOSE is set', () => {
    const { context, bus, place, offs } = board();
    const pm = new Piix4Pm(context, { place });
    pm.attach(bus);
    pm.reset();
    assert.equal(pm.pci.read(0), 0x71138086);
    assert.equal(pm.pci.read(0x40), 1);
    pm.pci.write(0x40, 0xb03f, 0xffff);
    assert.equal(bus.in(0xb004, 2), 0xffff);
    pm.pci.write(0x80, 1, 0xff);
    assert.equal(pm.pci.read(0x40), 0xb001);
    context.time = 1e9;
    assert.equal(bus.in(0xb008, 4), 3579545);
    bus.out(0xb004, 0x3400, 2);
    assert.equal(offs(), 0);
    bus.out(0xb004, 0x2000, 2);
    assert.equal(offs(), 1);
    pm.pci.write(0x40, 0x600, 0xffff);
    assert.deepEqual([bus.in(0xb008, 4), bus.in(0x608, 4)], [ALL, 3579545]);
    assert.equal(pm.pci.read(0x58) & 0x02000000, 0x02000000, 'system management interrupts are taken');
  });

  it('of the ICH9 are where PMBASE says once ACPI_EN is set', () => {
    const { context, bus, place } = board();
    const pm = new Ich9Pm(context, { place });
    pm.attach(bus);
    pm.reset();
    const write = (register: number, value: number): void => pm.writeConfig(register, value, ALL);
    write(0x40, 0x67f);
    assert.equal(pm.readConfig(0x40), 0x601);
    assert.equal(pm.base, null);
    write(0x44, 0x80);
    context.time = 1e9;
    assert.equal(bus.in(0x608, 4), 3579545);
    assert.equal(bus.in(0x630, 4), 0x20);
    bus.out(0xb3, 0x5a);
    assert.equal(bus.in(0xb3), 0x5a);
    write(0xf0, 0xfed1c001);
    assert.equal(pm.readConfig(0xf0), 0xfed1c001);
  });
});

const config = (
  device: Subject['device'] & { readConfig(register: number): number; writeConfig(register: number, value: number, mask: number): void },
): Subject => ({
  device,
  poke: (next) => {
    const register = [0x40, 0x44, 0x58, 0x60, 0x64, 0x80, 0x90, 0x94, 0x9c, 0xa0, 0xf0, 4 * (16 + next(48))][next(12)]!;
    if (next(2) === 0) return device.readConfig(register);
    return device.writeConfig(register, next(2 ** 32), [0xff, 0xff00, 0xff000000, 0xffff, ALL][next(5)]!);
  },
  observe: () => device.readConfig(0x40),
});
laws('Mch', () => config(new Mch(new TestContext(), { ecam: () => undefined })));
laws('Piix4Pm', () => config(new Piix4Pm(new TestContext(), { place: () => undefined })));
laws('Ich9Pm', () => config(new Ich9Pm(new TestContext(), { place: () => undefined })));
