/** Checkpoints beside those of the grid: they come where the host has worked for long. The host's time here follows from the guest's position. */
import assert from 'node:assert/strict';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import type { Pace } from '../../../../emulator/machine/pace';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { runTo } from '../../../motion';
import { compiled, CONFIG } from '../machine/guests';

const EVERY = 20_000_000;
const END = 2 * EVERY;
/** inc ax; jmp */
const LOOP = { kernel: { name: 'loop', bytes: Uint8Array.of(0x40, 0xeb, 0xfd) } };

/** Positions in millions of the checkpoints of a run, `spent` being the host's milliseconds at a position. */
async function checkpoints(spent: (position: number) => number): Promise<readonly number[]> {
  const position = (): number => guest?.machine.position ?? 0;
  let guest: LocalGuest | undefined;
  // Slices of some 200,000 instructions.
  const pace: Pace = { ...nodePace, now: () => position() / 20_000, spent: () => spent(position()) };
  const config = { ...CONFIG, historyBytes: 64 << 20, checkpointEvery: EVERY };
  guest = await LocalGuest.create(config, { images: LOOP, binaries: await compiled(), pace, history: (...given) => new Timeline(...given) });
  try {
    await runTo(guest, END);
    return (await guest.checkpoints()).map((each) => each.position / 1e6);
  } finally {
    await guest.close();
  }
}
/** All between two of the grid. */
const between = (positions: readonly number[], from: number, to: number): readonly number[] => positions.filter((each) => each > from && each < to);

describe('early checkpoints', function () {
  this.timeout(60_000);

  it('are none where the guest is quick', async () => {
    assert.deepEqual(await checkpoints((position) => position / 250_000), [0, 20, 40]);
  });

  it('come where it is slow, and the grid keeps its own', async () => {
    const all = await checkpoints((position) => position / 25_000);
    assert.ok(all.includes(20) && all.includes(40), `${all}`);
    assert.ok(between(all, 0, 20).length >= 3 && between(all, 20, 40).length >= 3, `${all}`);
    assert.ok(
      all.every((each, i) => i === 0 || each - all[i - 1]! < 6),
      `${all}`,
    );
  });

  it('wait for one of the grid that comes soon', async () => {
    assert.deepEqual(await checkpoints((position) => position / 140_000), [0, 20, 40]);
  });

  it('wait no longer where it does not come', async () => {
    const slower = (position: number): number => position / 140_000 + Math.max(0, position - 16_000_000) / 5_000;
    const all = between(await checkpoints(slower), 0, 20);
    assert.ok(all.length >= 1 && all[0]! > 16 && all[0]! < 19, `${all}`);
  });
});
