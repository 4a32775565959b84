import assert from 'node:assert/strict';
import { countsIn, outcome, output } from '../../../scripts/test/suite';

describe('counts of a test suite', () => {
  it('are those of its last line of counts', () => {
    assert.deepEqual(countsIn('1 passed, 0 failed, 0 skipped\nmore\n12 passed, 3 failed, 4 skipped\n'), { passed: 12, failed: 3, skipped: 4 });
    assert.equal(countsIn('all is well'), undefined);
  });

  it('a program without counts is one test', () => {
    assert.deepEqual(outcome('fine', 0), { passed: 1, failed: 0, skipped: 0 });
    assert.deepEqual(outcome('', 2), { passed: 0, failed: 1, skipped: 0 });
  });

  it('a program that hangs is killed, and has failed, though what it has started holds its output open', async () => {
    const hanging = `console.log('2 passed, 0 failed, 0 skipped'); require('node:child_process').spawn('sleep', ['5'], { stdio: 'inherit' }); setInterval(() => 0, 1000);`;
    const end = await output([process.execPath, '-e', hanging], {}, undefined, 2 / 60);
    assert.deepEqual(outcome(end.output, end.status), { passed: 2, failed: 1, skipped: 0 });
  });

  it('a program that dies has failed whatever it counted', () => {
    assert.deepEqual(outcome('5 passed, 0 failed, 1 skipped', null), { passed: 5, failed: 1, skipped: 1 });
  });
});
