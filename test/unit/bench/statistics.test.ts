import assert from 'node:assert/strict';
import { makeRow, summary, table } from '../../../bench/rows';
import { geometricMean, median, ratio } from '../../../bench/statistics';

describe('statistics of the benchmark', () => {
  it('takes medians of odd and even numbers of rounds, in any order', () => {
    assert.equal(median([9, 1, 4]), 4);
    assert.equal(median([10, 1, 4, 2]), 3);
    assert.throws(() => median([]), RangeError);
  });

  it('takes geometric means', () => {
    assert.ok(Math.abs((geometricMean([1, 4, 16]) ?? 0) - 4) < 1e-12);
    assert.equal(geometricMean([]), undefined);
  });

  it('gives no ratio where a side is missing or nothing is left of it', () => {
    assert.equal(ratio(6, 3), 2);
    assert.equal(ratio(null, 3), null);
    assert.equal(ratio(1, 0), null);
    assert.equal(ratio(1, -0.01), null);
  });
});

describe('rows of the benchmark', () => {
  const cost = (cpu: number, wall = cpu): { cpu: number; wall: number } => ({ cpu, wall });

  it('takes start-up away from the median, for each peer its own', () => {
    const row = makeRow('k', 'integer', { ours: [cost(2.5), cost(9), cost(2)], tcg: [cost(4.25)] }, { ours: [cost(0.5)], tcg: [cost(0.25)] }, '0f');
    assert.deepEqual(
      { ours: row.ours, tcg: row.tcg, native: row.native, toTcg: row.ratioToTcg, toNative: row.ratioToNative, sum: row.checksum },
      { ours: 2, tcg: 4, native: null, toTcg: 2, toNative: null, sum: '0f' },
    );
  });

  it('keeps wall time apart from CPU time', () => {
    assert.deepEqual(makeRow('k', 'boot', { ours: [cost(3, 2)], v86: [cost(9, 8)] }).wall, { ours: 2, tcg: null, native: null, v86: 8 });
  });

  it('says a group by its geometric mean and its lowest', () => {
    const rows = [
      makeRow('slow', 'sse', { ours: [cost(2)], tcg: [cost(2)] }),
      makeRow('quick', 'sse', { ours: [cost(1)], tcg: [cost(4)] }),
      makeRow('alone', 'x87', { ours: [cost(1)] }),
    ];
    assert.deepEqual(summary(rows), ["sse: 2.00× TCG's speed (geometric mean of 2), lowest slow 1.00×"]);
  });

  it('aligns a table', () => {
    assert.equal(
      table(
        ['', 'n'],
        [
          ['abc', '1'],
          ['d', '10'],
        ],
      ),
      '|     |  n |\n| --- | -: |\n| abc |  1 |\n| d   | 10 |',
    );
  });
});
