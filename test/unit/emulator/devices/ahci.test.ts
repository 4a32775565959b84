import assert from 'node:assert/strict';
import { Ahci } from '../../../../emulator/devices/ahci';
import { AtaDisk } from '../../../../emulator/devices/atadisk';
import { AtapiCdrom } from '../../../../emulator/devices/atapicdrom';
import { AhciDriver, AT, GLOBAL, IS, PX, TABLE_LENGTH } from './ahcidriver';
import { laws, TestContext } from './context';
import { MemoryDisk } from './memorydisk';

function make(context = new TestContext()) {
  const disk = new MemoryDisk();
  const disc = new MemoryDisk({ sectorSize: 2048, sectors: 20, readOnly: true });
  const messages: number[] = [];
  const device = new Ahci(context, {
    drives: [new AtaDisk(disk), new AtapiCdrom(disc)],
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: (_, data) => messages.push(data),
  });
  let level = false;
  device.pci.attach({
    bus: { addPorts: () => ({ move: () => undefined }), addMmio: () => ({ move: () => undefined }), addBacking: () => ({ move: () => undefined }) },
    owner: 'ahci',
    interrupt: (_, now) => (level = now),
  });
  return { context, disk, disc, device, messages, line: () => level, driver: new AhciDriver(context, device), second: new AhciDriver(context, device, 1) };
}
function started() {
  const rig = make();
  rig.driver.start();
  return rig;
}
const READ = { command: 0x25 } as const;
const ONE = [[AT.DATA, 512]] as const;

describe('AHCI adapter', () => {
  it('says what it is, and what is behind its ports', () => {
    const { driver, second, device } = make();
    assert.deepEqual([device.pci.read(0x00), device.pci.read(0x08) >>> 8], [0x29228086, 0x010601]);
    assert.equal(driver.global(GLOBAL.CAP) & 0x1f, 1, 'two ports');
    assert.deepEqual([driver.global(GLOBAL.PI), driver.global(GLOBAL.VS), driver.global(GLOBAL.GHC)], [3, 0x10300, 0x80000000]);
    assert.deepEqual([driver.read(PX.SIG), second.read(PX.SIG)], [0x101, 0xeb140101]);
    assert.deepEqual([driver.read(PX.SSTS), driver.read(PX.TFD)], [0x133, 0x150]);
    assert.equal(second.read(PX.CMD) & (1 << 24), 1 << 24);
    assert.equal(new AhciDriver(driver.context, device, 2).read(PX.SSTS), 0, 'a port that is not there');
  });

  it('executes a command, counts its bytes, and sends the register FIS', () => {
    const { driver, disk, context } = started();
    disk.bytes.fill(0x5a, 3 * 512, 4 * 512);
    const { is, status, ci, moved } = driver.run({ ...READ, lba: 3, count: 1 }, { data: ONE });
    assert.deepEqual([is, status, ci, moved], [IS.DHRS, 0x50, 0, 512]);
    assert.deepEqual([context.bytes[AT.DATA], context.bytes[AT.DATA + 511], context.bytes[AT.DATA + 512]], [0x5a, 0x5a, 0]);
    assert.deepEqual(driver.fis(0x40, 8), [0x34, 0x40, 0x50, 0, 3, 0, 0, 0x40]);
  });

  it('writes what belongs to a command and nothing else, however much went through it before', () => {
    const { driver, second, disk, disc, context } = started();
    for (const { bytes } of [disk, disc]) bytes.fill(0x3d);
    const length = 4096;
    const data = [[AT.DATA, length]] as const;
    const written = (run: () => unknown): readonly number[] => {
      context.bytes.fill(0xee, AT.DATA, AT.DATA + length);
      run();
      const bytes = context.bytes.subarray(AT.DATA, AT.DATA + length);
      assert.ok(!bytes.includes(0x3d), 'nothing of the disk');
      return [...bytes.entries()].filter(([, byte]) => byte !== 0xee).map(([at]) => at);
    };
    assert.equal(driver.run({ ...READ, count: 8 }, { data }).moved, length);
    assert.equal(written(() => driver.run({ command: 0xec }, { data })).at(-1), 511);
    assert.deepEqual(written(() => driver.run({ ...READ, lba: 1 << 20, count: 1 }, { data })), []); // prettier-ignore
    driver.recover();

    second.start();
    assert.equal(second.packet([0x28, 0, 0, 0, 0, 3, 0, 0, 2], length).moved, length);
    const inquiry = (allocated: number): readonly number[] => written(() => second.packet([0x12, 0, 0, 0, allocated], length));
    assert.equal(inquiry(255).at(-1), 35, 'all that there is');
    assert.equal(inquiry(5).at(-1), 4, 'all that was asked for');
    assert.deepEqual(written(() => second.packet([0x28, 0, 0, 0, 0, 200, 0, 0, 1], length)), []); // prettier-ignore
  });

  it('interrupts by pin until the port and the adapter have been dealt with', () => {
    const { driver, line } = started();
    driver.run({ command: 0xe7 });
    assert.equal(line(), false, 'not enabled');
    driver.setGlobal(GLOBAL.GHC, 2);
    assert.deepEqual([line(), driver.global(GLOBAL.IS)], [true, 1]);
    driver.setGlobal(GLOBAL.IS, 1);
    assert.equal(line(), true, 'the port still has something');
    driver.write(PX.IS, IS.DHRS);
    driver.setGlobal(GLOBAL.IS, 1);
    assert.equal(line(), false);
  });

  it('interrupts by message, once for each', () => {
    const { driver, device, messages, line } = started();
    device.pci.write(0x40, 0x10000, 0xffff0000);
    device.pci.write(0x4c, 0x41, 0xffff);
    driver.setGlobal(GLOBAL.GHC, 2);
    driver.run({ command: 0xe7 });
    assert.deepEqual([messages, line()], [[0x41], false]);
    driver.write(PX.IS, IS.DHRS);
    driver.setGlobal(GLOBAL.IS, 1);
    driver.run({ command: 0xe7 });
    assert.deepEqual(messages, [0x41, 0x41]);
  });

  it('executes slots in turn, each at its virtual time', () => {
    const { driver, device, context } = started();
    for (const slot of [0, 5, 31]) driver.prepare({ ...READ, count: 8 }, { slot, data: [[AT.DATA, 4096]] });
    driver.write(PX.CI, 0x80000021);
    const seen: [number, number][] = [];
    while (device.deadline() !== Infinity) {
      context.run(device, device.deadline());
      seen.push([context.time, driver.read(PX.CI)]);
    }
    assert.deepEqual(seen, [
      [20_000, 0x80000001],
      [42_048, 1],
      [64_096, 0],
    ]);
  });

  it('NCQ: tags go with the Set Device Bits FIS', () => {
    const { driver, disk } = started();
    disk.bytes.fill(0x77, 512, 1024);
    const { is, ci } = driver.run({ command: 0x60, features: 1, lba: 1, count: 7 << 3 }, { slot: 7, tag: 7, data: ONE });
    assert.deepEqual([is, ci, driver.read(PX.SACT), driver.context.bytes[AT.DATA]], [IS.SDBS, 0, 0, 0x77]);
    assert.deepEqual(driver.fis(0x58, 8), [0xa1, 0x40, 0x50, 0, 0x80, 0, 0, 0]);
  });

  it('NCQ: an error leaves the tag, stops the port, and is in log 10h', () => {
    const { driver, context } = started();
    const { is, status, error } = driver.run({ command: 0x61, features: 2, lba: 63, count: 4 << 3 }, { slot: 4, tag: 4, data: [[AT.DATA, 1024]] });
    assert.deepEqual([is, status & 1, error, driver.read(PX.SACT)], [IS.SDBS | IS.TFES, 1, 0x10, 0x10]);
    driver.recover();
    assert.deepEqual([driver.read(PX.SACT), driver.read(PX.CI)], [0, 0]);
    assert.equal(driver.run({ command: 0x2f, lba: 0x10, count: 1 }, { data: ONE }).status, 0x50);
    assert.deepEqual([...context.bytes.subarray(AT.DATA, AT.DATA + 5)], [4, 0, 0x51, 0x10, 63]);
    assert.equal(context.bytes.subarray(AT.DATA, AT.DATA + 512).reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
    driver.run({ command: 0x2f, lba: 0x10, count: 1 }, { data: ONE });
    assert.equal(context.bytes[AT.DATA], 0x80, 'told once');
  });

  it('stops at an error until software has stopped and started the port', () => {
    const { driver } = started();
    const failed = driver.run({ ...READ, lba: 64, count: 1 }, { data: ONE });
    assert.deepEqual([failed.is, failed.status, failed.error, failed.ci], [IS.DHRS | IS.TFES, 0x51, 0x10, 1]);
    assert.equal((driver.read(PX.CMD) >>> 8) & 0x1f, 0);
    assert.equal(driver.run({ ...READ, count: 1 }, { slot: 1, data: ONE }).ci, 3, 'nothing goes on');
    driver.recover();
    assert.equal(driver.run({ ...READ, count: 1 }, { data: ONE }).status, 0x50);
  });

  it('software reset, COMRESET and the adapter’s reset bring the signature', () => {
    const { driver, context } = started();
    driver.write(PX.IS, 0xffffffff);
    for (const [slot, control] of [4, 0].entries()) {
      driver.prepare({ command: 0 }, { slot });
      context.bytes.set([0x27, 0], AT.TABLE + TABLE_LENGTH * slot);
      context.bytes[AT.TABLE + TABLE_LENGTH * slot + 15] = control;
      driver.write(PX.CI, 1 << slot);
      driver.pass();
      assert.equal(driver.read(PX.CI), 0);
    }
    assert.deepEqual([...driver.fis(0x40, 7), driver.read(PX.TFD)], [0x34, 0x40, 0x50, 1, 1, 0, 0, 0x150]);
    driver.write(PX.CMD, 0x10);
    driver.write(PX.SCTL, 0x301);
    assert.deepEqual([driver.read(PX.SSTS), driver.read(PX.TFD) & 0x80], [0, 0x80]);
    driver.pass();
    assert.equal(driver.read(PX.SSTS), 0, 'as long as DET is 1');
    context.bytes.fill(0, AT.FIS, AT.FIS + 256);
    driver.write(PX.SCTL, 0x300);
    driver.pass();
    assert.deepEqual([driver.read(PX.SSTS), driver.read(PX.SIG), driver.fis(0x40, 1)[0]], [0x133, 0x101, 0x34]);
    assert.equal(driver.read(PX.IS) & (IS.PCS | IS.PRCS), IS.PCS | IS.PRCS);
    driver.write(PX.SERR, 0xffffffff);
    assert.equal(driver.read(PX.IS) & (IS.PCS | IS.PRCS), 0);
    driver.setGlobal(GLOBAL.GHC, 3);
    assert.deepEqual([driver.global(GLOBAL.GHC), driver.read(PX.CMD), driver.read(PX.CLB), driver.read(PX.SIG)], [0x80000000, 6, 0, 0x101]);
  });

  it('does nothing while it may not use memory, or is stopped', () => {
    const { driver, device } = started();
    device.pci.write(0x04, 0x2, 0xffff);
    assert.equal(driver.run({ command: 0xe7 }).ci, 1);
    device.pci.write(0x04, 0x6, 0xffff);
    driver.write(PX.CMD, 0x10);
    assert.equal(driver.run({ command: 0xe7 }).ci, 0, 'what is issued while ST is clear is nothing');
  });
});

describe('AHCI adapter: hostile guests', () => {
  it('descriptors to nowhere, too short ones, and tables that are not there', () => {
    for (const [data, cause] of [
      [[[0x10000, 512]], IS.HBFS],
      [[[0xfffe, 512]], IS.HBFS],
      [[[2 ** 48, 512]], IS.HBFS],
      [[[AT.DATA, 256]], IS.OFS],
      [[], IS.OFS],
    ] as const) {
      const { driver, disk } = started();
      disk.bytes.fill(0x11);
      const { is, ci } = driver.run({ ...READ, count: 1 }, { data });
      assert.deepEqual([is & cause, ci, driver.context.bytes[AT.DATA]], [cause, 1, 0], 'nothing is moved');
      driver.recover();
      assert.equal(driver.run({ ...READ, count: 1 }, { data: ONE }).is, IS.DHRS, 'and it goes on');
    }
    for (const table of [0x10000, 0xffffff80, 2 ** 51]) {
      const { driver } = started();
      driver.prepare({ ...READ, count: 1 }, { data: ONE });
      driver.view.setBigUint64(AT.LIST + 8, BigInt(table), true);
      driver.write(PX.CI, 1);
      driver.pass();
      assert.equal(driver.read(PX.IS), IS.HBFS);
    }
  });

  it('lists and FIS areas beyond memory', () => {
    const { driver } = started();
    driver.write(PX.CMD, 0x10);
    driver.write(PX.CLB, 0xfffffc00);
    driver.write(PX.CMD, 0x11);
    assert.equal(driver.run({ command: 0xe7 }).is, IS.HBFS);
    driver.write(PX.CMD, 0);
    driver.write(PX.CLB, AT.LIST);
    driver.write(PX.FB, 0xffffff00);
    driver.write(PX.CMD, 0x11);
    assert.equal(driver.run({ command: 0xe7 }).is & IS.HBFS, IS.HBFS);
  });

  it('as many descriptors as there can be, of two bytes each, all at one place', () => {
    const { driver, device, context } = started();
    driver.prepare({ ...READ, count: 0 }, { data: ONE });
    driver.view.setUint16(AT.LIST + 2, 0xffff, true);
    context.bytes.fill(0, AT.TABLE + 0x80, 0x10000);
    driver.write(PX.CI, 1);
    context.run(device, context.time + 10_000_000, 10);
    assert.notEqual(driver.read(PX.IS) & (IS.HBFS | IS.OFS | IS.TFES), 0);
  });

  it('FISes that are none', () => {
    for (const spoil of [
      (driver: AhciDriver) => (driver.context.bytes[AT.TABLE] = 0x34),
      (driver: AhciDriver) => driver.view.setUint16(AT.LIST, 4, true),
      (driver: AhciDriver) => driver.view.setUint16(AT.LIST, 0, true),
    ]) {
      const { driver } = started();
      driver.prepare({ command: 0xe7 });
      spoil(driver);
      driver.write(PX.CI, 1);
      driver.pass();
      assert.deepEqual([driver.read(PX.IS), driver.read(PX.CI)], [IS.IFS, 1]);
    }
  });

  it('commands whose list is overwritten by their own data', () => {
    const { driver, disk } = started();
    disk.bytes.fill(0xff);
    driver.run({ ...READ, count: 2 }, { data: [[AT.LIST, 1024]] });
    driver.write(PX.CI, 0xffffffff);
    driver.pass();
    assert.equal(driver.read(PX.IS) & IS.HBFS, IS.HBFS);
  });
});

laws('AHCI adapter', (context) => {
  const { device, driver, second, line, disk } = make(context);
  return {
    device,
    observe: () => [line(), driver.global(GLOBAL.IS), driver.read(PX.CI), second.read(PX.TFD), device.deadline() === Infinity],
    poke: (next) => {
      const which = next(2) === 0 ? driver : second;
      if (next(4) === 0) return which.write(4 * next(16), next(2 ** 32));
      if (next(30) === 0) return which.setGlobal(4 * next(12), next(4));
      if (next(4) === 0) return which.start();
      context.bytes.fill(0);
      disk.bytes.fill(0);
      const known = [0x25, 0x35, 0x60, 0x61, 0xec, 0xa1, 0xa0, 0x06, 0x2f, 0xc4, 0xef];
      const fis = { command: next(3) ? known[next(known.length)]! : next(256), features: next(300), lba: next(70), count: next(20), device: next(256) };
      const data = Array.from({ length: next(3) }, () => [next(0x11000), 2 * (1 + next(4096))] as const);
      const opcodes = [0x00, 0x03, 0x12, 0x1a, 0x5a, 0x1b, 0x25, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x52, 0xbd, 0xbe];
      which.prepare(fis, {
        data,
        slot: next(8),
        packet: [next(4) ? opcodes[next(opcodes.length)]! : next(256), ...Array.from({ length: 11 }, () => next(5) && next(60))],
      });
      if (next(4) === 0) context.bytes[next(0x3000)] = next(256);
      if (next(2) === 0) which.write(PX.SACT, next(256));
      which.write(PX.CI, next(256));
      context.run(device, context.time + 100_000);
      const seen = [...driver.fis(0, 0x60), ...context.bytes.subarray(AT.LIST, AT.LIST + 8), ...context.bytes.subarray(AT.DATA, AT.DATA + 16)].join();
      context.bytes.fill(0);
      return seen;
    },
  };
});
