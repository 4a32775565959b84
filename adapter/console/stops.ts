/** Breakpoints from the Debug Console: on code, data, ports, interrupts and exceptions. */
import { CONTROLS, type Trigger } from '../../emulator/machine/api';
import { VECTORS, parseVectors, vectorName } from '../breakpoints/exceptions';
import { parseDataId, describeTarget } from '../breakpoints/data';
import { hex } from '../inspect/format';
import { commandError, count, firstWord, usageError, type Command, type CommandContext } from './command';

type Access = 'read' | 'write' | 'access';

/** `… if CONDITION` at the end. */
function withCondition(text: string): [rest: string, condition: string | undefined] {
  const match = /^([\s\S]*\S)\s+if\s+([\s\S]+)$/.exec(text);
  return match ? [match[1]!, match[2]!] : [text, undefined];
}

interface Suffixes {
  readonly condition: string | undefined;
  readonly more: { hitCondition?: string; logMessage?: string };
}

/** `… [if CONDITION] [hits COUNT] [log MESSAGE]` at the end. */
function withSuffixes(text: string): [rest: string, suffixes: Suffixes] {
  const [, unlogged, logMessage] = /^([\s\S]*?)(?:(?:^|\s+)log\s+([\s\S]+))?$/.exec(text)!;
  const [, uncounted, hitCondition] = /^([\s\S]*?)(?:(?:^|\s+)hits\s+((?:==|>=|>|%)?\s*\d+))?\s*$/.exec(unlogged!)!;
  const [, rest, condition] = /^([\s\S]*?)(?:(?:^|\s+)if\s+([\s\S]+))?$/.exec(uncounted!)!;
  return [rest!.trim(), { condition, more: { ...(hitCondition !== undefined && { hitCondition }), ...(logMessage !== undefined && { logMessage }) } }];
}
const SUFFIXES = '[if CONDITION] [hits COUNT] [log MESSAGE]';

type Event = Exclude<Trigger['kind'], 'execute' | 'watch'>;
type EventTarget = { [K in Event]: Omit<Extract<Trigger, { kind: K }>, 'id' | 'condition' | 'hits' | 'log'> }[Event];

/** A breakpoint on something that happens, as one or several triggers of one kind. */
async function stopAt(context: CommandContext, label: string, targets: readonly EventTarget[], { condition, more }: Suffixes): Promise<string> {
  const { breakpoints } = context.debuggee;
  const conditions = breakpoints.conditionsOf(condition, targets[0]!.kind, more);
  const words = [label, condition === undefined ? '' : `if ${condition}`, more.hitCondition === undefined ? '' : `hits ${more.hitCondition}`];
  const kind = targets[0]!.kind === 'port' || targets[0]!.kind === 'msr' ? 'data breakpoint' : 'exception';
  const make = (id: number): Trigger[] => targets.map((target) => ({ ...target, id, ...conditions }) as Trigger);
  return done(context, breakpoints.addOwn(kind, words.filter((word) => word !== '').join(' '), make));
}

/** `read`, `write` or `access` as the last word. */
function withAccess(text: string, fallback: Access): [rest: string, access: Access] {
  const match = /^(.*?)\s*\b(read|write|access|rw|r|w)$/i.exec(text);
  const word = match?.[2]!.toLowerCase();
  if (!match || match[1] === '') return [text, fallback];
  return [match[1]!, word === 'read' || word === 'r' ? 'read' : word === 'write' || word === 'w' ? 'write' : 'access'];
}

async function done({ debuggee }: CommandContext, entry: { id: number; label: string; kind: string }): Promise<string> {
  try {
    await debuggee.applyTriggers();
  } catch (error) {
    debuggee.breakpoints.removeOwn(entry.id);
    await debuggee.applyTriggers();
    throw error;
  }
  return `Breakpoint ${entry.id}: ${entry.label}`;
}

async function breakAt(context: CommandContext, args: string): Promise<string> {
  const { debuggee, vcpu } = context;
  if (args === '') throw usageError(BREAK);
  const [text, condition] = withCondition(args);
  const place = /^(.+):(\d+)$/.exec(text);
  const line = place && debuggee.symbols.addressesOf(place[1]!, Number(place[2]));
  const symbols = debuggee.symbols.index.find(text).filter(({ kind }) => kind !== 'object');
  const addresses = line
    ? line.addresses
    : symbols.length > 0
      ? symbols.map((symbol) => debuggee.symbols.functionEntry(symbol))
      : [(await debuggee.evaluate(text.replace(/^\*/, ''), vcpu)).bits];
  const conditions = debuggee.breakpoints.conditionsOf(condition);
  const label = `${text} (${addresses.map((address) => hex(address)).join(', ')})${condition === undefined ? '' : ` if ${condition}`}`;
  return done(
    context,
    debuggee.breakpoints.addOwn('breakpoint', label, (id) => addresses.map((address) => ({ kind: 'execute', id, address, ...conditions }))),
  );
}
const BREAK: Command = { name: 'break', aliases: ['b'], usage: 'ADDRESS|SYMBOL|FILE:LINE [if CONDITION]', about: 'stops before an instruction', run: breakAt };

async function watch(context: CommandContext, args: string): Promise<string> {
  const { debuggee, vcpu } = context;
  if (args === '') throw usageError(WATCH);
  const [rest, condition] = withCondition(args);
  const [text, access] = withAccess(rest, 'write');
  const sized = /^(.*\S)\s+(\d+)$/.exec(text);
  const expression = sized ? sized[1]! : text;
  const value = await debuggee.evaluate(expression, vcpu);
  const place = value.place?.kind === 'memory' ? value.place : { space: value.space, address: value.bits };
  const length = sized ? count(sized[2]!, 8, 1 << 24) : value.place?.kind === 'memory' ? value.type.size : 8;
  const conditions = debuggee.breakpoints.conditionsOf(condition);
  const label = `${access} of ${describeTarget({ kind: 'memory', ...place, length })}${condition === undefined ? '' : ` if ${condition}`}`;
  const entry = debuggee.breakpoints.addOwn('data breakpoint', label, (id) => [
    { kind: 'watch', id, space: place.space, address: place.address, length, access, ...conditions },
  ]);
  return done(context, entry);
}
const WATCH: Command = {
  name: 'watch', aliases: ['stop-at watch', 'stop-at memory'], usage: 'ADDRESS [BYTES] [read|write|access] [if CONDITION]', about: 'stops at an access to memory', run: watch,
}; // prettier-ignore

async function port(context: CommandContext, args: string): Promise<string> {
  const [rest, suffixes] = withSuffixes(args);
  const [text, access] = withAccess(rest, 'access');
  const range = /^(0x[0-9a-f]+|\d+)(?:-(0x[0-9a-f]+|\d+))?$/i.exec(text.trim());
  if (!range) throw usageError(PORT);
  const first = Number(range[1]);
  const target = parseDataId(`port:${first}/${Number(range[2] ?? range[1]) - first + 1}`);
  if (target?.kind !== 'port') throw commandError(`'${text}' is no range of ports from 0 to 0xffff`);
  const { count: ports } = target;
  return stopAt(context, `${access} of ${describeTarget(target)}`, [{ kind: 'port', first, count: ports, access }], suffixes);
}
const PORT: Command = { name: 'stop-at port', usage: `FIRST[-LAST] [read|write|access] ${SUFFIXES}`, about: 'stops at an access to I/O ports', run: port };

async function interrupt(context: CommandContext, args: string): Promise<string> {
  const [text, suffixes] = withSuffixes(args);
  const vectors = parseVectors(text === 'any' ? '' : text);
  if (typeof vectors === 'string') throw commandError(vectors);
  const wanted = vectors ?? (['any'] as const);
  const label = vectors ? `interrupts ${vectors.map((vector) => hex(vector)).join(', ')}` : 'every interrupt';
  const targets = wanted.map((vector) => ({ kind: 'interrupt', vector }) as const);
  return stopAt(context, label, targets, suffixes);
}

/** `#GP`, `gp`, `13` or `0xd` as a vector. */
function exceptionVector(text: string): number {
  const word = text.replace(/^#/, '').toLowerCase();
  const named = VECTORS.find(({ mnemonic }) => mnemonic.replace('#', '').toLowerCase() === word);
  const vector = named?.vector ?? (/^(0x[0-9a-f]+|\d+)$/.test(word) ? Number(word) : NaN);
  if (!(vector >= 0 && vector < 32))
    throw commandError(`'${text}' is no exception; write one of ${VECTORS.map(({ mnemonic }) => mnemonic).join(' ')}, or a vector`);
  return vector;
}

async function exception(context: CommandContext, args: string): Promise<string> {
  const [text, suffixes] = withSuffixes(args);
  if (text === '') throw usageError(EXCEPTION);
  const vectors = text.split(/[,\s]+/).map(exceptionVector);
  const targets = vectors.map((vector) => ({ kind: 'exception', vector }) as const);
  return stopAt(context, vectors.map(vectorName).join(', '), targets, suffixes);
}
const EXCEPTION: Command = {
  name: 'stop-at exception', usage: `#NAME|VECTOR … ${SUFFIXES}`, about: 'stops where an exception is delivered', words: VECTORS.map(({ mnemonic }) => mnemonic), run: exception,
}; // prettier-ignore

async function msr(context: CommandContext, args: string): Promise<string> {
  const [rest, suffixes] = withSuffixes(args);
  const [text, access] = withAccess(rest, 'access');
  const index = text === 'any' ? 'any' : Number(text);
  if (text === '') throw usageError(MSR);
  if (index !== 'any' && !(Number.isInteger(index) && index >= 0 && index < 2 ** 32)) throw commandError(`'${text}' is no number of an MSR`);
  return stopAt(context, `${access} of ${index === 'any' ? 'every MSR' : `MSR ${hex(index)}`}`, [{ kind: 'msr', index, access }], suffixes);
}
const MSR: Command = { name: 'stop-at msr', usage: `INDEX|any [read|write|access] ${SUFFIXES}`, about: 'stops behind RDMSR or WRMSR', run: msr };

async function cpuid(context: CommandContext, args: string): Promise<string> {
  const [text, suffixes] = withSuffixes(args);
  const leaf = text === '' ? 'any' : Number(text);
  if (leaf !== 'any' && !(Number.isInteger(leaf) && leaf >= 0 && leaf < 2 ** 32)) throw commandError(`'${text}' is no leaf of CPUID`);
  return stopAt(context, leaf === 'any' ? 'CPUID' : `CPUID leaf ${hex(leaf)}`, [{ kind: 'cpuid', leaf }], suffixes);
}

async function hlt(context: CommandContext, args: string): Promise<string> {
  const [text, suffixes] = withSuffixes(args);
  if (text !== '') throw commandError(`'${text}' is not understood; 'stop-at hlt' takes only ${SUFFIXES}`);
  return stopAt(context, 'HLT', [{ kind: 'halt' }], suffixes);
}

async function control(context: CommandContext, args: string): Promise<string> {
  const [text, suffixes] = withSuffixes(args);
  const register = CONTROLS.find((name) => name === (text === '' ? 'mode' : text.toLowerCase()));
  if (!register) throw commandError(`'${text}' is none of ${CONTROLS.join(', ')}`);
  return stopAt(context, register === 'mode' ? 'mode switches' : `changes of ${register.toUpperCase()}`, [{ kind: 'control', register }], suffixes);
}

async function remove({ debuggee }: CommandContext, args: string): Promise<string> {
  const [word] = firstWord(args);
  const own = debuggee.breakpoints.own();
  if (word === '') throw usageError(DELETE);
  const ids = word === 'all' ? own.map(({ id }) => id) : [Number(word)];
  for (const id of ids) {
    if (!debuggee.breakpoints.removeOwn(id)) throw commandError(`there is no breakpoint ${word} of the console; 'info breakpoints' lists them`);
  }
  await debuggee.applyTriggers();
  return ids.length === 1 ? `Breakpoint ${ids[0]} is deleted.` : `${ids.length} breakpoints are deleted.`;
}
const DELETE: Command = { name: 'delete', aliases: ['d'], usage: 'ID|all', about: 'deletes a breakpoint that was set in the console', run: remove };

export const STOPS: readonly Command[] = [
  BREAK,
  WATCH,
  PORT,
  { name: 'stop-at interrupt', usage: `[VECTOR|FIRST-LAST …] ${SUFFIXES}`, about: 'stops where an interrupt is delivered', run: interrupt },
  EXCEPTION,
  MSR,
  { name: 'stop-at cpuid', usage: `[LEAF] ${SUFFIXES}`, about: 'stops behind CPUID', run: cpuid },
  { name: 'stop-at hlt', usage: SUFFIXES, about: 'stops where a vCPU has halted', run: hlt },
  {
    name: 'stop-at control',
    usage: `cr0|cr3|cr4|efer|mode ${SUFFIXES}`,
    about: 'stops where a control register or the mode has changed',
    words: CONTROLS,
    run: control,
  },
  DELETE,
];
