/** The `guest` command. Exit status: 0 the wanted stop was reached, 1 not, 2 bad usage or input. */
import { Command, CommanderError, Option } from 'commander';
import { EmulatorError, userError } from '../errors';
import type { MachineConfig } from '../machine/api';
import { parseVnc } from '../machine/vnc';
import {
  DEFAULTS,
  parseChipset,
  parseCount,
  parseSeed,
  parseDisk,
  parseHistory,
  parseItems,
  parseNetwork,
  parseScreen,
  parseSize,
  parseTier,
  parseUsb,
  part,
  readConfig,
} from './config';
import { runGuest, type RunOptions } from './run';
import { stepsOf, type StepOption } from './steps';
import { addControlCommand, PARENT } from './control';
import { PRODUCER } from '../snapshot/format';
import { addSnapshotCommands } from './snapshot';

interface Given {
  readonly [name: string]: string | boolean | readonly unknown[] | undefined;
}

/** Disks first, then CD-ROMs. */
function disksOf(given: Given): Pick<MachineConfig, 'disks'> {
  const texts = (name: string): readonly string[] => (given[name] as string[] | undefined) ?? [];
  const disks = [...texts('disk').map((text) => parseDisk('--disk', text)), ...texts('cdrom').map((text) => parseDisk('--cdrom', text, 'cdrom'))];
  return disks.length > 0 ? { disks } : {};
}

/** What says how a snapshot at the end is written. */
const OF_SUSPEND = { withHistory: '--with-history', parent: '--parent' } as const;

function toOptions(given: Given): RunOptions {
  const text = (name: string): string | undefined => (typeof given[name] === 'string' ? given[name] : undefined);
  const read = <T>(name: string, parse: (what: string, text: string) => T, option: string): T | undefined => {
    const value = text(name);
    return value === undefined ? undefined : parse(option, value);
  };
  const file = text('config');
  const { vnc: fromFile, ...machine } = file === undefined ? {} : readConfig(file);
  const { vnc: rfb = fromFile, ...display } = read('display', (what, value) => parseScreen(what, value === 'none' ? false : value), '--display') ?? {};
  const vnc = read('vnc', parseVnc, '--vnc') ?? (rfb === undefined ? undefined : parseVnc('--display rfb=', rfb));
  for (const [name, option] of Object.entries(OF_SUSPEND))
    if (given[name] !== undefined && given['suspend'] === undefined) throw userError('option', `${option}: is for --suspend; guest ctl has its own`);
  return {
    config: {
      ...DEFAULTS,
      ...machine,
      ...part('kernel', text('kernel')),
      ...part('initrd', text('initrd')),
      ...part('append', text('append')),
      ...part('modules', given['module'] as string[] | undefined),
      ...part('loadAddress', read('loadAddress', parseCount, '--load-address')),
      ...part('loadMode', text('loadMode') as 'real' | undefined),
      ...disksOf(given),
      ...part('rngSeed', read('rng', parseSeed, '--rng')),
      ...(given['virtioConsole'] !== undefined && { virtioConsole: true }),
      ...(given['typematic'] === true && { typematic: true }),
      ...part('usb', read('usb', parseUsb, '--usb')),
      ...part('network', read('network', parseNetwork, '--network')),
      ...part('memory', read('memory', parseSize, '--memory')),
      ...part('cpus', read('cpus', parseCount, '--cpus')),
      ...part('firmware', text('firmware')),
      ...part('vars', text('vars')),
      ...part('bios', text('bios')),
      ...part('vgaBios', text('vgaBios')),
      ...part('chipset', read('chipset', parseChipset, '--chipset')),
      ...part('fwCfg', given['fwCfg'] === undefined ? undefined : parseItems('--fw-cfg', given['fwCfg'] as string[])),
      ...display,
      ...part('tier', read('tier', parseTier, '--tier')),
      ...(given['history'] === false && { historyBytes: 0 }),
    },
    serial: text('serial') ?? 'stdio',
    ...part('debugConsole', text('debugConsole')),
    ...part('virtioConsole', text('virtioConsole')),
    steps: stepsOf((given[STEPS] ?? []) as (readonly [StepOption, string])[]),
    ...part('maxInstructions', read('maxInstructions', parseCount, '--max-instructions')),
    ...part(
      'timeout',
      read('timeout', (what, value) => parseCount(what, value, 1), '--timeout'),
    ),
    ...part('screenshot', text('screenshot')),
    ...part('screenText', text('screenText')),
    ...part(
      'stateHashEvery',
      read('stateHashEvery', (what, value) => parseCount(what, value, 1), '--state-hash-every'),
    ),
    ...part('report', text('report')),
    ...(given['profile'] !== undefined && { profile: (given['symbols'] as string[] | undefined) ?? [] }),
    ...part('vnc', vnc),
    ...part('suspend', text('suspend')),
    ...part('parent', text('parent')),
    ...(given['withHistory'] !== undefined && { withHistory: parseHistory('--with-history', given['withHistory'] as string | true) }),
    ...part('control', text('control')),
  };
}

// A reader that has seen enough, as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const program = new Command('guest').description('A deterministic x86-64 machine.').version(PRODUCER).exitOverride();

/** Steps are kept together, in the order in which they are given. */
const STEPS = 'steps';
function step(flags: `${StepOption} ${string}`, about: string): Option {
  const name = flags.slice(0, flags.indexOf(' ')) as StepOption;
  const option = new Option(flags, about).argParser((value: string, before: readonly unknown[] | undefined) => [...(before ?? []), [name, value]]);
  option.attributeName = () => STEPS;
  return option;
}

/** What a run is, whether it boots a guest or goes on from a snapshot. */
const withRunOptions = (command: Command): Command =>
  command
    .option('--serial <where>', 'first serial line: stdio, none or file:PATH', 'stdio')
    .option('--debug-console <where>', 'output of ports 0xE9 and 0x402: stdio or file:PATH')
    .addOption(step('--type-serial <text>', 'type this, and Enter, on the serial line when the guest waits for input'))
    .addOption(step('--type-after <text>', 'serial output to type after, instead of a usual prompt'))
    .addOption(step('--until-serial <text>', 'go on until the first serial line has sent this'))
    .addOption(step('--until-screen <text|image>', 'go on until this can be read on the screen, or until it shows FILE.png, with ,x=,y= ,tolerance= ,percent='))
    .addOption(step('--send-keys <keys>', 'press keys: text<enter>, <ctrl-alt-del>, <f2>, and pauses as <2s>'))
    .addOption(step('--click <x,y>', 'put the pointer there and click; with ,right or ,middle'))
    .option('--max-instructions <n>', 'stop at this position')
    .option('--timeout <seconds>', 'stop after so much time of the host')
    .option('--screenshot <file>', "write the guest's picture as PNG at the end")
    .option('--screen-text <file>', 'write the text on the screen at the end')
    .option('--state-hash-every <n>', 'record a hash of the whole state at every multiple of n instructions')
    .option(
      '--vnc <address>',
      'serve the display to VNC viewers: HOST:PORT, :DISPLAY, ws:HOST:PORT or unix:PATH; with ,password-file=FILE ,password=TEXT ,wait ,paste=KEY ,copy=KEY',
    )
    .option('--report <file>', 'write what the run was, as JSON')
    .option('--profile', 'print hot functions of the guest, tiers, TLB misses and exits at the end')
    .option('--symbols <file...>', 'names for --profile: ELF files or System.maps')
    .option('--suspend <file>', 'write a snapshot at the end')
    .option('--with-history [size]', 'the snapshot carries the past, in pages of 256M at most unless told otherwise')
    .option('--parent <file>', `for --suspend, ${PARENT}`)
    .option('--control <name>', 'listen for guest ctl: a name, or the path of a socket');
const RUN_OPTIONS = new Set(['restore', ...withRunOptions(new Command()).options.map((option) => option.attributeName())]);

withRunOptions(program.command('run'))
  .description('boot a guest and run it')
  .option('--kernel <file>', 'Linux bzImage, ELF (Multiboot 1 or 2, PVH) or flat binary')
  .option('--initrd <file>', 'initial RAM disk')
  .option('--append <text>', 'kernel command line')
  .option('--module <file...>', 'boot modules, each with an optional command line after a space')
  .option('--load-address <address>', 'physical address of a flat binary')
  .option('--load-mode <mode>', 'real, protected or long: how a flat binary starts')
  .option('--disk <file...>', 'disk images, raw or qcow2, with ,overlay=FILE ,bus=virtio|ahci|nvme ,format= ,serial= ,read-only; the image is not written to')
  .option('--cdrom <iso...>', 'images of CD-ROMs')
  .option('--rng <seed>', "a virtio entropy device, whose bytes follow from the seed; `host`: they are this computer's, and belong to the history")
  .option('--virtio-console <where>', 'a virtio console, its output to stdio, none or file:PATH')
  .option('--typematic', 'the PS/2 keyboard repeats held keys itself, as the guest has set it')
  .option('--usb <devices>', 'a USB host controller with tablet, keyboard or both: tablet,keyboard')
  .option('--network <network>', 'user: out through the host; isolated: the gateway alone; with ,device=virtio|e1000 ,mac= ,forward=HOSTPORT:GUESTPORT')
  .option('--memory <size>', 'RAM, 16M to 3G', '512M')
  .option('--cpus <n>', 'virtual processors', '1')
  .option('--firmware <file>', 'UEFI firmware, run from the reset vector')
  .option('--vars <file>', 'variable store of the firmware; changes are written back')
  .option('--bios <file>', 'BIOS, run from the reset vector')
  .option('--vga-bios <file>', 'option ROM of the VGA')
  .option('--chipset <board>', 'i440fx or q35, for firmware')
  .option('--fw-cfg <name=text...>', 'items for firmware and guest, as opt/org.example/name=text')
  .option(
    '--display <display>',
    'fbuf, vga or ramfb, with ,w= ,h= and, as in bhyve, ,vga=io|on|off ,rfb=[HOST:]PORT ,wait ,password=; or a resolution as 1024x768; or none',
  )
  .option('--tier <tier>', 'generic: interpret; auto: compile what is hot; region: compile everything (the guest runs the same)')
  .option('--no-history', 'take no checkpoints')
  .option('-r, --restore <file>', "go on from a snapshot, in bhyve's word for it: as guest resume")
  .option('--config <file>', 'a launch configuration as JSON; other options come before it')
  .action(async (_: unknown, command: Command) => {
    // A default must not hide what the configuration file says.
    const given = Object.fromEntries(Object.entries(command.opts<Given>()).filter(([name]) => command.getOptionValueSource(name) !== 'default'));
    const file = given['restore'] as string | undefined;
    const foreign =
      file === undefined ? undefined : command.options.find((option) => option.attributeName() in given && !RUN_OPTIONS.has(option.attributeName()));
    if (foreign) throw userError('option', `--restore: the machine is the snapshot's; ${foreign.long} is not for it`);
    process.exitCode = (await runGuest({ ...toOptions(given), ...(file !== undefined && { resume: { file, overrides: [] } }) })) ? 0 : 1;
  });

withRunOptions(program.command('resume <file>'))
  .description('go on from a snapshot, with the machine that it has')
  .option('--override <name=value...>', 'other than the snapshot says: disk0.path, disk0.overlay, …, vars, network, historyMegabytes, checkpointEvery, tier')
  .action(async (file: string, given: Given) => {
    process.exitCode = (await runGuest({ ...toOptions(given), resume: { file, overrides: (given['override'] as string[] | undefined) ?? [] } })) ? 0 : 1;
  });
addSnapshotCommands(program);
addControlCommand(program);

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof EmulatorError && error.blame === 'user') {
    process.stderr.write(`guest: ${error.message}\n`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`guest: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
});
