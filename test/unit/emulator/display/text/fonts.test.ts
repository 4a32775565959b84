import assert from 'node:assert/strict';
import { findFonts, LONGEST_FONT } from '../../../../../emulator/display/text/fonts';
import { glyphRows, narrowFont, rasterFont } from './font';

/** Memory full of something, with a font in it. */
function memory(font: Buffer, at: number): Buffer {
  const bytes = Buffer.from(Array.from({ length: at + font.length + 3000 }, (_, i) => (i * 7) & 0xff));
  bytes.set(font, at);
  return bytes;
}

describe('fonts in memory', () => {
  it("a video BIOS's, and UEFI's, wherever they are", () => {
    for (const [bytes, height] of [
      [rasterFont(), 16],
      [narrowFont(), 19],
    ] as const) {
      for (const at of [0, 1, 4099]) {
        const [font, ...more] = findFonts(memory(bytes, at));
        assert.deepEqual([font?.height, more.length, font?.glyphs.length], [height, 0, 94]);
        for (const { character, rows } of font!.glyphs) assert.deepEqual(Buffer.from(rows), glyphRows(character.charCodeAt(0), height), character);
      }
      assert.ok(bytes.length <= LONGEST_FONT);
    }
  });

  it('no font: the letter alone, glyphs that are all the same, a blank that is none, one that is cut off', () => {
    const [raster, narrow] = [rasterFont(), narrowFont()];
    assert.deepEqual(findFonts(memory(raster.subarray(0x41 * 16, 0x42 * 16), 5000)), []);
    assert.deepEqual(findFonts(Buffer.concat(Array.from({ length: 256 }, () => glyphRows(0x41, 16)))), []);
    const marked = Buffer.from(raster);
    marked[0x20 * 16 + 3] = 1;
    assert.deepEqual(findFonts(marked), []);
    assert.deepEqual(findFonts(raster.subarray(0x41 * 16)), []);
    for (const font of [raster, narrow]) for (const length of [0, 1, 700, 1400]) assert.deepEqual(findFonts(font.subarray(0, length)), []);
    assert.deepEqual(findFonts(narrow.subarray(22)), []);
  });

  it('memory full of decoys, or of fonts, takes no time', () => {
    const start = performance.now();
    for (const font of [glyphRows(0x41, 16), Buffer.from('410000000000', 'hex'), rasterFont(), narrowFont()]) {
      const found = findFonts(Buffer.alloc(16 << 20, font));
      assert.ok(found.length <= 64);
    }
    assert.ok(performance.now() - start < 5000);
  });
});
