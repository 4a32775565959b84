/** Chips of one register each: reset, A20, POST, debug console, debug exit. */
import type { AccessSize, Bus, Device, DeviceContext, PortHandler } from '../bus/device';
import { bit, bits, fields, initial, reset, u32, u8 } from '../bus/fields';
import { BytePorts } from './byteports';

export type ResetKind = 'soft' | 'hard';

const resetTable = fields({
  control: u8('Reset Control Register (82371SB 3.3.1)', {
    SYS_RST: bit(1, 'System reset: hard, not only the processors'),
    RST_CPU: bit(2, 'Reset: acts as it goes from 0 to 1'),
    FULL_RST: bit(3, 'Power-cycle as well'),
  }),
});

/** Port 0xCF9. It shares CONFIG_ADDRESS's ports, so the PCI host passes accesses on: give it to `PciHost`. */
export class ResetControl extends BytePorts implements Device<typeof resetTable> {
  readonly name = 'reset';
  readonly kind = 'resetcontrol';
  readonly version = 1;
  readonly table = resetTable;
  readonly state = initial(resetTable);

  constructor(
    _context: DeviceContext,
    private readonly onReset: (kind: ResetKind) => void,
  ) {
    super();
  }

  reset(): void {
    reset(resetTable, this.state);
  }

  protected readByte(): number {
    return this.state.control;
  }

  protected writeByte(_port: number, value: number): void {
    const starts = (value & ~this.state.control & 0x04) !== 0;
    this.state.control = value & 0x0e;
    if (starts) this.onReset(value & 0x02 ? 'hard' : 'soft');
  }
}

const portATable = fields({
  control: u8('System Control Port A', {
    FAST_INIT: bit(0, 'Processor reset: acts as it goes from 0 to 1'),
    A20: bit(1, 'A20 gate'),
    SECURITY: bit(3, 'Security lock'),
    WATCHDOG: bit(4, 'Watchdog status'),
    LED: bits(7, 6, 'Fixed disk activity light'),
  }),
});

/** Port 0x92 of the PS/2 and its followers: fast A20 and fast processor reset. */
export class SystemControlA extends BytePorts implements Device<typeof portATable> {
  readonly name = 'port92';
  readonly kind = 'port92';
  readonly version = 1;
  readonly table = portATable;
  readonly state = initial(portATable);

  constructor(
    _context: DeviceContext,
    private readonly options: { readonly a20: (enabled: boolean) => void; readonly reset: () => void },
  ) {
    super();
  }

  attach(bus: Bus): void {
    bus.addPorts(0x92, 1, this, this.name);
  }

  reset(): void {
    reset(portATable, this.state);
    this.restored();
  }

  restored(): void {
    this.options.a20((this.state.control & 0x02) !== 0);
  }

  protected readByte(port: number): number {
    return port === 0x92 ? this.state.control : 0xff;
  }

  protected writeByte(port: number, value: number): void {
    if (port !== 0x92) return;
    const before = this.state.control;
    this.state.control = value & 0xdb;
    if ((value ^ before) & 0x02) this.options.a20((value & 0x02) !== 0);
    if (value & ~before & 0x01) this.options.reset();
  }
}

/** The A20 line is up if any of its sources holds it: the keyboard controller or port 0x92. */
export class A20Gate {
  private readonly sources: boolean[] = [];

  constructor(private readonly output: (enabled: boolean) => void) {}

  source(level: boolean): (enabled: boolean) => void {
    const index = this.sources.push(level) - 1;
    return (enabled) => {
      this.sources[index] = enabled;
      this.output(this.sources.includes(true));
    };
  }
}

const postTable = fields({ code: u8('The last POST code') });

/** Port 0x80: firmware notes how far it has come; others write to it to pass time. */
export class PostPort extends BytePorts implements Device<typeof postTable> {
  readonly quietReads = true;
  readonly quietWrites = true;
  readonly name = 'post';
  readonly kind = 'postport';
  readonly version = 1;
  readonly table = postTable;
  readonly state = initial(postTable);

  constructor(
    _context: DeviceContext,
    private readonly onCode?: (code: number) => void,
  ) {
    super();
  }

  attach(bus: Bus): void {
    bus.addPorts(0x80, 1, this, this.name);
  }

  reset(): void {
    reset(postTable, this.state);
  }

  protected readByte(port: number): number {
    return port === 0x80 ? this.state.code : 0xff;
  }

  protected writeByte(port: number, value: number): void {
    if (port !== 0x80) return;
    this.state.code = value;
    this.onCode?.(value);
  }
}

const consoleTable = fields({ last: u8('The last byte written') });

/** Port 0xE9 of Bochs, and 0x402 for firmware: every byte written is debug output; reading 0xE9 says that it is there. */
export class DebugConsole extends BytePorts implements Device<typeof consoleTable> {
  readonly name: string;
  readonly kind = 'debugconsole';
  readonly version = 1;
  readonly table = consoleTable;
  readonly state = initial(consoleTable);

  constructor(
    _context: DeviceContext,
    private readonly transmit: (byte: number) => void,
    private readonly port = 0xe9,
    name = 'debugcon',
  ) {
    super();
    this.name = name;
  }

  attach(bus: Bus): void {
    bus.addPorts(this.port, 1, this, this.name);
  }

  reset(): void {
    reset(consoleTable, this.state);
  }

  protected readByte(port: number): number {
    return port === this.port ? 0xe9 : 0xff;
  }

  protected writeByte(port: number, value: number): void {
    if (port !== this.port) return;
    this.state.last = value;
    this.transmit(value);
  }
}

const exitTable = fields({ value: u32('The last value written') });

/** isa-debug-exit: a write ends the run with status (value << 1) | 1. */
export class DebugExit implements Device<typeof exitTable>, PortHandler {
  readonly name = 'debugexit';
  readonly kind = 'debugexit';
  readonly version = 1;
  readonly table = exitTable;
  readonly state = initial(exitTable);

  constructor(
    _context: DeviceContext,
    private readonly onExit: (status: number) => void,
    private readonly port = 0x501,
  ) {}

  attach(bus: Bus): void {
    bus.addPorts(this.port, 4, this, this.name);
  }

  reset(): void {
    reset(exitTable, this.state);
  }

  portRead(): number {
    return 0;
  }

  portWrite(_port: number, size: AccessSize, value: number): void {
    this.state.value = (size === 4 ? value : value & (size === 2 ? 0xffff : 0xff)) >>> 0;
    this.onExit(((this.state.value << 1) | 1) >>> 0);
  }
}
