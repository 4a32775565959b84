/**
 * Intel 8042 as keyboard and auxiliary device controller of the IBM PS/2 (IBM PS/2 Hardware Interface
 * Technical Reference, Keyboard and Auxiliary Device Controller).
 */
import type { Bus, Device, DeviceContext, Line } from '../bus/device';
import { bit, bits, bool, bytes, fields, initial, queue, reset, u8 } from '../bus/fields';
import { BytePorts } from './byteports';
import { RELEASE, set2ToSet1 } from './scancodes';

const DATA = 0x60;
const COMMAND = 0x64;

const STATUS = { OBF: 0x01, SYS: 0x04, CMD: 0x08, UNLOCKED: 0x10, AUX: 0x20 } as const;
const MODE = { INT1: 0x01, INT12: 0x02, SYS: 0x04, KBD_OFF: 0x10, AUX_OFF: 0x20, XLATE: 0x40 } as const;
const OUTPUT = { NO_RESET: 0x01, A20: 0x02 } as const;
const RESPONSES = 16;

const table = fields({
  status: u8(
    'Status Register',
    {
      OBF: bit(0, 'Output Buffer Full'),
      IBF: bit(1, 'Input Buffer Full'),
      SYS: bit(2, 'System Flag: self test passed'),
      CMD: bit(3, 'Last write was to port 64h'),
      UNLOCKED: bit(4, 'Keyboard not locked'),
      AUX: bit(5, 'Output buffer holds a byte of the auxiliary device'),
      TIMEOUT: bit(6, 'Time-out'),
      PARITY: bit(7, 'Parity error'),
    },
    STATUS.SYS | STATUS.UNLOCKED,
  ),
  mode: u8(
    'Controller Configuration Byte (RAM 0)',
    {
      INT1: bit(0, 'Keyboard interrupt'),
      INT12: bit(1, 'Auxiliary interrupt'),
      SYS: bit(2, 'System Flag'),
      KBD_OFF: bit(4, 'Keyboard disabled'),
      AUX_OFF: bit(5, 'Auxiliary device disabled'),
      XLATE: bit(6, 'Translate scan codes to set 1'),
    },
    MODE.INT1 | MODE.INT12 | MODE.SYS | MODE.XLATE, // as firmware leaves it
  ),
  ram: bytes(32, 'Controller RAM; byte 0 is the configuration byte'),
  output: u8('Output buffer: the byte at port 60h'),
  outputPort: u8(
    'Output Port (P2)',
    {
      NO_RESET: bit(0, 'Reset, active low'),
      A20: bit(1, 'A20 gate'),
      IRQ1: bit(4, 'Interrupt 1'),
      IRQ12: bit(5, 'Interrupt 12'),
      CLOCKS: bits(7, 6, 'Keyboard clock and data'),
    },
    0xc0 | OUTPUT.NO_RESET | OUTPUT.A20,
  ),
  pending: u8('Command that waits for its byte at port 60h; 0 for none'),
  responses: queue(RESPONSES, "The controller's own answers"),
  auxEchoes: queue(RESPONSES, 'Bytes that command D3 put into the auxiliary output'),
  released: bool('Translation has seen the release prefix F0'),
});

/** What is plugged into one of the two sockets. */
export interface Ps2Device {
  /** A byte from the host. */
  command(byte: number): void;
  /** Takes the next byte for the host. */
  next(): number | undefined;
  /** The controller wants to know when there is something to take. */
  onData(listener: () => void): void;
}

export interface Ps2ControllerOptions {
  readonly name?: string;
  readonly irq1: Line;
  readonly irq12: Line;
  readonly keyboard: Ps2Device;
  readonly mouse?: Ps2Device;
  readonly a20: (enabled: boolean) => void;
  readonly reset: () => void;
}

export class Ps2Controller extends BytePorts implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'ps2controller';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  constructor(
    _context: DeviceContext,
    private readonly options: Ps2ControllerOptions,
  ) {
    super();
    this.name = options.name ?? 'i8042';
    options.keyboard.onData(() => this.refill());
    options.mouse?.onData(() => this.refill());
  }

  attach(bus: Bus): void {
    bus.addPorts(DATA, 1, this, this.name);
    bus.addPorts(COMMAND, 1, this, this.name);
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.options.a20((this.state.outputPort & OUTPUT.A20) !== 0);
    this.updateLines();
  }

  protected readByte(port: number): number {
    switch (port) {
      case DATA:
        return this.readData();
      case COMMAND:
        return this.state.status;
      default:
        return 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    if (port === DATA) {
      this.state.status &= ~STATUS.CMD;
      this.writeData(value);
    } else if (port === COMMAND) {
      this.state.status |= STATUS.CMD;
      this.state.pending = 0;
      this.writeCommand(value);
    }
    this.refill();
  }

  private readData(): number {
    const { output } = this.state;
    this.state.status &= ~(STATUS.OBF | STATUS.AUX);
    this.updateLines();
    this.refill();
    return output;
  }

  private writeCommand(command: number): void {
    const state = this.state;
    if (command >= 0x20 && command <= 0x3f) return this.respond(this.readRam(command & 0x1f));
    if (command >= 0x60 && command <= 0x7f) return this.expectData(command);
    // Pulse output port: a low bit 0 is reset, whatever the others are.
    if (command >= 0xf0) return command & 0x01 ? undefined : this.options.reset();
    switch (command) {
      case 0xa4: // Test password installed: there is none
        return this.respond(0xf1);
      case 0xa7:
        return this.setMode(state.mode | MODE.AUX_OFF);
      case 0xa8:
        return this.setMode(state.mode & ~MODE.AUX_OFF);
      case 0xa9: // Auxiliary interface test
        return this.respond(this.options.mouse ? 0x00 : 0x02);
      case 0xaa: // Self test
        state.status |= STATUS.SYS;
        state.mode |= MODE.SYS;
        return this.respond(0x55);
      case 0xab: // Keyboard interface test
        return this.respond(0x00);
      case 0xad:
        return this.setMode(state.mode | MODE.KBD_OFF);
      case 0xae:
        return this.setMode(state.mode & ~MODE.KBD_OFF);
      case 0xc0: // Input port: keyboard not inhibited
        return this.respond(0x80);
      case 0xd0:
        return this.respond(this.outputPort());
      case 0xd1: // Write output port
      case 0xd2: // Write keyboard output buffer
      case 0xd3: // Write auxiliary output buffer
      case 0xd4: // Write to auxiliary device
        return this.expectData(command);
      case 0xe0: // Test inputs: clocks are low while the interfaces are disabled
        return this.respond((state.mode & MODE.KBD_OFF ? 0 : 1) | (state.mode & MODE.AUX_OFF ? 0 : 2));
      default:
        return;
    }
  }

  private expectData(command: number): void {
    this.state.pending = command;
  }

  private writeData(value: number): void {
    const state = this.state;
    const { pending } = state;
    state.pending = 0;
    switch (pending) {
      case 0: // To the keyboard; this enables its interface
        state.mode &= ~MODE.KBD_OFF;
        this.options.keyboard.command(value);
        return;
      case 0x60:
        return this.setMode(value & ~0x88);
      case 0xd1:
        return this.writeOutputPort(value);
      case 0xd2:
        return this.respond(value);
      case 0xd3:
        if (state.auxEchoes.length < RESPONSES) state.auxEchoes.push(value);
        return;
      case 0xd4:
        state.mode &= ~MODE.AUX_OFF;
        this.options.mouse?.command(value);
        return;
      default: // 61h to 7Fh
        state.ram[pending & 0x1f] = value;
    }
  }

  private readRam(index: number): number {
    return index === 0 ? this.state.mode : this.state.ram[index]!;
  }

  private setMode(mode: number): void {
    const state = this.state;
    state.mode = mode;
    state.status = (state.status & ~STATUS.SYS) | (mode & MODE.SYS);
    this.updateLines();
  }

  private outputPort(): number {
    const { status, outputPort } = this.state;
    const full = status & STATUS.OBF ? (status & STATUS.AUX ? 0x20 : 0x10) : 0;
    return (outputPort & 0xcf) | full;
  }

  private writeOutputPort(value: number): void {
    const changed = value ^ this.state.outputPort;
    this.state.outputPort = value;
    if (changed & OUTPUT.A20) this.options.a20((value & OUTPUT.A20) !== 0);
    if (!(value & OUTPUT.NO_RESET)) {
      this.state.outputPort |= OUTPUT.NO_RESET;
      this.options.reset();
    }
  }

  private respond(value: number): void {
    const { responses } = this.state;
    if (responses.length < RESPONSES) responses.push(value & 0xff);
  }

  /** Moves the next byte into the output buffer when it is empty: own answers, keyboard, mouse. */
  private refill(): void {
    const state = this.state;
    if (state.status & STATUS.OBF) return;
    const answer = state.responses.shift() ?? this.fromKeyboard();
    if (answer !== undefined) return this.load(answer, 0);
    const aux = state.auxEchoes.shift() ?? (state.mode & MODE.AUX_OFF ? undefined : this.options.mouse?.next());
    if (aux !== undefined) this.load(aux, STATUS.AUX);
  }

  private load(value: number, aux: number): void {
    this.state.output = value;
    this.state.status |= STATUS.OBF | aux;
    this.updateLines();
  }

  private fromKeyboard(): number | undefined {
    const state = this.state;
    if (state.mode & MODE.KBD_OFF) return undefined;
    for (;;) {
      const byte = this.options.keyboard.next();
      if (byte === undefined || !(state.mode & MODE.XLATE)) return byte;
      if (byte === RELEASE) {
        state.released = true; // swallowed: bit 7 of the next code says it
        continue;
      }
      const code = set2ToSet1(byte);
      // Prefixes and answers (E0, FA, ...) pass as they are and leave the release to the code.
      if (code >= 0x80 || !state.released) return code;
      state.released = false;
      return code | 0x80;
    }
  }

  private updateLines(): void {
    const { status, mode } = this.state;
    const full = (status & STATUS.OBF) !== 0;
    const aux = (status & STATUS.AUX) !== 0;
    this.options.irq1.set(full && !aux && (mode & MODE.INT1) !== 0);
    this.options.irq12.set(full && aux && (mode & MODE.INT12) !== 0);
  }
}
