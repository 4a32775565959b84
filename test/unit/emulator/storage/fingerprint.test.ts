import assert from 'node:assert/strict';
import { fingerprint } from '../../../../emulator/storage/fingerprint';
import type { Image } from '../../../../emulator/storage/image';

const imageOf = (size: number, change?: readonly [offset: number, value: number], path = 'a'): Image & { readonly asked: () => number } => {
  let asked = 0;
  return {
    path,
    format: 'raw',
    size,
    asked: () => asked,
    read: (offset, into) => {
      assert.ok(offset + into.length <= size);
      asked += into.length;
      into.fill(0);
      if (change && change[0] >= offset && change[0] < offset + into.length) into[change[0] - offset] = change[1];
    },
    close: () => undefined,
  };
};

describe('fingerprint of an image', () => {
  it('is that of the contents, not of the name', () => {
    assert.deepEqual(fingerprint(imageOf(100_000)), fingerprint(imageOf(100_000, undefined, 'b')));
    assert.notDeepEqual(fingerprint(imageOf(100_000)), fingerprint(imageOf(100_001)), 'size');
    for (const offset of [0, 54_321, 99_999]) assert.notDeepEqual(fingerprint(imageOf(100_000)), fingerprint(imageOf(100_000, [offset, 1])));
  });

  it('of a large image reads a part of it', () => {
    const size = 2 ** 36 + 512;
    const image = imageOf(size);
    const plain = fingerprint(image);
    assert.ok(image.asked() < 8 << 20, `${image.asked()} bytes`);
    for (const offset of [1000, size - 1000]) assert.notDeepEqual(plain, fingerprint(imageOf(size, [offset, 1])), `offset ${offset}`);
  });
});
