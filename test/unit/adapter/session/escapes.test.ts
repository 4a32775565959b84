import assert from 'node:assert/strict';
import { Escapes } from '../../../../adapter/session/escapes';

describe('escape sequences of a guest', () => {
  const shown = (...pieces: string[]): string => {
    const escapes = new Escapes();
    return pieces.map((piece) => escapes.take(piece)).join('');
  };

  it('that ask for the cursor, move it or clear are not shown', () => {
    assert.equal(shown('/ # \x1b[6n'), '/ # ');
    assert.equal(shown('a\x1b[2J\x1b[1;1Hb\x1b[?25lc\x1b[Kd'), 'abcd');
    assert.equal(shown('\x1bc\x1b7x\x1b8\x1b(B\x1b=y\x1bM'), 'xy');
  });
  it('that set titles and other strings are not shown', () => {
    assert.equal(shown('\x1b]0;a title\x07one\x1b]8;;http://x\x1b\\two\x1bP1$q\x1b\\three'), 'onetwothree');
  });
  it('that choose colours stay', () => {
    assert.equal(shown('\x1b[1;31mred\x1b[0m \x1b[38;5;9mx\x1b[m'), '\x1b[1;31mred\x1b[0m \x1b[38;5;9mx\x1b[m');
  });
  it('may come byte by byte', () => {
    const text = 'a\x1b[6nb\x1b[32mc\x1b]0;t\x07d\r\ne\x1b(Bf';
    assert.equal(shown(...text), 'ab\x1b[32mcd\nef');
    assert.equal(shown(text), 'ab\x1b[32mcd\nef');
  });
  it('that never end are text', () => {
    const text = `\x1b]${'x'.repeat(1000)}`;
    assert.equal(shown(text), text.slice(1));
  });
  it('and other controls are not shown; text is', () => {
    assert.equal(shown('\x07bell\b\0 tab\tend\x7f äß€\n'), 'bell tab\tend äß€\n');
  });
  it('line ends become one; a line that is written over is another line', () => {
    assert.equal(shown('one\r\ntwo\r', '\n', 'three\n'), 'one\ntwo\nthree\n');
    assert.equal(shown('10%\r20%\r30%\r\n'), '10%\n20%\n30%\n');
    assert.equal(shown('\r\x1b[J\r/ # '), '/ # ');
  });
});
