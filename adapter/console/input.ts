/** What goes into the guest from outside: the serial line and the keyboard. */
import { commandError, usageError, type Command, type CommandContext } from './command';

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', e: '\x1b', '\\': '\\' };

/** `\n`, `\t`, `\e`, `\x03`. */
const unescaped = (text: string): string =>
  text.replace(/\\(x[0-9a-f]{2}|[nrte\\])/gi, (_, code: string) =>
    code.length > 1 ? String.fromCharCode(parseInt(code.slice(1), 16)) : ESCAPES[code.toLowerCase()]!,
  );

async function type({ debuggee }: CommandContext, text: string): Promise<string> {
  await debuggee.guest.serialInput(0, new TextEncoder().encode(`${unescaped(text)}\n`));
  return '';
}

async function serial({ debuggee }: CommandContext, text: string): Promise<string> {
  if (text === '') throw usageError(SERIAL);
  await debuggee.guest.serialInput(0, new TextEncoder().encode(unescaped(text)));
  return '';
}
const SERIAL: Command = { name: 'serial', usage: 'TEXT', about: 'sends text to the serial line as it is; \\n, \\t, \\e and \\xHH are understood', run: serial };

async function key({ debuggee }: CommandContext, args: string): Promise<string> {
  const codes = args.split(/[+\s]+/).filter((code) => code !== '');
  if (codes.length === 0) throw usageError(KEY);
  if (!codes.every((code) => /^[A-Za-z0-9]+$/.test(code))) throw commandError(`'${args}' is no list of key codes`);
  for (const code of codes) await debuggee.guest.key(code, true);
  for (const code of codes.reverse()) await debuggee.guest.key(code, false);
  return '';
}
const KEY: Command = {
  name: 'key',
  aliases: ['sendkey'],
  usage: 'CODE[+CODE…]',
  about: 'presses keys together, by KeyboardEvent codes: ControlLeft+AltLeft+Delete',
  run: key,
};

async function pointer({ debuggee }: CommandContext, args: string): Promise<string> {
  const numbers = args.split(/\s+/).map(Number);
  const [x, y, buttons = 0] = numbers;
  if (x === undefined || y === undefined || !numbers.every((value) => Number.isInteger(value) && value >= 0 && value < 1 << 15)) throw usageError(POINTER);
  await debuggee.guest.pointer(x, y, buttons, 0);
  return '';
}
const POINTER: Command = { name: 'pointer', usage: 'X Y [BUTTONS]', about: 'moves the pointer', run: pointer };

export const INPUT: readonly Command[] = [{ name: '>', usage: 'TEXT', about: 'types a line into the serial console', run: type }, SERIAL, KEY, POINTER];
