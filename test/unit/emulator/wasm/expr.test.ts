import assert from 'node:assert/strict';
import { Expr, i32, i64, i64c, select, type I64 } from '../../../../emulator/wasm/expr';
import { FunctionBuilder } from '../../../../emulator/wasm/function';
import { ModuleBuilder } from '../../../../emulator/wasm/module';

const MASK = i64c(0xffffffffn);
const unknown = (type: 'i32' | 'i64' = 'i64') => new Expr(type, [], [0x20], 0);
const word = i64.extendI32U(unknown('i32') as Expr<'i32'>);

/** What a function of one i64 gives. */
function evaluate(argument: bigint, build: (f: FunctionBuilder, x: I64) => I64): bigint {
  const module = new ModuleBuilder();
  const made = module.function('f', ['i64'], ['i64'], (f) => f.return(build(f, f.get(f.param(0, 'i64')))));
  module.export('f', made);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()));
  return (exports['f'] as (x: bigint) => bigint)(argument);
}

describe('expressions', () => {
  it('fold constants as WebAssembly calculates', () => {
    const cases: [string, I64, bigint][] = [
      ['add wraps', i64.add(i64c(0x7fffffffffffffffn), i64c(1)), -(1n << 63n)],
      ['mul wraps', i64.mul(i64c(1n << 63n), i64c(3)), -(1n << 63n)],
      ['shifts count modulo 64', i64.shl(i64c(1), i64c(65)), 2n],
      ['shr_u of a negative one', i64.shrU(i64c(-1), i64c(60)), 15n],
      ['shr_s of a negative one', i64.shrS(i64c(-16), i64c(2)), -4n],
      ['extend_i32_u', i64.extendI32U(i32.const(-1)), 0xffffffffn],
      ['extend_i32_s', i64.extendI32S(i32.const(-1)), -1n],
    ];
    for (const [name, { value }, expected] of cases) assert.equal(value, expected, name);
    assert.equal(i32.mul(i32.const(0x10001), i32.const(0x10001)).value, 0x20001);
    assert.equal(i32.shrU(i32.const(-1), i32.const(0)).value, -1);
    assert.equal(i32.add(i32.const(0x7fffffff), i32.const(1)).value, -0x80000000);
    assert.equal(i32.wrap(i64c(0x180000000n)).value, -0x80000000);
    const comparisons = [
      i64.eqz(i64c(0)),
      i64.eqz(i64c(4)),
      i64.eq(i64c(-1), i64c(-1)),
      i64.ne(i64c(-1), i64c(-1)),
      i32.eq(i32.const(1), i32.const(2)),
      i32.ne(i32.const(1), i32.const(2)),
    ];
    assert.deepEqual(
      comparisons.map(({ value }) => value),
      [1, 0, 1, 0, 0, 1],
    );
    assert.equal(i64.eq(unknown() as I64, i64c(0)).value, undefined);
  });

  it('encode constants of any size', () => {
    for (const value of [0n, -1n, 63n, 64n, 255n, 256n, -64n, -65n, 0x7fffffffn, 0x80000000n, 0xffffffffn, -(1n << 63n), (1n << 63n) - 1n])
      assert.equal(
        evaluate(0n, (_, x) => i64.add(x, i64c(value))),
        value,
      );
  });

  it('leave out operands that change nothing', () => {
    const x = unknown() as I64;
    for (const same of [i64.add(x, i64c(0)), i64.or(i64c(0), x), i64.and(x, i64c(-1)), i64.mul(i64c(1), x), i64.shl(x, i64c(0)), i64.sub(x, i64c(0))])
      assert.equal(same, x);
    assert.notEqual(i64.sub(i64c(0), x), x);
  });

  it('leave out masks of bits that are 0 already', () => {
    for (const narrow of [
      word,
      i64.load32U(i32.const(8)),
      i64.load8U(i32.const(8)),
      i64.shrU(word, i64c(3)),
      i64.or(word, i64c(7)),
      i64.and(unknown() as I64, word),
    ])
      if (narrow.bits <= 32) assert.equal(i64.and(narrow, MASK), narrow);
    assert.equal(word.bits, 32);
    assert.equal(i64.load16U(i32.const(8)).bits, 16);
    assert.equal(select(unknown('i32') as Expr<'i32'>, word, i64c(1)).bits, 32);
  });

  it('keep masks of bits that may be 1', () => {
    for (const wide of [
      i64.add(word, word),
      i64.shl(word, i64c(1)),
      i64.sub(word, i64c(1)),
      i64.mul(word, i64c(2)),
      i64.load32S(i32.const(8)),
      i64.xor(word, i64c(-1)),
      i64.rotl(word, i64c(1)),
    ])
      assert.notEqual(i64.and(wide, MASK), wide);
    // Not the lowest bits only.
    assert.notEqual(i64.and(word, i64c(0xfffffffen)), word);
    assert.notEqual(i64.and(word, i64c(0xffff)), word);
  });

  it('are evaluated once by `let`, whose value needs no other local', () => {
    const given = evaluate(5n, (f, x) => {
      const parameter = f.param(0, 'i64');
      const held = f.let(x);
      assert.equal(f.let(held), held);
      f.set(parameter, i64c(100));
      assert.notEqual(f.let(f.get(parameter)), f.get(parameter), 'a local that may change is copied');
      return i64.add(held, f.get(parameter));
    });
    assert.equal(given, 105n);
  });
});
