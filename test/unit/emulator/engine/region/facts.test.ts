import assert from 'node:assert/strict';
import { Facts } from '../../../../../emulator/engine/region/facts';

const [X, Y] = [0x400, 0x410];

describe('Facts', () => {
  it('hold of a register until it is written', () => {
    const facts = new Facts();
    facts.add('number', X);
    assert.deepEqual([facts.has('number', X), facts.has('number', Y), facts.has('other', X)], [true, false, false]);
    facts.written(X);
    assert.equal(facts.has('number', X), false);
  });

  it('go with a copy, and are its own from then on', () => {
    const facts = new Facts();
    facts.add('number', X);
    facts.written(Y, X);
    facts.add('more', X);
    assert.deepEqual([facts.has('number', Y), facts.has('more', Y)], [true, false]);
    facts.written(X);
    assert.equal(facts.has('number', Y), true);
    facts.written(Y, X);
    assert.equal(facts.has('number', Y), false, 'nothing is known of what was copied');
  });

  it('are forgotten where control comes together', () => {
    const facts = new Facts();
    facts.add('number', X);
    facts.forget();
    assert.equal(facts.has('number', X), false);
  });
});
