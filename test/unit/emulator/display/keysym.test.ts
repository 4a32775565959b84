import assert from 'node:assert/strict';
import { KEYS } from '../../../../emulator/devices/scancodes';
import { keysOf, keysymToCode } from '../../../../emulator/display/keysym';

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

describe('keysOf', () => {
  it('has the keys of a US keyboard for every character of ASCII that is typed', () => {
    for (let code = 0x20; code < 0x7f; code++) {
      const chord = keysOf(String.fromCharCode(code))!;
      assert.equal(chord.at(-1), keysymToCode(code));
      assert.ok(chord.length === 1 || chord[0] === 'ShiftLeft');
    }
    const typed = (text: string): string[] => [...text].map((character) => keysOf(character)!.join('+'));
    assert.deepEqual(typed('aA1!;: \n\t'), [
      'KeyA',
      'ShiftLeft+KeyA',
      'Digit1',
      'ShiftLeft+Digit1',
      'Semicolon',
      'ShiftLeft+Semicolon',
      'Space',
      'Enter',
      'Tab',
    ]);
    assert.deepEqual(typed('\'"\\|'), ['Quote', 'ShiftLeft+Quote', 'Backslash', 'ShiftLeft+Backslash']);
  });

  it('has none for others', () => assert.deepEqual(['ä', '€', '\x1b', '\r', '', 'ab'].map(keysOf), Array(6).fill(undefined)));
});
