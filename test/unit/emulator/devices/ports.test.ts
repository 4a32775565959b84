import assert from 'node:assert/strict';
import { AcpiPm } from '../../../../emulator/devices/acpipm';
import { PmTimer } from '../../../../emulator/devices/pmtimer';
import { A20Gate, DebugConsole, DebugExit, PostPort, SystemControlA } from '../../../../emulator/devices/ports';
import { laws, SIZES, TestContext, TestLine } from './context';
import { TestBus } from './testbus';

function make(context = new TestContext()) {
  const bus = new TestBus();
  const seen: string[] = [];
  const sci = new TestLine();
  const gate = new A20Gate((enabled) => seen.push(`a20 ${enabled}`));
  const keyboardSource = gate.source(true);
  const portA = new SystemControlA(context, { a20: gate.source(false), reset: () => seen.push('init') });
  const post = new PostPort(context, (code) => seen.push(`post ${code}`));
  const console = new DebugConsole(context, (byte) => seen.push(`byte ${byte}`));
  const exit = new DebugExit(context, (status) => seen.push(`exit ${status}`));
  const exitF4 = new DebugExit(context, (status) => seen.push(`exit ${status}`), 0xf4);
  const acpi = new AcpiPm(context, {
    sci,
    powerOff: () => seen.push('off'),
    timer: new PmTimer(context, { width: 24 }),
  });
  for (const device of [portA, post, console, exit, exitF4, acpi]) device.attach(bus);
  return { context, bus, seen, sci, keyboardSource, portA, post, console, exit, acpi };
}

describe('Ports', () => {
  it('0x92 switches A20 beside the keyboard controller, and resets', () => {
    const { bus, seen, keyboardSource } = make();
    bus.out(0x92, 0x02);
    keyboardSource(false);
    bus.out(0x92, 0x00);
    assert.deepEqual(seen, ['a20 true', 'a20 true', 'a20 false']);
    bus.out(0x92, 0x03);
    bus.out(0x92, 0x03);
    assert.deepEqual(seen.slice(3), ['a20 true', 'init']);
    assert.equal(bus.in(0x92), 0x03);
  });

  it('0x80, 0xE9 and the exit ports report what is written', () => {
    const { bus, seen } = make();
    bus.out(0x80, 0x31);
    assert.equal(bus.in(0x80), 0x31);
    assert.equal(bus.in(0xe9), 0xe9);
    bus.out(0xe9, 0x41);
    bus.out(0x501, 0x10, 4);
    bus.out(0xf4, 0x7f, 1);
    bus.out(0x501, 0xffffffff, 4);
    assert.deepEqual(seen, ['post 49', 'byte 65', 'exit 33', 'exit 255', 'exit 4294967295']);
  });
});

describe('AcpiPm', () => {
  it('switches off on S5', () => {
    const { bus, seen } = make();
    bus.out(0x404, (1 << 10) | 0x2000, 2);
    assert.deepEqual(seen, [], 'not S5');
    bus.out(0x404, 5 << 10, 2);
    assert.deepEqual(seen, [], 'only the type');
    bus.out(0x404, (5 << 10) | 0x2000, 2);
    assert.deepEqual(seen, ['off']);
    assert.equal(bus.in(0x404, 2), 5 << 10, 'SLP_EN reads as 0');
  });

  it('raises SCI for the power button once ACPI mode is on', () => {
    const { bus, sci, acpi } = make();
    bus.out(0x402, 0x0100, 2);
    acpi.pressPowerButton();
    assert.equal(sci.level, false);
    bus.out(0xb2, 0xa0);
    assert.equal(bus.in(0x404, 2) & 1, 1);
    assert.equal(sci.level, true);
    assert.equal(bus.in(0x400, 4), 0x01000100);
    bus.out(0x400, 0x0100, 2);
    assert.equal(sci.level, false, 'one clears');
    bus.out(0xb2, 0xa1);
    assert.equal(bus.in(0x404, 2) & 1, 0);
  });

  it("notes the PM timer's carry", () => {
    const { context, bus, acpi } = make();
    context.run(acpi, 2_300_000_000);
    assert.equal(bus.in(0x400, 2), 0);
    context.run(acpi, 2_400_000_000);
    assert.equal(bus.in(0x400, 2), 1);
  });
});

laws('AcpiPm', (context) => {
  const { acpi, sci } = make(context);
  return {
    device: acpi,
    poke: (random) => {
      if (random(10) === 0) return acpi.pressPowerButton();
      const [port, size] = [random(8) ? 0x400 + random(6) : 0xb2, SIZES[random(3)]!];
      return random(2) ? acpi.portRead(port, size) : acpi.portWrite(port, size, random(2 ** 32));
    },
    observe: () => sci.level,
  };
});

for (const which of ['portA', 'post', 'console', 'exit'] as const) {
  laws(`Ports: ${which}`, (context) => {
    const device = make(context)[which];
    const port = { portA: 0x92, post: 0x80, console: 0xe9, exit: 0x501 }[which];
    return {
      device,
      poke: (random) => {
        const size = SIZES[random(3)]!;
        return random(2) ? device.portRead(port, size) : device.portWrite(port, size, random(2 ** 32));
      },
      observe: () => 0,
    };
  });
}
