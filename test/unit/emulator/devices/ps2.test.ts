import assert from 'node:assert/strict';
import { Ps2Controller } from '../../../../emulator/devices/ps2controller';
import { Ps2Keyboard } from '../../../../emulator/devices/ps2keyboard';
import { Ps2Mouse } from '../../../../emulator/devices/ps2mouse';
import { KEYS } from '../../../../emulator/devices/scancodes';
import { laws, SIZES, TestContext, TestLine } from './context';

function make(context = new TestContext(), typematic = false) {
  const [irq1, irq12] = [new TestLine(), new TestLine()];
  const seen: string[] = [];
  const keyboard = new Ps2Keyboard(context, { typematic });
  const mouse = new Ps2Mouse(context);
  const controller = new Ps2Controller(context, {
    irq1,
    irq12,
    keyboard,
    mouse,
    a20: (enabled) => seen.push(`a20 ${enabled}`),
    reset: () => seen.push('reset'),
  });
  const status = (): number => controller.portRead(0x64, 1);
  const command = (...bytes: number[]): void => bytes.forEach((byte, i) => controller.portWrite(i === 0 ? 0x64 : 0x60, 1, byte));
  const data = (...bytes: number[]): void => bytes.forEach((byte) => controller.portWrite(0x60, 1, byte));
  /** Everything that waits, as the guest reads it. */
  const drain = (): number[] => {
    const bytes: number[] = [];
    while (status() & 1) bytes.push(controller.portRead(0x60, 1));
    return bytes;
  };
  const tell = (...bytes: number[]): number[] => (data(...bytes), drain());
  const tellMouse = (...bytes: number[]): number[] => {
    for (const byte of bytes) command(0xd4, byte);
    return drain();
  };
  const raw = (): void => command(0x60, 0x07); // no translation
  return {
    context,
    keyboard,
    mouse,
    controller,
    irq1,
    irq12,
    seen,
    status,
    command,
    data,
    drain,
    tell,
    tellMouse,
    raw,
  };
}

describe('Ps2Controller', () => {
  it('tests itself and its interfaces', () => {
    const { command, drain } = make();
    for (const [byte, answer] of [
      [0xaa, 0x55],
      [0xab, 0x00],
      [0xa9, 0x00],
      [0xa4, 0xf1],
    ] as const) {
      command(byte);
      assert.deepEqual(drain(), [answer]);
    }
  });

  it('keeps RAM and the configuration byte', () => {
    const { command, drain } = make();
    command(0x60, 0x47);
    command(0x20);
    assert.deepEqual(drain(), [0x47]);
    command(0x7f, 0x99);
    command(0x3f);
    assert.deepEqual(drain(), [0x99]);
    command(0xa7);
    command(0x20);
    assert.deepEqual(drain(), [0x67], 'auxiliary disabled');
    command(0xa8);
    command(0xad);
    command(0x20);
    assert.deepEqual(drain(), [0x57], 'keyboard disabled');
  });

  it('gates A20 and resets', () => {
    const { command, drain, seen } = make();
    command(0xd1, 0xdd);
    command(0xd0);
    assert.deepEqual(drain(), [0xcd]);
    command(0xd1, 0xdf);
    command(0xfe);
    command(0xff);
    command(0xd1, 0xde);
    assert.deepEqual(seen, ['a20 false', 'a20 true', 'reset', 'reset']);
  });

  it('raises one interrupt a byte', () => {
    const { keyboard, controller, irq1, status } = make();
    keyboard.key('ArrowUp', true);
    assert.equal(irq1.level, true);
    assert.equal(status() & 0x21, 0x01);
    assert.equal(controller.portRead(0x60, 1), 0xe0);
    assert.deepEqual([irq1.level, irq1.rises], [true, 2], 'lowered by the read, raised for the next');
    assert.equal(controller.portRead(0x60, 1), 0x48);
    assert.equal(irq1.level, false);
    assert.equal(controller.portRead(0x60, 1), 0x48, 'the buffer keeps its byte');
  });

  it('holds bytes of a disabled keyboard back', () => {
    const { keyboard, command, drain } = make();
    command(0xad);
    keyboard.key('KeyA', true);
    assert.deepEqual(drain(), []);
    command(0xae);
    assert.deepEqual(drain(), [0x1e]);
  });

  it('loops auxiliary bytes for the probe of Linux', () => {
    const { command, controller, status, irq12 } = make();
    command(0xd3, 0xa5);
    assert.equal(status() & 0x21, 0x21);
    assert.equal(irq12.level, true);
    assert.equal(controller.portRead(0x60, 1), 0xa5);
    assert.equal(irq12.level, false);
    command(0xd2, 0x12);
    assert.equal(status() & 0x21, 0x01);
    assert.equal(controller.portRead(0x60, 1), 0x12);
  });
});

describe('Ps2Keyboard', () => {
  it('answers commands', () => {
    const { tell, raw } = make();
    raw();
    assert.deepEqual(tell(0xff), [0xfa, 0xaa]);
    assert.deepEqual(tell(0xf2), [0xfa, 0xab, 0x83]);
    assert.deepEqual(tell(0xee), [0xee]);
    assert.deepEqual(tell(0xf3, 0x00), [0xfa, 0xfa]);
    assert.deepEqual(tell(0xf4), [0xfa]);
    assert.deepEqual(tell(0xf5), [0xfa]);
    assert.deepEqual(tell(0xf6), [0xfa]);
    assert.deepEqual(tell(0xf0, 0x00), [0xfa, 0xfa, 0x02]);
    assert.deepEqual(tell(0xfe), [0x02], 'resend');
    assert.deepEqual(tell(0x05), [0xfe], 'not a command');
  });

  it('translates its identity and set number as a real 8042 does', () => {
    const { tell } = make();
    assert.deepEqual(tell(0xf2), [0xfa, 0xab, 0x41]);
    assert.deepEqual(tell(0xf0, 0x00), [0xfa, 0xfa, 0x41]);
  });

  it('sets lights', () => {
    const { tell, keyboard } = make();
    assert.deepEqual(tell(0xed, 0x06), [0xfa, 0xfa]);
    assert.equal(keyboard.state.leds, 6);
    assert.deepEqual(tell(0xed, 0xf4), [0xfa, 0xfa], 'a command ends the wait for the byte');
    assert.equal(keyboard.state.leds, 6);
  });

  const sequences: readonly (readonly [string, string, string, string])[] = [
    // key, set 2, set 1 (which translation gives, too), set 3
    ['KeyA', '1c / f0 1c', '1e / 9e', '1c / '],
    ['F7', '83 / f0 83', '41 / c1', '37 / '],
    ['Enter', '5a / f0 5a', '1c / 9c', '5a / '],
    ['ShiftRight', '59 / f0 59', '36 / b6', '59 / f0 59'],
    ['ControlRight', 'e0 14 / e0 f0 14', 'e0 1d / e0 9d', '58 / '],
    ['ArrowLeft', 'e0 6b / e0 f0 6b', 'e0 4b / e0 cb', '61 / '],
    ['NumpadEnter', 'e0 5a / e0 f0 5a', 'e0 1c / e0 9c', '79 / '],
    ['PrintScreen', 'e0 12 e0 7c / e0 f0 7c e0 f0 12', 'e0 2a e0 37 / e0 b7 e0 aa', '57 / '],
    ['Pause', 'e1 14 77 e1 f0 14 f0 77 / ', 'e1 1d 45 e1 9d c5 / ', '62 / '],
  ];
  const hex = (bytes: number[]): string => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

  for (const [key, set2, set1, set3] of sequences) {
    it(`types ${key} in every set`, () => {
      const { keyboard, tell, drain, raw } = make();
      const type = (): string => {
        keyboard.key(key, true);
        const down = hex(drain());
        keyboard.key(key, false);
        return `${down} / ${hex(drain())}`;
      };
      assert.equal(type(), set1, 'set 2 translated');
      raw();
      assert.equal(type(), set2);
      tell(0xf0, 1);
      assert.equal(type(), set1, 'set 1');
      tell(0xf0, 3);
      assert.equal(type(), set3, 'set 3');
    });
  }

  it('knows SysRq and Break', () => {
    const { keyboard, drain } = make();
    const type = (...keys: string[]): number[] => {
      for (const key of keys) keyboard.key(key, true);
      for (const key of keys.reverse()) keyboard.key(key, false);
      return drain();
    };
    assert.deepEqual(type('AltLeft', 'PrintScreen'), [0x38, 0x54, 0xd4, 0xb8]);
    assert.deepEqual(type('ControlLeft', 'Pause'), [0x1d, 0xe0, 0x46, 0xe0, 0xc6, 0x9d]);
  });

  it('changes the behaviour of keys in set 3', () => {
    const { keyboard, tell, drain, raw } = make();
    raw();
    tell(0xf0, 3);
    assert.deepEqual(tell(0xfc, 0x1c, 0x32), [0xfa, 0xfa, 0xfa]);
    keyboard.key('KeyA', true);
    keyboard.key('KeyA', false);
    assert.deepEqual(drain(), [0x1c, 0xf0, 0x1c]);
    assert.deepEqual(tell(0xf9), [0xfa]);
    keyboard.key('KeyA', true);
    keyboard.key('KeyA', true);
    keyboard.key('KeyA', false);
    assert.deepEqual(drain(), [0x1c], 'make only: neither repeated nor released');
  });

  it('repeats with the host by default, by itself on request', () => {
    const plain = make();
    plain.keyboard.key('KeyA', true);
    plain.keyboard.key('KeyA', true);
    assert.deepEqual(plain.drain(), [0x1e, 0x1e]);
    assert.equal(plain.keyboard.deadline(), Infinity);

    const { context, keyboard, drain, tell } = make(undefined, true);
    keyboard.key('KeyA', true);
    keyboard.key('KeyA', true);
    context.run(keyboard, 499_999_999);
    assert.deepEqual(drain(), [0x1e]);
    context.run(keyboard, 700_000_000);
    assert.deepEqual(drain(), [0x1e, 0x1e, 0x1e], 'after 500 ms, then 10.9 a second');
    keyboard.key('KeyA', false);
    assert.deepEqual(drain(), [0x9e]);
    assert.equal(keyboard.deadline(), Infinity);
    tell(0xf3, 0x00);
    const pressed = context.time;
    keyboard.key('KeyA', true);
    context.run(keyboard, pressed + 350_000_000);
    assert.deepEqual(drain(), [0x1e, 0x1e, 0x1e, 0x1e], 'as it is told: after 250 ms, then 30 a second');
  });

  it('refuses keys before it would lose a release', () => {
    const { keyboard, drain } = make();
    const taken = Object.keys(KEYS).filter((key) => keyboard.key(key, true));
    assert.ok(taken.length >= 8 && taken.length <= 16);
    for (const key of taken) assert.equal(keyboard.key(key, false), true);
    const bytes = drain();
    const ups = bytes.filter((byte) => byte >= 0x80 && byte !== 0xe0 && byte !== 0xe1);
    assert.equal(ups.length, taken.length);
    assert.equal(keyboard.key('NoSuchKey', true), false);
  });
});

describe('Ps2Mouse', () => {
  it('answers commands', () => {
    const { tellMouse, irq12 } = make();
    assert.deepEqual(tellMouse(0xff), [0xfa, 0xaa, 0x00]);
    assert.ok(irq12.rises >= 3);
    assert.deepEqual(tellMouse(0xf2), [0xfa, 0x00]);
    assert.deepEqual(tellMouse(0xe8, 0x03), [0xfa, 0xfa]);
    assert.deepEqual(tellMouse(0xf3, 0x28), [0xfa, 0xfa]);
    assert.deepEqual(tellMouse(0xf4), [0xfa]);
    assert.deepEqual(tellMouse(0xe7), [0xfa]);
    assert.deepEqual(tellMouse(0xe9), [0xfa, 0x30, 0x03, 0x28]);
    assert.deepEqual(tellMouse(0xee, 0x12, 0xf2, 0xec, 0xf2), [0xfa, 0x12, 0xf2, 0xfa, 0xfa, 0x00], 'wrap');
    assert.deepEqual(tellMouse(0xe1), [0xfe]);
  });

  it('reports movement only when enabled', () => {
    const { mouse, tellMouse, drain } = make();
    mouse.input({ dx: 5, dy: 0, buttons: 0 });
    assert.deepEqual(drain(), []);
    tellMouse(0xf4);
    mouse.input({ dx: 5, dy: 3, buttons: 1 });
    assert.deepEqual(drain(), [0x29, 5, 0xfd], 'down on the screen is negative here');
    mouse.input({ dx: -1, dy: -2, buttons: 6 });
    assert.deepEqual(drain(), [0x1e, 0xff, 2]);
  });

  it('splits far movement and unlocks wheel and five buttons', () => {
    const { mouse, tellMouse, drain } = make();
    tellMouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
    assert.deepEqual(tellMouse(0xf2), [0xfa, 3]);
    tellMouse(0xf4);
    mouse.input({ dx: 300, dy: 0, wheel: -1, buttons: 0 });
    assert.deepEqual(drain(), [0x08, 255, 0, 0xff, 0x08, 45, 0, 0]);
    tellMouse(0xf3, 200, 0xf3, 200, 0xf3, 80);
    assert.deepEqual(tellMouse(0xf2), [0xfa, 4]);
    mouse.input({ dx: 0, dy: 0, wheel: 2, buttons: 0x18 });
    assert.deepEqual(drain(), [0x08, 0, 0, 0x32]);
  });

  it('adds movement up while nobody reads', () => {
    const { mouse, tellMouse, drain } = make();
    tellMouse(0xf4);
    for (let i = 0; i < 5000; i++) mouse.input({ dx: 2, dy: 0, buttons: 0 });
    const bytes = drain();
    const sum = bytes.reduce((total, byte, i) => total + (i % 3 === 1 ? byte : 0), 0);
    assert.equal(sum, 10_000);
  });

  it('hands data out on demand in remote mode', () => {
    const { mouse, tellMouse, drain } = make();
    tellMouse(0xf0);
    mouse.input({ dx: 7, dy: 0, buttons: 2 });
    assert.deepEqual(drain(), []);
    assert.deepEqual(tellMouse(0xeb), [0xfa, 0x0a, 7, 0]);
  });
});

const names = [...Object.keys(KEYS), 'Unknown'];
const COMMANDS = [0xd1, 0xd2, 0xd3, 0xd4, 0x60, 0x20, 0xad, 0xae, 0xa7, 0xa8, 0xaa];

laws('Ps2Keyboard', (context) => {
  const keyboard = new Ps2Keyboard(context, { typematic: true });
  return {
    device: keyboard,
    poke: (random) => {
      if (random(3) === 0) return keyboard.key(names[random(names.length)]!, random(2) === 0);
      return random(2) ? keyboard.next() : keyboard.command(random(4) ? 0xec + random(20) : random(256));
    },
    observe: () => keyboard.deadline(),
  };
});

laws('Ps2Mouse', (context) => {
  const mouse = new Ps2Mouse(context);
  const rates = [200, 100, 80];
  return {
    device: mouse,
    poke: (random) => {
      if (random(3) === 0)
        return mouse.input({
          dx: random(90_000) - 45_000,
          dy: random(100) - 50,
          wheel: random(3) - 1,
          buttons: random(64),
        });
      if (random(2)) return mouse.next();
      return mouse.command(random(2) ? 0xe6 + random(26) : random(2) ? rates[random(3)]! : random(256));
    },
    observe: () => mouse.state.id,
  };
});

laws('Ps2Controller', (context) => {
  const { controller, irq1, irq12 } = make(context);
  return {
    device: controller,
    poke: (random) => {
      const [port, size] = [random(2) ? 0x60 : 0x64, SIZES[random(3)]!];
      if (random(2)) return controller.portRead(port, size) & 0;
      // Without reaching the devices, which have states of their own.
      const value = port === 0x64 ? COMMANDS[random(COMMANDS.length)]! : random(256);
      if (port === 0x60 && [0, 0xd4].includes(controller.state.pending)) return undefined;
      return controller.portWrite(port, 1, value);
    },
    observe: () => [irq1.level, irq12.level],
  };
});

describe('Ps2Controller with its devices', () => {
  it('survives a fuzz of accesses', () => {
    const { controller, keyboard, mouse } = make();
    let seed = 7;
    const random = (below: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
    for (let i = 0; i < 20_000; i++) {
      const [port, size] = [random(2) ? 0x60 : 0x64, SIZES[random(3)]!];
      if (random(3) === 0) controller.portRead(port, size);
      else controller.portWrite(port, size, random(2 ** 32));
      if (random(5) === 0) keyboard.key(names[random(names.length)]!, random(2) === 0);
      if (random(5) === 0) mouse.input({ dx: random(9) - 4, dy: random(9) - 4, buttons: random(8) });
      for (const queue of [keyboard.state.output, mouse.state.output, controller.state.responses]) assert.ok(queue.length <= 128);
    }
  });
});
