/** Campaigns: tests with random cases whose numbers are large, in parts that run side by side. */

/** A number that a test reads from its environment, and what it is if that says nothing. */
interface Setting {
  readonly variable: string;
  readonly otherwise: number;
}

interface Spec {
  /** Of its bundle. */
  readonly name: string;
  readonly test: string;
  /** Where its cases may be shared among several processes; `things` is what its test calls them. */
  readonly shared?: { readonly cases: Setting; readonly seed: Setting; readonly things: string };
}

export interface Part {
  readonly title: string;
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its output has to tell of them. */
  readonly share?: { readonly cases: number; readonly told: string };
}

/** Processes of a shared test: more than two, so that two processors are busy while one of them waits for the oracle. */
const SHARDS = 4;

const fuzz = (name: string): Spec => ({ name, test: `./test/fuzz/${name}.test.ts` });

export const CAMPAIGNS: Readonly<Record<string, readonly Spec[]>> = {
  oracle: [
    {
      name: 'differential',
      test: './test/oracle/differential.test.ts',
      shared: { cases: { variable: 'ORACLE_CASES', otherwise: 250_000 }, seed: { variable: 'ORACLE_SEED', otherwise: 1 }, things: 'cases' },
    },
  ],
  region: [
    {
      name: 'random',
      test: './test/unit/emulator/engine/region/random.test.ts',
      shared: { cases: { variable: 'REGION_PROGRAMS', otherwise: 1500 }, seed: { variable: 'REGION_SEED', otherwise: 1 }, things: 'programs' },
    },
  ],
  fuzz: ['processors', 'board', 'devices', 'rfb'].map(fuzz),
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Each shard has its share of the cases, and a seed of its own: no two of them, of this campaign's seed or of another, are the same.
 * With what its title says, a shard runs again by itself.
 */
export function partsOf(specs: readonly Spec[], environment: Environment): readonly Part[] {
  const valueOf = ({ variable, otherwise }: Setting): number => Number(environment[variable] ?? otherwise);
  return specs.flatMap(({ name, shared }): readonly Part[] => {
    if (!shared) return [{ title: name, name, environment: {} }];
    const [all, seed] = [valueOf(shared.cases), valueOf(shared.seed)];
    return Array.from({ length: SHARDS }, (_, shard): Part => {
      const cases = Math.floor((all * (shard + 1)) / SHARDS) - Math.floor((all * shard) / SHARDS);
      const own = seed * SHARDS + shard;
      const variables = { [shared.cases.variable]: String(cases), [shared.seed.variable]: String(own) };
      const title = [`${name} ${shard + 1} of ${SHARDS}:`, ...Object.entries(variables).map(([variable, value]) => `${variable}=${value}`)].join(' ');
      return { title, name, environment: variables, share: { cases, told: `${cases} ${shared.things} of seed ${own}:` } };
    });
  });
}

/** Cases that the parts say they have done, each by its output. */
export const casesDone = (parts: readonly Part[], ends: readonly { readonly output: string }[]): number =>
  parts.reduce((sum, { share }, index) => sum + (share && ends[index]!.output.includes(share.told) ? share.cases : 0), 0);

export const casesWanted = (parts: readonly Part[]): number => parts.reduce((sum, { share }) => sum + (share?.cases ?? 0), 0);
