/** Random programs, interpreted and compiled. Seed and size: REGION_SEED, REGION_PROGRAMS. */
import assert from 'node:assert/strict';
import { Twins } from './twins';

const SEED = Number(process.env['REGION_SEED'] ?? 1);
const PROGRAMS = Number(process.env['REGION_PROGRAMS'] ?? 1500);
/** Failures that are told of. */
const PATIENCE = 5;

describe('compiled code against the interpreter', () => {
  it(`${PROGRAMS} programs of seed ${SEED}`, async () => {
    const twins = await Twins.start();
    const failures: string[] = [];
    let done = 0;
    for (; done < PROGRAMS && failures.length < PATIENCE; done++) {
      try {
        twins.run(SEED * 2 ** 32 + done);
      } catch (error) {
        if (!(error instanceof assert.AssertionError)) throw error;
        failures.push(error.message);
      }
    }
    assert.equal(failures.length, 0, `\n${failures.join('\n')}\n`);
    assert.ok(twins.compiled > twins.instructions / 3, `only ${twins.compiled} of ${twins.instructions} instructions ran compiled`);
    console.log(`        ${done} programs of seed ${SEED}: ${twins.compiled} of ${twins.instructions} instructions compiled`);
  }).timeout(0);
});
