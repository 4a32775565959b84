/** Runs random cases on the processor and on our engine, and tells what differs. */
import { instructions } from '../../emulator/x86/isa';
import { parseEncoding } from '../../emulator/x86/definition';
import { differences } from './compare';
import { describeCase, minimize } from './describe';
import { Generator, type GeneratedCase } from './generate';
import { timedOut, type Oracle, type OracleResult } from './oracle';
import { Random } from './random';
import { hostVendor, miscopiesNarrow } from './hostcpu';
import { onlyVendorChoices } from './stepwise';
import type { Contender } from './subject';
import { memoryImage } from './values';

export interface Campaign {
  readonly seed: number;
  readonly cases: number;
  /** Failures to describe before giving up. */
  readonly patience: number;
  /** Only encodings of definitions with such names. */
  readonly only?: RegExp;
  readonly modes?: readonly (32 | 64)[];
}

export interface Outcome {
  readonly cases: number;
  readonly instructions: number;
  readonly failures: readonly string[];
  /** Encodings that were made at least once. */
  readonly encodings: number;
  /** Cases in which the processor is known to be wrong (hostcpu.ts), and was. */
  readonly excused: number;
}

const BATCH = 4096;
const ADDRESS_SIZE = 0x67;

/** REP MOVS with 16-bit addresses in 32-bit code. */
const copiesNarrow = ({ mode, instructions: all }: GeneratedCase): boolean =>
  mode === 32 && all.some(({ bytes, verdict }) => /^Movs[bwd]$/.test(verdict.mnemonic) && bytes.includes(ADDRESS_SIZE));

export async function differential(oracle: Oracle, subject: Contender, campaign: Campaign): Promise<Outcome> {
  const { seed, only } = campaign;
  const image = memoryImage(new Random(seed));
  oracle.setMemory(image.data, image.stack);
  subject.setMemory(image.data, image.stack);
  const encodings = instructions
    .filter(({ name }) => !only || only.test(name))
    .flatMap((definition) => definition.encodings.map((text) => parseEncoding(definition, text)));
  const generator = new Generator(encodings, { seed, ...oracle.limits, ...(campaign.modes && { modes: campaign.modes }) });
  const isIntel = hostVendor(oracle.cpuid) === 'GenuineIntel';
  const miscopies = miscopiesNarrow(oracle.cpuid);
  let excused = 0;
  const judge = async (one: GeneratedCase, native: OracleResult): Promise<string[]> => {
    const found = differencesOf(one, native, subject);
    if (found.length && miscopies && copiesNarrow(one) && found.every((what) => what.startsWith('memory '))) {
      excused++;
      return [];
    }
    return found.length && isIntel && (await onlyVendorChoices(one, native, oracle, subject, image)) ? [] : found;
  };
  const compare = async (one: GeneratedCase): Promise<string[]> => {
    const [native] = await oracle.run([one]);
    return judge(one, native!);
  };
  const failures: string[] = [];
  let done = 0;
  let executed = 0;
  while (done < campaign.cases && failures.length < campaign.patience) {
    const cases = Array.from({ length: Math.min(BATCH, campaign.cases - done) }, () => generator.next()).filter((one) => one.instructions.length);
    const natives = await oracle.run(cases);
    for (const [index, one] of cases.entries()) {
      done++;
      executed += one.instructions.length;
      const native = natives[index]!;
      if (timedOut(native)) continue;
      const found = await judge(one, native);
      if (!found.length) continue;
      const smallest = await minimize(one, async (smaller) => (await compare(smaller)).length > 0);
      failures.push(`${describeCase(smallest)}\n${(await compare(smallest)).join('\n') || `only after other cases: ${found.join('; ')}`}`);
      if (failures.length >= campaign.patience) break;
    }
  }
  return { cases: done, instructions: executed, failures, encodings: generator.made.size, excused };
}

function differencesOf(one: GeneratedCase, native: OracleResult, subject: Contender): string[] {
  try {
    return differences(one, native, subject.run(one));
  } catch (error) {
    return [`our engine: ${error instanceof Error ? error.message : String(error)}`];
  }
}
