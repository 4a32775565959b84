/** What a command of the Debug Console is. */
import type { Debuggee } from '../session/debuggee';
import type { Operation } from '../session/motion';
import { DapError } from '../session/errors';
import type { Session } from '../session/session';

export interface CommandContext {
  readonly session: Session;
  readonly debuggee: Debuggee;
  /** The vCPU of the selected frame. */
  readonly vcpu: number;
  /** Begins a motion of the guest once the command has been answered. */
  begin(title: string, operation: Operation): void;
}

export interface Command {
  /** One or two words, as they are typed. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** The arguments, for people: `ADDRESS [COUNT]`. */
  readonly usage: string;
  readonly about: string;
  /** What the arguments are completed from, beside registers and symbols. */
  readonly words?: readonly string[];
  run(context: CommandContext, args: string): Promise<string>;
}

export const usageError = (command: Pick<Command, 'name' | 'usage'>): DapError => new DapError('usage', 'nobody', `usage: ${command.name} ${command.usage}`);
export const commandError = (message: string): DapError => new DapError('command', 'nobody', message);

/** The first word and what follows it. */
export function firstWord(text: string): [word: string, rest: string] {
  const match = /^(\S*)\s*([\s\S]*)$/.exec(text.trim())!;
  return [match[1]!, match[2]!];
}

/** A count, or the default; refuses what is no number. */
export function count(text: string, fallback: number, most: number): number {
  if (text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw commandError(`'${text}' is no number from 1 to ${most}`);
  return value;
}

/** Columns of equal width; the last one is as long as it is. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
