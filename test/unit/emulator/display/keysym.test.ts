import assert from 'node:assert/strict';
import { KEYS } from '../../../../emulator/devices/scancodes';
import { keysymToCode } from '../../../../emulator/display/keysym';

describe('keysymToCode', () => {
  it('maps every printable ASCII character', () => {
    for (let keysym = 0x20; keysym < 0x7f; keysym++) assert.ok(KEYS[keysymToCode(keysym)!], `keysym ${keysym}`);
    assert.equal(keysymToCode(0x61), 'KeyA');
    assert.equal(keysymToCode(0x41), 'KeyA');
    assert.equal(keysymToCode(0x7e), 'Backquote');
    assert.equal(keysymToCode(0x01000041), 'KeyA', 'as Unicode keysym');
  });

  it('maps to keys that the keyboard has', () => {
    for (let keysym = 0; keysym < 0x10000; keysym++) {
      const code = keysymToCode(keysym);
      if (code !== undefined) assert.ok(KEYS[code], `${keysym.toString(16)}: ${code}`);
    }
    assert.equal(keysymToCode(0xff0d), 'Enter');
    assert.equal(keysymToCode(0xffc9), 'F12');
    assert.equal(keysymToCode(0xffb5), 'Numpad5');
    assert.equal(keysymToCode(0x0434), undefined);
  });
});
