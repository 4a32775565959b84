import assert from 'node:assert/strict';
import type { AccessSize, DeviceContext, MmioHandler } from '../../../../emulator/bus/device';
import { fields, group, initial } from '../../../../emulator/bus/fields';
import { Fbuf } from '../../../../emulator/devices/fbuf';
import { HostBridge } from '../../../../emulator/devices/hostbridge';
import { Lpc } from '../../../../emulator/devices/lpc';
import { PciHost, pirqOf } from '../../../../emulator/devices/pci';
import { assignPci } from '../../../../emulator/devices/pciassign';
import { MsiCapability, msiFields } from '../../../../emulator/devices/pcicapability';
import { PciFunction, pciHeader } from '../../../../emulator/devices/pcifunction';
import { ResetControl } from '../../../../emulator/devices/ports';
import { laws, SIZES, TestContext, TestLine } from './context';
import { backing, TestBus } from './testbus';

/** A function with one BAR of each kind, an interrupt and MSI. */
class Sample implements MmioHandler {
  readonly accesses: string[] = [];
  readonly messages: [number, number][] = [];
  readonly state = initial(fields({ config: group('Configuration', pciHeader), msi: group('MSI', msiFields) }));
  readonly msi = new MsiCapability(
    4,
    () => this.state.msi,
    (address, data) => this.messages.push([address, data]),
  );
  readonly pci = new PciFunction(
    {
      vendor: 0x1234,
      device: 0x5678,
      classCode: 0x020000,
      revision: 3,
      subsystemVendor: 0xabcd,
      subsystem: 0xef01,
      interruptPin: 2,
      bars: {
        0: { kind: 'io', size: 32, handler: this },
        1: { kind: 'mem32', size: 128, handler: this },
        2: { kind: 'mem64', size: 0x10000, prefetchable: true, handler: this },
      },
      rom: backing(0x10000),
      capabilities: [this.msi],
    },
    () => this.state.config,
  );
  mmioRead(offset: number, size: AccessSize): number {
    this.accesses.push(`read ${offset} ${size}`);
    return 0x42;
  }
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    this.accesses.push(`write ${offset} ${size} ${value}`);
  }
}

function make(context: DeviceContext = new TestContext()) {
  const bus = new TestBus();
  const pic = Array.from({ length: 16 }, () => new TestLine());
  const ioApic = Array.from({ length: 8 }, () => new TestLine());
  const resets: string[] = [];
  const irq13 = new TestLine();
  const released: boolean[] = [];
  const lpc = new Lpc(context, { pic, ioApic, irq13, ignoreFloatError: () => released.push(irq13.level) });
  const host = new PciHost(context, {
    ecam: 0xe0000000,
    resetControl: new ResetControl(context, (kind) => resets.push(kind)),
    pirq: (index, level) => lpc.setPirq(index, level),
  });
  const sample = new Sample();
  const hostbridge = new HostBridge(context);
  const fbuf = new Fbuf(context, { backing: backing(32 << 20) });
  host.attach(bus);
  host.add(0, 0, hostbridge.pci, 'hostbridge');
  host.add(2, 0, fbuf.pci, 'fbuf');
  host.add(5, 0, sample.pci, 'sample');
  host.add(31, 0, lpc.pci, 'lpc');
  const select = (device: number, register: number): void => bus.out(0xcf8, 0x80000000 + device * 0x800 + (register & 0xfc), 4);
  const read = (device: number, register: number, size: AccessSize = 4): number => {
    select(device, register);
    return bus.in(0xcfc + (register & 3), size);
  };
  const write = (device: number, register: number, value: number, size: AccessSize = 4): void => {
    select(device, register);
    bus.out(0xcfc + (register & 3), value, size);
  };
  return { bus, host, lpc, hostbridge, fbuf, sample, pic, ioApic, irq13, released, resets, read, write };
}

describe('PciHost', () => {
  it('finds functions by mechanism #1', () => {
    const { bus, read } = make();
    assert.equal(read(0, 0), 0x12751275);
    assert.equal(read(31, 0), 0x70008086);
    assert.equal(read(2, 0), 0x40fbfb5d);
    assert.equal(read(31, 8), 0x06010000);
    assert.equal(read(5, 0x0a, 2), 0x0200);
    assert.equal(read(5, 0x2c), 0xef01abcd);
    assert.equal(read(5, 0x3d, 1), 2);
    assert.equal(read(1, 0), 0xffffffff, 'nobody there');
    assert.equal(read(1, 2, 2), 0xffff);
    bus.out(0xcf8, 0x80010000, 4);
    assert.equal(bus.in(0xcfc, 4), 0xffffffff, 'no bus 1');
    bus.out(0xcf8, 0, 4);
    assert.equal(bus.in(0xcfc, 4), 0xffffffff, 'not enabled');
  });

  it('keeps CONFIG_ADDRESS to doubleword accesses, so that 0xCF9 is the reset port', () => {
    const { bus, resets } = make();
    bus.out(0xcf8, 0xffffffff, 4);
    assert.equal(bus.in(0xcf8, 4), 0x80fffffc);
    bus.out(0xcf9, 0x02);
    bus.out(0xcf9, 0x06);
    bus.out(0xcf9, 0x06);
    assert.deepEqual(resets, ['hard']);
    assert.equal(bus.in(0xcf9), 0x06);
    assert.equal(bus.in(0xcf8, 4), 0x80fffffc);
    bus.out(0xcf9, 0x00);
    bus.out(0xcf9, 0x04);
    assert.deepEqual(resets, ['hard', 'soft']);
  });

  it('answers in memory-mapped configuration space', () => {
    const { bus } = make();
    assert.equal(bus.read(0xe0000000 + (5 << 15)), 0x56781234);
    assert.equal(bus.read(0xe0000000 + (5 << 15) + 2, 2), 0x5678);
    bus.write(0xe0000000 + (5 << 15) + 0x3c, 0x0b, 1);
    assert.equal(bus.read(0xe0000000 + (5 << 15) + 0x3c, 1), 0x0b);
    assert.equal(bus.read(0xe0000000 + (5 << 15) + 0x100), 0xffffffff, 'no extended registers');
  });

  it('reads as ones beyond the doubleword', () => {
    const { bus, read } = make();
    read(5, 0);
    assert.equal(bus.in(0xcff, 4), 0xffffff56);
    assert.equal(bus.in(0xcfe, 4), 0xffff5678);
  });

  it('marks multi-function devices', () => {
    const { host, read } = make();
    host.add(5, 3, new Sample().pci, 'second');
    assert.equal(read(5, 0x0e, 1), 0x80);
    assert.equal(read(2, 0x0e, 1), 0x00);
  });
});

describe('PciFunction', () => {
  it('sizes BARs', () => {
    const { read, write } = make();
    const size = (register: number): number => (write(5, register, 0xffffffff), read(5, register));
    assert.equal(size(0x10), 0xffffffe1);
    assert.equal(size(0x14), 0xffffff80);
    assert.equal(size(0x18), 0xffff000c);
    assert.equal(size(0x1c), 0xffffffff);
    assert.equal(size(0x20), 0);
    assert.equal(size(0x30), 0xffff0001);
  });

  it('moves its windows', () => {
    const { bus, read, write, sample } = make();
    write(5, 0x10, 0xc001);
    write(5, 0x14, 0xd0000000);
    write(5, 0x18, 0x00010000);
    write(5, 0x1c, 0x00000e00);
    assert.deepEqual(bus.at('sample BAR1'), [null], 'decoding is off');
    write(5, 0x04, 0x0003, 2);
    assert.equal(read(5, 0x04), 0x00100003);
    assert.deepEqual(bus.at('sample BAR0'), [0xc000]);
    assert.deepEqual(bus.at('sample BAR1'), [0xd0000000]);
    assert.deepEqual(bus.at('sample BAR2'), [0xe00_00010000]);
    assert.equal(bus.in(0xc004, 2), 0x42);
    bus.write(0xd0000010, 7);
    write(5, 0x10, 0xd001);
    bus.out(0xd008, 9);
    assert.deepEqual(sample.accesses, ['read 4 2', 'write 16 4 7', 'write 8 1 9']);
    write(5, 0x14, 0xffffffff);
    assert.deepEqual(bus.at('sample BAR1'), [null], 'being sized, it decodes nothing');
    write(5, 0x14, 0xd1000000);
    assert.deepEqual(bus.at('sample BAR1'), [0xd1000000]);
    write(5, 0x1c, 0xffffffff);
    assert.deepEqual(bus.at('sample BAR2'), [null], 'beyond 52 bits');
    write(5, 0x04, 0, 2);
    assert.deepEqual(bus.at('sample BAR0'), [null]);
    write(5, 0x30, 0xd2000001);
    write(5, 0x04, 2, 2);
    assert.deepEqual(bus.at('sample ROM'), [0xd2000000]);
  });

  it('writes only the bytes of the access', () => {
    const { read, write } = make();
    write(5, 0x14, 0xd0123480);
    write(5, 0x17, 0xc0, 1);
    assert.equal(read(5, 0x14), 0xc0123480);
    write(5, 0x0c, 0x4010, 2);
    write(5, 0x0d, 0x20, 1);
    assert.equal(read(5, 0x0c), 0x2010);
  });

  it('routes interrupt pins through LPC to PIC and I/O APIC', () => {
    const { pic, ioApic, read, write, sample, host } = make();
    const pirq = pirqOf(5, 2);
    sample.pci.setInterrupt(true);
    assert.equal(ioApic[pirq]!.level, true);
    assert.ok(pic.every((line) => !line.level));
    assert.equal(read(5, 0x06, 2) & 8, 8);
    write(31, 0x68 + pirq - 4, 10, 1);
    assert.equal(pic[10]!.level, true);
    write(31, 0x68 + pirq - 4, 11, 1);
    assert.deepEqual([pic[10]!.level, pic[11]!.level], [false, true]);
    const other = new Sample();
    host.add(13, 0, other.pci, 'other'); // the same PIRQ
    other.pci.setInterrupt(true);
    sample.pci.setInterrupt(false);
    assert.equal(ioApic[pirq]!.level, true, 'wired-or');
    other.pci.write(0x04, 0x0400, 0xffff);
    assert.equal(ioApic[pirq]!.level, false, 'Interrupt Disable');
    assert.equal(pic[11]!.level, false);
    write(31, 0x68 + pirq - 4, 0x80, 1);
    assert.equal(read(31, 0x68 + pirq - 4, 1), 0x80);
  });

  it('sends messages', () => {
    const { read, write, sample } = make();
    assert.equal(read(5, 0x34, 1), 0x40);
    assert.equal(read(5, 0x40), 0x00840005, '64-bit, 4 vectors, last capability');
    sample.msi.signal(1);
    write(5, 0x44, 0xfee01000);
    write(5, 0x4c, 0x4041, 2);
    write(5, 0x42, 0x0011, 2); // two of the four
    sample.msi.signal(3);
    sample.msi.signal(0);
    assert.deepEqual(sample.messages, [
      [0xfee01000, 0x4041],
      [0xfee01000, 0x4040],
    ]);
    assert.equal(read(5, 0x42, 2), 0x0095);
  });
});

describe('Lpc', () => {
  it('asserts interrupt 13 at FERR# until port 0xF0 is written, after a restore too', () => {
    const { bus, lpc, irq13, released } = make();
    lpc.attach(bus);
    lpc.floatError();
    assert.equal(irq13.level, true);
    irq13.set(false);
    lpc.restored();
    assert.equal(irq13.level, true);
    bus.out(0xf1, 0);
    assert.equal(irq13.level, true);
    bus.out(0xf0, 0);
    assert.deepEqual(released, [false]);
    assert.equal(lpc.state.coprocessor, 0);
  });
});

describe('assignPci', () => {
  it('gives every BAR its place', () => {
    const { bus, host, read } = make();
    assignPci(host, { io: [0xc000, 0xcfff], mem32: [0xc0000000, 0xdfffffff] }, (pirq) => 10 + (pirq & 1));
    assert.deepEqual(bus.at('fbuf BAR1'), [0xc0000000]);
    assert.deepEqual(bus.at('sample BAR2'), [0xc2000000]);
    assert.deepEqual(bus.at('sample BAR0'), [0xc000]);
    assert.equal(read(2, 0x04, 2), 2);
    assert.equal(read(5, 0x04, 2), 3);
    assert.equal(read(5, 0x3c, 1), 10 + (pirqOf(5, 2) & 1));
    const all = [...bus.at('fbuf BAR0'), ...bus.at('sample BAR1')];
    assert.equal(new Set(all).size, 2);
  });

  it('says when there is no room', () => {
    const { host } = make();
    assert.throws(() => assignPci(host, { io: [0xc000, 0xcfff], mem32: [0xc0000000, 0xc0ffffff] }, () => 10), { code: 'pci-window-full', blame: 'user' });
  });
});

describe('HostBridge', () => {
  it('can be an i440fx with PAM and a lock on SMRAM', () => {
    const { pci, state } = new HostBridge(new TestContext(), { model: 'i440fx' });
    assert.equal(pci.read(0), 0x12378086);
    pci.write(0x58, 0x33ffff00, 0xffffff00);
    assert.equal(pci.read(0x58), 0x33333300);
    pci.write(0x70, 0x00580000, 0x00ff0000);
    pci.write(0x70, 0x00080000, 0x00ff0000);
    assert.equal(state.smram, 0x5a, 'locked');
  });
});

describe('Fbuf', () => {
  const registers = () => {
    const made = make();
    made.write(2, 0x10, 0xd0000000);
    made.write(2, 0x14, 0xc0000000);
    made.write(2, 0x04, 2, 2);
    return made;
  };

  it('has the registers of bhyve', () => {
    const { bus } = registers();
    assert.equal(bus.read(0xd0000000), 32 << 20);
    assert.equal(bus.read(0xd0000004), (768 << 16) | 1024);
    assert.equal(bus.read(0xd0000008, 2), 32);
    assert.equal(bus.read(0xd000007c), 0);
    assert.deepEqual(bus.at('fbuf BAR1'), [0xc0000000]);
  });

  it('takes valid modes and ignores others', () => {
    const { bus, fbuf } = registers();
    bus.write(0xd0000004, (1080 << 16) | 1920);
    assert.deepEqual(fbuf.mode(), { width: 1920, height: 1080, depth: 32, stride: 7680 });
    bus.write(0xd0000004, 0xffffffff);
    assert.equal(fbuf.mode()!.width, 1920, 'out of range');
    bus.write(0xd0000005, 0x03, 1);
    bus.write(0xd0000004, 0x20, 1);
    bus.write(0xd0000006, 600, 2);
    assert.deepEqual(fbuf.mode(), { width: 800, height: 600, depth: 32, stride: 3200 }, 'byte by byte');
    bus.write(0xd0000008, 7, 2);
    assert.equal(fbuf.mode()!.depth, 32);
    bus.write(0xd0000008, 16, 2);
    assert.equal(fbuf.mode()!.stride, 1600);
    bus.write(0xd0000004, 0, 2);
    assert.equal(fbuf.mode(), undefined, 'VGA');
    bus.write(0xd0000000, 0);
    assert.equal(bus.read(0xd0000000), 32 << 20, 'the size is read-only');
  });

  it('checks modes against its memory', () => {
    const fbuf = new Fbuf(new TestContext(), { backing: backing(4 << 20) });
    fbuf.mmioWrite(4, 4, (2160 << 16) | 3840);
    assert.equal(fbuf.mode()!.width, 1024);
  });
});

const registerFuzz = (pci: PciFunction, random: (below: number) => number): unknown => {
  const register = random(64) * 4;
  if (random(2)) return pci.read(register);
  const mask = [0xff, 0xff00, 0xffff, 0xffff0000, 0xffffffff][random(5)]!;
  return pci.write(register, random(2 ** 32) & mask, mask);
};
const windowsOf = (bus: TestBus, owner: string): unknown => [0, 1].map((bar) => bus.at(`${owner} BAR${bar}`).at(0) ?? null);

laws('HostBridge', () => {
  const device = new HostBridge(new TestContext(), { model: 'i440fx' });
  return { device, poke: (random) => registerFuzz(device.pci, random), observe: () => 0 };
});

laws('Lpc', (context) => {
  const { lpc, pic, ioApic } = make(context);
  return {
    device: lpc,
    // PIRQ levels belong to the functions that drive them: here they stay.
    poke: (random) => registerFuzz(lpc.pci, random),
    observe: () => [...pic, ...ioApic].map(({ level }) => level),
  };
});

laws('Fbuf', (context) => {
  const { fbuf, bus } = make(context);
  return {
    device: fbuf,
    poke: (random) => {
      if (random(2)) return registerFuzz(fbuf.pci, random);
      const [offset, size] = [random(128), SIZES[random(3)]!];
      return random(2) ? fbuf.mmioRead(offset, size) : fbuf.mmioWrite(offset, size, random(2 ** 32));
    },
    observe: () => [fbuf.mode(), windowsOf(bus, 'fbuf')],
  };
});

laws('PciHost', (context) => {
  const { host, bus } = make(context);
  return {
    device: host,
    poke: (random) => {
      const [port, size] = [0xcf8 + random(8), SIZES[random(3)]!];
      // Functions have states of their own: only the address register changes here.
      if (random(2) || port > 0xcfb) return bus.in((port & ~1) | 4, size) & 0;
      return bus.out(0xcf8, random(2 ** 32), size);
    },
    observe: () => host.portRead(0xcf8, 4),
  };
});

describe('PCI as a whole', () => {
  it('survives a fuzz of accesses', () => {
    const { bus, host } = make();
    let seed = 11;
    const random = (below: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
    for (let i = 0; i < 20_000; i++) {
      const size = SIZES[random(3)]!;
      const port = 0xcf8 + random(8);
      if (random(2)) bus.out(0xcf8, 0x80000000 + random(32) * 0x800 + random(256), 4);
      else if (random(2)) bus.out(port, random(2 ** 32), size);
      else {
        const value = bus.in(port, size);
        assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size));
      }
      const offset = random(0x100000);
      if (random(2)) host.mmioWrite(offset, size, random(2 ** 32));
      else assert.ok(host.mmioRead(offset, size) >= 0);
    }
  });
});
