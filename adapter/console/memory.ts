/** Memory and registers: dump, write, disassemble, translate, set. */
import { around } from '../disassembly/window';
import { entryText } from '../disassembly/listing';
import { bytesText, hex } from '../inspect/format';
import { TOP } from '../inspect/view';
import { assign } from '../session/assign';
import { commandError, count, firstWord, table, usageError, type Command, type CommandContext } from './command';

const ROW = 16;

/** Splits off a trailing number: `ADDRESS [COUNT]`, where the address is an expression that may have spaces. */
function withCount(args: string, fallback: number, most: number): [expression: string, count: number] {
  const match = /^(.*\S)\s+(\d+|0x[0-9a-f]+)$/i.exec(args.trim());
  // `a + 16` is one expression; `a 16` is two arguments.
  if (!match || /[-+*/%&|^<>=(,:?~!]$/.test(match[1]!)) return [args.trim(), fallback];
  return [match[1]!, count(match[2]!, fallback, most)];
}

async function dump({ debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  if (args === '') throw usageError(DUMP);
  const [expression, length] = withCount(args, 128, 1 << 16);
  const { bits, space } = await debuggee.evaluate(expression, vcpu);
  const bytes = await debuggee.view.read(vcpu, space, bits, length);
  const prefix = space === 'physical' ? 'phys:' : '';
  if (bytes.length === 0) throw commandError(`there is nothing to read at ${prefix}${hex(bits)}`);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = bytes.subarray(at, at + ROW);
    const text = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${prefix}${hex(bits + BigInt(at), 16)}  ${bytesText(row).padEnd(ROW * 3 - 1)}  ${text}`);
  }
  if (bytes.length < length) lines.push(`(the ${length - bytes.length} bytes that follow can't be read)`);
  return lines.join('\n');
}
const DUMP: Command = {
  name: 'mem',
  aliases: ['x', 'dump', 'xp'],
  usage: 'ADDRESS [BYTES]',
  about: 'memory as bytes and text; phys:ADDRESS for physical memory',
  run: dump,
};

async function write({ session, debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  const match = /^(.*\S)\s*=\s*((?:[0-9a-f]{2}\s*)+)$/i.exec(args);
  if (!match) throw usageError(WRITE);
  const { bits, space } = await debuggee.evaluate(match[1]!, vcpu);
  const bytes = Uint8Array.from(Buffer.from(match[2]!.replace(/\s+/g, ''), 'hex'));
  if (bits + BigInt(bytes.length) > TOP) throw commandError(`${hex(bits)} is outside of the address space`);
  const written = await debuggee.view.write(vcpu, space, bits, bytes);
  debuggee.changed();
  session.tellMemory();
  session.tellInvalidated(['all']);
  return `${written} of ${bytes.length} bytes written.`;
}
const WRITE: Command = { name: 'write', usage: 'ADDRESS = BYTES', about: 'writes bytes, as pairs of hexadecimal digits', run: write };

async function disassemble({ debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  const [expression, lines] = withCount(args, 10, 1000);
  const cpu = await debuggee.view.cpu(vcpu);
  // A lone number may be a count: `disas 20`.
  const address = expression === '' ? cpu.pc : (await debuggee.evaluate(expression, vcpu)).bits;
  const entries = await around(await debuggee.code(vcpu), address, 0, lines);
  const rows = entries
    .filter(({ outside }) => !outside)
    .map((entry) => [
      entry.address === cpu.pc ? '=>' : '  ', hex(entry.address, 16), debuggee.symbols.label(entry.address) ?? '', bytesText(entry.bytes), entryText(entry, debuggee.symbols),
    ]); // prettier-ignore
  return table(rows);
}

async function set({ session, debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  const match = /^([^=]*[^=!<>\s])\s*=(?!=)\s*([\s\S]+)$/.exec(args);
  if (!match) throw usageError(SET);
  await assign(debuggee, vcpu, match[1]!.trim(), match[2]!.trim());
  debuggee.changed();
  session.tellMemory();
  session.tellInvalidated(['all']);
  return `${match[1]!.trim()} = ${match[2]!.trim()}`;
}
const SET: Command = { name: 'set', usage: 'PLACE = VALUE', about: 'writes a register, a field of a device (com1.lcr) or memory (u32[0x1000])', run: set };

async function translate({ debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  if (args === '') throw usageError(TRANSLATE);
  const { bits } = await debuggee.evaluate(args, vcpu);
  const physical = await debuggee.guest.translate(vcpu, bits);
  return physical === undefined ? `${hex(bits)} is not mapped.` : `${hex(bits)} is phys:${hex(physical)}`;
}
const TRANSLATE: Command = { name: 'translate', aliases: ['v2p'], usage: 'ADDRESS', about: 'the physical address of a linear one', run: translate };

async function symbol({ debuggee, vcpu }: CommandContext, args: string): Promise<string> {
  if (args === '') throw usageError(SYMBOL);
  const { bits } = await debuggee.evaluate(args, vcpu);
  const label = debuggee.symbols.label(bits);
  const line = debuggee.symbols.source(bits);
  return `${hex(bits)}${label === undefined ? ' is in no known symbol' : ` is ${label}`}${line ? `, ${line.path}:${line.line}` : ''}`;
}
const SYMBOL: Command = {
  name: 'symbol',
  aliases: ['sym', 'info symbol', 'info line'],
  usage: 'ADDRESS',
  about: 'the symbol and the source line of an address',
  run: symbol,
};

async function radix({ session, debuggee }: CommandContext, args: string): Promise<string> {
  const [word] = firstWord(args);
  if (word !== '10' && word !== '16') throw usageError(RADIX);
  debuggee.variables.radix = word === '10' ? 10 : 16;
  session.tellInvalidated(['variables']);
  return `Numbers are shown to the base ${word}.`;
}
const RADIX: Command = { name: 'radix', usage: '10|16', about: 'how numbers are shown', words: ['10', '16'], run: radix };

export const MEMORY: readonly Command[] = [
  DUMP,
  WRITE,
  { name: 'disas', aliases: ['disassemble', 'u'], usage: '[ADDRESS] [COUNT]', about: 'instructions', run: disassemble },
  SET,
  TRANSLATE,
  SYMBOL,
  RADIX,
];
