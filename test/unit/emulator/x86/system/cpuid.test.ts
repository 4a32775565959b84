import assert from 'node:assert/strict';
import { instructions } from '../../../../../emulator/x86/isa';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, DATA } from '../../engine/bare';

const names = new Set(instructions.map(({ name }) => name));

/** Advertised features and an instruction that each stands for: leaf, register (eax ebx ecx edx), bit. */
const FEATURES: readonly (readonly [feature: string, leaf: number, register: 0 | 3 | 1 | 2, bit: number, instruction: string])[] = [
  ['TSC', 1, 2, 4, 'rdtsc'],
  ['MSR', 1, 2, 5, 'rdmsr'],
  ['CX8', 1, 2, 8, 'cmpxchg8b'],
  ['SEP', 1, 2, 11, 'sysenter'],
  ['CMOV', 1, 2, 15, 'cmovz'],
  ['CLFSH', 1, 2, 19, 'clflush'],
  ['MMX', 1, 2, 23, 'emms'],
  ['FXSR', 1, 2, 24, 'fxsave'],
  ['SSE', 1, 2, 25, 'addps'],
  ['SSE2', 1, 2, 26, 'addpd'],
  ['SSE3', 1, 1, 0, 'addsubps'],
  ['SSSE3', 1, 1, 9, 'pshufb'],
  ['CX16', 1, 1, 13, 'cmpxchg16b'],
  ['SSE4.1', 1, 1, 19, 'ptest'],
  ['SSE4.2', 1, 1, 20, 'pcmpistri'],
  ['POPCNT', 1, 1, 23, 'popcnt'],
  ['XSAVE', 1, 1, 26, 'xsave'],
  ['FSGSBASE', 7, 3, 0, 'rdfsbase'],
  ['INVPCID', 7, 3, 10, 'invpcid'],
  ['SMAP', 7, 3, 20, 'clac'],
  ['RDTSCP', 0x80000001, 2, 27, 'rdtscp'],
  ['SYSCALL', 0x80000001, 2, 11, 'syscall'],
  ['LAHF', 0x80000001, 1, 0, 'lahf'],
];
/** What is not there must not be advertised. */
const ABSENT: readonly (readonly [feature: string, leaf: number, register: 0 | 3 | 1 | 2, bit: number])[] = [
  ['PCLMULQDQ', 1, 1, 1],
  ['MONITOR', 1, 1, 3],
  ['VMX', 1, 1, 5],
  ['FMA', 1, 1, 12],
  ['PCID', 1, 1, 17],
  ['MOVBE', 1, 1, 22],
  ['AES', 1, 1, 25],
  ['AVX', 1, 1, 28],
  ['RDRAND', 1, 1, 30],
  ['BMI1', 7, 3, 3],
  ['AVX2', 7, 3, 5],
  ['RDSEED', 7, 3, 18],
  ['SHA', 7, 3, 29],
];

describe('CPUID', () => {
  const leaf = async (number: number): Promise<bigint[]> => {
    const engine = await bareEngine('0f a2');
    engine.vcpu.setGpr(0, BigInt(number));
    engine.run(1);
    return [0, 1, 2, 3].map((register) => engine.vcpu.gpr(register));
  };
  const has = async (number: number, register: number, bit: number): Promise<boolean> => (((await leaf(number))[register]! >> BigInt(bit)) & 1n) === 1n;

  for (const [feature, number, register, bit, instruction] of FEATURES)
    it(`advertises ${feature}, and ${instruction} exists`, async () => {
      assert.ok(await has(number, register, bit));
      assert.ok(names.has(instruction), instruction);
    });

  it('does not advertise what is not there', async () => {
    for (const [feature, number, register, bit] of ABSENT) assert.equal(await has(number, register, bit), false, feature);
  });

  it('XSAVE and XRSTOR bring the x87 and SSE state back', async () => {
    // xsave [rdi]; fld1; pxor xmm1, xmm1; xrstor [rdi]
    const engine = await bareEngine('0f ae 27  d9 e8  66 0f ef c9  0f ae 2f');
    const { vcpu } = engine;
    vcpu.setU64(layout.CR4, vcpu.cr4 | (1n << 18n));
    vcpu.setU64(layout.XCR0, 3n);
    vcpu.setGpr(0, 3n);
    vcpu.setGpr(7, BigInt(DATA));
    vcpu.setU64(layout.XMM + 16, 0x1122334455667788n);
    engine.modeChanged();
    engine.run(3);
    assert.deepEqual([vcpu.u64(layout.XMM + 16), vcpu.view.getUint8(layout.FPU_TAGS)], [0n, 0x80]);
    engine.run(1);
    assert.deepEqual([vcpu.u64(layout.XMM + 16), vcpu.view.getUint8(layout.FPU_TAGS)], [0x1122334455667788n, 0]);
  });
});
