import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { MmioHandler } from '../../../../emulator/bus/device';
import { E1000, type E1000Model } from '../../../../emulator/devices/e1000';
import { addWords, checksum, put16, put32, u16At, u32At } from '../../../../emulator/network/bytes';
import { laws, SIZES, TestContext, type Subject } from './context';

const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const AT = { RX: 0x1000, TX: 0x2000, RXDATA: 0x4000, TXDATA: 0x8000 } as const;
const REG = {
  CTRL: 0x00, STATUS: 0x08, EECD: 0x10, EERD: 0x14, MDIC: 0x20, VET: 0x38, ICR: 0xc0, ITR: 0xc4, ICS: 0xc8, IMS: 0xd0, IMC: 0xd8, RCTL: 0x100, TCTL: 0x400,
  RDBAL: 0x2800, RDLEN: 0x2808, RDH: 0x2810, RDT: 0x2818, TDBAL: 0x3800, TDLEN: 0x3808, TDH: 0x3810, TDT: 0x3818, GPRC: 0x4074, GPTC: 0x4080, MTA: 0x5200,
  RA: 0x5400, MPC: 0x4010, GORCL: 0x4088,
} as const; // prettier-ignore
const [TXDW, TXQE, LSC, RXO, RXT0] = [0x01, 0x02, 0x04, 0x40, 0x80];
const ENTRIES = 8;
const CMD = { EOP: 0x01, IFCS: 0x02, IC: 0x04, TSE: 0x04, RS: 0x08, DEXT: 0x20, VLE: 0x40 } as const;

class Bench {
  readonly context = new TestContext();
  readonly frames: Uint8Array[] = [];
  readonly device: E1000;
  readonly bar: MmioHandler;
  readonly view: DataView;
  private tail = 0;

  constructor(model: E1000Model = '82545EM') {
    this.device = new E1000(this.context, {
      model,
      mac: MAC,
      wire: { transmit: (frame) => void this.frames.push(frame) },
      reachable: (address, length) => address + length <= this.context.bytes.length,
    });
    this.bar = this.device.pci.identity.bars![0]!.handler as MmioHandler;
    this.view = new DataView(this.context.bytes.buffer);
  }
  read(offset: number): number {
    return this.bar.mmioRead(offset, 4);
  }
  write(offset: number, value: number): void {
    this.bar.mmioWrite(offset, 4, value);
  }
  run(ns = 10_000_000): void {
    this.context.run(this.device, this.context.time + ns);
  }
  get pin(): boolean {
    return (this.device.pci.read(0x04) & 0x80000) !== 0;
  }

  start(): void {
    this.device.pci.write(0x04, 0x6, 0xffff);
    this.write(REG.RDBAL, AT.RX);
    this.write(REG.RDLEN, 16 * ENTRIES);
    this.write(REG.TDBAL, AT.TX);
    this.write(REG.TDLEN, 16 * ENTRIES);
    for (let i = 0; i < ENTRIES; i++) this.view.setBigUint64(AT.RX + 16 * i, BigInt(AT.RXDATA + 0x400 * i), true);
    this.write(REG.RDT, ENTRIES - 1);
    this.write(REG.RCTL, 0x02 | 0x8000 | (1 << 16) | (1 << 26)); // on, broadcast, buffers of 1024, no check sequence
    this.write(REG.TCTL, 0x0a);
    this.tail = 0;
  }
  descriptor(low: number, high: number, lower: number, upper: number): void {
    const at = AT.TX + 16 * this.tail;
    [low, high, lower, upper].forEach((word, i) => this.view.setUint32(at + 4 * i, word, true));
    this.tail = (this.tail + 1) % ENTRIES;
  }
  go(): void {
    this.write(REG.TDT, this.tail);
    this.run();
  }
  done(index: number): boolean {
    return (this.context.bytes[AT.TX + 16 * index + 12]! & 1) !== 0;
  }
  /** Of a receive descriptor: status, length, what is in its buffer. */
  received(index: number): { status: number; data: Uint8Array } {
    const at = AT.RX + 16 * index;
    const length = this.view.getUint16(at + 8, true);
    return { status: this.context.bytes[at + 12]!, data: this.context.bytes.slice(AT.RXDATA + 0x400 * index, AT.RXDATA + 0x400 * index + length) };
  }
  eeprom(address: number): number {
    const set = (pins: number): void => this.write(REG.EECD, 0x40 | pins);
    set(0x02);
    for (let bit = 8; bit >= 0; bit--) {
      const di = (((0b110 << 6) | address) >> bit) & 1 ? 0x04 : 0;
      set(0x02 | di);
      set(0x03 | di);
      set(0x02 | di);
    }
    let word = 0;
    for (let i = 0; i < 16; i++) {
      set(0x03);
      word = (word << 1) | ((this.read(REG.EECD) >> 3) & 1);
      set(0x02);
    }
    set(0);
    return word;
  }
}

const frameTo = (to: readonly number[], length: number): Uint8Array =>
  Uint8Array.from([...to, ...Array.from({ length: length - to.length }, (_, at) => at & 0xff)]);
const BROADCAST = [255, 255, 255, 255, 255, 255];

describe('e1000', () => {
  it('is the model of its board', () => {
    for (const [model, device, revision] of [['82545EM', 0x100f, 4], ['82540EM', 0x100e, 2]] as const) {
      const { pci } = new Bench(model).device;
      assert.deepEqual([pci.read(0x00), pci.read(0x08)], [((device << 16) | 0x8086) >>> 0, (0x020000 << 8) | revision]);
    } // prettier-ignore
  });

  it('has its address in the EEPROM, read word by word or bit by bit, and in the first receive address', () => {
    const bench = new Bench();
    assert.equal(bench.read(REG.EECD) & 0x1c0, 0x100, 'present, not granted');
    bench.write(REG.EECD, 0x40);
    assert.equal(bench.read(REG.EECD) & 0xc0, 0xc0, 'granted when asked for');
    const words = Array.from({ length: 64 }, (_, address) => bench.eeprom(address));
    assert.deepEqual(words.slice(0, 3), [0x5452, 0x1200, 0x5634]);
    assert.equal(words.reduce((sum, word) => sum + word, 0) & 0xffff, 0xbaba);
    const quick = words.map((_, address) => {
      bench.write(REG.EERD, (address << 8) | 1);
      assert.ok(bench.read(REG.EERD) & 0x10);
      return bench.read(REG.EERD) >>> 16;
    });
    assert.deepEqual(quick, words);
    assert.deepEqual([bench.read(REG.RA), bench.read(REG.RA + 4)], [0x12005452, 0x80005634]);
  });

  it('has a PHY with its link up', () => {
    const bench = new Bench();
    const phy = (register: number, address = 1): number => {
      bench.write(REG.MDIC, (2 << 26) | (address << 21) | (register << 16));
      return bench.read(REG.MDIC);
    };
    assert.equal(phy(1), ((1 << 28) | (2 << 26) | (1 << 21) | (1 << 16) | 0x796d) >>> 0);
    assert.deepEqual([phy(2) & 0xffff, phy(3) & 0xffff], [0x0141, 0x0c20]);
    assert.ok(phy(1, 2) & (1 << 30), 'there is no other PHY');
    bench.write(REG.MDIC, (1 << 26) | (1 << 21) | (4 << 16) | 0x1234);
    assert.equal(phy(4) & 0xffff, 0x1234);
    bench.write(REG.MDIC, (1 << 26) | (1 << 21) | 0x9140);
    assert.equal(phy(4) & 0xffff, 0x0de1, 'reset');
    assert.equal(bench.read(REG.STATUS), 0x81);
    bench.write(REG.CTRL, 0x40);
    assert.deepEqual([bench.read(REG.STATUS), bench.read(REG.ICR)], [0x83, LSC], 'up, and said');
  });

  it('sends legacy descriptors, in pieces, with a checksum', () => {
    const bench = new Bench();
    bench.start();
    bench.context.bytes.set(frameTo(BROADCAST, 100), AT.TXDATA);
    bench.descriptor(AT.TXDATA, 0, 40, 0);
    bench.descriptor(AT.TXDATA + 40, 0, 60 | ((CMD.EOP | CMD.RS | CMD.IC) << 24) | (50 << 16), 34 << 8);
    bench.go();
    const expected = frameTo(BROADCAST, 100);
    put16(expected, 50, checksum(addWords(expected.subarray(34))));
    assert.deepEqual(bench.frames, [expected]);
    assert.deepEqual([bench.done(0), bench.done(1), bench.read(REG.TDH)], [false, true, 2]);
    assert.equal(bench.read(REG.ICR), TXDW | TXQE);
    assert.deepEqual([bench.read(REG.GPTC), bench.read(REG.GPTC)], [1, 0], 'cleared by reading');
  });

  it('pads short frames where it is told to, and puts tags in', () => {
    const bench = new Bench();
    bench.start();
    bench.write(REG.VET, 0x8100);
    bench.write(REG.CTRL, 2 ** 30);
    bench.context.bytes.set(frameTo([...MAC], 20), AT.TXDATA);
    bench.descriptor(AT.TXDATA, 0, 20 | ((CMD.EOP | CMD.RS) << 24), 0);
    bench.descriptor(AT.TXDATA, 0, 20 | ((CMD.EOP | CMD.RS | CMD.VLE) << 24), (5 << 16) >>> 0);
    bench.go();
    assert.deepEqual(bench.frames.map(({ length }) => length), [60, 60]); // prettier-ignore
    assert.deepEqual([...bench.frames[1]!.subarray(12, 16)], [0x81, 0, 0, 5]);
  });

  it('puts in checksums of IP and TCP by a context', () => {
    const bench = new Bench();
    bench.start();
    const packet = tcpPacket(100);
    bench.context.bytes.set(packet, AT.TXDATA);
    bench.descriptor(14 | (24 << 8) | (33 << 16), 34 | (50 << 8), CMD.DEXT << 24, 0);
    bench.descriptor(AT.TXDATA, 0, packet.length | (1 << 20) | ((CMD.EOP | CMD.RS | CMD.DEXT) << 24), 0x0300);
    bench.go();
    const [frame] = bench.frames;
    assert.equal(checksum(addWords(frame!.subarray(14, 34))), 0);
    assert.equal(tcpSum(frame!), 0);
    assert.deepEqual(frame!.subarray(54), packet.subarray(54));
  });

  it('cuts a packet into segments of TCP', () => {
    const bench = new Bench();
    bench.start();
    const packet = tcpPacket(2500, 0x19);
    put16(packet, 16, 0); // the length is put in for each
    put16(packet, 50, partial(0));
    bench.context.bytes.set(packet, AT.TXDATA);
    bench.descriptor(14 | (24 << 8) | (33 << 16), 34 | (50 << 8), (2500 | ((CMD.DEXT | CMD.TSE | 0x03) << 24)) >>> 0, (54 << 8) | (1000 << 16));
    bench.descriptor(AT.TXDATA, 0, (54 | (1 << 20) | ((CMD.DEXT | CMD.TSE) << 24)) >>> 0, 0x0300);
    bench.descriptor(AT.TXDATA + 54, 0, (2500 | (1 << 20) | ((CMD.EOP | CMD.RS | CMD.DEXT | CMD.TSE) << 24)) >>> 0, 0);
    bench.go();
    assert.deepEqual(bench.frames.map(({ length }) => length), [1054, 1054, 554]); // prettier-ignore
    bench.frames.forEach((frame, i) => {
      assert.equal(checksum(addWords(frame.subarray(14, 34))), 0, 'of IP');
      assert.equal(tcpSum(frame), 0, 'of TCP');
      assert.deepEqual([u16At(frame, 16), u16At(frame, 18), u32At(frame, 38)], [frame.length - 14, 7 + i, 1000 + 1000 * i]);
      assert.equal(frame[47], i === 2 ? 0x19 : 0x10, 'FIN and PSH in the last alone');
    });
    const data = Buffer.concat(bench.frames.map((frame) => frame.subarray(54)));
    assert.deepEqual(Uint8Array.from(data), packet.slice(54));
  });

  it('receives what is for it', () => {
    const bench = new Bench();
    bench.start();
    const multicast = [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb];
    const frames: [readonly number[], boolean][] = [[MAC as unknown as number[], true], [BROADCAST, true], [[0x52, 0x54, 0, 0x12, 0x34, 0x57], false], [multicast, false]].map(
      ([to, passes]) => [[...(to as number[])], passes as boolean],
    ); // prettier-ignore
    for (const [to, passes] of frames) {
      const before = bench.read(REG.RDH);
      bench.device.receive(frameTo(to, 70));
      assert.equal(bench.read(REG.RDH) !== before, passes, to.join(':'));
    }
    assert.deepEqual(bench.received(0), { status: 0x07, data: frameTo([...MAC], 70) });
    const hash = ((multicast[4]! >> 4) | (multicast[5]! << 4)) & 0xfff;
    bench.write(REG.MTA + 4 * (hash >> 5), 2 ** (hash & 31));
    bench.device.receive(frameTo(multicast, 70));
    assert.equal(bench.received(2).status, 0x87, 'by its hash');
    bench.write(REG.RCTL, bench.read(REG.RCTL) | 0x18);
    for (const [to] of frames) bench.device.receive(frameTo(to, 70));
    assert.equal(bench.read(REG.RDH), 7, 'promiscuous');
    assert.deepEqual([bench.read(REG.GPRC), bench.read(REG.GORCL)], [7, 7 * 74]);
    assert.equal(bench.read(REG.ICR) & (RXT0 | RXO), RXT0);
    bench.device.receive(frameTo(BROADCAST, 70));
    assert.equal(bench.read(REG.ICR) & RXO, RXO, 'no descriptors left');
    assert.deepEqual([bench.read(REG.MPC), bench.read(REG.RDH)], [1, 7]);
  });

  it('fills several buffers, pads, and adds the check sequence', () => {
    const bench = new Bench();
    bench.start();
    bench.write(REG.RCTL, 0x02 | 0x8000 | (3 << 16)); // buffers of 256
    const frame = frameTo(BROADCAST, 600);
    bench.device.receive(frame);
    const pieces = [0, 1, 2].map((i) => bench.received(i));
    assert.deepEqual(pieces.map(({ status }) => status), [0x05, 0x05, 0x07]); // prettier-ignore
    const whole = Buffer.concat(pieces.map(({ data }) => data));
    assert.equal(whole.length, 604);
    assert.deepEqual(Uint8Array.from(whole.subarray(0, 600)), frame);
    assert.equal(whole.readUInt32LE(600), crc32(frame));
    bench.device.receive(frameTo(BROADCAST, 20));
    const short = bench.received(3).data;
    assert.equal(short.length, 64);
    assert.ok(
      short.subarray(20, 60).every((byte) => byte === 0),
      'nothing of the frame before it',
    );
  });

  it('interrupts by causes and masks, no more often than ITR says', () => {
    const bench = new Bench();
    bench.start();
    bench.write(REG.ICS, LSC);
    assert.equal(bench.pin, false);
    bench.write(REG.IMS, LSC);
    assert.equal(bench.pin, true);
    assert.deepEqual([bench.read(REG.ICR), bench.pin, bench.read(REG.ICR)], [LSC, false, 0]);
    bench.write(REG.ITR, 1000); // 256 µs
    bench.write(REG.ICS, LSC);
    bench.read(REG.ICR);
    bench.run(100_000);
    bench.write(REG.ICS, LSC);
    assert.equal(bench.pin, false, 'too soon');
    bench.run(200_000);
    assert.equal(bench.pin, true);
    bench.write(REG.IMC, LSC);
    assert.equal(bench.pin, false);
    bench.write(REG.ICR, LSC);
    assert.equal(bench.read(REG.ICR), 0);
  });

  it('forgets all but its PCI header in a reset', () => {
    const bench = new Bench();
    bench.start();
    bench.write(REG.IMS, LSC);
    bench.write(REG.ICS, LSC);
    bench.write(REG.CTRL, 0x04000000);
    assert.deepEqual([bench.pin, bench.read(REG.IMS), bench.read(REG.RDT), bench.read(REG.RA)], [false, 0, 0, 0x12005452]);
    assert.equal(bench.device.pci.read(0x04) & 0x6, 0x6);
  });

  it('gives its registers through I/O ports too', () => {
    const bench = new Bench();
    const io = bench.device.pci.identity.bars![2]!.handler as MmioHandler;
    io.mmioWrite(0, 4, REG.RA);
    assert.equal(io.mmioRead(4, 4), 0x12005452);
    io.mmioWrite(0, 4, REG.IMS);
    io.mmioWrite(4, 4, LSC);
    assert.equal(bench.read(REG.IMS), LSC);
  });

  it('bears descriptors that lead nowhere, rings that do, and packets without end', () => {
    const bench = new Bench();
    bench.start();
    bench.descriptor(0xfffffff0, 0xffffffff, 100 | ((CMD.EOP | CMD.RS) << 24), 0);
    for (let i = 0; i < 3; i++) bench.descriptor(AT.TXDATA, 0, 0xffff, 0);
    bench.descriptor(AT.TXDATA, 0, 0xffff | ((CMD.EOP | CMD.RS) << 24), 0);
    bench.go();
    assert.deepEqual([bench.read(REG.TDH), bench.done(4)], [5, true]);
    assert.deepEqual(bench.frames.map(({ length }) => length), [100], 'what could not be read is zeros; what is too long does not go'); // prettier-ignore
    assert.ok(bench.frames[0]!.every((byte) => byte === 0));
    bench.write(REG.TDBAL, 0xfffffff0);
    bench.go();
    bench.write(REG.TDT, 7);
    bench.run();
    bench.write(REG.RDBAL, 0xfffffff0);
    bench.device.receive(frameTo(BROADCAST, 70));
    bench.write(REG.RDLEN, 0);
    bench.device.receive(frameTo(BROADCAST, 70));
    bench.write(REG.TDT, 0xffff);
    bench.run();
    assert.equal(bench.device.deadline(), Infinity);
  });
});

/** A frame with IPv4 and TCP, sequence number 1000, identification 7; its checksum of TCP holds the pseudo header's sum. */
function tcpPacket(payload: number, flags = 0x18): Uint8Array {
  const frame = frameTo([...MAC], 54 + payload);
  put16(frame, 12, 0x0800);
  frame.set([0x45, 0], 14);
  put16(frame, 16, 40 + payload);
  put16(frame, 18, 7);
  frame.set([0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], 20);
  put32(frame, 38, 1000);
  frame.set([0x50, flags], 46);
  put16(frame, 50, partial(20 + payload));
  return frame;
}
const partial = (length: number): number => ~checksum(0x0a00 + 0x020f + 0x0a00 + 0x0202 + 6 + length) & 0xffff;
const tcpSum = (frame: Uint8Array): number => checksum(addWords(frame.subarray(34), partial(frame.length - 34)));

laws('e1000', (context): Subject => {
  const seen: unknown[] = [];
  const device = new E1000(context, {
    model: '82540EM',
    mac: MAC,
    wire: { transmit: (frame) => void seen.push(Buffer.from(frame).toString('latin1')) },
    reachable: (address, length) => address + length <= context.bytes.length,
  });
  const bar = device.pci.identity.bars![0]!.handler as MmioHandler;
  const view = new DataView(context.bytes.buffer);
  const registers = Object.values(REG);
  return {
    device,
    observe: () => [device.deadline(), device.pci.read(0x04)],
    poke: (random) => {
      seen.length = 0;
      const at = random(2) === 0 ? registers[random(registers.length)]! : random(0x6000);
      const value = [random(16), random(0x10000), 0xffffffff, random(0x7fffffff), AT.TX, AT.RX][random(6)]!;
      // Memory is not the device's: each access finds it the same, and leaves nothing.
      context.bytes.fill(0);
      const kinds = [
        () => bar.mmioRead(at, SIZES[random(3)]!),
        () => bar.mmioWrite(at, SIZES[random(3)]!, value),
        () => {
          device.pci.write(0x04, 0x6, 0xffff);
          for (const [register, to] of [[REG.RDBAL, AT.RX], [REG.TDBAL, AT.TX], [REG.RDLEN, 128], [REG.TDLEN, 128], [REG.RCTL, 0x8002], [REG.TCTL, 2]] as const) bar.mmioWrite(register, 4, to); // prettier-ignore
          for (const ring of [AT.TX, AT.RX])
            for (let i = 0; i < 8; i++) {
              const descriptor = ring + 16 * i;
              view.setUint32(descriptor, random(0x10000), true);
              view.setUint32(descriptor + 4, random(8) === 0 ? random(0x10000) : 0, true);
              view.setUint32(descriptor + 8, (random(3000) | (random(3) << 20) | (random(256) << 24)) >>> 0, true);
              view.setUint32(descriptor + 12, random(0x7fffffff), true);
            }
          bar.mmioWrite(REG.RDT, 4, random(8));
          bar.mmioWrite(REG.TDT, 4, random(8));
          for (let i = random(3); i >= 0; i--) device.receive(frameTo(random(2) === 0 ? BROADCAST : [...MAC], 14 + random(1500)));
          context.run(device, context.time + 50_000);
        },
      ];
      const read = kinds[random(kinds.length)]!();
      const sum = crc32(context.bytes);
      context.bytes.fill(0);
      return [read, sum, [...seen]];
    },
  };
});
