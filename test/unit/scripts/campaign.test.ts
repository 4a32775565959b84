import assert from 'node:assert/strict';
import { CAMPAIGNS, casesDone, casesWanted, partsOf } from '../../../scripts/campaign/parts';

const oracle = (cases: number, seed: number) => partsOf(CAMPAIGNS['oracle']!, { ORACLE_CASES: String(cases), ORACLE_SEED: String(seed) });
const told = (cases: number, seed: number) => ({ output: `        ${cases} cases of seed ${seed}: 3 instructions` });

describe('the parts of a campaign', () => {
  it('have all cases together, whatever their number', () => {
    for (const cases of [0, 1, 3, 9_500_000, 1_000_003]) assert.equal(casesWanted(oracle(cases, 1)), cases);
  });

  it('have seeds that no other has, of the next campaign neither', () => {
    const seeds = [1, 2, 20786, 20787].flatMap((seed) => oracle(100, seed).map(({ environment }) => environment['ORACLE_SEED']));
    assert.equal(new Set(seeds).size, seeds.length);
  });

  it('count what they tell of, no more', () => {
    const parts = oracle(10, 5);
    const outputs = parts.map(({ environment }) => told(Number(environment['ORACLE_CASES']), Number(environment['ORACLE_SEED'])));
    assert.equal(casesDone(parts, outputs), 10);
    // One that ended early, or said nothing.
    assert.equal(casesDone(parts, [told(1, 20), ...outputs.slice(1)]), 8);
    assert.equal(casesDone(parts, [...outputs.slice(0, 3), { output: '1 passed, 0 failed, 0 skipped' }]), 7);
  });

  it('those whose cases are not shared run as they are', () => {
    assert.deepEqual(partsOf(CAMPAIGNS['fuzz']!, {}).map(({ name, environment }) => [name, environment]), ['processors', 'board', 'devices', 'rfb'].map((name) => [name, {}])); // prettier-ignore
  });
});
