import assert from 'node:assert/strict';
import { Clock } from '../../../../emulator/machine/clock';
import { Journal } from '../../../../emulator/machine/journal';

describe('virtual clock', () => {
  it('counts four nanoseconds an instruction, and what accesses cost', () => {
    let count = 0;
    const clock = new Clock(() => count);
    count = 1000;
    assert.equal(clock.now(), 4000);
    clock.charge(1000);
    assert.equal(clock.now(), 5000);
  });

  it('knows the first position at which a time has come', () => {
    let count = 0;
    const clock = new Clock(() => count);
    clock.charge(1000);
    for (const time of [1000, 1001, 1003, 1004, 1005, 77777]) {
      count = clock.positionAt(time);
      assert.ok(clock.now() >= time, `${time} has come at ${count}`);
      count--;
      assert.ok(clock.now() < time, `${time} has not come before ${count + 1}`);
    }
    assert.equal(clock.positionAt(Infinity), Infinity);
  });

  it('jumps over idle time in one position that is no instruction', () => {
    let count = 10;
    const clock = new Clock(() => count);
    count++;
    clock.jump(1_000_000);
    assert.equal(clock.now(), 1_000_000);
    assert.equal(clock.instructions(), 10);
    count++;
    clock.jump(500);
    assert.equal(clock.now(), 1_000_000, 'time never goes back');
    const saved = clock.save();
    clock.charge(5);
    clock.load(saved);
    assert.equal(clock.now(), 1_000_000);
  });
});

describe('journal', () => {
  const key = (code: string) => ({ kind: 'key', code, down: true }) as const;

  it('gives each event once, at its position', () => {
    const journal = new Journal();
    journal.append(5, key('A'));
    journal.append(9, key('B'));
    journal.seek(0);
    assert.equal(journal.take(4), undefined);
    assert.equal(journal.nextPosition, 5);
    assert.deepEqual(journal.take(5), key('A'));
    assert.equal(journal.take(5), undefined);
    assert.deepEqual(journal.take(9), key('B'));
    assert.equal(journal.nextPosition, Infinity);
    assert.ok(!journal.replaying);
  });

  it('gives up the recorded future when something else happens, and says what that was', () => {
    const journal = new Journal();
    for (const [at, code] of [
      [1, 'A'],
      [2, 'B'],
      [3, 'C'],
    ] as const)
      journal.append(at, key(code));
    journal.seek(1);
    const future = journal.append(2, key('X'));
    assert.deepEqual(
      future.map(({ position }) => position),
      [2, 3],
    );
    assert.deepEqual(
      journal.save().map(({ input }) => (input.kind === 'key' ? input.code : '')),
      ['A', 'X'],
    );
    assert.equal(journal.cursor, 2);
  });

  it('comes back from what was saved', () => {
    const journal = new Journal();
    journal.append(1, key('A'));
    const other = new Journal();
    other.load(journal.save(), 0);
    assert.ok(other.replaying);
    other.seek(99);
    assert.equal(other.cursor, 1);
  });
});
