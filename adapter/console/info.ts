/** `info …`: the machine's state as text. */
import type { StateNode } from '../../emulator/machine/api';
import { hex, megabytes, nodeText, seconds } from '../inspect/format';
import { partsOf } from '../inspect/lanes';
import { commandError, table, type Command, type CommandContext } from './command';

/** A tree as indented lines; what is deeper than `deepest` shows as its value alone. */
function tree(nodes: readonly StateNode[], deepest: number, indent = ''): string[] {
  const width = Math.max(0, ...nodes.map(({ name }) => name.length));
  return nodes.flatMap((node) => {
    const text = nodeText(node, 16);
    const children = node.children ?? [];
    const own = `${indent}${node.name.padEnd(width)}  ${text}`.trimEnd();
    // Flags stand behind the value of their register already.
    const inner = deepest > 0 && text === '' && node.value === undefined ? tree(children, deepest - 1, `${indent}  `) : [];
    return [own, ...inner];
  });
}

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  registers: ['general', 'flags'],
  segments: ['segments'],
  control: ['control'],
  debug: ['debug'],
  msrs: ['msr', 'msrs'],
  x87: ['x87'],
  sse: ['sse'],
  lapic: ['lapic'],
};

async function group({ debuggee, vcpu }: CommandContext, names: readonly string[]): Promise<string> {
  const found = (await debuggee.view.vcpuState(vcpu)).filter(({ name }) => names.includes(name.toLowerCase()) && name !== 'flags');
  if (found.length === 0) throw commandError(`this machine shows no ${names[0]}`);
  return found.flatMap((node) => tree(partsOf(node), 2)).join('\n');
}

async function devices({ debuggee }: CommandContext, name: string): Promise<string> {
  const all = await debuggee.view.deviceState();
  if (name === '') return table(all.map((device) => [device.name, device.about ?? '']));
  const device = all.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (!device) throw commandError(`there is no device '${name}'; there are ${all.map((each) => each.name).join(', ')}`);
  return tree(partsOf(device), 3).join('\n');
}

async function breakpoints({ debuggee }: CommandContext): Promise<string> {
  const all = debuggee.breakpoints.all();
  if (all.length === 0) return 'There are no breakpoints.';
  const own = new Set(debuggee.breakpoints.own());
  const state = (entry: (typeof all)[number]): string =>
    entry.response.verified ? (own.has(entry) ? 'from the console' : '') : (entry.response.message ?? 'not resolved');
  return table(all.map((entry) => [String(entry.id), entry.kind, entry.label, state(entry)]));
}

export async function listCheckpoints({ debuggee }: CommandContext): Promise<string> {
  const { guest } = debuggee;
  const [all, { position }] = await Promise.all([guest.checkpoints(), guest.status()]);
  if (all.length === 0) return 'There are no checkpoints.';
  const rows = all.map((each) => [
    String(each.id), each.position <= position ? ' ' : '>', String(each.position), seconds(each.time), megabytes(each.bytes), each.name ?? (each.kept ? 'kept' : ''),
  ]); // prettier-ignore
  return `${table([['id', ' ', 'position', 'time', 'size', 'name'], ...rows])}\nThe guest is at position ${position}; '>' marks its future.`;
}

async function status({ debuggee }: CommandContext): Promise<string> {
  const now = await debuggee.guest.status();
  return table([
    ['state', now.running ? 'running' : 'stopped'],
    ['position', `${now.position} instructions`],
    ['virtual time', seconds(now.time)],
    ['history', `${now.oldest} to ${now.newest}, ${megabytes(now.historyBytes)}`],
    ['speed', `${now.mips.toFixed(1)} MIPS`],
  ]);
}

async function map({ debuggee }: CommandContext): Promise<string> {
  const all = await debuggee.guest.memoryMap();
  const digits = (space: string): number => (space === 'port' ? 4 : 9);
  return table(all.map(({ first, last, owner, space }) => [space, `${hex(first, digits(space))}-${hex(last, digits(space))}`, owner]));
}

async function cpus({ debuggee }: CommandContext): Promise<string> {
  const rows = Array.from({ length: debuggee.view.vcpus }, async (_, vcpu) => {
    const { pc, bits } = await debuggee.view.cpu(vcpu);
    return [vcpu === debuggee.focus ? '*' : ' ', `vCPU ${vcpu}`, `${bits}-bit`, hex(pc), debuggee.symbols.label(pc) ?? ''];
  });
  return table(await Promise.all(rows));
}

async function stack({ debuggee, vcpu }: CommandContext): Promise<string> {
  const frames = await debuggee.stack(vcpu);
  return table(frames.map(({ pc, guessed }, depth) => [`#${depth}`, hex(pc, 16), `${debuggee.symbols.label(pc) ?? ''}${guessed ? ' ?' : ''}`]));
}

async function symbolFiles({ debuggee }: CommandContext): Promise<string> {
  const all = debuggee.symbols.modules;
  if (all.length === 0) return "No symbol files are loaded; the launch attribute 'symbols' names them.";
  return table(all.map((each) => [each.name, `${hex(each.first)}-${hex(each.last)}`, `${each.symbols} symbols`, `${each.lines} rows of lines`]));
}

export const INFO: readonly Command[] = [
  {
    name: 'info registers',
    aliases: ['regs', 'info reg', 'info r'],
    usage: '',
    about: 'general registers and flags',
    run: (context) => group(context, GROUPS.registers!),
  },
  ...Object.keys(GROUPS).filter((name) => name !== 'registers').map((name): Command => ({
    name: `info ${name}`, usage: '', about: `${name} registers of the vCPU`, run: (context) => group(context, GROUPS[name]!),
  })), // prettier-ignore
  {
    name: 'info all',
    usage: '',
    about: 'every register of the vCPU',
    run: async ({ debuggee, vcpu }) => tree(await debuggee.view.vcpuState(vcpu), 3).join('\n'),
  },
  { name: 'info devices', aliases: ['info device'], usage: '[NAME]', about: 'the devices, or the state of one', run: devices },
  { name: 'info breakpoints', aliases: ['info break', 'info b'], usage: '', about: 'breakpoints of every kind', run: breakpoints },
  { name: 'info checkpoints', aliases: ['checkpoints'], usage: '', about: 'the recorded checkpoints', run: listCheckpoints },
  { name: 'info status', aliases: ['status'], usage: '', about: 'position, virtual time, history and speed', run: status },
  { name: 'info map', aliases: ['info mtree'], usage: '', about: 'who answers in memory and at I/O ports', run: map },
  { name: 'info cpus', usage: '', about: 'where every vCPU is', run: cpus },
  { name: 'info symbols', usage: '', about: 'the loaded symbol files', run: symbolFiles },
  { name: 'backtrace', aliases: ['bt', 'info stack'], usage: '', about: 'the call stack', run: stack },
];
