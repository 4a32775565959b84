/** The configuration and the images: with them, a restore needs nothing but the file. */
import { LEGACY_VGA, NETWORK_DEVICES, NETWORK_MODES, USB_DEVICES, type DiskConfig, type MachineConfig, type NetworkConfig } from '../machine/api';
import type { Images } from '../machine/history';
import { findBlob, readBlob, readBlobSync, type BlobIndex, type BlobWriter } from './blobs';
import { asBool, asBytes, asInteger, asList, asMap, asText, fieldsOf, only, type Fields, type Value } from './cbor';
import type { Chunk } from './container';
import { bad, LIMITS } from './format';

const asTexts = (value: Value, what: string): readonly string[] => asList(value, what).map((item) => asText(item, what));
const asWord =
  <Word extends string>(...words: readonly Word[]) =>
  (value: Value, what: string): Word => {
    const text = asText(value, what);
    const found = words.find((word) => word === text);
    if (found === undefined) throw bad(`it is damaged: ${what} is none of ${words.join(', ')}`);
    return found;
  };
const asItems = (value: Value, what: string): Readonly<Record<string, string>> =>
  // Own properties, whatever they are called.
  Object.fromEntries([...asMap(value, what)].map(([name, text]) => [name, asText(text, what)]));
const asFalseOr =
  <T>(read: (value: Value, what: string) => T) =>
  (value: Value, what: string): T | false =>
    value === false ? false : read(value, what);
const asSize = (value: Value, what: string): { width: number; height: number } => {
  const map = asMap(value, what);
  only(map, ['width', 'height'], what);
  return { width: asInteger(map.get('width'), what, 0, 0xffff), height: asInteger(map.get('height'), what, 0, 0xffff) };
};

const DISK: { readonly [Name in keyof Required<DiskConfig>]: (value: Value, what: string) => Required<DiskConfig>[Name] } = {
  path: asText,
  kind: asWord('disk', 'cdrom'),
  bus: asWord('virtio', 'ahci', 'nvme'),
  overlay: asText,
  readOnly: asBool,
  format: asWord('raw', 'qcow2'),
  serial: asText,
};
const asDisks = (value: Value, what: string): readonly DiskConfig[] =>
  asList(value, what).map((item, number) => {
    const disk = asMap(item, `${what}, disk ${number}`);
    only(disk, Object.keys(DISK), `${what}, disk ${number}`);
    if (!disk.has('path')) throw bad(`it is damaged: ${what}, disk ${number} has no path`);
    return Object.fromEntries([...disk].map(([name, part]) => [name, DISK[name as keyof DiskConfig](part, `${what}.${name}`)])) as unknown as DiskConfig;
  });

const asNetwork = (value: Value, what: string): NetworkConfig => {
  const network = asMap(value, what);
  only(network, ['mode', 'device', 'mac', 'forwards'], what);
  const [device, mac, forwards] = ['device', 'mac', 'forwards'].map((name) => network.get(name));
  const address = mac === undefined ? undefined : asText(mac, what);
  if (address !== undefined && !/^[\da-f]{2}(:[\da-f]{2}){5}$/.test(address)) throw bad(`it is damaged: ${what}.mac is no address`);
  return {
    mode: asWord(...NETWORK_MODES)(network.get('mode') ?? null, `${what}.mode`),
    ...(device !== undefined && { device: asWord(...NETWORK_DEVICES)(device, `${what}.device`) }),
    ...(address !== undefined && { mac: address }),
    ...(forwards !== undefined && { forwards: asList(forwards, what).map((item) => asForward(asMap(item, what), what)) }),
  };
};
const asForward = (forward: Fields, what: string): { host: number; guest: number } => {
  only(forward, ['host', 'guest'], what);
  return { host: asInteger(forward.get('host'), what, 1, 0xffff), guest: asInteger(forward.get('guest'), what, 1, 0xffff) };
};

type Readers = { readonly [Name in keyof Required<MachineConfig>]: (value: Value, what: string) => Required<MachineConfig>[Name] };
const READERS: Readers = {
  kernel: asText,
  firmware: asText,
  vars: asText,
  bios: asText,
  vgaBios: asText,
  chipset: asWord('i440fx', 'q35'),
  display: asWord('fbuf', 'vga', 'ramfb'),
  legacyVga: asWord(...LEGACY_VGA),
  fwCfg: asItems,
  initrd: asText,
  append: asText,
  loadAddress: asInteger,
  loadMode: asWord('real', 'protected', 'long'),
  modules: asTexts,
  disks: asDisks,
  rngSeed: (value, what) => (value === 'host' ? value : asInteger(value, what)),
  typematic: asBool,
  virtioConsole: asBool,
  usb: (value, what) => asList(value, what).map((item) => asWord(...USB_DEVICES)(item, what)),
  network: asNetwork,
  memory: (value, what) => asInteger(value, what, 1, 3 * 2 ** 30),
  cpus: (value, what) => asInteger(value, what, 1, 255),
  startTime: asInteger,
  framebuffer: asFalseOr(asSize),
  historyBytes: asInteger,
  tier: asWord('generic', 'auto', 'region'),
  checkpointEvery: (value, what) => asInteger(value, what, 1),
  debugExitPort: asFalseOr((value, what) => asInteger(value, what, 0, 0xffff)),
};
const NEEDED = ['memory', 'cpus', 'startTime', 'framebuffer', 'historyBytes', 'checkpointEvery', 'debugExitPort'] as const;

function toValue(value: unknown): Value {
  if (Array.isArray(value)) return value.map(toValue);
  if (typeof value === 'object' && value !== null)
    return new Map(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]): [string, Value] => [name, toValue(item)]),
    );
  return value as Value;
}

export const configToFields = (config: MachineConfig): Fields =>
  new Map(
    Object.keys(READERS)
      .filter((name) => config[name as keyof MachineConfig] !== undefined)
      .map((name): [string, Value] => [name, toValue(config[name as keyof MachineConfig])]),
  );

export function fieldsToConfig(fields: Fields): MachineConfig {
  only(fields, Object.keys(READERS), 'the configuration');
  for (const name of NEEDED) if (!fields.has(name)) throw bad(`it is damaged: the configuration has no '${name}'`);
  const entries = [...fields].map(([name, value]): [string, unknown] => [name, READERS[name as keyof MachineConfig](value, `configuration.${name}`)]);
  return Object.fromEntries(entries) as unknown as MachineConfig;
}

// ── Images ─────────────────────────────────────────────────────────────────────────────────

type Image = NonNullable<Images['modules']>[number];
const NAMES = ['kernel', 'initrd', 'firmware', 'vars', 'bios', 'vgaBios'] as const;
const MODULE = /^module(\d{1,3})$/;

export async function imageChunks(images: Images, blobs: BlobWriter): Promise<readonly Chunk[]> {
  const chunk = async (instance: string, { name, bytes, commandLine }: Image): Promise<Chunk> => {
    const pieces: Value[] = [];
    for (let at = 0; at < bytes.length; at += LIMITS.blob) {
      pieces.push(blobs.add(bytes.subarray(at, at + LIMITS.blob)));
      await blobs.rest();
    }
    return { kind: 'image', instance, version: 1, mandatory: true, fields: fieldsOf({ name, commandLine, size: bytes.length, pieces }) };
  };
  const chunks: Chunk[] = [];
  for (const name of NAMES) if (images[name]) chunks.push(await chunk(name, images[name]));
  for (const [index, module] of (images.modules ?? []).entries()) chunks.push(await chunk(`module${index}`, module));
  return chunks;
}

/** An image whose bytes come when somebody asks for them. */
export class AwaitedImage implements Image {
  declare readonly commandLine?: string;
  private whole: Uint8Array | undefined;

  /** `about` adds the file's name to what is wrong with it. */
  constructor(
    readonly name: string,
    commandLine: string | undefined,
    private readonly pieces: readonly Uint8Array[],
    private readonly blobs: BlobIndex,
    private readonly what: string,
    private readonly about: (error: unknown) => unknown,
  ) {
    if (commandLine !== undefined) this.commandLine = commandLine;
  }

  get bytes(): Uint8Array {
    try {
      return (this.whole ??= Buffer.concat(this.pieces.map((hash) => readBlobSync(this.blobs, hash, this.what))));
    } catch (error) {
      throw this.about(error);
    }
  }

  async bring(): Promise<void> {
    this.whole ??= Buffer.concat(await Promise.all(this.pieces.map((hash) => readBlob(this.blobs, hash, this.what))));
  }
}

export interface ReadImages {
  readonly images: Images;
  readonly all: readonly AwaitedImage[];
}

/** The images are whole by their lengths; their contents are read later, by `bring` or when they are asked for. */
export function readImages(chunks: readonly Chunk[], blobs: BlobIndex, about: (error: unknown) => unknown): ReadImages {
  const images: Partial<Record<(typeof NAMES)[number], Image>> = {};
  const modules: Image[] = [];
  const all: AwaitedImage[] = [];
  let total = 0;
  for (const { instance, fields } of chunks) {
    const what = `image '${instance}'`;
    only(fields, ['name', 'commandLine', 'size', 'pieces'], what);
    const size = asInteger(fields.get('size'), what, 0, LIMITS.image);
    total += size;
    if (total > LIMITS.image) throw bad('its images are too large');
    const text = fields.get('commandLine');
    const commandLine = text === undefined ? undefined : asText(text, what);
    const pieces = asList(fields.get('pieces'), what).map((hash) => asBytes(hash, what, 32));
    const length = pieces.reduce((sum, hash) => sum + findBlob(blobs, hash, what).size, 0);
    if (length !== size) throw bad(`it is damaged: ${what} has ${length} bytes instead of ${size}`);
    const image = new AwaitedImage(asText(fields.get('name'), what), commandLine, pieces, blobs, what, about);
    all.push(image);
    const module = MODULE.exec(instance);
    const name = NAMES.find((known) => known === instance);
    if (name) images[name] = image;
    else if (module) modules[Number(module[1])] = image;
    else throw bad(`it has an image '${instance.slice(0, 40)}', which this version does not know`);
  }
  if (Object.keys(modules).length !== modules.length) throw bad('it is damaged: a module is missing');
  return { images: { ...images, ...(modules.length > 0 && { modules }) }, all };
}
