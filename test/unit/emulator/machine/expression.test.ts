import assert from 'node:assert/strict';
import { EmulatorError } from '../../../../emulator/errors';
import { compile, compileLog, type ExpressionContext } from '../../../../emulator/machine/expression';

const registers: Record<string, bigint> = { rax: 5n, rbx: 0xffffffffffffffffn, 'cs.base': 0x1000n };
const context: ExpressionContext = {
  register: (name) => registers[name],
  memory: (space, address, size) => (address >= 0x9000n ? undefined : address + (space === 'physical' ? 0x100000n : 0n) + BigInt(size)),
};
const value = (text: string): bigint | undefined => compile(text)(context);

describe('conditions of triggers', () => {
  for (const [text, wanted] of [
    ['1 + 2 * 3', 7n],
    ['(1 + 2) * 3', 9n],
    ['10 - 2 - 3', 5n],
    ['rax == 5 && rbx > 1', 1n],
    ['rax == 4 || rax == 6', 0n],
    ['0xff & ~0xf', 0xf0n],
    ['-1', 0xffffffffffffffffn],
    ['!rax', 0n],
    ['rbx + 1', 0n],
    ['1 << 63 >> 62', 2n],
    ['1 << 64', 0n],
    ['7 % 4 | 8', 11n],
    ['rax ? 10 : 20', 10n],
    ['0 ? 1 : 0 ? 2 : 3', 3n],
    ['cs.base + rax', 0x1005n],
    ['u32[0x10]', 0x14n],
    ['u32[phys:rax]', 0x100009n],
    ['(i8)(0x80)', 0xffffffffffffff80n],
    ['(u16)(rbx)', 0xffffn],
    ['i8[0x7f]', 0xffffffffffffff80n],
    ['u64[u64[8]]', 0x18n],
    ['1_000', 1000n],
  ] as const) {
    it(`${text} is ${wanted}`, () => assert.equal(value(text), wanted));
  }

  it('has no value where memory or a register is missing, or a divisor is zero', () => {
    assert.equal(value('u8[0x9000]'), undefined);
    assert.equal(value('nothing + 1'), undefined);
    assert.equal(value('1 / (rax - 5)'), undefined);
    assert.equal(value('rax || u8[0x9000]'), 1n, 'what decides comes first');
  });

  for (const bad of ['', '1 +', '(1', '1 2', 'u32[1', '1 ? 2', '@', 'rax = 1', `${'('.repeat(500)}1${')'.repeat(500)}`]) {
    it(`refuses '${bad.slice(0, 12)}'`, () =>
      assert.throws(
        () => compile(bad),
        (error: unknown) => error instanceof EmulatorError && error.blame === 'user',
      ));
  }

  it('fills the expressions of log messages in', () => {
    assert.equal(compileLog('rax={rax}, gone={u8[0x9000]}!')(context), 'rax=0x5, gone=?!');
  });
});
