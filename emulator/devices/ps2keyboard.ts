/** IBM enhanced keyboard on a PS/2 port: PS/2 Hardware Interface Technical Reference, Keyboards. */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { bit, bits, bool, bytes, choice, fields, initial, queue, reset, time, u8 } from '../bus/fields';
import type { Ps2Device } from './ps2controller';
import { defaultSet3Modes, KEYS, make, release, sequenceToSet1, SET3_BREAK, SET3_TYPEMATIC, type KeyCodes } from './scancodes';

const ACK = 0xfa;
const RESEND = 0xfe;
const TEST_PASSED = 0xaa;
const OUTPUT_CAPACITY = 128;
const MAX_HELD = 16;
/** The longest release sequence, PrintScreen's. */
const LONGEST_RELEASE = 6;
const DEFAULT_TYPEMATIC = 0x2b;
const NAMES = Object.keys(KEYS);

const table = fields({
  scanSet: u8('Scan code set', undefined, 2),
  scanning: bool('Keys are reported', true),
  leds: u8('Lights', {
    SCROLL: bit(0, 'Scroll Lock'),
    NUM: bit(1, 'Num Lock'),
    CAPS: bit(2, 'Caps Lock'),
  }),
  typematic: u8(
    'Typematic rate and delay',
    {
      RATE: bits(4, 0, 'Period: (8 + bits 2:0) * 2^(bits 4:3) * 4.17 ms'),
      DELAY: bits(6, 5, 'Delay', { 0: '250 ms', 1: '500 ms', 2: '750 ms', 3: '1000 ms' }),
    },
    DEFAULT_TYPEMATIC,
  ),
  awaiting: choice('The command that waits for its byte', ['nothing', 'leds', 'scanSet', 'typematic', 'keyMode']),
  keyMode: u8('Behaviour that keys named next get'),
  keyModes: bytes(256, 'Behaviour by set 3 code: bit 0 typematic, bit 1 with break code'),
  replies: queue(16, 'Answers to commands, sent before keys'),
  output: queue(OUTPUT_CAPACITY, 'Scan codes not sent yet'),
  lastSent: u8('The byte that FE sends again'),
  held: queue(MAX_HELD, 'Keys that are down, by number'),
  printScreen: choice('Form of the PrintScreen key that is down', ['plain', 'modified', 'sysrq']),
  repeating: u8('Number of the key that repeats, plus 1; 0 for none'),
  repeatDue: time('When it repeats next'),
});

export interface Ps2KeyboardOptions {
  readonly name?: string;
  /** Repeat held keys by itself; otherwise each further `key(code, true)` is a repetition. */
  readonly typematic?: boolean;
}

export class Ps2Keyboard implements Device<typeof table>, Ps2Device {
  readonly name: string;
  readonly kind = 'ps2keyboard';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private listener: () => void = () => {};

  constructor(
    private readonly context: DeviceContext,
    private readonly options: Ps2KeyboardOptions = {},
  ) {
    this.name = options.name ?? 'keyboard';
    this.state.keyModes = defaultSet3Modes();
  }

  /** Power-on, with the self test's report already taken by firmware. */
  reset(): void {
    reset(table, this.state);
    this.state.keyModes = defaultSet3Modes();
  }

  onData(listener: () => void): void {
    this.listener = listener;
  }

  /**
   * A key, by its KeyboardEvent.code name, goes down or up. False if there is no such key or no room:
   * room is kept for the release of every key that is down, so that none stays stuck.
   */
  key(code: string, down: boolean): boolean {
    const number = NAMES.indexOf(code);
    if (number < 0) return false;
    const taken = down ? this.press(number, code) : this.lift(number, code);
    this.context.rearm();
    this.listener();
    return taken;
  }

  deadline(): Nanoseconds {
    return this.state.repeatDue;
  }

  expire(now: Nanoseconds): void {
    const state = this.state;
    if (state.repeatDue > now) return;
    const name = NAMES[state.repeating - 1];
    if (name === undefined || !state.held.includes(state.repeating - 1)) return this.stopRepeating();
    this.emit(this.makeSequence(name, KEYS[name]!, true));
    const { typematic } = state;
    const period = (8 + (typematic & 7)) * 2 ** ((typematic >> 3) & 3) * 4_170_000;
    state.repeatDue = now + period;
    this.listener();
  }

  next(): number | undefined {
    const byte = this.state.replies.shift() ?? this.state.output.shift();
    if (byte !== undefined) this.state.lastSent = byte;
    return byte;
  }

  command(byte: number): void {
    const state = this.state;
    // No parameter is as high as a command, so a command ends the wait for one.
    if (byte >= 0xed) state.awaiting = 'nothing';
    switch (state.awaiting) {
      case 'nothing':
        return this.execute(byte);
      case 'leds':
        state.leds = byte & 0x07;
        break;
      case 'typematic':
        state.typematic = byte & 0x7f;
        break;
      case 'scanSet':
        if (byte > 3) return this.reply(RESEND);
        if (byte === 0) this.reply(ACK, state.scanSet);
        else {
          state.scanSet = byte;
          state.output = [];
          this.reply(ACK);
        }
        state.awaiting = 'nothing';
        return;
      case 'keyMode': // any number of keys, until a command
        state.keyModes[byte] = state.keyMode;
        return this.reply(ACK);
    }
    state.awaiting = 'nothing';
    this.reply(ACK);
  }

  private execute(command: number): void {
    const state = this.state;
    switch (command) {
      case 0xed:
        state.awaiting = 'leds';
        return this.reply(ACK);
      case 0xee: // Echo
        return this.reply(0xee);
      case 0xf0:
        state.awaiting = 'scanSet';
        return this.reply(ACK);
      case 0xf2: // Read ID
        return this.reply(ACK, 0xab, 0x83);
      case 0xf3:
        state.awaiting = 'typematic';
        return this.reply(ACK);
      case 0xf4: // Enable
        state.output = [];
        this.stopRepeating();
        state.scanning = true;
        return this.reply(ACK);
      case 0xf5: // Default and disable
        this.setDefaults();
        state.scanning = false;
        return this.reply(ACK);
      case 0xf6: // Set default
        this.setDefaults();
        return this.reply(ACK);
      case 0xf7: // Set all keys: typematic; make and break; make; typematic, make and break
      case 0xf8:
      case 0xf9:
      case 0xfa:
        state.keyModes.fill(modeOf(command - 0xf7));
        return this.reply(ACK);
      case 0xfb: // Set keys one by one: typematic; make and break; make
      case 0xfc:
      case 0xfd:
        state.keyMode = modeOf(command - 0xfb);
        state.awaiting = 'keyMode';
        return this.reply(ACK);
      case 0xfe:
        return this.reply(state.lastSent);
      case 0xff:
        this.setDefaults();
        state.leds = 0;
        state.scanning = true;
        state.replies = [];
        return this.reply(ACK, TEST_PASSED);
      default:
        return this.reply(RESEND);
    }
  }

  private setDefaults(): void {
    const state = this.state;
    state.scanSet = 2;
    state.typematic = DEFAULT_TYPEMATIC;
    state.keyModes = defaultSet3Modes();
    state.output = [];
    this.stopRepeating();
  }

  private stopRepeating(): void {
    this.state.repeating = 0;
    this.state.repeatDue = Infinity;
    this.context.rearm();
  }

  private reply(...bytes: number[]): void {
    const { replies } = this.state;
    for (const byte of bytes) if (replies.length < 16) replies.push(byte);
    this.listener();
  }

  private press(number: number, name: string): boolean {
    const state = this.state;
    const repeated = state.held.includes(number);
    if (repeated && this.options.typematic) return true;
    if (!repeated && state.held.length >= MAX_HELD) return false;
    if (state.scanning && !this.emit(this.makeSequence(name, KEYS[name]!, repeated))) return false;
    if (!repeated) state.held.push(number);
    // Pause has no release; it doesn't repeat either.
    if (this.options.typematic && state.scanning && name !== 'Pause') {
      state.repeating = number + 1;
      state.repeatDue = this.context.now() + (1 + ((state.typematic >> 5) & 3)) * 250_000_000;
    }
    return true;
  }

  private lift(number: number, name: string): boolean {
    const state = this.state;
    const at = state.held.indexOf(number);
    if (at < 0) return true;
    state.held.splice(at, 1);
    if (state.repeating === number + 1) this.stopRepeating();
    if (!state.scanning) return true;
    const sequence = this.releaseSequence(name, KEYS[name]!);
    if (state.output.length + sequence.length > OUTPUT_CAPACITY) return false;
    state.output.push(...sequence);
    return true;
  }

  /** Queues a make sequence if room for the releases remains behind it. */
  private emit(sequence: readonly number[]): boolean {
    const { output, held } = this.state;
    const reserved = LONGEST_RELEASE * (held.length + 1);
    if (output.length + sequence.length + reserved > OUTPUT_CAPACITY) return false;
    output.push(...sequence);
    return true;
  }

  private isHeld(...names: string[]): boolean {
    return names.some((name) => this.state.held.includes(NAMES.indexOf(name)));
  }

  private makeSequence(name: string, codes: KeyCodes, repeated: boolean): number[] {
    const state = this.state;
    if (state.scanSet === 3) {
      const typematic = (state.keyModes[codes.set3]! & SET3_TYPEMATIC) !== 0;
      return repeated && !typematic ? [] : [codes.set3];
    }
    return this.encode(this.set2Make(name, codes, repeated));
  }

  private set2Make(name: string, codes: KeyCodes, repeated: boolean): number[] {
    const control = this.isHeld('ControlLeft', 'ControlRight');
    switch (name) {
      case 'Pause':
        if (repeated) return [];
        return control
          ? [0xe0, 0x7e, 0xe0, 0xf0, 0x7e] // Break
          : [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];
      case 'PrintScreen':
        if (!repeated) {
          const shift = this.isHeld('ShiftLeft', 'ShiftRight');
          const alt = this.isHeld('AltLeft', 'AltRight');
          this.state.printScreen = alt ? 'sysrq' : control || shift ? 'modified' : 'plain';
        }
        if (this.state.printScreen === 'sysrq') return [0x84];
        return this.state.printScreen === 'plain' && !repeated ? [0xe0, 0x12, 0xe0, 0x7c] : [0xe0, 0x7c];
      default:
        return make(codes.set2);
    }
  }

  private releaseSequence(name: string, codes: KeyCodes): number[] {
    const { scanSet, keyModes, printScreen } = this.state;
    if (scanSet === 3) return keyModes[codes.set3]! & SET3_BREAK ? release(codes.set3) : [];
    if (name === 'Pause') return [];
    if (name !== 'PrintScreen') return this.encode(release(codes.set2));
    if (printScreen === 'sysrq') return this.encode(release(0x84));
    const modified = release(0xe07c);
    return this.encode(printScreen === 'plain' ? [...modified, ...release(0xe012)] : modified);
  }

  private encode(sequence: number[]): number[] {
    return this.state.scanSet === 1 ? sequenceToSet1(sequence) : sequence;
  }
}

/** The argument is the place in the row: typematic; make and break; make only; typematic, make and break. */
const modeOf = (row: number): number => [SET3_TYPEMATIC, SET3_BREAK, 0, SET3_TYPEMATIC | SET3_BREAK][row]!;
