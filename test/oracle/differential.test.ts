/** Random instructions and sequences on the processor and on ours. Seed and size: ORACLE_SEED, ORACLE_CASES. */
import assert from 'node:assert/strict';
import { CompiledSubject } from './compiled';
import { differential } from './differential';
import { Oracle, oracleUnavailable } from './oracle';
import { Subject } from './subject';

const SEED = Number(process.env['ORACLE_SEED'] ?? 1);
const COMPILED_CASES = 3000;
const CASES = Number(process.env['ORACLE_CASES'] ?? 250_000);

describe('every instruction against the processor', function () {
  const why = oracleUnavailable();
  let oracle: Oracle;
  let subject: Subject;
  before(async function () {
    if (why) {
      console.log(`      skipped: ${why}`);
      this.skip();
    }
    oracle = await Oracle.start();
    subject = await Subject.start();
  });
  after(() => oracle?.stop());

  it(`${CASES} cases of seed ${SEED}`, async () => {
    const outcome = await differential(oracle, subject, { seed: SEED, cases: CASES, patience: 5 });
    assert.equal(outcome.failures.length, 0, `\n${outcome.failures.join('\n\n')}\n`);
    assert.equal(outcome.cases, CASES);
    assert.ok(outcome.encodings > 250, `only ${outcome.encodings} encodings were made`);
    if (outcome.excused > 0) console.log(`        ${outcome.excused} cases not compared: this processor copies wrongly there (hostcpu.ts)`);
    console.log(`        ${outcome.cases} cases of seed ${SEED}: ${outcome.instructions} instructions of ${outcome.encodings} encodings`);
  }).timeout(0);

  it('straight lines compiled by the region stage', async () => {
    const compiled = await CompiledSubject.start();
    const outcome = await differential(oracle, compiled, { seed: SEED + 1, cases: COMPILED_CASES, patience: 5 });
    assert.equal(outcome.failures.length, 0, `\n${outcome.failures.join('\n\n')}\n`);
    assert.ok(compiled.completed > outcome.instructions / 2, `only ${compiled.completed} of ${outcome.instructions} instructions ran compiled`);
  }).timeout(0);

  it('finds a wrong result', async () => {
    // The engine's registers are not the processor's: what the subject reports is changed on purpose.
    const wrong = { setMemory: subject.setMemory.bind(subject), run: (one: Parameters<Subject['run']>[0]) => ({ ...subject.run(one), rip: 0n }) };
    const outcome = await differential(oracle, wrong, { seed: SEED, cases: 100, patience: 3 });
    assert.equal(outcome.failures.length, 3);
    assert.match(outcome.failures[0]!, /bits (32|64)[^]*rip: processor/);
  });
});
