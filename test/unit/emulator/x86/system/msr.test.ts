import assert from 'node:assert/strict';
import * as layout from '../../../../../emulator/x86/layout';
import { cpuidLeaf } from '../../../../../emulator/x86/system/cpuid';
import { msrNames } from '../../../../../emulator/x86/system/msr';
import { context, execute, type FakeContext } from './fake-context';

const GP0 = '13(0)';
const APIC_BASE = 0x1b;
const MISC_ENABLE = 0x1a0;
const EFER = 0xc0000080;

function write(ctx: FakeContext, index: number, value: bigint): string | undefined {
  ctx.vcpu.setGpr(1, BigInt(index));
  ctx.vcpu.setGpr(0, value & 0xffffffffn);
  ctx.vcpu.setGpr(2, value >> 32n);
  return execute(ctx, 'wrmsr');
}
function read(ctx: FakeContext, index: number): bigint | string {
  ctx.vcpu.setGpr(1, BigInt(index));
  ctx.vcpu.setGpr(0, -1n & 0xffffffffffffffffn);
  ctx.vcpu.setGpr(2, -1n & 0xffffffffffffffffn);
  return execute(ctx, 'rdmsr') ?? (ctx.vcpu.gpr(2) << 32n) | ctx.vcpu.gpr(0);
}
const machine = (): FakeContext => {
  const ctx = context('long');
  ctx.vcpu.setU64(layout.MSR_PAT, 0x0007040600070406n);
  ctx.vcpu.setU64(layout.MSR_MISC_ENABLE, 0x1801n);
  ctx.apic.set(APIC_BASE, 0xfee00900n);
  ctx.apic.set(0x6e0, 0n);
  return ctx;
};

/** Registers that keep what is written: a value that is taken, and values that are #GP. */
const STORED: readonly (readonly [name: string, index: number, good: bigint, ...bad: bigint[]])[] = [
  ['IA32_APIC_BASE', APIC_BASE, 0xfee01900n, 1n << 46n],
  ['IA32_SYSENTER_CS', 0x174, 0x10n],
  ['IA32_SYSENTER_ESP', 0x175, 0xffff800000001000n, 1n << 47n],
  ['IA32_SYSENTER_EIP', 0x176, 0x00007ffffffff000n, 0xffff7fffffffffffn],
  ['IA32_MISC_ENABLE', MISC_ENABLE, 0x400401801n, 1n << 3n, 1n << 16n, 1n << 18n, 1n << 23n, 1n << 63n],
  ['IA32_DEBUGCTL', 0x1d9, 0n, 1n << 16n],
  ['IA32_MTRR_PHYSBASE0', 0x200, 0x3fffc0000006n, 0x0002n, 0x0007n, 0x0100n, 1n << 46n],
  ['IA32_MTRR_PHYSMASK7', 0x20f, 0x3ffff0000800n, 0x0001n, 0x0400n, 1n << 46n],
  ['IA32_MTRR_FIX_250', 0x250, 0x0606050401000606n, 0x02n, 0x0700000000000000n],
  ['IA32_MTRR_FIX_26f', 0x26f, 0x0505050505050505n, 0x0300n],
  ['IA32_PAT', 0x277, 0x0007010500070406n, 0x02n, 0x03n, 0x0800n, 0xff00000000000000n],
  ['IA32_MTRR_DEF_TYPE', 0x2ff, 0xc06n, 0x02n, 0x100n, 0x1000n],
  ['IA32_TSC_DEADLINE', 0x6e0, 0x123456789abcdef0n],
  ['IA32_STAR', 0xc0000081, 0xfedcba9876543210n],
  ['IA32_LSTAR', 0xc0000082, 0xffffffff81000000n, 1n << 63n],
  ['IA32_CSTAR', 0xc0000083, 0xffffffff81000000n, 1n << 47n],
  ['IA32_FMASK', 0xc0000084, 0x47700n, 1n << 32n],
  ['IA32_FS_BASE', 0xc0000100, 0x00007f0000000000n, 1n << 47n],
  ['IA32_GS_BASE', 0xc0000101, 0xffff888000000000n, 0x8000000000000000n],
  ['IA32_KERNEL_GS_BASE', 0xc0000102, 0xffff888000000000n, 0xfffe800000000000n],
  ['IA32_TSC_AUX', 0xc0000103, 0xffffffffn, 1n << 32n],
];
/** Registers that can't be written, and what they hold; those of 0 take 0 alone. */
const CONSTANT: readonly (readonly [name: string, index: number, value: bigint])[] = [
  ['IA32_PLATFORM_ID', 0x17, 0n],
  ['IA32_FEATURE_CONTROL', 0x3a, 1n],
  ['MSR_PLATFORM_INFO', 0xce, 0xa00n],
  ['IA32_MTRRCAP', 0xfe, 0x508n],
  ['IA32_MCG_CAP', 0x179, 0n],
];

describe('RDMSR and WRMSR', () => {
  for (const [name, index, good, ...bad] of STORED)
    it(`${name} keeps its value and refuses reserved bits`, () => {
      const ctx = machine();
      assert.equal(msrNames.get(index), name);
      assert.equal(write(ctx, index, good), undefined);
      assert.equal(read(ctx, index), good);
      for (const value of bad) assert.equal(write(ctx, index, value), GP0, value.toString(16));
      assert.equal(read(ctx, index), good, 'unchanged');
    });

  for (const [name, index, value] of CONSTANT)
    it(`${name} is read only`, () => {
      const ctx = machine();
      assert.equal(msrNames.get(index), name);
      assert.equal(read(ctx, index), value);
      assert.equal(write(ctx, index, value), GP0);
    });

  it('there is no register without a test', () => {
    const tested = new Set([...STORED, ...CONSTANT].map(([, index]) => index));
    const apart = [0x10, 0x8b, 0x10a, 0x17a, EFER];
    const fixed = [0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e];
    const variable = Array.from({ length: 14 }, (_, i) => 0x201 + i);
    assert.deepEqual(
      [...msrNames.keys()].filter((index) => ![...tested, ...apart, ...fixed, ...variable].includes(index)),
      [],
    );
    for (const index of [...fixed, ...variable]) {
      const ctx = machine();
      assert.equal(write(ctx, index, fixed.includes(index) ? 0x0606060606060606n : 0x80000n * 0x1000n), undefined, index.toString(16));
      assert.equal(write(ctx, index, 2n), GP0, index.toString(16));
    }
  });

  it('belong to privilege 0, and unknown ones are #GP', () => {
    const user = context('protected', 3);
    assert.deepEqual([read(user, 0x10), write(user, 0x10, 0n)], [GP0, GP0]);
    assert.equal(execute(user, 'rdpmc'), GP0);
    const ctx = machine();
    for (const index of [0, 0x1c, 0xc1, 0x1d8, 0x210, 0x480, 0x800, 0x8ff, 0xc0000104, 0xffffffff])
      assert.deepEqual([read(ctx, index), write(ctx, index, 0n)], [GP0, GP0], index.toString(16));
  });

  it('RDMSR clears the upper halves of RAX and RDX', () => {
    const ctx = machine();
    write(ctx, 0xc0000081, 0xfedcba9876543210n);
    assert.equal(read(ctx, 0xc0000081), 0xfedcba9876543210n);
    assert.deepEqual([ctx.vcpu.gpr(0), ctx.vcpu.gpr(2)], [0x76543210n, 0xfedcba98n]);
  });

  it('what software writes 0 to before reading holds 0', () => {
    const ctx = machine();
    for (const index of [0x8b, 0x17a]) assert.deepEqual([write(ctx, index, 0n), read(ctx, index), write(ctx, index, 8n)], [undefined, 0n, GP0]);
  });
});

describe('IA32_EFER', () => {
  it('LME stays while paging is on, LMA is the processor’s, other bits are reserved', () => {
    const ctx = machine();
    assert.equal(write(ctx, EFER, 0xd01n), undefined);
    assert.equal(ctx.flushes, 1, 'NXE changes what page tables mean');
    assert.equal(write(ctx, EFER, 0x801n), GP0, 'LME with paging');
    assert.equal(write(ctx, EFER, 0x901n), undefined);
    assert.equal(read(ctx, EFER), 0xd01n, 'LMA');
    for (const bit of [1, 9, 12, 14, 15, 63]) assert.equal(write(ctx, EFER, 0x500n | (1n << BigInt(bit))), GP0, `bit ${bit}`);
  });
});

describe('IA32_MISC_ENABLE', () => {
  it('says that there are no branch trace store and event sampling, whatever is written', () => {
    const ctx = machine();
    assert.equal(write(ctx, MISC_ENABLE, 0n), undefined);
    assert.equal(read(ctx, MISC_ENABLE), 0x1800n);
  });

  it('limits CPUID to leaf 2', () => {
    const ctx = machine();
    const highest = cpuidLeaf(ctx, 0, 0)[0];
    assert.ok(highest > 7);
    write(ctx, MISC_ENABLE, 0x401801n);
    assert.equal(cpuidLeaf(ctx, 0, 0)[0], 2);
    assert.deepEqual(cpuidLeaf(ctx, 7, 0), cpuidLeaf(ctx, 2, 0));
    assert.equal(cpuidLeaf(ctx, 0x80000000, 0)[0], 0x80000008);
  });

  it('takes execute-disable away', () => {
    const ctx = machine();
    assert.ok(cpuidLeaf(ctx, 0x80000001, 0)[3] & (1 << 20));
    write(ctx, MISC_ENABLE, 0x400001801n);
    assert.equal(cpuidLeaf(ctx, 0x80000001, 0)[3] & (1 << 20), 0);
    assert.equal(write(ctx, EFER, 0xd00n), GP0);
    assert.equal(write(ctx, EFER, 0x501n), undefined);
  });
});

describe('IA32_TIME_STAMP_COUNTER', () => {
  it('goes on from what is written', () => {
    const ctx = machine();
    ctx.ticks = 1000n;
    assert.equal(read(ctx, 0x10), 1000n);
    assert.equal(write(ctx, 0x10, 5n), undefined);
    ctx.ticks = 1010n;
    assert.equal(read(ctx, 0x10), 15n);
    write(ctx, 0x10, 0n);
    ctx.ticks = 1009n;
    assert.equal(read(ctx, 0x10), 0xffffffffffffffffn);
  });
});

describe('IA32_APIC_BASE and the APIC’s registers', () => {
  it('are the local APIC’s to refuse', () => {
    const ctx = machine();
    ctx.apic.delete(APIC_BASE);
    assert.deepEqual([read(ctx, APIC_BASE), write(ctx, APIC_BASE, 0xfee00900n)], [GP0, GP0]);
    ctx.apic.set(0x802, 7n);
    assert.equal(read(ctx, 0x802), 7n);
  });
});
