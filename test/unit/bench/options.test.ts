import assert from 'node:assert/strict';
import { parseOptions, PARTS, UsageError } from '../../../bench/options';

const parse = (...args: string[]): ReturnType<typeof parseOptions> => parseOptions(args, 'dist/guest.js');

describe('options of the benchmark', () => {
  it('runs everything with three rounds when nothing is said', () => {
    assert.deepEqual(parse(), {
      parts: [...PARTS],
      rounds: 3,
      json: undefined,
      kernels: [],
      boots: [],
      oursOnly: false,
      guest: 'dist/guest.js',
    });
  });

  it('takes parts again or with commas, in their own order', () => {
    assert.deepEqual(parse('--only', 'memory', '--only', 'boots').parts, ['boots', 'memory']);
    assert.deepEqual(parse('--only', 'history,kernels').parts, ['kernels', 'history']);
  });

  it('takes a kernel or a boot as the wish for that part alone', () => {
    const { parts, kernels } = parse('--kernel', 'alu', '--kernel', 'sum');
    assert.deepEqual({ parts, kernels }, { parts: ['kernels'], kernels: ['alu', 'sum'] });
    assert.deepEqual(parse('--boot', 'linux-cloud').parts, ['boots']);
    assert.deepEqual(parse('--kernel', 'alu', '--only', 'kernels,memory').parts, ['kernels', 'memory']);
  });

  it('measures the bundle that the environment names', () => {
    assert.equal(parseOptions([], 'dist/guest.js', { GUEST_BIN: '/other/guest.js' }).guest, '/other/guest.js');
  });

  for (const args of [['--only', 'nonsense'], ['--rounds', '0'], ['--rounds', '1.5'], ['--rounds', 'x'], ['--unknown'], ['word']]) {
    it(`refuses ${args.join(' ')}`, () => assert.throws(() => parse(...args), UsageError));
  }
});
