import assert from 'node:assert/strict';
import type { Setup, UsbDevice } from '../../../../emulator/devices/usbdevice';
import { UsbKeyboard } from '../../../../emulator/devices/usbkeyboard';
import { UsbTablet } from '../../../../emulator/devices/usbtablet';
import { USAGES } from '../../../../emulator/devices/usbusages';
import { KEYS } from '../../../../emulator/devices/scancodes';
import { laws, TestContext } from './context';

const ENDPOINT = 0x81;
const setup = (requestType: number, request: number, value = 0, index = 0, length = 255): Setup => ({ requestType, request, value, index, length });
const ask = (device: UsbDevice, given: Setup, out: readonly number[] = []): number[] | 'stall' => {
  const answer = device.control(given, Uint8Array.from(out));
  return answer === 'stall' ? answer : [...answer];
};
const descriptor = (type: number, index = 0, length = 255): Setup => setup(0x80, 6, (type << 8) | index, 0, length);
const configure = (device: UsbDevice, value = 1): number[] | 'stall' => ask(device, setup(0, 9, value));
const take = (device: UsbDevice): number[] | string => {
  const taken = device.take(ENDPOINT);
  return typeof taken === 'string' ? taken : [...taken];
};

function tablet() {
  const context = new TestContext();
  const device = new UsbTablet(context);
  return { context, device, usb: device.usb };
}
function keyboard() {
  const context = new TestContext();
  const device = new UsbKeyboard(context);
  configure(device.usb);
  return { context, device, usb: device.usb };
}

describe('USB devices: standard requests', () => {
  it('descriptors: device, configuration with interface, HID and endpoint, strings', () => {
    const { usb } = tablet();
    assert.deepEqual(ask(usb, descriptor(1)), [18, 1, 0, 2, 0, 0, 0, 64, 0x5d, 0xfb, 1, 0, 0, 1, 1, 2, 3, 1]);
    assert.deepEqual(ask(usb, descriptor(1, 0, 8)), [18, 1, 0, 2, 0, 0, 0, 64]);
    const all = ask(usb, descriptor(2)) as number[];
    assert.equal(all.length, all[2]! | (all[3]! << 8));
    const parts: number[][] = [];
    for (let at = 0; at < all.length; at += all[at]!) parts.push(all.slice(at, at + all[at]!));
    assert.deepEqual(
      parts.map(([, type]) => type),
      [2, 4, 0x21, 5],
    );
    assert.deepEqual(parts[1]!.slice(2), [0, 0, 1, 3, 0, 0, 0]);
    assert.deepEqual(parts[3], [7, 5, ENDPOINT, 3, 8, 0, 4]);
    const report = ask(usb, setup(0x81, 6, 0x2200)) as number[];
    assert.equal(report.length, parts[2]![7]! | (parts[2]![8]! << 8));
    assert.deepEqual(ask(usb, setup(0x81, 6, 0x2100)), parts[2]);
    assert.deepEqual(ask(usb, descriptor(3)), [4, 3, 9, 4]);
    const text = ask(usb, descriptor(3, 2)) as number[];
    assert.equal(Buffer.from(text.slice(2)).toString('utf16le'), 'USB tablet');
    assert.equal(text[0], text.length);
    for (const unknown of [descriptor(3, 9), descriptor(1, 1), descriptor(7), descriptor(99)]) assert.equal(ask(usb, unknown), 'stall');
  });

  it('address, configuration and features are kept, and lost by a reset', () => {
    const { usb, device } = tablet();
    assert.deepEqual(ask(usb, setup(0, 5, 42)), []);
    assert.equal(ask(usb, setup(0, 5, 128)), 'stall');
    assert.deepEqual(ask(usb, setup(0x80, 8, 0, 0, 1)), [0]);
    assert.deepEqual(configure(usb), []);
    assert.equal(configure(usb, 2), 'stall');
    assert.deepEqual(ask(usb, setup(0x80, 8, 0, 0, 1)), [1]);
    assert.deepEqual(ask(usb, setup(0x80, 0, 0, 0, 2)), [1, 0]);
    assert.deepEqual(ask(usb, setup(0, 3, 1)), []);
    assert.deepEqual(ask(usb, setup(0x80, 0, 0, 0, 2)), [3, 0]);
    assert.deepEqual(ask(usb, setup(0, 1, 1)), []);
    assert.equal(ask(usb, setup(0, 3, 2)), 'stall');
    assert.deepEqual(ask(usb, setup(0x81, 10, 0, 0, 1)), [0]);
    assert.deepEqual(ask(usb, setup(1, 11, 0, 0, 0)), []);
    assert.equal(ask(usb, setup(1, 11, 1, 0, 0)), 'stall');
    usb.restart();
    assert.deepEqual([device.state.address, device.state.configuration], [0, 0]);
  });

  it('an endpoint is halted and goes on', () => {
    const { usb, device } = tablet();
    assert.equal(take(usb), 'silent', 'not configured');
    configure(usb);
    assert.equal(take(usb), 'nak');
    assert.deepEqual(ask(usb, setup(2, 3, 0, ENDPOINT)), []);
    assert.deepEqual(ask(usb, setup(0x82, 0, 0, ENDPOINT, 2)), [1, 0]);
    assert.equal(take(usb), 'stall');
    assert.deepEqual(ask(usb, setup(2, 1, 0, ENDPOINT)), []);
    assert.equal(take(usb), 'nak');
    assert.equal(usb.take(0x82), 'silent');
    assert.equal(ask(usb, setup(0x82, 0, 0, 0x82, 2)), 'stall');
    assert.ok(device.usb.driven);
    usb.left(ENDPOINT);
    assert.ok(!device.usb.driven);
  });

  it('answers every request without fail', () => {
    for (const { usb } of [tablet(), keyboard()])
      for (let type = 0; type < 256; type++)
        for (let request = 0; request < 16; request++)
          for (const value of [0, 1, 0x0100, 0x0200, 0x2200, 0x0300, 0xffff]) {
            const answer = ask(usb, setup(type, request, value, 0, 3), [1, 2, 3]);
            assert.ok(answer === 'stall' || answer.length <= 3, `${type} ${request} ${value}`);
          }
  });
});

describe('USB tablet', () => {
  it('tells where it is; movements that were not taken are one, buttons are not lost', () => {
    const { device, usb } = tablet();
    configure(usb);
    for (let x = 0; x <= 100; x++) device.input({ x, y: 200, wheel: 0, buttons: 0 });
    device.input({ x: 0x7fff, y: 99999, wheel: 0, buttons: 1 });
    device.input({ x: 0x7fff, y: -5, wheel: 0, buttons: 0 });
    device.input({ x: 1, y: 2, wheel: 3, buttons: 0 });
    device.input({ x: 3, y: 4, wheel: 0, buttons: 0x1f });
    assert.deepEqual(take(usb), [0, 100, 0, 200, 0, 0]);
    assert.deepEqual(take(usb), [1, 0xff, 0x7f, 0xff, 0x7f, 0]);
    assert.deepEqual(take(usb), [0, 1, 0, 2, 0, 0xfd], 'the release went on; away from the user is positive');
    assert.deepEqual(take(usb), [0x1f, 3, 0, 4, 0, 0]);
    assert.equal(take(usb), 'nak');
    assert.deepEqual(ask(usb, setup(0xa1, 1, 0x0100, 0, 6)), [0x1f, 3, 0, 4, 0, 0]);
  });

  it('bounds what waits, and ends with how things are', () => {
    const { device, usb } = tablet();
    configure(usb);
    for (let i = 0; i < 1000; i++) device.input({ x: i, y: 0, wheel: 0, buttons: i & 1 });
    assert.equal(device.state.waiting.length, 96);
    let last: number[] | string = [];
    for (let report = take(usb); report !== 'nak'; report = take(usb)) last = report;
    assert.deepEqual(last, [1, 999 & 0xff, 999 >> 8, 0, 0, 0]);
  });

  it('repeats its report when it is idle for as long as was asked', () => {
    const { context, device, usb } = tablet();
    configure(usb);
    let woken = 0;
    usb.onData(() => woken++);
    assert.deepEqual(ask(usb, setup(0x21, 10, 25 << 8)), []);
    assert.deepEqual(ask(usb, setup(0xa1, 2, 0, 0, 1)), [25]);
    context.run(device, 99_999_999);
    assert.equal(take(usb), 'nak');
    context.run(device, 100_000_000);
    assert.equal(woken, 1);
    assert.ok(usb.ready(ENDPOINT));
    assert.deepEqual(take(usb), [0, 0, 0, 0, 0, 0]);
    assert.equal(take(usb), 'nak');
    assert.equal(device.deadline(), 200_000_000);
    ask(usb, setup(0x21, 10, 0));
    assert.equal(device.deadline(), Infinity);
  });

  it('has no boot protocol', () => {
    const { usb } = tablet();
    configure(usb);
    assert.equal(ask(usb, setup(0x21, 11, 0)), 'stall');
    assert.equal(ask(usb, setup(0x21, 9, 0x0200), [1]), 'stall', 'and takes no reports');
  });
});

describe('USB keyboard', () => {
  it('tells keys and modifiers, one change in a report', () => {
    const { device, usb } = keyboard();
    device.key('ShiftLeft', true);
    device.key('KeyA', true);
    device.key('KeyA', true);
    device.key('KeyA', false);
    device.key('ShiftLeft', false);
    const shown = [];
    for (let report = take(usb); report !== 'nak'; report = take(usb)) shown.push(report.slice(0, 4));
    assert.deepEqual(shown, [
      [2, 0, 0, 0],
      [2, 0, 4, 0],
      [2, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    assert.equal(device.key('NoSuchKey', true), false);
  });

  it('more than six keys are too many to tell', () => {
    const { device, usb } = keyboard();
    const keys = ['KeyA', 'KeyB', 'KeyC', 'KeyD', 'KeyE', 'KeyF', 'KeyG'];
    for (const key of keys) device.key(key, true);
    let last: number[] | string = [];
    for (let report = take(usb); report !== 'nak'; report = take(usb)) last = report;
    assert.deepEqual(last, [0, 0, 1, 1, 1, 1, 1, 1]);
    device.key('KeyA', false);
    assert.deepEqual(take(usb), [0, 0, 5, 6, 7, 8, 9, 10]);
  });

  it('no key stays down where there was no room', () => {
    const { device, usb } = keyboard();
    const codes = [...USAGES.keys()];
    for (let round = 0; round < 50; round++) for (const code of codes.slice(round, round + 12)) (device.key(code, true), device.key(code, round % 3 === 0));
    for (const code of codes) device.key(code, false);
    let last: number[] | string = [];
    for (let report = take(usb); report !== 'nak'; report = take(usb)) last = report;
    assert.deepEqual(last, [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual(device.state.held, []);
  });

  it('lights and protocol are set', () => {
    const { device, usb } = keyboard();
    assert.deepEqual(ask(usb, setup(0x21, 9, 0x0200, 0, 1), [0xff]), []);
    assert.equal(device.state.leds, 0x1f);
    assert.deepEqual(ask(usb, setup(0x21, 11, 0)), []);
    assert.deepEqual(ask(usb, setup(0xa1, 3, 0, 0, 1)), [0]);
    configure(usb);
    assert.deepEqual(ask(usb, setup(0xa1, 3, 0, 0, 1)), [1]);
  });

  it('knows the keys that the PS/2 keyboard has', () => {
    const missing = Object.keys(KEYS).filter((code) => !USAGES.has(code) && !/^(Media|Browser|Launch|Power|Sleep|WakeUp)/.test(code));
    assert.deepEqual(missing, []);
    assert.equal(new Set(USAGES.values()).size, USAGES.size);
  });
});

laws('UsbTablet', (context) => {
  const device = new UsbTablet(context);
  return {
    device,
    poke: (next) => {
      if (next(3) === 0) return device.input({ x: next(70000) - 10, y: next(70000), wheel: next(600) - 300, buttons: next(256) });
      if (next(2)) return device.usb.control(setup(next(256), next(16), next(0x10000), next(4), next(20)), new Uint8Array(next(3)));
      return [device.usb.ready(ENDPOINT), device.usb.take(next(3) ? ENDPOINT : next(256))];
    },
    observe: () => [device.deadline(), device.usb.driven],
  };
});

laws('UsbKeyboard', (context) => {
  const device = new UsbKeyboard(context);
  const codes = [...USAGES.keys()];
  return {
    device,
    poke: (next) => {
      if (next(3) === 0) return device.key(codes[next(codes.length)]!, next(2) === 0);
      if (next(2)) return device.usb.control(setup(next(256), next(16), next(0x10000), next(4), next(20)), new Uint8Array(next(3)));
      return [device.usb.ready(ENDPOINT), device.usb.take(next(3) ? ENDPOINT : next(256))];
    },
    observe: () => [device.deadline(), device.usb.driven],
  };
});
