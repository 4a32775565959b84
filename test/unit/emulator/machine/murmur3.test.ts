import assert from 'node:assert/strict';
import { bytes, fields, group, list, queue, time, u16, u64, u8, initial } from '../../../../emulator/bus/fields';
import { copyState, Encoder } from '../../../../emulator/machine/encode';
import { hexDigits, murmur3 } from '../../../../emulator/machine/murmur3';

const of = (text: string, seed = 0): string => hexDigits(murmur3(new TextEncoder().encode(text), seed));

describe('MurmurHash3_x86_128', () => {
  // Values of the reference implementation (SMHasher, MurmurHash3_x86_128).
  it('agrees with the reference implementation', () => {
    assert.equal(of(''), '00000000000000000000000000000000');
    assert.equal(of('hello'), '2b2444a0db91def79adb31b69adb31b6');
    assert.equal(of('hello', 123), '137074698c971fb31dd3917b1dd3917b');
    assert.equal(of('The quick brown fox jumps over the lazy dog'), '2f1583c3ecee2c675d7bf66ce5e91d2c');
  });

  it('depends on every byte, the length and the seed', () => {
    const page = new Uint8Array(4096);
    const base = hexDigits(murmur3(page, 1));
    for (const at of [0, 1, 15, 16, 2047, 4095]) {
      page[at] = 1;
      assert.notEqual(hexDigits(murmur3(page, 1)), base, `byte ${at}`);
      page[at] = 0;
    }
    assert.notEqual(hexDigits(murmur3(page, 2)), base);
    assert.notEqual(hexDigits(murmur3(page.subarray(0, 4095), 1)), base);
  });

  it('does not depend on where the bytes lie', () => {
    const text = new TextEncoder().encode('the quick brown fox jumps over the lazy dog');
    const moved = new Uint8Array(text.length + 3);
    moved.set(text, 3);
    assert.deepEqual(murmur3(moved.subarray(3)), murmur3(text));
  });
});

describe('canonical encoding', () => {
  const table = fields({
    a: u8('a'),
    b: u16('b'),
    c: u64('c'),
    d: time('d'),
    e: bytes(2, 'e'),
    f: list(2, 'f', u8('item')),
    g: queue(4, 'g'),
    h: group('h', fields({ i: u8('i') })),
  });
  const encode = (state: ReturnType<typeof initial<typeof table>>): string => {
    const out = new Encoder();
    out.table(table, state as never);
    return Buffer.from(out.finish()).toString('hex');
  };

  it('tells states apart by any field', () => {
    const seen = new Set([encode(initial(table))]);
    const change = (by: (state: ReturnType<typeof initial<typeof table>>) => void): void => {
      const state = initial(table);
      by(state);
      const text = encode(state);
      assert.ok(!seen.has(text));
      seen.add(text);
    };
    change((s) => (s.a = 1));
    change((s) => (s.b = 1));
    change((s) => (s.c = 1n << 63n));
    change((s) => (s.d = 5));
    change((s) => (s.e[1] = 1));
    change((s) => (s.f[1] = 1));
    change((s) => s.g.push(0));
    change((s) => s.g.push(0, 0));
    change((s) => (s.h.i = 1));
  });

  it('copies share nothing', () => {
    const state = initial(table);
    const copy = copyState(table, state as never) as typeof state;
    state.e[0] = 9;
    state.f[0] = 9;
    state.g.push(9);
    state.h.i = 9;
    assert.equal(encode(copy), encode(initial(table)));
  });
});
