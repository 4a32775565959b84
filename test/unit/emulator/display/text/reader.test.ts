import assert from 'node:assert/strict';
import { findFonts } from '../../../../../emulator/display/text/fonts';
import { TextReader } from '../../../../../emulator/display/text/reader';
import { Canvas, narrowFont, rasterFont } from './font';

const [BLACK, WHITE, RED, BLUE] = [0xff000000, 0xffffffff, 0xff0000ff, 0xffff0000];
function reader(): TextReader {
  const made = new TextReader();
  for (const bytes of [rasterFont(), narrowFont()]) for (const font of findFonts(bytes)) made.learn(font);
  return made;
}

describe('text of a picture', () => {
  it('lines in their order, blanks between words and before them, in any colors', () => {
    const picture = new Canvas(320, 100, BLACK)
      .text('Two words', 16, 64, 16, RED, BLUE)
      .text('login:  root', 0, 0, 16, WHITE, BLACK)
      .text('inverse', 0, 16, 16, BLACK, WHITE);
    assert.deepEqual(reader().read(picture), ['login:  root', 'inverse', '  Two words']);
  });

  it('wherever it stands, in either font; every character', () => {
    const all = String.fromCharCode(...Array.from({ length: 94 }, (_, i) => 0x21 + i));
    for (const height of [16, 19])
      for (const [x, y] of [
        [0, 0],
        [3, 5],
        [7, 1],
      ] as const) {
        const picture = new Canvas(800, 60, BLUE).text(all, x, y, height, WHITE, BLUE);
        assert.deepEqual(reader().read(picture), [all], `${height} at ${x}, ${y}`);
      }
  });

  it('up to the edges; what is no character is marked', () => {
    const picture = new Canvas(80, 16, BLACK).text('ab cdefghi', 0, 0, 16, WHITE, BLACK).fill(17, 3, 5, 9, RED);
    assert.deepEqual(reader().read(picture), ['ab·cdefghi']);
  });

  it('nothing where there is nothing, no font is known, or the picture is smaller than a character', () => {
    assert.deepEqual(reader().read(new Canvas(64, 64, RED)), []);
    assert.deepEqual(new TextReader().read(new Canvas(64, 64, RED).text('text', 0, 0, 16, WHITE, RED)), []);
    for (const [width, height] of [
      [0, 0],
      [7, 40],
      [40, 15],
    ] as const)
      assert.deepEqual(reader().read(new Canvas(width, height, RED)), []);
  });
});
