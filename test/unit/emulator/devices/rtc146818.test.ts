import assert from 'node:assert/strict';
import { fromSeconds, toSeconds, UNIX_EPOCH } from '../../../../emulator/devices/calendar';
import { Rtc146818, type Rtc146818Options } from '../../../../emulator/devices/rtc146818';
import { laws, random, SIZES, TestContext, TestLine } from './context';

const SECOND = 1e9;
const START = Date.UTC(2024, 1, 28, 23, 59, 57, 250);

function make(context = new TestContext(), options: Partial<Rtc146818Options> = {}) {
  const irq8 = new TestLine();
  const rtc = new Rtc146818(context, { output: irq8, startTime: START, ...options });
  const read = (address: number): number => {
    rtc.portWrite(0x70, 1, address);
    return rtc.portRead(0x71, 1);
  };
  const write = (address: number, value: number): void => {
    rtc.portWrite(0x70, 1, address);
    rtc.portWrite(0x71, 1, value);
  };
  const at = (ns: number): void => context.run(rtc, ns);
  const date = (): string => [0x32, 9, 8, 7, 4, 2, 0, 6].map((address) => read(address).toString(16).padStart(2, '0')).join(' ');
  return { context, rtc, irq8, read, write, at, date };
}

describe('calendar', () => {
  it('agrees with Date', () => {
    const next = random(3);
    for (let i = 0; i < 5000; i++) {
      const seconds = Math.floor((next(2 ** 32) / 2 ** 32) * 253402300799);
      const date = new Date(seconds * 1000);
      const mine = fromSeconds(seconds + UNIX_EPOCH);
      assert.deepEqual(mine, {
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        hours: date.getUTCHours(),
        minutes: date.getUTCMinutes(),
        seconds: date.getUTCSeconds(),
        weekday: date.getUTCDay(),
      });
      assert.equal(toSeconds(mine), seconds + UNIX_EPOCH);
    }
  });
});

describe('Rtc146818', () => {
  it('shows the date in BCD and binary, 24 and 12 hours', () => {
    const { date, at, read, write } = make();
    assert.equal(date(), '20 24 02 28 23 59 57 04');
    at(749_999_999);
    assert.equal(read(0), 0x57);
    at(750_000_000);
    assert.equal(read(0), 0x58);
    at(2.75 * SECOND);
    assert.equal(date(), '20 24 02 29 00 00 00 05', 'leap day');
    write(0x0b, 0x06);
    assert.equal(date(), '14 18 02 1d 00 00 00 05');
    write(0x0b, 0x00);
    assert.equal(read(4), 0x12, '12 AM');
    at(2.75 * SECOND + 13 * 3600 * SECOND);
    assert.equal(read(4), 0x81, '1 PM');
    assert.equal(read(0x0d), 0x80);
  });

  it('raises UIP before each update', () => {
    const { at, read } = make();
    at(750_000_000 - 244_001);
    assert.equal(read(0x0a), 0x26);
    at(750_000_000 - 244_000);
    assert.equal(read(0x0a), 0xa6);
    at(750_000_000);
    assert.equal(read(0x0a), 0x26);
  });

  it('can be set, with SET or the divider', () => {
    const { at, read, write, date } = make();
    at(100_000_000);
    write(0x0b, 0x82);
    const set = [0x20, 0x37, 0x12, 0x31, 0x23, 0x59, 0x59, 0x05] as const;
    [0x32, 9, 8, 7, 4, 2, 0, 6].forEach((address, i) => write(address, set[i]!));
    at(5 * SECOND);
    assert.equal(date(), '20 37 12 31 23 59 59 05', 'stands still');
    assert.equal(read(0x0a), 0x26, 'no update in progress');
    write(0x0b, 0x02);
    at(5_749_999_999);
    assert.equal(date(), '20 37 12 31 23 59 59 05');
    at(5_750_000_000);
    assert.equal(date(), '20 38 01 01 00 00 00 06');

    write(0x0a, 0x70);
    at(20 * SECOND);
    write(0x0a, 0x26);
    at(20_499_999_999);
    assert.equal(read(0), 0x00);
    at(20_500_000_000);
    assert.equal(read(0), 0x01, 'half a second after the divider starts');
    write(2, 0x30);
    assert.equal(date(), '20 38 01 01 00 30 01 06', 'a byte changed on the run');
  });

  it('interrupts periodically', () => {
    const { at, irq8, read, write, rtc } = make();
    write(0x0a, 0x26);
    write(0x0b, 0x42);
    assert.equal(rtc.deadline(), 976563, '1024 Hz');
    let count = 0;
    for (let ns = 0; ns <= SECOND; ns += 100_000) {
      at(ns);
      if (!irq8.level) continue;
      assert.equal(read(0x0c) & 0xc0, 0xc0);
      assert.equal(irq8.level, false);
      count++;
    }
    assert.equal(count, 1024);
    write(0x0b, 0x02);
    assert.equal(rtc.deadline(), Infinity);
    at(2 * SECOND);
    assert.equal(read(0x0c), 0x50, 'flags without enables: no IRQF');
  });

  it('interrupts after each update', () => {
    const { at, irq8, read, write } = make();
    write(0x0b, 0x12);
    at(749_999_999);
    assert.equal(irq8.level, false);
    at(750_000_000);
    assert.equal(irq8.level, true);
    assert.equal(read(0x0c) & 0x90, 0x90);
    assert.equal(read(0x0c), 0);
  });

  it('has an alarm with bytes that match anything', () => {
    const { at, irq8, read, write, rtc } = make();
    write(5, 0x00);
    write(3, 0x01);
    write(1, 0x30);
    write(0x0b, 0x22);
    assert.equal(rtc.deadline(), (2.75 + 90) * SECOND);
    at(92.75 * SECOND);
    assert.equal(irq8.level, true);
    assert.equal(read(0x0c) & 0xa0, 0xa0);
    assert.equal(rtc.deadline(), (92.75 + 86400) * SECOND);
    write(5, 0xff);
    assert.equal(rtc.deadline(), (92.75 + 3600) * SECOND);
    write(3, 0xc0);
    assert.equal(rtc.deadline(), (92.75 + 60) * SECOND);
    write(1, 0xff);
    assert.equal(rtc.deadline(), (92.75 + 1) * SECOND);
    write(1, 0x77);
    assert.equal(rtc.deadline(), Infinity, 'never');
  });

  it('keeps CMOS RAM over a reset, tells the size of memory, has a second bank', () => {
    const GB = 2 ** 30;
    const { rtc, read, write } = make(undefined, { memory: { below4g: 3 * GB, above4g: 5 * GB } });
    assert.equal(read(0x15) | (read(0x16) << 8), 640);
    assert.equal(read(0x17) | (read(0x18) << 8), 0xffff);
    assert.equal((read(0x34) | (read(0x35) << 8)) * 0x10000, 3 * GB - 16 * 2 ** 20);
    assert.equal((read(0x5b) | (read(0x5c) << 8) | (read(0x5d) << 16)) * 0x10000, 5 * GB);
    write(0x40, 0x5a);
    rtc.portWrite(0x72, 1, 0x40);
    rtc.portWrite(0x73, 1, 0xa5);
    write(0x0b, 0x72);
    rtc.reset();
    assert.equal(read(0x0b), 0x02);
    assert.equal(read(0x40), 0x5a);
    rtc.portWrite(0x72, 1, 0x40);
    assert.equal(rtc.portRead(0x73, 1), 0xa5);
  });

  laws('Rtc146818', (context) => {
    const { rtc, irq8 } = make(context);
    return {
      device: rtc,
      observe: () => [irq8.level, rtc.deadline()],
      poke: (next) => {
        const address = next(3) === 0 ? next(128) : [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x32][next(14)]!;
        rtc.portWrite(0x70, 1, address);
        if (next(2) === 0) return rtc.portRead(0x70 + next(4), SIZES[next(3)]!);
        if (address === 10) return rtc.portWrite(0x71, 1, next(3) ? 0x20 | next(16) : next(256));
        return rtc.portWrite(0x70 + next(4), SIZES[next(3)]!, next(2 ** 32));
      },
    };
  });
});
