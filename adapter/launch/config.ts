/** From launch attributes, which a person wrote, to a machine's configuration: every value is checked and named. */
import { USB_DEVICES, type DiskConfig, type MachineConfig, type NetworkConfig, type UsbDeviceName } from '../../emulator/machine/api';
import { diskConfig } from '../../emulator/machine/diskconfig';
import { displayConfig, type DisplayConfig } from '../../emulator/machine/displayconfig';
import { networkConfig } from '../../emulator/machine/networkconfig';
import { parseVnc, type VncAddress } from '../../emulator/machine/vnc';
import { userError } from '../../emulator/errors';
import { ATTRIBUTES, DEFAULT_START, HOST_ATTRIBUTES, type Attribute, type AttributeName } from './attributes';
import { didYouMean } from './nearest';

export interface SymbolFile {
  readonly path: string;
  readonly offset: bigint;
}

/** What a launch asks for: the machine, and how the session treats it. */
export interface LaunchPlan {
  readonly machine: MachineConfig;
  readonly snapshot?: string;
  readonly suspendFile: string;
  readonly stopOnEntry: boolean;
  readonly stopOnExit: boolean;
  readonly symbols: readonly SymbolFile[];
  readonly sourceMap: readonly (readonly [from: string, to: string])[];
  readonly serial: { readonly to: 'console' } | { readonly to: 'none' } | { readonly to: 'file'; readonly path: string };
  readonly timeout?: number;
  readonly trace?: string;
  readonly vnc?: VncAddress;
}

const refuse = (name: string, problem: string): never => {
  throw userError('launch-attribute', `launch attribute '${name}': ${problem}`);
};
const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);

class Attributes {
  constructor(private readonly given: Readonly<Record<string, unknown>>) {
    const known = Object.keys(ATTRIBUTES);
    for (const name of Object.keys(given)) {
      if (known.includes(name) || HOST_ATTRIBUTES.includes(name) || name.startsWith('_')) continue;
      throw userError('launch-attribute-unknown', `launch attribute '${name}' is unknown${didYouMean(name, known)}`);
    }
  }

  private raw(name: AttributeName): unknown {
    return this.given[name] ?? (ATTRIBUTES as Record<string, Attribute>)[name]!.default;
  }

  text(name: AttributeName): string | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return refuse(name, `${shown(value)} is no string`);
    const attribute: Attribute = ATTRIBUTES[name];
    if (attribute.type === 'string' && attribute.enum && !attribute.enum.includes(value)) {
      return refuse(name, `${shown(value)} is none of ${attribute.enum.join(', ')}${didYouMean(value, attribute.enum)}`);
    }
    return value;
  }

  path(name: AttributeName): string | undefined {
    const value = this.text(name);
    return value === '' ? refuse(name, 'the path is empty') : value;
  }

  flag(name: AttributeName): boolean {
    const value = this.raw(name);
    return typeof value === 'boolean' ? value : refuse(name, `${shown(value)} is neither true nor false`);
  }

  integer(name: AttributeName): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) return refuse(name, `${shown(value)} is no whole number`);
    return this.inRange(name, value, String);
  }

  seed(name: AttributeName): number | 'host' | undefined {
    return this.raw(name) === 'host' ? 'host' : this.integer(name);
  }

  private inRange(name: AttributeName, value: number, show: (value: number) => string): number {
    const { minimum, maximum } = ATTRIBUTES[name] as { minimum?: number; maximum?: number };
    if (minimum !== undefined && value < minimum) return refuse(name, `${show(value)} is less than ${show(minimum)}`);
    if (maximum !== undefined && value > maximum) return refuse(name, `${show(value)} is more than ${show(maximum)}`);
    return value;
  }

  size(name: AttributeName): number {
    const value = this.raw(name);
    const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(String(value).trim());
    if (!match || (typeof value !== 'string' && typeof value !== 'number')) {
      return refuse(name, `${shown(value)} is no size; write bytes, or a number with K, M or G, as "512M"`);
    }
    const unit = { '': 0, k: 10, m: 20, g: 30 }[match[2]!.toLowerCase()]!;
    const bytes = Math.round(Number(match[1]) * 2 ** unit);
    return this.inRange(name, bytes, (count) => (count % 2 ** 20 === 0 ? `${count / 2 ** 20} MiB` : `${count} bytes`));
  }

  address(name: AttributeName): bigint | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : toAddress(name, value);
  }

  strings(name: AttributeName): string[] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return refuse(name, `${shown(value)} is no list of strings`);
    return value.map((item, index) => (typeof item === 'string' ? item : refuse(`${name}[${index}]`, `${shown(item)} is no string`)));
  }

  symbols(name: AttributeName): SymbolFile[] {
    const value = this.raw(name);
    if (!Array.isArray(value)) return refuse(name, `${shown(value)} is no list`);
    return value.map((item: unknown, index) => {
      const at = `${name}[${index}]`;
      if (typeof item === 'string') return { path: item, offset: 0n };
      const { path, offset = 0, ...rest } = (item ?? {}) as Record<string, unknown>;
      if (typeof path !== 'string') return refuse(at, `${shown(item)} is neither a path nor an object with a path`);
      const extra = Object.keys(rest)[0];
      if (extra !== undefined) return refuse(at, `'${extra}' is unknown there${didYouMean(extra, ['path', 'offset'])}`);
      return { path, offset: toAddress(`${at}.offset`, offset) };
    });
  }

  map(name: AttributeName): [string, string][] {
    const value = this.raw(name);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(name, `${shown(value)} is no object`);
    return Object.entries(value).map(([from, to]) => [from, typeof to === 'string' ? to : refuse(`${name}["${from}"]`, `${shown(to)} is no string`)]);
  }

  disks(name: AttributeName): readonly DiskConfig[] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return refuse(name, `${shown(value)} is no list of disks`);
    return value.map((item: unknown, index) =>
      diskConfig(
        item,
        (file) => file,
        (problem) => refuse(`${name}[${index}]`, problem),
      ),
    );
  }

  usb(name: AttributeName): readonly UsbDeviceName[] | undefined {
    return this.strings(name)?.map(
      (item, index) => USB_DEVICES.find((known) => known === item) ?? refuse(`${name}[${index}]`, `${shown(item)} is none of ${USB_DEVICES.join(', ')}`),
    );
  }

  network(name: AttributeName): NetworkConfig | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : networkConfig(value, (problem) => refuse(name, problem));
  }

  items(name: AttributeName): Record<string, string> | undefined {
    return this.raw(name) === undefined ? undefined : Object.fromEntries(this.map(name));
  }

  display(name: AttributeName): DisplayConfig {
    return displayConfig(this.raw(name), (problem) => refuse(name, problem));
  }

  port(name: AttributeName): number | false {
    const value = this.raw(name);
    if (value === false) return false;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff) return value;
    return refuse(name, `${shown(value)} is neither a port (0 to 65535) nor false`);
  }

  time(name: AttributeName, now: () => number): number {
    const value = this.text(name);
    if (value === 'now') return now();
    const time = value === undefined ? DEFAULT_START : Date.parse(value);
    return Number.isNaN(time) ? refuse(name, `${shown(value)} is neither a date and time (ISO 8601) nor "now"`) : time;
  }
}

function toAddress(name: string, value: unknown): bigint {
  const negative = typeof value === 'string' && value.startsWith('-');
  const digits = negative ? value.slice(1) : value;
  const valid = (typeof digits === 'number' && Number.isSafeInteger(digits)) || (typeof digits === 'string' && /^(0x[0-9a-f]+|\d+)$/i.test(digits));
  if (!valid) return refuse(name, `${shown(value)} is no address; write a number or a string such as "0x10000"`);
  const magnitude = BigInt(digits as string | number);
  return negative ? -magnitude : magnitude;
}

const defined = <T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

function vncOf(vnc: string | undefined, rfb: string | undefined): VncAddress | undefined {
  if (vnc !== undefined) return parseVnc("launch attribute 'vnc':", vnc);
  return rfb === undefined ? undefined : parseVnc("launch attribute 'display': rfb=", rfb);
}

/** Checks the attributes of a launch request. Throws EmulatorError with blame `user`. `now` is the host's clock. */
export function planLaunch(given: Readonly<Record<string, unknown>>, now: () => number = Date.now): LaunchPlan {
  const get = new Attributes(given);
  const program = get.path('program');
  const kernel = get.path('kernel') ?? program;
  if (program !== undefined && kernel !== program) refuse('kernel', "is the same as 'program' under another name; give one of them");
  const resume = get.path('resume');
  const snapshot = get.path('snapshot') ?? resume;
  if (resume !== undefined && snapshot !== resume) refuse('snapshot', "is the same as 'resume' under another name; give one of them");
  const [firmware, bios] = [get.path('firmware'), get.path('bios')];
  if ((kernel ?? snapshot ?? firmware ?? bios) === undefined) {
    throw userError('launch-attribute-missing', "launch attribute 'program' is missing: the guest to boot");
  }
  const loadAddress = get.address('loadAddress');
  if (loadAddress !== undefined && (loadAddress < 0n || loadAddress > 0xffff_ffffn)) refuse('loadAddress', 'is not within the first 4 GiB');
  const serial = get.text('serial')!;
  const { vnc: rfb, ...display } = get.display('display');
  const vnc = get.text('vnc');
  if (vnc !== undefined && rfb !== undefined) refuse('vnc', "the display's rfb= says that already; give one of them");
  return defined({
    machine: defined({
      kernel,
      initrd: get.path('initrd'),
      append: get.text('append'),
      firmware,
      vars: get.path('vars'),
      bios,
      vgaBios: get.path('vgaBios'),
      chipset: get.text('chipset') as MachineConfig['chipset'],
      fwCfg: get.items('fwCfg'),
      loadAddress: loadAddress === undefined ? undefined : Number(loadAddress),
      loadMode: get.text('loadMode') as MachineConfig['loadMode'],
      modules: get.strings('modules'),
      disks: get.disks('disks'),
      rngSeed: get.seed('rngSeed'),
      typematic: get.flag('typematic') || undefined,
      usb: get.usb('usb'),
      network: get.network('network'),
      memory: get.size('memory'),
      cpus: get.integer('cpus')!,
      startTime: get.time('startTime', now),
      ...display,
      historyBytes: get.integer('historyMegabytes')! * 2 ** 20,
      checkpointEvery: get.integer('checkpointEvery')!,
      debugExitPort: get.port('debugExitPort'),
    }) as MachineConfig,
    snapshot,
    suspendFile: get.path('suspendFile') ?? `${kernel ?? snapshot ?? firmware ?? bios}.suspended`,
    stopOnEntry: get.flag('stopOnEntry'),
    stopOnExit: get.flag('stopOnExit'),
    symbols: get.symbols('symbols'),
    sourceMap: get.map('sourceMap'),
    serial: serial === 'console' || serial === 'none' ? { to: serial } : ({ to: 'file', path: serial } as const),
    timeout: get.integer('timeout'),
    trace: get.path('trace'),
    vnc: vncOf(vnc, rfb),
  }) as LaunchPlan;
}
