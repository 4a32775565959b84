/** A tablet: a pointer that is where the host's is. Its report: buttons, X and Y of 15 bits, wheel. */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { bit, fields, initial, queue, reset, u16, u8 } from '../bus/fields';
import { HidInterface, hidFields } from './usbhid';

/** As bhyve's. */
const IDENTITY = { vendor: 0xfb5d, product: 0x0001, strings: ['Guest Debugger', 'USB tablet', '1'] } as const;
const MAX = 0x7fff;
const REPORT = 6;
const MOST_WAITING = 16;

/** HID 1.11, 6.2.2: usages of the pages Generic Desktop and Button. */
// prettier-ignore
const REPORT_DESCRIPTOR = [
  0x05, 0x01,                   // Usage Page (Generic Desktop)
  0x09, 0x02,                   // Usage (Mouse)
  0xa1, 0x01,                   // Collection (Application)
  0x09, 0x01,                   //   Usage (Pointer)
  0xa1, 0x00,                   //   Collection (Physical)
  0x05, 0x09,                   //     Usage Page (Button)
  0x19, 0x01, 0x29, 0x05,       //     Usages 1 to 5
  0x15, 0x00, 0x25, 0x01,       //     0 or 1
  0x95, 0x05, 0x75, 0x01,       //     5 fields of 1 bit
  0x81, 0x02,                   //     Input (Data, Variable, Absolute)
  0x95, 0x01, 0x75, 0x03,       //     3 bits that say nothing
  0x81, 0x01,                   //     Input (Constant)
  0x05, 0x01,                   //     Usage Page (Generic Desktop)
  0x09, 0x30, 0x09, 0x31,       //     Usages X and Y
  0x15, 0x00, 0x26, 0xff, 0x7f, //     0 to 32767
  0x35, 0x00, 0x46, 0xff, 0x7f, //     as physical units too
  0x75, 0x10, 0x95, 0x02,       //     2 fields of 16 bits
  0x81, 0x02,                   //     Input (Data, Variable, Absolute)
  0x09, 0x38,                   //     Usage (Wheel)
  0x15, 0x81, 0x25, 0x7f,       //     -127 to 127
  0x35, 0x00, 0x45, 0x00,       //     without a physical unit
  0x75, 0x08, 0x95, 0x01,       //     1 field of 8 bits
  0x81, 0x06,                   //     Input (Data, Variable, Relative)
  0xc0, 0xc0,                   // End of both collections
] as const;

const table = fields({
  ...hidFields,
  buttons: u8('Buttons that are down', {
    LEFT: bit(0, 'Left'),
    RIGHT: bit(1, 'Right'),
    MIDDLE: bit(2, 'Middle'),
    BACK: bit(3, 'Fourth, back'),
    FORWARD: bit(4, 'Fifth, forward'),
  }),
  x: u16('Where it is, from the left edge to the right: 0 to 32767'),
  y: u16('Where it is, from the top edge to the bottom'),
  waiting: queue(REPORT * MOST_WAITING, 'Reports that the host has not taken'),
});

export interface TabletInput {
  /** From 0 to 32767, and across the whole screen. */
  readonly x: number;
  readonly y: number;
  /** Notches, towards the user positive. */
  readonly wheel: number;
  /** As MouseEvent.buttons: 1 left, 2 right, 4 middle, 8 back, 16 forward. */
  readonly buttons: number;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, Math.trunc(value) || 0));

export class UsbTablet implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'usbtablet';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly usb: HidInterface;

  constructor(context: DeviceContext, { name = 'tablet' }: { readonly name?: string } = {}) {
    this.name = name;
    this.usb = new HidInterface(context, {
      identity: IDENTITY,
      subclass: 0,
      bootProtocol: 0,
      interval: 4,
      reportDescriptor: REPORT_DESCRIPTOR,
      state: () => this.state,
      report: () => this.report(0),
      changed: () => this.takeWaiting(),
      changes: () => this.state.waiting.length > 0,
      discard: () => (this.state.waiting = []),
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

  input({ x, y, wheel, buttons }: TabletInput): void {
    const { state } = this;
    const pressed = (buttons & 0x1f) !== state.buttons;
    Object.assign(state, { x: clamp(x, 0, MAX), y: clamp(y, 0, MAX), buttons: buttons & 0x1f });
    this.put(this.report(clamp(-wheel, -127, 127)), pressed);
    this.usb.notify();
  }

  /** A movement takes the place of the one before if that waits still; a button that went down or up is not lost. */
  private put(report: Uint8Array, pressed: boolean): void {
    const { waiting } = this.state;
    const last = waiting.slice(-REPORT);
    const merges = last.length === REPORT && last[0] === report[0] && last[5] === 0 && !pressed;
    const full = waiting.length + REPORT > REPORT * MOST_WAITING;
    if (merges || full) waiting.splice(-REPORT);
    waiting.push(...report);
  }

  private report(wheel: number): Uint8Array {
    const { buttons, x, y } = this.state;
    return Uint8Array.of(buttons, x, x >> 8, y, y >> 8, wheel);
  }

  private takeWaiting(): Uint8Array | undefined {
    const { waiting } = this.state;
    return waiting.length === 0 ? undefined : Uint8Array.from(waiting.splice(0, REPORT));
  }
}
