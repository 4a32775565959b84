import assert from 'node:assert/strict';
import { i32, i64, type I32, type I64 } from '../../../../emulator/wasm/expr';
import { ModuleBuilder } from '../../../../emulator/wasm/module';
import * as flags from '../../../../emulator/x86/flags';

type Order = (carry: number, zero: number) => bigint;

/** Functions of CF and ZF: the two values of `orderFlags`, and the sixteen conditions that they give. */
function orders(): { result: Order; carries: Order; conditions: Order } {
  const module = new ModuleBuilder();
  const define = (name: string, value: (carry: I32, zero: I32, hold: (v: I64) => I64) => I64): void =>
    module.export(
      name,
      module.function(name, ['i32', 'i32'], ['i64'], (f) => f.return(value(f.get(f.param(0, 'i32')), f.get(f.param(1, 'i32')), (v) => f.let(v)))),
    );
  define('result', (c, z, hold) => flags.orderFlags(c, z, hold).result);
  define('carries', (c, z, hold) => flags.orderFlags(c, z, hold).carries);
  module.export(
    'conditions',
    module.function('conditions', ['i32', 'i32'], ['i64'], (f) => {
      const { result, carries } = flags.orderFlags(f.get(f.param(0, 'i32')), f.get(f.param(1, 'i32')), (v) => f.let(v));
      const values = { result: f.let(result), carries: f.let(carries) };
      const bits = f.local('i32');
      f.set(bits, i32.const(0));
      for (let code = 0; code < 16; code++) f.set(bits, i32.or(f.get(bits), i32.shl(flags.condition(code, values), i32.const(code))));
      f.return(i64.extendI32U(f.get(bits)));
    }),
  );
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish())).exports as unknown as ReturnType<typeof orders>;
}

describe('flags of a comparison of floating-point numbers', () => {
  const { result, carries, conditions } = orders();
  for (const [carry, zero] of [
    [0, 0],
    [0, 1],
    [1, 0],
  ] as const)
    it(`CF ${carry}, ZF ${zero}`, () => {
      const wanted = (carry ? flags.CF : 0n) | (zero ? flags.ZF : 0n);
      const pair = [result(carry, zero), BigInt.asUintN(64, carries(carry, zero))] as const;
      assert.equal(flags.toRflags(...pair), wanted);
      assert.deepEqual(flags.fromRflags(wanted), { result: pair[0], carries: pair[1] }, 'as RFLAGS are unpacked');
      const expected = [0, 1, carry, 1 - carry, zero, 1 - zero, carry | zero, 1 - (carry | zero), 0, 1, 0, 1, 0, 1, zero, 1 - zero];
      assert.deepEqual(
        Array.from({ length: 16 }, (_, code) => Number((conditions(carry, zero) >> BigInt(code)) & 1n)),
        expected,
      );
    });
});
