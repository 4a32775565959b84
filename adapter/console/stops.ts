/** Breakpoints from the Debug Console: on code, data, ports, interrupts and exceptions. */
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
  const [text, access] = withAccess(args, 'access');
  const range = /^(0x[0-9a-f]+|\d+)(?:-(0x[0-9a-f]+|\d+))?$/i.exec(text.trim());
  if (!range) throw usageError(PORT);
  const first = Number(range[1]);
  const target = parseDataId(`port:${first}/${Number(range[2] ?? range[1]) - first + 1}`);
  if (target?.kind !== 'port') throw commandError(`'${text}' is no range of ports from 0 to 0xffff`);
  const { count: ports } = target;
  return done(
    context,
    context.debuggee.breakpoints.addOwn('data breakpoint', `${access} of ${describeTarget(target)}`, (id) => [
      { kind: 'port', id, first, count: ports, access },
    ]),
  );
}
const PORT: Command = { name: 'stop-at port', usage: 'FIRST[-LAST] [read|write|access]', about: 'stops at an access to I/O ports', run: port };

async function interrupt(context: CommandContext, args: string): Promise<string> {
  const vectors = parseVectors(args === 'any' ? '' : args);
  if (typeof vectors === 'string') throw commandError(vectors);
  const wanted = vectors ?? (['any'] as const);
  const label = vectors ? `interrupts ${vectors.map((vector) => hex(vector)).join(', ')}` : 'every interrupt';
  return done(
    context,
    context.debuggee.breakpoints.addOwn('exception', label, (id) => wanted.map((vector) => ({ kind: 'interrupt', id, vector }))),
  );
}

/** `#GP`, `gp`, `13` or `0xd` as a vector. */
function exceptionVector(text: string): number {
  const word = text.replace(/^#/, '').toLowerCase();
  const named = VECTORS.find(({ mnemonic }) => mnemonic.slice(1).toLowerCase() === word);
  const vector = named?.vector ?? (/^(0x[0-9a-f]+|\d+)$/.test(word) ? Number(word) : NaN);
  if (!(vector >= 0 && vector < 32))
    throw commandError(`'${text}' is no exception; write one of ${VECTORS.map(({ mnemonic }) => mnemonic).join(' ')}, or a vector`);
  return vector;
}

async function exception(context: CommandContext, args: string): Promise<string> {
  if (args === '') throw usageError(EXCEPTION);
  const vectors = args.split(/[,\s]+/).map(exceptionVector);
  return done(
    context,
    context.debuggee.breakpoints.addOwn('exception', vectors.map(vectorName).join(', '), (id) => vectors.map((vector) => ({ kind: 'exception', id, vector }))),
  );
}
const EXCEPTION: Command = {
  name: 'stop-at exception', usage: '#NAME|VECTOR …', about: 'stops where an exception is delivered', words: VECTORS.map(({ mnemonic }) => mnemonic), run: exception,
}; // prettier-ignore

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
  { name: 'stop-at interrupt', usage: '[VECTOR|FIRST-LAST …]', about: 'stops where an interrupt is delivered', run: interrupt },
  EXCEPTION,
  DELETE,
];
