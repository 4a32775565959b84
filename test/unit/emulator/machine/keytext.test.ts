import assert from 'node:assert/strict';
import { KEYS } from '../../../../emulator/devices/scancodes';
import { parseKeys } from '../../../../emulator/machine/keytext';

const codes = (text: string): string => parseKeys('--send-keys', text).map((step) => (step.kind === 'keys' ? step.codes.join('+') : `${step.time / 1e6} ms`)).join(' '); // prettier-ignore

describe('keys as text', () => {
  it('characters, with shift where it is needed', () => {
    assert.equal(codes('aB1!-_<lt><gt>\n'), 'KeyA ShiftLeft+KeyB Digit1 ShiftLeft+Digit1 Minus ShiftLeft+Minus ShiftLeft+Comma ShiftLeft+Period Enter');
    for (let code = 0x20; code < 0x7f; code++) {
      const [step] = parseKeys('x', code === 0x3c ? '<lt>' : String.fromCharCode(code));
      assert.ok(step?.kind === 'keys' && step.codes.every((name) => name in KEYS), String.fromCharCode(code));
    }
  });

  it('keys by name, chords and pauses', () => {
    assert.equal(codes('ver<enter>'), 'KeyV KeyE KeyR Enter');
    assert.equal(codes('<ctrl-alt-del><Ctrl-C><F10><NumpadEnter><alt-minus>'), 'ControlLeft+AltLeft+Delete ControlLeft+KeyC F10 NumpadEnter AltLeft+Minus');
    assert.equal(codes('<500ms><1.5s>'), '500 ms 1500 ms');
    assert.equal(codes(''), '');
  });

  it('errors say what is wrong', () => {
    for (const [text, message] of [
      ['ä', /there is no key for 'ä'/],
      ['<entr>', /there is no key <entr>; write <lt>/],
      ['<ctrl->', /there is no key <>/],
      ['a < b', /a < has no >/],
      ['<9999s>', /longer than an hour/],
      ['<>', /there is no key <>/],
    ] as const)
      assert.throws(() => parseKeys('--send-keys', text), { code: 'keys', blame: 'user', message }, text);
  });
});
