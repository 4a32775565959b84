/** A keyboard of the boot interface: HID 1.11, appendix B.1. Its report: modifiers, a reserved byte, six keys. */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { bit, fields, initial, queue, reset, u8 } from '../bus/fields';
import { HidInterface, hidFields } from './usbhid';
import { USAGES } from './usbusages';

const IDENTITY = { vendor: 0xfb5d, product: 0x0002, strings: ['Guest Debugger', 'USB keyboard', '1'] } as const;
const MODIFIERS = 0xe0;
const KEYS = 6;
/** In place of every key where there are more than fit (HID Usage Tables, section 10). */
const ROLL_OVER = 0x01;
const MOST_HELD = 16;
const MOST_CHANGES = 128;
const LARGEST_USAGE = 0xe7;

// prettier-ignore
const REPORT_DESCRIPTOR = [
  0x05, 0x01,             // Usage Page (Generic Desktop)
  0x09, 0x06,             // Usage (Keyboard)
  0xa1, 0x01,             // Collection (Application)
  0x05, 0x07,             //   Usage Page (Keyboard)
  0x19, 0xe0, 0x29, 0xe7, //   Usages of the modifiers
  0x15, 0x00, 0x25, 0x01, //   0 or 1
  0x75, 0x01, 0x95, 0x08, //   8 fields of 1 bit
  0x81, 0x02,             //   Input (Data, Variable, Absolute)
  0x95, 0x01, 0x75, 0x08, //   a byte that says nothing
  0x81, 0x01,             //   Input (Constant)
  0x95, 0x05, 0x75, 0x01, //   5 fields of 1 bit
  0x05, 0x08,             //   Usage Page (LEDs)
  0x19, 0x01, 0x29, 0x05, //   Num Lock to Kana
  0x91, 0x02,             //   Output (Data, Variable, Absolute)
  0x95, 0x01, 0x75, 0x03, //   3 bits that say nothing
  0x91, 0x01,             //   Output (Constant)
  0x95, 0x06, 0x75, 0x08, //   6 fields of 8 bits
  0x15, 0x00, 0x26, 0xff, 0x00, // 0 to 255
  0x05, 0x07,             //   Usage Page (Keyboard)
  0x19, 0x00, 0x29, 0xff, //   Usages 0 to 255
  0x81, 0x00,             //   Input (Data, Array)
  0xc0,                   // End
] as const;

const table = fields({
  ...hidFields,
  leds: u8('Lights', {
    NUM: bit(0, 'Num Lock'),
    CAPS: bit(1, 'Caps Lock'),
    SCROLL: bit(2, 'Scroll Lock'),
    COMPOSE: bit(3, 'Compose'),
    KANA: bit(4, 'Kana'),
  }),
  held: queue(MOST_HELD, 'Keys that are down, by usage'),
  changes: queue(2 * MOST_CHANGES, 'What the host has not been told: usage, and 1 for down or 0 for up'),
  pressed: queue(MOST_HELD, 'Keys that are down as the host was told'),
  modifiers: u8('Modifiers that are down as the host was told', {
    LCTRL: bit(0, 'Left Ctrl'),
    LSHIFT: bit(1, 'Left Shift'),
    LALT: bit(2, 'Left Alt'),
    LGUI: bit(3, 'Left Meta'),
    RCTRL: bit(4, 'Right Ctrl'),
    RSHIFT: bit(5, 'Right Shift'),
    RALT: bit(6, 'Right Alt'),
    RGUI: bit(7, 'Right Meta'),
  }),
});

export class UsbKeyboard implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'usbkeyboard';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly usb: HidInterface;

  constructor(context: DeviceContext, { name = 'usbkeyboard' }: { readonly name?: string } = {}) {
    this.name = name;
    this.usb = new HidInterface(context, {
      identity: IDENTITY,
      subclass: 1,
      bootProtocol: 1,
      interval: 7,
      reportDescriptor: REPORT_DESCRIPTOR,
      state: () => this.state,
      report: () => this.report(),
      changed: () => this.nextChange(),
      changes: () => this.state.changes.length > 0,
      output: (report) => (this.state.leds = (report[0] ?? 0) & 0x1f),
      discard: () => Object.assign(this.state, { held: [], changes: [], pressed: [], modifiers: 0, leds: 0 }),
    });
  }

  reset(): void {
    reset(table, this.state);
  }
  deadline(): Nanoseconds {
    return this.usb.deadline();
  }
  expire(now: Nanoseconds): void {
    this.usb.expire(now);
  }

  /**
   * A key goes down or up. False if there is no such key or no room: room is kept for the release of every key
   * that is down, so that none stays stuck. Repetitions are the host's affair.
   */
  key(code: string, down: boolean): boolean {
    const usage = USAGES.get(code);
    if (usage === undefined) return false;
    const { held, changes } = this.state;
    const at = held.indexOf(usage);
    if (down === at >= 0) return true;
    if (down) {
      if (held.length >= MOST_HELD || changes.length / 2 + held.length + 2 > MOST_CHANGES) return false;
      held.push(usage);
    } else held.splice(at, 1);
    if (changes.length / 2 < MOST_CHANGES) changes.push(usage, down ? 1 : 0);
    this.usb.notify();
    return true;
  }

  /** One change a report, so that no key that is down for a short time is overlooked. */
  private nextChange(): Uint8Array | undefined {
    const { changes } = this.state;
    if (changes.length === 0) return undefined;
    const [usage = 0, down = 0] = changes.splice(0, 2);
    this.tell(usage, down !== 0);
    return this.report();
  }

  private tell(usage: number, down: boolean): void {
    const { state } = this;
    if (usage > LARGEST_USAGE) return;
    if (usage >= MODIFIERS) {
      const mask = 1 << (usage - MODIFIERS);
      state.modifiers = down ? state.modifiers | mask : state.modifiers & ~mask;
      return;
    }
    const others = state.pressed.filter((key) => key !== usage);
    state.pressed = down ? [...others, usage].slice(0, MOST_HELD) : others;
  }

  private report(): Uint8Array {
    const { modifiers, pressed } = this.state;
    const report = new Uint8Array(2 + KEYS);
    report[0] = modifiers;
    if (pressed.length > KEYS) report.fill(ROLL_OVER, 2);
    else report.set(pressed, 2);
    return report;
  }
}
