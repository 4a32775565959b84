/** Options of `npm run bench`. */
import { parseArgs } from 'node:util';

export const PARTS = ['kernels', 'boots', 'history', 'pause', 'memory', 'snapshots'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly parts: readonly Part[];
  readonly rounds: number;
  /** Rows are written here as JSON. */
  readonly json: string | undefined;
  /** The kernels to run, all when empty. */
  readonly kernels: readonly string[];
  /** The boots to run, all when empty. */
  readonly boots: readonly string[];
  readonly oursOnly: boolean;
  /** The command-line bundle that is measured. */
  readonly guest: string;
}

/** The command line, or the guest's name in it, was wrong. */
export class UsageError extends Error {}

export const USAGE = `npm run bench -- [options]
  --only ${PARTS.join('|')}   only this part (may be given again, or with commas)
  --rounds N       rounds of which the median is taken (3)
  --json FILE      write the rows as JSON
  --kernel NAME    only this kernel (may be given again)
  --boot NAME      only this boot (may be given again)
  --ours-only      no peers
The environment variable GUEST_BIN names the guest.js to measure (dist/guest.js).`;

const many = (values: readonly string[] | undefined): string[] => (values ?? []).flatMap((value) => value.split(','));

export function parseOptions(args: readonly string[], defaultGuest: string, environment: NodeJS.ProcessEnv = {}): Options {
  const parse = (): ReturnType<typeof read> => {
    try {
      return read(args);
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
  };
  const { values } = parse();
  const kernels = many(values.kernel);
  const boots = many(values.boot);
  const named: string[] = many(values.only);
  if (named.length === 0 && kernels.length > 0) named.push('kernels');
  if (named.length === 0 && boots.length > 0) named.push('boots');
  const unknown = named.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: there are ${PARTS.join(', ')}`);
  const rounds = Number(values.rounds ?? '3');
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError(`--rounds ${values.rounds}: a whole number from 1`);
  return {
    parts: PARTS.filter((part) => named.length === 0 || named.includes(part)),
    rounds,
    json: values.json,
    kernels,
    boots,
    oursOnly: values['ours-only'] ?? false,
    guest: environment['GUEST_BIN'] ?? defaultGuest,
  };
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      json: { type: 'string' },
      kernel: { type: 'string', multiple: true },
      boot: { type: 'string', multiple: true },
      'ours-only': { type: 'boolean' },
    },
  });
}
