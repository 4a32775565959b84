/** The Debug Console's commands: found by their names, run, listed by `help`. */
import type { Operation } from '../session/motion';
import { didYouMean } from '../launch/nearest';
import type { Session } from '../session/session';
import { commandError, table, type Command, type CommandContext } from './command';
import { HISTORY } from './history';
import { INFO } from './info';
import { INPUT } from './input';
import { MEMORY } from './memory';
import { STOPS } from './stops';

const HELP: Command = { name: 'help', aliases: ['?'], usage: '[COMMAND]', about: 'lists the commands, or explains one', run: async (_, args) => help(args) };

export const COMMANDS: readonly Command[] = [HELP, ...INFO, ...MEMORY, ...STOPS, ...HISTORY, ...INPUT];

const SECTIONS: readonly (readonly [title: string, commands: readonly Command[]])[] = [
  ['State', INFO],
  ['Memory and registers', MEMORY],
  ['Breakpoints', STOPS],
  ['Motion and history', HISTORY],
  ['Input', INPUT],
];

const line = ({ name, usage, about, aliases = [] }: Command): string[] => [
  `  ${name} ${usage}`.trimEnd(),
  `${about}${aliases.length > 0 ? ` (also: ${aliases.join(', ')})` : ''}`,
];

function help(wanted: string): string {
  if (wanted !== '') {
    const found = COMMANDS.filter(({ name, aliases = [] }) => [name, ...aliases].some((each) => each === wanted || each.startsWith(`${wanted} `)));
    if (found.length === 0)
      throw commandError(
        `there is no command '${wanted}'${didYouMean(
          wanted,
          COMMANDS.map(({ name }) => name),
        )}`,
      );
    return table(found.map(line));
  }
  const sections = SECTIONS.map(([title, commands]) => `${title}\n${table(commands.map(line))}`);
  return [...sections, 'Anything else is an expression: rax + 8, cs.base, u32[rsp], u8[phys:0x1000], &symbol, com1.lcr'].join('\n\n');
}

/** Does `text` begin with `name` as whole words? What follows then. */
function after(text: string, name: string): string | undefined {
  const pattern = name
    .split(' ')
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s+');
  const match = new RegExp(`^${pattern}${name === '>' ? '' : '(?![^\\s/])'}\\s?`).exec(text);
  return match ? text.slice(match[0].length) : undefined;
}

/** The command of the longest name that the text begins with. */
export function findCommand(text: string): { command: Command; args: string } | undefined {
  let best: { command: Command; args: string } | undefined;
  let longest = 0;
  for (const command of COMMANDS) {
    for (const name of [command.name, ...(command.aliases ?? [])]) {
      const args = name.length > longest ? after(text, name) : undefined;
      if (args === undefined) continue;
      // `b = 5` and `d + 1` are about symbols of that name, not about commands.
      if (name !== '>' && /^\s*(=|[-+*/%&|^<>]\s)/.test(args)) continue;
      longest = name.length;
      best = { command, args: name === '>' ? args : args.trim() };
    }
  }
  return best;
}

export interface Answer {
  readonly text: string;
  /** What is to begin once the answer has been sent. */
  readonly motion?: { readonly title: string; readonly operation: Operation };
}

/** Words that begin commands of two words, and stand for none themselves. */
const FAMILIES = ['info', 'stop-at'];

/** Runs a command; nothing for a text that is no command. */
export async function runCommand(session: Session, input: string, vcpu: number): Promise<Answer | undefined> {
  const text = input.trimStart();
  const found = findCommand(text);
  if (!found) {
    const family = FAMILIES.find((name) => after(text, name) !== undefined);
    if (family === undefined) return undefined;
    const known = COMMANDS.map(({ name }) => name).filter((name) => name.startsWith(`${family} `));
    throw commandError(`there is no command '${text.trim()}'; there are ${known.join(', ')}`);
  }
  let motion: Answer['motion'];
  const context: CommandContext = {
    session,
    debuggee: session.live,
    vcpu,
    begin: (title, operation) => {
      session.live.motion.requireStopped();
      motion = { title, operation };
    },
  };
  const answer = await found.command.run(context, found.args);
  return { text: answer, ...(motion && { motion }) };
}
