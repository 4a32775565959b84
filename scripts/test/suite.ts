/** One suite of tests: a program that is run, and what it says about itself. */
import { spawn } from 'node:child_process';
import type { Need } from './prerequisites';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** The program and its arguments; those in node_modules/.bin are found. */
  readonly command: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** Only in `npm run test:long`. */
  readonly long?: boolean;
  readonly needs?: readonly Need[];
}

/** `3 passed, 0 failed, 1 skipped`, as the last such line of the output says. */
export function countsIn(output: string): Counts | undefined {
  const match = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  return match && { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3]) };
}

/** What a program that ended with `status` has to count as: one that fails never counts as passed, whatever it printed. */
export function outcome(output: string, status: number | null): Counts {
  const counts = countsIn(output);
  if (!counts) return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

export const sum = (all: readonly Counts[]): Counts =>
  all.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }), { passed: 0, failed: 0, skipped: 0 });

/** A suite that takes longer hangs: the others get their turn, and it has failed. */
const MOST_MINUTES = 40;

interface End {
  readonly output: string;
  /** Null: it was killed. */
  readonly status: number | null;
}

/** Runs a program to its end, or for so many minutes; `show` gets what it says while it says it. */
export function output(
  [program, ...args]: Suite['command'],
  environment: Suite['environment'],
  show: (text: string, to: NodeJS.WriteStream) => void = () => undefined,
  minutes = Infinity,
): Promise<End> {
  return new Promise((resolve) => {
    let said = '';
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    const take = (to: NodeJS.WriteStream) => (text: string) => {
      said += text;
      show(text, to);
    };
    child.stdout.setEncoding('utf8').on('data', take(process.stdout));
    child.stderr.setEncoding('utf8').on('data', take(process.stderr));
    // What it has started may go on and hold its output open: nobody waits for that.
    const hangs = (): void => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      show(`\nnot at its end after ${minutes} minutes\n`, process.stderr);
      resolve({ output: said, status: null });
    };
    const timer = minutes === Infinity ? undefined : setTimeout(hangs, minutes * 60_000);
    child.on('error', (error) => {
      console.error(error.message);
      resolve({ output: '', status: 1 });
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ output: said, status });
    });
  });
}

export async function runSuite({ command, environment }: Suite): Promise<Counts> {
  const end = await output(command, environment, (text, to) => to.write(text), MOST_MINUTES);
  return outcome(end.output, end.status);
}
