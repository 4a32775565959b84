/**
 * The launch attributes, defined once: the schema in package.json, IntelliSense, validation and the
 * README's table are all made from this list.
 */

export type AttributeType =
  | { readonly type: 'string'; readonly enum?: readonly string[]; readonly enumDescriptions?: readonly string[] }
  | { readonly type: 'path' }
  | { readonly type: 'boolean' }
  | { readonly type: 'integer'; readonly minimum?: number; readonly maximum?: number }
  /** A number, or `host`. */
  | { readonly type: 'seed'; readonly minimum: number }
  /** A number, or a string with a unit: `512M`. */
  | { readonly type: 'size'; readonly minimum?: number; readonly maximum?: number }
  /** A number or a string such as `0x10000`. */
  | { readonly type: 'address' }
  | { readonly type: 'strings' }
  | { readonly type: 'symbols' }
  | { readonly type: 'map' }
  | { readonly type: 'disks' }
  | { readonly type: 'usb' }
  | { readonly type: 'network' }
  | { readonly type: 'display' }
  | { readonly type: 'port' };

export type Attribute = AttributeType & {
  readonly description: string;
  readonly default?: unknown;
};

const MIB = 1 << 20;
export const MEMORY_LIMITS = { minimum: 16 * MIB, maximum: 3 * 1024 * MIB } as const;

/** Wall clock at power-on where none is given: fixed, so that two runs are the same. */
export const DEFAULT_START = Date.UTC(2025, 0, 1);

export const ATTRIBUTES = {
  program: {
    type: 'path',
    description: 'The guest to boot: a Linux bzImage, an ELF file (Multiboot 1 or 2, PVH) or a flat binary.',
  },
  kernel: { type: 'path', description: 'Another name for `program`.' },
  initrd: { type: 'path', description: 'Initial RAM disk for a Linux kernel.' },
  append: { type: 'string', description: 'Kernel command line.' },
  firmware: { type: 'path', description: 'UEFI firmware such as OVMF_CODE.fd, run from the reset vector; it starts `program` if there is one.' },
  vars: { type: 'path', description: "The firmware's variable store, such as a copy of OVMF_VARS.fd; what the guest changes is written back." },
  bios: { type: 'path', description: 'A BIOS such as SeaBIOS, run from the reset vector.' },
  vgaBios: { type: 'path', description: 'Option ROM of the VGA, for a BIOS.' },
  chipset: { type: 'string', enum: ['i440fx', 'q35'], description: 'Board for firmware: `q35` with `firmware` and `i440fx` with `bios` unless told.' },
  fwCfg: {
    type: 'map',
    description:
      'Items for firmware and guest through the firmware configuration device: `{ "opt/org.example/name": "text" }`; `bootorder` has a line for each device to start from, as QEMU names it.',
  },
  modules: { type: 'strings', description: 'Multiboot modules or PVH modules: paths, each with an optional command line after a space.' },
  disks: {
    type: 'disks',
    description:
      'Disk images, raw or qcow2, and ISOs: paths, or objects with `path` and perhaps `kind` (`disk` or `cdrom`), `bus` (`virtio`, `ahci`, `nvme`), `overlay` (a file that keeps what the guest writes), `readOnly`, `format` and `serial`. Images are not written to; what the guest writes is undone when it steps back.',
  },
  rngSeed: {
    type: 'seed',
    minimum: 0,
    description:
      'A virtio entropy device, whose bytes follow from this number, or, with `host`, are as random as those of this computer; then they belong to the history.',
  },
  typematic: {
    type: 'boolean',
    default: false,
    description:
      'The PS/2 keyboard repeats a held key itself, with delay and rate as the guest sets them and in its time, instead of as often as you or the viewer repeat it.',
  },
  usb: {
    type: 'usb',
    description:
      'Input devices on a USB host controller (xHCI): `tablet`, whose pointer is where yours is, and `keyboard`. They are used while the guest drives them, mouse and keyboard of the PS/2 controller otherwise.',
  },
  network: {
    type: 'network',
    description:
      'A network adapter: `user`, whose connections go out through this computer, or `isolated`, with nothing but a gateway; perhaps with `,device=virtio` or `,device=e1000`, `,mac=52:54:00:12:34:56` and `,forward=8080:80` (a port of this computer at which a port of the guest is reached), or as an object with `mode`, `device`, `mac` and `forwards` (`["8080:80"]`). The guest gets 10.0.2.15 by DHCP and reaches this computer at 10.0.2.2. None unless told.',
  },
  loadAddress: { type: 'address', description: 'Physical address at which a flat binary is loaded and starts.' },
  loadMode: {
    type: 'string',
    enum: ['real', 'protected', 'long'],
    enumDescriptions: ['16-bit real mode', '32-bit protected mode with flat segments, paging off', '64-bit long mode with identity-mapped memory'],
    description: 'Processor mode in which a flat binary starts.',
  },
  memory: { type: 'size', ...MEMORY_LIMITS, default: '512M', description: 'RAM of the machine, 16M to 3G: bytes, or a number with the unit K, M or G.' },
  cpus: { type: 'integer', minimum: 1, maximum: 16, default: 1, description: 'Number of virtual processors; each is a thread of the debug session.' },
  startTime: {
    type: 'string',
    default: '2025-01-01T00:00:00Z',
    description: "The guest's wall clock at power-on (ISO 8601), or `now`. A fixed time makes runs repeatable.",
  },
  display: {
    type: 'display',
    default: '1024x768',
    description:
      "Resolution of the framebuffer, as `1024x768`; or a device, `fbuf`, `vga` or `ramfb` (the last two with firmware, where `vga` is the default: stock OVMF shows nothing on `fbuf`), perhaps with `,w=1024,h=768`; `false` for a machine without a screen. `fbuf` takes bhyve's other options too: `,vga=io|on|off` (a VGA behind it, shown while its width is zero; `off` unless told), and `,rfb=[HOST:]PORT` or `,tcp=…` with `,wait` and `,password=TEXT`, as in `vnc`.",
  },
  serial: { type: 'string', default: 'console', description: 'Where the first serial line goes: `console` (Debug Console), `none`, or the path of a file.' },
  stopOnEntry: { type: 'boolean', default: false, description: "Stop at the guest's first instruction." },
  stopOnExit: {
    type: 'boolean',
    default: false,
    description: 'Stop, instead of ending the session, when the guest powers off or ends itself: its past can be inspected then.',
  },
  symbols: {
    type: 'symbols',
    default: [],
    description:
      'Symbol files, each an ELF file with symbols and DWARF, or a System.map; `{ "path": …, "offset": … }` adds a load offset, as for a relocated kernel.',
  },
  sourceMap: { type: 'map', default: {}, description: 'Source folders as compiled, and where they are here: `{ "/usr/src/linux": "${workspaceFolder}" }`.' },
  historyMegabytes: {
    type: 'integer',
    minimum: 0,
    maximum: 65536,
    default: 512,
    description: 'Memory for checkpoints, from which the past is rebuilt; 0 switches history (stepping back) off.',
  },
  checkpointEvery: { type: 'integer', minimum: 100_000, default: 20_000_000, description: 'Instructions between automatic checkpoints.' },
  debugExitPort: {
    type: 'port',
    default: 0xf4,
    description: 'I/O port of the isa-debug-exit device, through which a guest ends the session with an exit code; `false` for none.',
  },
  vnc: {
    type: 'string',
    description:
      "Serve the display to VNC viewers too: `HOST:PORT`, `:DISPLAY`, `ws:HOST:PORT` (WebSocket) or `unix:PATH`; `,password-file=FILE` or `,password=TEXT` asks for a password, which any address but this machine needs; with `,wait` the guest starts when the first viewer connects. `,paste=KEY` and `,copy=KEY` (as `paste=F12`) give viewers keys, which the guest does not get then: one types the viewer's clipboard, the other puts the text of the screen into it.",
  },
  timeout: { type: 'integer', minimum: 1, description: 'Pause the guest after so many seconds of running.' },
  resume: { type: 'path', description: 'Resume from this snapshot file instead of booting.' },
  snapshot: { type: 'path', description: 'Another name for `resume`.' },
  suspendFile: { type: 'path', description: 'Where “Disconnect and Suspend” saves the machine; beside the kernel by default.' },
  trace: { type: 'path', description: 'Write every message of the debug session to this file.' },
} as const satisfies Record<string, Attribute>;

export type AttributeName = keyof typeof ATTRIBUTES;

/** What VS Code adds to every configuration; passed over by the validation. */
export const HOST_ATTRIBUTES: readonly string[] = [
  'name',
  'type',
  'request',
  'noDebug',
  'presentation',
  'preLaunchTask',
  'postDebugTask',
  'internalConsoleOptions',
  'debugServer',
  'serverReadyAction',
  'suppressMultipleSessionWarning',
  'windows',
  'linux',
  'osx',
  'debugAdapter',
];
