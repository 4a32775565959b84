import assert from 'node:assert/strict';
import * as layout from '../../../../../emulator/x86/layout';
import { context, execute, type FakeContext, gpr } from './fake-context';

const CF = 0x1;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;

function prepared(ax: number, flags: number, ctx = context('protected')): FakeContext {
  ctx.vcpu.setGpr(0, 0xabcd0000n | BigInt(ax));
  ctx.vcpu.rflags = BigInt(flags | 2);
  return ctx;
}

const shared = context('protected');

/** AX and those flags that the manual defines, after an instruction. */
function run(name: string, ax: number, flags: number, defined: number, immediate = 10): readonly [ax: number, flags: number] {
  const ctx = prepared(ax, flags, shared);
  assert.equal(execute(ctx, name, { immediate: BigInt(immediate) }), undefined);
  assert.equal(ctx.vcpu.gpr(0) >> 16n, 0xabcdn, 'the upper half of EAX stays');
  return [Number(ctx.vcpu.gpr(0) & 0xffffn), Number(ctx.vcpu.rflags) & defined];
}

/** Sums and differences of packed decimal numbers, by the definition of decimal arithmetic. */
const bcd = (value: number): number => ((Math.floor(value / 10) % 10) << 4) | (value % 10);

describe('decimal arithmetic', () => {
  const decimal = CF | PF | AF | ZF | SF;
  // Manual, vol. 2: 79h + 35h, the example of DAA; then edges.
  const DAA: readonly (readonly [al: number, flags: number, result: number, after: number])[] = [
    [0xae, 0, 0x14, CF | AF | PF],
    [0x00, 0, 0x00, ZF | PF],
    [0x09, 0, 0x09, PF],
    [0x0a, 0, 0x10, AF],
    [0x99, 0, 0x99, PF | SF],
    [0x9a, 0, 0x00, CF | AF | ZF | PF],
    [0xa0, 0, 0x00, CF | ZF | PF],
    [0x12, CF, 0x72, CF | PF],
    [0x12, AF, 0x18, AF | PF],
    [0x32, CF | AF, 0x98, CF | AF | SF],
  ];
  for (const [al, flags, result, after] of DAA)
    it(`DAA of ${al.toString(16)} with flags ${flags.toString(16)}`, () => assert.deepEqual(run('daa', 0x5500 | al, flags, decimal), [0x5500 | result, after]));

  // Manual: 35h - 47h = EEh with CF and AF, the example of DAS.
  const DAS: typeof DAA = [
    [0xee, CF | AF, 0x88, CF | AF | PF | SF],
    [0x00, 0, 0x00, ZF | PF],
    [0x0a, 0, 0x04, AF],
    [0x9a, 0, 0x34, CF | AF],
    [0xa0, 0, 0x40, CF],
    [0x05, AF, 0xff, CF | AF | PF | SF],
    [0x72, CF, 0x12, CF | PF],
  ];
  for (const [al, flags, result, after] of DAS)
    it(`DAS of ${al.toString(16)} with flags ${flags.toString(16)}`, () => assert.deepEqual(run('das', 0x5500 | al, flags, decimal), [0x5500 | result, after]));

  it('DAA corrects every sum, DAS every difference of two packed numbers', () => {
    for (let a = 0; a < 100; a++)
      for (let b = 0; b < 100; b++) {
        const half = (bcd(a) & 15) + (bcd(b) & 15) > 15 ? AF : 0;
        const sum = bcd(a) + bcd(b);
        assert.deepEqual(run('daa', sum & 0xff, half | (sum > 0xff ? CF : 0), CF), [bcd((a + b) % 100), a + b > 99 ? CF : 0], `${a} + ${b}`);
        const borrow = (bcd(a) & 15) < (bcd(b) & 15) ? AF : 0;
        const difference = bcd(a) - bcd(b);
        assert.deepEqual(run('das', difference & 0xff, borrow | (difference < 0 ? CF : 0), CF), [bcd((a - b + 100) % 100), a < b ? CF : 0], `${a} - ${b}`);
      }
  });

  const unpacked = CF | AF;
  it('AAA corrects AL and carries into AH', () => {
    assert.deepEqual(run('aaa', 0x0005, 0, unpacked), [0x0005, 0]);
    assert.deepEqual(run('aaa', 0x0035, 0, unpacked), [0x0005, 0], 'the high digit goes');
    assert.deepEqual(run('aaa', 0x000c, 0, unpacked), [0x0102, CF | AF]);
    assert.deepEqual(run('aaa', 0x0102, AF, unpacked), [0x0208, CF | AF]);
    assert.deepEqual(run('aaa', 0xff0f, CF, unpacked), [0x0005, CF | AF]);
    assert.deepEqual(run('aaa', 0x00fa, 0, unpacked), [0x0200, CF | AF], 'AX + 106h, not AL + 6 alone');
    assert.deepEqual(run('aaa', 0x0003, CF, unpacked), [0x0003, 0], 'CF alone corrects nothing');
  });

  it('AAS corrects AL and borrows from AH', () => {
    assert.deepEqual(run('aas', 0x0205, 0, unpacked), [0x0205, 0]);
    assert.deepEqual(run('aas', 0x02fc, AF, unpacked), [0x0106, CF | AF]);
    assert.deepEqual(run('aas', 0x000f, 0, unpacked), [0xff09, CF | AF]);
    assert.deepEqual(run('aas', 0x0203, AF, unpacked), [0x000d, CF | AF], 'AX - 106h borrows out of AL as well');
  });

  const divided = PF | ZF | SF;
  it('AAM splits AL into digits of any base', () => {
    assert.deepEqual(run('aam', 0x123f, 0, divided), [0x0603, PF]);
    assert.deepEqual(run('aam', 0x0064, 0, divided), [0x0a00, PF | ZF]);
    assert.deepEqual(run('aam', 0x00ff, 0, divided, 16), [0x0f0f, PF]);
    assert.deepEqual(run('aam', 0x0090, 0, divided, 0xff), [0x0090, PF | SF]);
  });

  it('AAM by 0 is a divide error that changes nothing', () => {
    const ctx = prepared(0x1234, CF);
    assert.equal(execute(ctx, 'aam', { immediate: 0n }), '0');
    assert.equal(ctx.vcpu.gpr(0), 0xabcd1234n);
  });

  it('AAD joins digits of any base', () => {
    assert.deepEqual(run('aad', 0x0603, 0, divided), [0x003f, PF]);
    assert.deepEqual(run('aad', 0x0a00, 0, divided), [0x0064, 0]);
    assert.deepEqual(run('aad', 0x0f0f, 0, divided, 16), [0x00ff, PF | SF]);
    assert.deepEqual(run('aad', 0x1000, 0, divided, 16), [0x0000, PF | ZF], 'in 8 bits');
  });

  it('SALC spreads the carry', () => {
    assert.deepEqual(run('salc', 0x1234, CF, CF), [0x12ff, CF]);
    assert.deepEqual(run('salc', 0x1234, 0, CF), [0x1200, 0]);
  });
});

describe('BOUND', () => {
  const run = (index: number, size: 2 | 4) => {
    const ctx = context('protected');
    ctx.vcpu.setGpr(3, BigInt(index >>> 0));
    ctx.write(0x4000n, size, BigInt.asUintN(32, -5n));
    ctx.write(BigInt(0x4000 + size), size, 7n);
    return execute(ctx, 'bound', { size, places: [gpr(3)], memory: 0x4000 });
  };
  it('compares signed, bounds included', () => {
    for (const size of [2, 4] as const)
      assert.deepEqual(
        [-5, 0, 7, -6, 8].map((index) => run(index, size)),
        [undefined, undefined, undefined, '5', '5'],
      );
  });
});

describe('PUSHA and POPA', () => {
  it('keep eight registers; ESP as it was before, and is not loaded', () => {
    const ctx = context('protected');
    const { vcpu } = ctx;
    for (let i = 0; i < 8; i++) if (i !== 4) vcpu.setGpr(i, BigInt(0x1111 * (i + 1)));
    assert.equal(execute(ctx, 'pusha'), undefined);
    assert.equal(vcpu.gpr(4), 0x8000n - 32n);
    assert.equal(ctx.read(0x8000n - 20n, 4), 0x8000n);
    for (let i = 0; i < 8; i++) if (i !== 4) vcpu.setGpr(i, 0n);
    assert.equal(execute(ctx, 'popa'), undefined);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((i) => vcpu.gpr(i)),
      [0x1111n, 0x2222n, 0x3333n, 0x4444n, 0x8000n, 0x6666n, 0x7777n, 0x8888n],
    );
  });
});

describe('ENTER', () => {
  it('copies the frame pointers of outer levels', () => {
    const ctx = context('protected');
    const { vcpu } = ctx;
    vcpu.setGpr(5, 0x7000n);
    ctx.write(0x6ffcn, 4, 0xaaaan);
    ctx.write(0x6ff8n, 4, 0xbbbbn);
    assert.equal(execute(ctx, 'enter', { immediate: 0x20n | (3n << 16n) }), undefined);
    assert.equal(vcpu.gpr(5), 0x7ffcn);
    assert.equal(vcpu.gpr(4), 0x8000n - 16n - 0x20n);
    assert.deepEqual(
      [1, 2, 3, 4].map((n) => ctx.read(BigInt(0x8000 - 4 * n), 4)),
      [0x7000n, 0xaaaan, 0xbbbbn, 0x7ffcn],
    );
  });

  it('changes nothing where the new top of the stack is not there', () => {
    const ctx = context('protected');
    ctx.absent.add(6);
    ctx.vcpu.setU64(layout.GPR + 5 * 8, 0x1234n);
    assert.equal(execute(ctx, 'enter', { immediate: 0x1800n }), '14(2)');
    assert.deepEqual([ctx.vcpu.gpr(4), ctx.vcpu.gpr(5)], [0x8000n, 0x1234n]);
  });
});
