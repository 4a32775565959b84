import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { Animation, crc32, type Picture } from '../../../media/display/apng';

type Color = readonly [red: number, green: number, blue: number];

function filled(width: number, height: number, color: Color): Picture & { set(x: number, y: number, color: Color): void } {
  const data = new Uint8Array(width * height * 4);
  const set = (x: number, y: number, [red, green, blue]: Color): void => data.set([red, green, blue, 255], (y * width + x) * 4);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) set(x, y, color);
  return { width, height, data, set };
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}
function chunksOf(file: Uint8Array): Chunk[] {
  const bytes = Buffer.from(file);
  const chunks: Chunk[] = [];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    chunks.push({ type: bytes.toString('latin1', at + 4, at + 8), data: bytes.subarray(at + 8, at + 8 + length) });
    assert.equal(bytes.readUInt32BE(at + 8 + length), crc32(bytes.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
  return chunks;
}
/** Width, height, x, y and the delay in seconds of each frame. */
const framesOf = (chunks: readonly Chunk[]): number[][] =>
  chunks
    .filter(({ type }) => type === 'fcTL')
    .map(({ data }) => [...[4, 8, 12, 16].map((at) => data.readUInt32BE(at)), data.readUInt16BE(20) / data.readUInt16BE(22)]);

describe('animated PNG', () => {
  it('has the CRC of the specification', () => assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926));

  it('is made of what changed, and when', async () => {
    const animation = new Animation();
    const picture = filled(20, 10, [1, 2, 3]);
    assert.equal(await animation.add(picture, 0), true);
    assert.equal(await animation.add(picture, 50), false, 'nothing has changed');
    picture.set(3, 4, [9, 8, 7]);
    picture.set(5, 6, [200, 100, 50]);
    assert.equal(await animation.add(picture, 100), true);
    const file = await animation.finish(1100);
    const chunks = chunksOf(file);
    assert.deepEqual(chunks.map(({ type }) => type), ['IHDR', 'acTL', 'IDAT', 'fcTL', 'fdAT', 'fcTL', 'fdAT', 'IEND']); // prettier-ignore
    assert.deepEqual([...chunks[1]!.data], [0, 0, 0, 2, 0, 0, 0, 0]);
    assert.deepEqual(framesOf(chunks), [[20, 10, 0, 0, 0.1], [3, 3, 3, 4, 1]]); // prettier-ignore
    assert.deepEqual(chunks.filter(({ type }) => /^f/.test(type)).map(({ data }) => data.readUInt32BE(0)), [0, 1, 2, 3], 'one sequence for both'); // prettier-ignore
    const part = inflateSync(chunks[6]!.data.subarray(4));
    assert.deepEqual([...part], [0, 9, 8, 7, 1, 2, 3, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 200, 100, 50]);
    assert.deepEqual([...PNG.sync.read(Buffer.from(file)).data], [...picture.data], 'others show the last picture');
  });

  it('is as large as the largest picture; what is smaller has black around it', async () => {
    const animation = new Animation();
    await animation.add(filled(4, 2, [5, 5, 5]), 0);
    await animation.add(filled(2, 3, [6, 6, 6]), 10);
    const file = await animation.finish(20);
    assert.deepEqual(framesOf(chunksOf(file)), [[4, 2, 0, 0, 0.01], [4, 3, 0, 0, 0.01]]); // prettier-ignore
    const { width, height, data } = PNG.sync.read(Buffer.from(file));
    const red = Array.from({ length: width * height }, (_, i) => data[4 * i]);
    assert.deepEqual([width, height, red], [4, 3, [6, 6, 0, 0, 6, 6, 0, 0, 6, 6, 0, 0]]);
  });

  it('keeps delays that are longer than 16 bits of milliseconds', async () => {
    const animation = new Animation();
    await animation.add(filled(1, 1, [0, 0, 0]), 0);
    assert.deepEqual(framesOf(chunksOf(await animation.finish(65_535)))[0]![4], 65.535);
    assert.deepEqual(framesOf(chunksOf(await animation.finish(3_600_000)))[0]![4], 3600);
    assert.deepEqual(framesOf(chunksOf(await animation.finish(1e9)))[0]![4], 6553.5);
  });
});
