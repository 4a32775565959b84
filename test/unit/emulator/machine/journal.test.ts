import assert from 'node:assert/strict';
import { Journal, type Input } from '../../../../emulator/machine/journal';

const bytes = (length: number): Input => ({ kind: 'network', news: [{ kind: 'bytes', flow: 1, bytes: new Uint8Array(length) }] });
const key: Input = { kind: 'key', code: 'KeyA', down: true };

describe('journal', () => {
  it('gives events in their places, and loses a future that is left', () => {
    const journal = new Journal();
    journal.append(10, key);
    journal.append(20, bytes(5));
    journal.seek(1);
    assert.deepEqual([journal.replaying, journal.nextPosition, journal.take(19)], [true, 20, undefined]);
    assert.deepEqual(journal.append(15, key).map(({ position }) => position), [20]); // prettier-ignore
    assert.deepEqual([journal.length, journal.cursor, journal.replaying, journal.received], [2, 2, false, 0]);
  });

  it('forgets what came from the network before a place, and nothing else', () => {
    const journal = new Journal();
    for (const [at, input] of [bytes(100), key, bytes(200), bytes(300)].entries()) journal.append(at, input);
    assert.equal(journal.received, 600);
    journal.forget(3);
    assert.equal(journal.received, 300);
    assert.deepEqual(journal.save().slice(0, 3), [
      { position: 0, input: { kind: 'network', news: [] } },
      { position: 1, input: key },
      { position: 2, input: { kind: 'network', news: [] } },
    ]);
    journal.forget(1);
    assert.equal(journal.received, 300);
    const other = new Journal();
    other.load(journal.save(), 3);
    assert.equal(other.received, 300);
    other.forget(100);
    assert.equal(other.received, 300, 'what has not happened yet is kept');
  });
});
