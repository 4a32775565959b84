/**
 * PS/2 mouse: PS/2 Hardware Interface Technical Reference, Mouse; with Microsoft's IntelliMouse wheel
 * (identity 3) and Explorer buttons (identity 4), which drivers unlock by a sequence of sample rates.
 */
import type { Device, DeviceContext } from '../bus/device';
import { bit, bool, choice, fields, initial, list, queue, reset, u16, u8 } from '../bus/fields';
import type { Ps2Device } from './ps2controller';

const ACK = 0xfa;
const RESEND = 0xfe;
const CAPACITY = 64;
const WHEEL_KNOCK = [200, 100, 80];
const BUTTONS_KNOCK = [200, 200, 80];
const ID = { STANDARD: 0, WHEEL: 3, FIVE_BUTTONS: 4 } as const;

const BUTTONS = {
  LEFT: bit(0, 'Left'),
  RIGHT: bit(1, 'Right'),
  MIDDLE: bit(2, 'Middle'),
  BACK: bit(3, 'Fourth, back'),
  FORWARD: bit(4, 'Fifth, forward'),
};

const table = fields({
  id: u8('Identity: 0 standard, 3 with wheel, 4 with wheel and five buttons'),
  mode: choice('Mode', ['stream', 'remote']),
  wrap: bool('Wrap mode: every byte is echoed'),
  reporting: bool('Data reporting is enabled'),
  scaling: bool('Scaling 2:1'),
  resolution: u8('Resolution: 1, 2, 4 or 8 counts a millimetre', undefined, 2),
  rate: u8('Sample rate, reports a second', undefined, 100),
  knock: list(3, 'The last three sample rates', u8('Sample rate')),
  awaiting: choice('The command that waits for its byte', ['nothing', 'resolution', 'rate']),
  buttons: u8('Buttons that are down', BUTTONS),
  reported: u8('Buttons as last reported', BUTTONS),
  dx: u16("Movement to the right not reported yet (two's complement)"),
  dy: u16("Movement upwards not reported yet (two's complement)"),
  dz: u16("Wheel turns towards the user not reported yet (two's complement)"),
  replies: queue(16, 'Answers to commands, sent before reports'),
  output: queue(CAPACITY, 'Reports not sent yet'),
  lastSent: u8('The byte that FE sends again'),
});

export interface PointerInput {
  /** Movement on the screen: right and down are positive. */
  readonly dx: number;
  readonly dy: number;
  /** Wheel notches, towards the user positive. */
  readonly wheel?: number;
  /** As MouseEvent.buttons: 1 left, 2 right, 4 middle, 8 back, 16 forward. */
  readonly buttons: number;
}

const signed = (value: number): number => (value << 16) >> 16;
const accumulate = (old: number, change: number): number => clamp(signed(old) + (Math.trunc(change) || 0), -0x7fff, 0x7fff) & 0xffff;
const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

export class Ps2Mouse implements Device<typeof table>, Ps2Device {
  readonly name: string;
  readonly kind = 'ps2mouse';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private listener: () => void = () => {};

  constructor(_context: DeviceContext, options: { readonly name?: string } = {}) {
    this.name = options.name ?? 'mouse';
  }

  reset(): void {
    reset(table, this.state);
  }

  onData(listener: () => void): void {
    this.listener = listener;
  }

  input({ dx, dy, wheel = 0, buttons }: PointerInput): void {
    const state = this.state;
    state.buttons = buttons & 0x1f;
    state.dx = accumulate(state.dx, dx);
    state.dy = accumulate(state.dy, -dy);
    state.dz = accumulate(state.dz, wheel);
    this.report();
    this.listener();
  }

  next(): number | undefined {
    const byte = this.state.replies.shift() ?? this.state.output.shift();
    if (byte !== undefined) this.state.lastSent = byte;
    this.report();
    return byte;
  }

  command(byte: number): void {
    const state = this.state;
    if (state.wrap && byte !== 0xff && byte !== 0xec) return this.reply(byte);
    const { awaiting } = state;
    state.awaiting = 'nothing';
    if (byte < 0xe6 && awaiting !== 'nothing') return this.setParameter(awaiting, byte);
    this.execute(byte);
  }

  private setParameter(which: 'resolution' | 'rate', value: number): void {
    const state = this.state;
    if (which === 'resolution') {
      if (value > 3) return this.reply(RESEND);
      state.resolution = value;
      return this.reply(ACK);
    }
    state.rate = value;
    state.knock = [state.knock[1]!, state.knock[2]!, value];
    const knocked = (sequence: readonly number[]): boolean => sequence.every((rate, i) => rate === state.knock[i]);
    if (knocked(WHEEL_KNOCK) && state.id === ID.STANDARD) state.id = ID.WHEEL;
    else if (knocked(BUTTONS_KNOCK) && state.id === ID.WHEEL) state.id = ID.FIVE_BUTTONS;
    this.reply(ACK);
  }

  private execute(command: number): void {
    const state = this.state;
    switch (command) {
      case 0xe6:
      case 0xe7:
        state.scaling = command === 0xe7;
        return this.reply(ACK);
      case 0xe8:
        state.awaiting = 'resolution';
        return this.reply(ACK);
      case 0xe9: // Status request
        return this.reply(ACK, this.status(), state.resolution, state.rate);
      case 0xea:
        state.mode = 'stream';
        this.discard();
        return this.reply(ACK);
      case 0xeb: // Read data
        return this.reply(ACK, ...this.packet(1));
      case 0xec:
        state.wrap = false;
        return this.reply(ACK);
      case 0xee:
        state.wrap = true;
        this.discard();
        return this.reply(ACK);
      case 0xf0:
        state.mode = 'remote';
        this.discard();
        return this.reply(ACK);
      case 0xf2:
        return this.reply(ACK, state.id);
      case 0xf3:
        state.awaiting = 'rate';
        return this.reply(ACK);
      case 0xf4:
        state.reporting = true;
        this.discard();
        return this.reply(ACK);
      case 0xf5:
        state.reporting = false;
        this.discard();
        return this.reply(ACK);
      case 0xf6:
        this.setDefaults();
        return this.reply(ACK);
      case 0xfe:
        return this.reply(state.lastSent);
      case 0xff:
        this.setDefaults();
        state.id = ID.STANDARD;
        state.wrap = false;
        state.replies = [];
        return this.reply(ACK, 0xaa, 0x00);
      default:
        return this.reply(RESEND);
    }
  }

  private setDefaults(): void {
    Object.assign(this.state, { mode: 'stream', reporting: false, scaling: false, resolution: 2, rate: 100 });
    this.discard();
  }

  private discard(): void {
    Object.assign(this.state, { dx: 0, dy: 0, dz: 0, output: [], reported: this.state.buttons });
  }

  private reply(...bytes: number[]): void {
    const { replies } = this.state;
    for (const byte of bytes) if (replies.length < 16) replies.push(byte);
    this.listener();
  }

  private status(): number {
    const { mode, reporting, scaling, buttons } = this.state;
    return (
      (mode === 'remote' ? 0x40 : 0) |
      (reporting ? 0x20 : 0) |
      (scaling ? 0x10 : 0) |
      (buttons & 1 ? 0x04 : 0) |
      (buttons & 4 ? 0x02 : 0) |
      (buttons & 2 ? 0x01 : 0)
    );
  }

  /** In stream mode, queues reports until all is said or the queue is full. What doesn't fit adds up. */
  private report(): void {
    const state = this.state;
    if (state.mode !== 'stream') return;
    if (!state.reporting || state.wrap) {
      Object.assign(state, { dx: 0, dy: 0, dz: 0 });
      return;
    }
    // Without a wheel its turns go nowhere.
    if (state.id === ID.STANDARD) state.dz = 0;
    while ((state.dx | state.dy | state.dz) !== 0 || state.buttons !== state.reported) {
      if (state.output.length + 4 > CAPACITY) return;
      state.output.push(...this.packet(state.scaling ? 2 : 1));
    }
  }

  /** One report, which takes its movement off the sums. */
  private packet(scale: 1 | 2): number[] {
    const state = this.state;
    const x = clamp(signed(state.dx), -255, 255);
    const y = clamp(signed(state.dy), -255, 255);
    const z = clamp(signed(state.dz), -8, 7);
    state.dx = accumulate(state.dx, -x);
    state.dy = accumulate(state.dy, -y);
    state.dz = accumulate(state.dz, -z);
    state.reported = state.buttons;
    const [sx, sy] = scale === 2 ? [scaled(x), scaled(y)] : [x, y];
    const packet = [0x08 | (state.buttons & 7) | (sx < 0 ? 0x10 : 0) | (sy < 0 ? 0x20 : 0), sx & 0xff, sy & 0xff];
    if (state.id === ID.WHEEL) packet.push(z & 0xff);
    if (state.id === ID.FIVE_BUTTONS) packet.push((z & 0x0f) | ((state.buttons & 0x18) << 1));
    return packet;
  }
}

/** Scaling 2:1: small movements get smaller, others twice as large. */
function scaled(value: number): number {
  const magnitude = Math.abs(value);
  const out = [0, 1, 1, 3, 6, 9][magnitude] ?? Math.min(2 * magnitude, 255);
  return value < 0 ? -out : out;
}
