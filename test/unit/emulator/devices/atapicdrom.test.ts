import assert from 'node:assert/strict';
import { Ahci } from '../../../../emulator/devices/ahci';
import { AtapiCdrom } from '../../../../emulator/devices/atapicdrom';
import { AhciDriver, AT, IS } from './ahcidriver';
import { TestContext } from './context';
import { MemoryDisk } from './memorydisk';

const SECTORS = 12;
function make(disk = new MemoryDisk({ sectors: SECTORS, sectorSize: 2048, readOnly: true })) {
  const context = new TestContext();
  const device = new Ahci(context, {
    drives: [new AtapiCdrom(disk)],
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: () => undefined,
  });
  const driver = new AhciDriver(context, device);
  driver.start();
  const packet = (...args: Parameters<AhciDriver['packet']>): ReturnType<AhciDriver['packet']> => driver.packet(...args);
  /** What REQUEST SENSE tells after a command that failed. */
  const sense = (cdb: readonly number[], length = 0): number[] => {
    const { status, error } = packet(cdb, length);
    if (!(status & 1)) return [];
    const { bytes } = packet([0x03, 0, 0, 0, 18], 18);
    assert.equal(error, (bytes[2]! << 4) | 4);
    return [bytes[2]!, bytes[12]!, bytes[13]!];
  };
  return { disk, context, driver, packet, sense };
}

describe('ATAPI CD-ROM drive', () => {
  it('identifies itself as a packet device only', () => {
    const { driver, context } = make();
    const refused = driver.run({ command: 0xec }, { data: [[AT.DATA, 512]] });
    assert.deepEqual([refused.error, driver.fis(0x40).slice(4, 7), driver.fis(0x40)[12]], [4, [1, 0x14, 0xeb], 1]);
    driver.recover();
    assert.equal(driver.run({ command: 0xa1 }, { data: [[AT.DATA, 512]] }).status, 0x50);
    assert.deepEqual([...context.bytes.subarray(AT.DATA, AT.DATA + 2)], [0xc0, 0x85]);
    assert.equal(driver.run({ command: 0x08 }).status, 0x50);
    assert.deepEqual(driver.fis(0x40).slice(4, 7), [1, 0x14, 0xeb]);
  });

  it('reads sectors of 2048 bytes', () => {
    const { packet, disk, sense } = make();
    disk.bytes.fill(0x42, 3 * 2048, 5 * 2048);
    for (const cdb of [
      [0x28, 0, 0, 0, 0, 3, 0, 0, 2],
      [0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2],
      [0xbe, 0, 0, 0, 0, 3, 0, 0, 2, 0x10],
    ]) {
      const { bytes, is } = packet(cdb, 4096);
      assert.deepEqual([is, bytes.length, bytes[0], bytes[4095]], [IS.DHRS, 4096, 0x42, 0x42]);
    }
    assert.deepEqual(sense([0x28, 0, 0, 0, 0, SECTORS, 0, 0, 1], 2048), [5, 0x21, 0]);
    assert.deepEqual(sense([0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2048), [5, 0x21, 0]);
    disk.failure = 'medium';
    assert.deepEqual(sense([0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048), [3, 0x11, 0]);
  });

  it('gives data by PIO too', () => {
    const { driver, context, disk } = make();
    disk.bytes.fill(0x66, 0, 6144);
    const { is, moved } = driver.run({ command: 0xa0, lba: 2048 << 8, device: 0 }, { packet: [0x28, 0, 0, 0, 0, 0, 0, 0, 3], data: [[AT.DATA, 6144]] });
    assert.deepEqual([is, moved, context.bytes[AT.DATA + 6143]], [IS.DHRS | IS.PSS, 6144, 0x66]);
    assert.deepEqual([driver.fis(0x20).slice(15, 18), driver.fis(0x40)[12]], [[0x50, 0, 8], 3]);
  });

  it('says how large the disc is and what is on it', () => {
    const { packet, sense } = make();
    assert.deepEqual([...packet([0x25], 8).bytes], [0, 0, 0, SECTORS - 1, 0, 0, 8, 0]);
    assert.deepEqual([...packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20], 20).bytes], [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, SECTORS]);
    assert.deepEqual([...packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 12], 12).bytes], [0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 2, SECTORS]);
    assert.deepEqual([...packet([0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40], 12).bytes], [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    assert.equal(packet([0x43, 2, 2, 0, 0, 0, 0, 0, 48], 48).bytes[7], 0xa0);
    assert.deepEqual(sense([0x43, 0, 0, 0, 0, 0, 2, 0, 12]), [5, 0x24, 0]);
    assert.deepEqual([...packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8], 8).bytes].slice(6), [0, 8], 'CD-ROM');
    assert.equal(packet([0x51, 0, 0, 0, 0, 0, 0, 0, 34], 34).bytes[2], 0x0e);
    assert.equal(packet([0x52, 1, 0, 0, 0, 1, 0, 0, 36], 36).bytes[27], SECTORS);
  });

  it('answers INQUIRY, MODE SENSE and the like with as much as is asked for', () => {
    const { packet, sense } = make();
    const inquiry = packet([0x12, 0, 0, 0, 36], 36).bytes;
    assert.deepEqual([inquiry[0], inquiry[1], Buffer.from(inquiry.subarray(16, 26)).toString()], [5, 0x80, 'Some model']);
    assert.equal(packet([0x12, 0, 0, 0, 5], 5).moved, 5);
    assert.equal(Buffer.from(packet([0x12, 1, 0x80, 0, 24], 24).bytes.subarray(4)).toString(), 'SERIAL-NUMBER-OF-20C');
    assert.deepEqual(sense([0x12, 1, 0xb0, 0, 24]), [5, 0x24, 0]);
    assert.equal(packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 28], 28).bytes[8], 0x2a);
    assert.equal(packet([0x1a, 0, 0x01, 0, 16], 16).bytes[4], 0x01);
    assert.deepEqual(sense([0x5a, 0, 0x05, 0, 0, 0, 0, 0, 28]), [5, 0x24, 0]);
    assert.deepEqual([...packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], 8).bytes], [0, 6, 4, 0x10, 0, 2, 0, 0]);
    assert.equal(packet([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8], 8).moved, 8);
  });

  it('opens its tray unless that is prevented, and tells that the disc may be another', () => {
    const { packet, sense } = make();
    packet([0x1e, 0, 0, 0, 1]);
    assert.deepEqual(sense([0x1b, 0, 0, 0, 2]), [5, 0x53, 2]);
    packet([0x1e, 0, 0, 0, 0]);
    assert.deepEqual(sense([0x1b, 0, 0, 0, 2]), []);
    assert.deepEqual(sense([0x00]), [2, 0x3a, 2]);
    assert.deepEqual(sense([0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048), [2, 0x3a, 2]);
    assert.deepEqual(sense([0x1b, 0, 0, 0, 3]), []);
    assert.deepEqual(sense([0x00]), [6, 0x28, 0]);
    assert.deepEqual(sense([0x00]), []);
  });

  it('refuses what it does not know, and what writes', () => {
    const { sense, driver } = make();
    for (const opcode of [0x2a, 0x04, 0x55, 0xa1, 0xad, 0xff]) assert.deepEqual(sense([opcode]), [5, 0x20, 0], opcode.toString(16));
    assert.equal(driver.run({ command: 0x25, count: 1 }, { data: [[AT.DATA, 512]] }).error, 4);
    driver.recover();
    assert.deepEqual([...driver.packet([0x03, 0, 0, 0, 18], 18).bytes.subarray(0, 3)], [0x70, 0, 0], 'told once');
  });
});
