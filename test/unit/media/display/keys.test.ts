import assert from 'node:assert/strict';
import { Keys } from '../../../../media/display/keys';

describe('keys of the display', () => {
  const sent: string[] = [];
  const keys = new Keys((code, down) => sent.push(`${down ? '+' : '-'}${code}`));
  beforeEach(() => {
    keys.releaseAll();
    sent.length = 0;
  });

  it('repeats of the host and releases of keys that are up are not sent', () => {
    keys.event('KeyA', true, false);
    keys.event('KeyA', true, true);
    keys.event('KeyA', false, false);
    keys.event('KeyA', false, false);
    assert.deepEqual(sent, ['+KeyA', '-KeyA']);
  });

  it('no key stays down when the focus is lost', () => {
    keys.event('ControlLeft', true, false);
    keys.event('KeyC', true, false);
    keys.releaseAll();
    keys.releaseAll();
    assert.deepEqual(sent, ['+ControlLeft', '+KeyC', '-KeyC', '-ControlLeft']);
  });
});
