/** The machine's configuration from the command line, or from a file that holds a launch configuration. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { userError } from '../errors';
import { isTier, TIERS, USB_DEVICES, type DiskConfig, type MachineConfig, type NetworkConfig, type Tier, type UsbDeviceName } from '../machine/api';
import { diskConfig } from '../machine/diskconfig';
import { displayConfig, type DisplayConfig } from '../machine/displayconfig';
import { networkConfig } from '../machine/networkconfig';

/** Fixed, so that two runs are the same. */
const START = Date.UTC(2025, 0, 1);
const HISTORY = 512 * 2 ** 20;
/** Code that runs fast gets so far in some 50 ms; where it does not, checkpoints come earlier. */
const CHECKPOINT_EVERY = 100_000_000;
const LEAST_INTERVAL = 100_000;
const DEBUG_EXIT = 0xf4;

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 10, m: 20, g: 30 };

/** Pages of the past that a snapshot takes along. */
export const parseHistory = (what: string, value: string | true): number => parseSize(what, value === true ? '256M' : value);

/** Bytes, or a number with K, M or G. */
export function parseSize(what: string, text: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(String(text).trim());
  if (!match) throw userError('option', `${what}: '${text}' is no size; write bytes, or a number with K, M or G, as 512M`);
  return Math.round(Number(match[1]) * 2 ** UNITS[match[2]!.toLowerCase()]!);
}

/** A whole number; digits may be grouped by underscores, and 1e9 is one too. */
export function parseCount(what: string, text: string | number, least = 0): number {
  const value = Number(String(text).replaceAll('_', ''));
  if (!Number.isSafeInteger(value) || value < least) throw userError('option', `${what}: '${text}' is no whole number from ${least}`);
  return value;
}

export const parseSeed = (what: string, text: string): number | 'host' => (text === 'host' ? text : parseCount(what, text));

export const part = <K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>> =>
  (value === undefined ? {} : { [name]: value }) as Partial<Record<K, V>>;

type Reader = (value: unknown, name: string) => unknown;
const wrong = (name: string, value: unknown, wanted: string): never => {
  throw userError('launch-attribute', `launch attribute '${name}': ${JSON.stringify(value)} is ${wanted}`);
};
const text: Reader = (value, name) => (typeof value === 'string' ? value : wrong(name, value, 'no string'));
const number: Reader = (value, name) => (typeof value === 'number' ? parseCount(name, value) : wrong(name, value, 'no whole number'));
const interval: Reader = (value, name) => (typeof value === 'number' ? parseCount(name, value, LEAST_INTERVAL) : wrong(name, value, 'no whole number'));
const address: Reader = (value, name) => (typeof value === 'string' || typeof value === 'number' ? parseCount(name, value) : wrong(name, value, 'no address'));

/** What a launch configuration says of the machine, and of who may look at it. */
export interface FileConfig extends Partial<MachineConfig> {
  readonly vnc?: string;
}

/** Attributes of a launch configuration that concern a run, and what they become. */
const ATTRIBUTES: Readonly<Record<string, (value: unknown, name: string, path: (file: string) => string) => FileConfig>> = {
  program: (value, name, path) => ({ kernel: path(text(value, name) as string) }),
  kernel: (value, name, path) => ({ kernel: path(text(value, name) as string) }),
  initrd: (value, name, path) => ({ initrd: path(text(value, name) as string) }),
  firmware: (value, name, path) => ({ firmware: path(text(value, name) as string) }),
  vars: (value, name, path) => ({ vars: path(text(value, name) as string) }),
  bios: (value, name, path) => ({ bios: path(text(value, name) as string) }),
  vgaBios: (value, name, path) => ({ vgaBios: path(text(value, name) as string) }),
  append: (value, name) => ({ append: text(value, name) as string }),
  modules: (value, name, path) =>
    Array.isArray(value) ? { modules: value.map((item) => path(text(item, name) as string)) } : wrong(name, value, 'no list of strings'),
  disks: (value, name, path) => ({ disks: readDisks(value, name, path) }),
  rngSeed: (value, name) => ({ rngSeed: value === 'host' ? value : (number(value, name) as number) }),
  network: (value, name) =>
    part(
      'network',
      networkConfig(value, (problem) => wrong(name, value, `no network: ${problem}`)),
    ),
  typematic: (value, name) => (typeof value === 'boolean' ? { typematic: value } : wrong(name, value, 'neither true nor false')),
  usb: (value, name) => (Array.isArray(value) ? { usb: value.map((item) => usbDevice(name, item)) } : wrong(name, value, 'no list')),
  loadAddress: (value, name) => ({ loadAddress: address(value, name) as number }),
  loadMode: (value, name) =>
    value === 'real' || value === 'protected' || value === 'long' ? { loadMode: value } : wrong(name, value, 'none of real, protected, long'),
  memory: (value, name) => ({ memory: parseSize(name, value as string | number) }),
  cpus: (value, name) => ({ cpus: number(value, name) as number }),
  startTime: (value, name) => ({ startTime: value === 'now' ? Date.now() : parseTime(name, value) }),
  display: (value, name) => parseScreen(name, value),
  vnc: (value, name) => ({ vnc: text(value, name) as string }),
  chipset: (value, name) => ({ chipset: parseChipset(name, value) }),
  fwCfg: (value, name) => ({ fwCfg: items(value, name) }),
  historyMegabytes: (value, name) => ({ historyBytes: (number(value, name) as number) * 2 ** 20 }),
  tier: (value, name) => ({ tier: parseTier(name, value) }),
  checkpointEvery: (value, name) => ({ checkpointEvery: interval(value, name) as number }),
  debugExitPort: (value, name) => ({ debugExitPort: value === false ? false : (address(value, name) as number) }),
};
/** Those that concern a debug session only. */
const SESSION = [
  'name', 'type', 'request', 'noDebug', 'presentation', 'preLaunchTask', 'postDebugTask', 'internalConsoleOptions', 'debugServer',
  'serverReadyAction', 'suppressMultipleSessionWarning', 'windows', 'linux', 'osx', 'serial', 'stopOnEntry', 'stopOnExit', 'symbols', 'sourceMap',
  'timeout', 'resume', 'snapshot', 'suspendFile', 'trace',
]; // prettier-ignore

function usbDevice(name: string, value: unknown): UsbDeviceName {
  return USB_DEVICES.find((known) => known === value) ?? wrong(name, value, `none of ${USB_DEVICES.join(', ')}`);
}

/** `tablet`, `keyboard`, or both with a comma. */
export const parseUsb = (name: string, text: string): readonly UsbDeviceName[] => text.split(',').map((item) => usbDevice(name, item));

function parseTime(name: string, value: unknown): number {
  const time = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(time) ? wrong(name, value, 'neither a date and time (ISO 8601) nor "now"') : time;
}

export const parseTier = (name: string, value: unknown): Tier => (isTier(value) ? value : wrong(name, value, `none of ${TIERS.join(', ')}`));

/** `FILE[,overlay=FILE][,bus=virtio|ahci|nvme][,format=raw|qcow2][,serial=TEXT][,read-only]`; a comma in a name is written twice. */
export function parseDisk(name: string, text: string, kind: 'disk' | 'cdrom' = 'disk'): DiskConfig {
  const [path, ...options] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
  const given: Record<string, unknown> = { path, ...(kind === 'cdrom' && { kind }) };
  for (const option of options) {
    const at = option.indexOf('=');
    if (option === 'read-only') given['readOnly'] = true;
    else if (at > 0) given[option.slice(0, at)] = option.slice(at + 1);
    else throw userError('option', `${name}: '${option}' is no NAME=VALUE and not read-only`);
  }
  return diskConfig(
    given,
    (file) => resolve(file),
    (problem) => {
      throw userError('option', `${name} '${text}': ${problem}`);
    },
  );
}

/** `user` or `isolated`, with `,device=virtio|e1000`, `,mac=ADDRESS` and `,forward=HOST:GUEST`. */
export const parseNetwork = (name: string, text: string): NetworkConfig | undefined =>
  networkConfig(text, (problem) => {
    throw userError('option', `${name} '${text}': ${problem}`);
  });

function readDisks(value: unknown, name: string, path: (file: string) => string): readonly DiskConfig[] {
  if (!Array.isArray(value)) return wrong(name, value, 'no list of disks');
  return value.map((item: unknown, number) =>
    diskConfig(item, path, (problem) => {
      throw userError('launch-attribute', `launch attribute '${name}[${number}]': ${problem}`);
    }),
  );
}

/** What is shown, and where viewers may look at it; see displayconfig.ts. */
export const parseScreen = (name: string, value: unknown): DisplayConfig =>
  displayConfig(value, (problem) => {
    throw userError('launch-attribute', `launch attribute '${name}': ${problem}`);
  });

function items(value: unknown, name: string): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Object.values(value).some((item) => typeof item !== 'string'))
    return wrong(name, value, 'no object of strings');
  return value as Record<string, string>;
}

/** `opt/org.example/name=text`, as often as wanted. */
export function parseItems(name: string, texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw userError('option', `${name}: '${text}' is no NAME=TEXT`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

export function parseChipset(name: string, value: unknown): 'i440fx' | 'q35' {
  return value === 'i440fx' || value === 'q35' ? value : wrong(name, value, 'neither i440fx nor q35');
}

export const DEFAULTS: MachineConfig = {
  memory: 512 * 2 ** 20,
  cpus: 1,
  startTime: START,
  framebuffer: { width: 1024, height: 768 },
  historyBytes: HISTORY,
  checkpointEvery: CHECKPOINT_EVERY,
  debugExitPort: DEBUG_EXIT,
};

/** A launch configuration in a JSON file; paths in it are relative to the file. */
export function readConfig(file: string): FileConfig {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw userError('config-file', `configuration '${file}': ${(error as Error).message}`, error);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw userError('config-file', `configuration '${file}': it holds no object`);
  const path = (name: string): string => resolve(dirname(file), name);
  let config: FileConfig = {};
  for (const [name, value] of Object.entries(given)) {
    const read = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined;
    if (read) config = { ...config, ...read(value, name, path) };
    else if (!SESSION.includes(name) && !name.startsWith('_')) {
      throw userError(
        'launch-attribute-unknown',
        `configuration '${file}': launch attribute '${name}' is unknown; known are ${Object.keys(ATTRIBUTES).join(', ')}`,
      );
    }
  }
  return config;
}
