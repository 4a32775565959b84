/** Each choice of the table, by an example: what our engine does, what the model says, and what this processor does. */
import assert from 'node:assert/strict';
import { parseEncoding, type Encoding } from '../../emulator/x86/definition';
import { instructions } from '../../emulator/x86/isa';
import { differences } from './compare';
import { defaultFx, FX } from './fxstate';
import { after as undefinedAfter, type GeneratedCase } from './generate';
import { hostVendor, throttlesSplitLocks } from './hostcpu';
import { CODE, DATA, PAGE, STACK } from './layout';
import { Oracle, oracleUnavailable } from './oracle';
import { Random } from './random';
import { onlyVendorChoices } from './stepwise';
import { Subject } from './subject';
import { memoryImage } from './values';
import { asIntel, VENDOR_CHOICES, type VendorChoice } from './vendors';
import { judge } from './verdict';

const NOTHING = { rflags: 0, status: 0 };
const [RAX, RCX, RDX, RBX, RSP, RDI] = [0, 1, 2, 3, 4, 7];
/** Where the pages end that may be written. */
const WRITABLE_END = DATA + 2 * PAGE;
const UNMAPPED = 0x40000000;
const IMAGE = memoryImage(new Random(1));
const ALIGNMENT = 0x40000;

function encoding(name: string, start: string): Encoding {
  for (const definition of instructions.filter((one) => one.name === name)) {
    const text = definition.encodings.find((one) => one.startsWith(start));
    if (text) return parseEncoding(definition, text);
  }
  throw new Error(`no ${name} ${start}`);
}

interface Example {
  /** Beginning of the choice's name. */
  readonly choice: string;
  readonly definition: readonly [name: string, encoding: string];
  readonly mode?: 32 | 64;
  readonly code: string;
  readonly codeOffset?: number;
  readonly registers?: Readonly<Record<number, number | bigint>>;
  readonly rflags?: number;
  readonly fx?: (view: DataView) => void;
  /** Differences between AMD's (as the processor) and Intel's, without their values. */
  readonly differ: readonly string[];
}

const EXAMPLES: readonly Example[] = [
  { choice: 'PUSH of a segment', definition: ['pushss', '16'], mode: 32, code: '16', differ: ['memory'] },
  // The slot's upper half is beyond the stack.
  { choice: 'PUSH of a segment', definition: ['pushds', '1E'], mode: 32, code: '1e', registers: { [RSP]: STACK + 2 * PAGE + 2 }, differ: ['vector', 'rip'] },
  { choice: 'MOVUPS', definition: ['movdqu', 'F3 0F 6F'], code: 'f3 0f 6f 03', registers: { [RBX]: DATA + 1 }, rflags: ALIGNMENT, differ: ['vector', 'rip'] },
  {
    ...{ choice: 'MOVD', definition: ['movq', 'NP 0F 7F'], code: '0f 7f 03', registers: { [RBX]: UNMAPPED } },
    fx: (view) => view.setUint16(FX.fsw, 3 << 11, true),
    differ: ['fsw'],
  },
  { choice: 'RCL', definition: ['rcl', 'C0 /2'], code: 'c0 d0 09', registers: { [RAX]: 0x80 }, differ: ['rflags'] },
  {
    ...{ choice: 'MOVS,', definition: ['stos', 'AA'], code: '67 f3 aa', registers: { [RCX]: 1n << 40n, [RDI]: (1n << 32n) | BigInt(DATA) } },
    differ: ['rcx', 'rdi'],
  },
  {
    ...{ choice: 'CMPS', definition: ['scas', 'AE'], code: 'f2 ae', rflags: 0x901, differ: ['rflags'] },
    registers: { [RCX]: 5, [RDI]: DATA, [RAX]: IMAGE.data[0]! ^ 1 },
  },
  { choice: 'FSTP m80', definition: ['fstpx', 'DB /7'], code: 'db 3b', registers: { [RBX]: WRITABLE_END - 8 }, fx: full, differ: ['memory'] },
  { choice: 'FSTP m80', definition: ['fbstp', 'DF /6'], code: 'df 33', registers: { [RBX]: WRITABLE_END - 9 }, fx: full, differ: ['memory'] },
  {
    ...{ choice: 'DPPS', definition: ['dpps', '66 0F 3A 40'], code: '66 0f 3a 40 c1 ff', differ: ['xmm0 low', 'xmm0 high'] },
    fx: (view) => [1, 2, 3, 4].forEach((nan, i) => view.setUint32(FX.xmm + 4 * i, 0x7fc00000 + nan, true)),
  },
  {
    ...{ choice: 'DPPS', definition: ['dppd', '66 0F 3A 41'], code: '66 0f 3a 41 c1 ff', differ: ['xmm0 high'] },
    fx: (view) => [1n, 2n].forEach((nan, i) => view.setBigUint64(FX.xmm + 8 * i, (0x7ff8n << 48n) + nan, true)),
  },
  // The last register, which nothing comes after.
  {
    ...{ choice: 'DPPS', definition: ['dppd', '66 0F 3A 41'], code: '66 45 0f 3a 41 ff ff', differ: ['xmm15 high'] },
    fx: (view) => [1n, 2n].forEach((nan, i) => view.setBigUint64(FX.xmm + 16 * 15 + 8 * i, (0x7ff8n << 48n) + nan, true)),
  },
  // At the end of the code page: a page fault ends the case, not int3.
  {
    ...{ choice: 'DPPS', definition: ['dpps', '66 0F 3A 40'], code: '26 66 41 0f 3a 40 ee ff', codeOffset: PAGE - 8, differ: ['xmm5 low', 'xmm5 high'] },
    fx: (view) => {
      view.setBigUint64(FX.xmm + 16 * 5, 0x761c1123n, true);
      view.setBigUint64(FX.xmm + 16 * 5 + 8, 0xffffffffffffff7fn, true);
      view.setBigUint64(FX.xmm + 16 * 14, 0x7fefffffffffffffn, true);
      view.setBigUint64(FX.xmm + 16 * 14 + 8, 0xffffffffffffffffn, true);
    },
  },
  {
    ...{ choice: 'FST, FSTP', definition: ['fistp', 'DB /3'], code: 'db 1b', registers: { [RBX]: UNMAPPED }, differ: ['vector', 'rip'] },
    fx: (view) => view.setUint16(FX.fcw, 0x37e, true), // an empty stack, IM clear
  },
  { choice: 'MOVSXD', definition: ['movsxd', '63'], code: '66 63 03', registers: { [RBX]: DATA + 3 * PAGE - 2 }, differ: ['vector', 'rip'] },
  {
    ...{ choice: 'BOUND', definition: ['bound', '62'], mode: 32, code: '62 03', differ: ['vector'] },
    registers: { [RBX]: DATA + 3 * PAGE - 4, [RAX]: 0x80000000 },
  },
  { choice: 'operands that', definition: ['push', '50+r'], mode: 32, code: '50', registers: { [RSP]: 2 }, differ: ['vector'] },
];

function full(view: DataView): void {
  view.setUint8(FX.ftw, 0xff);
  view.setBigUint64(FX.st, 0xc90fdaa22168c235n, true);
  view.setUint16(FX.st + 8, 0x4030, true);
}

function caseOf({ definition, mode = 64, code, codeOffset = 0, registers = {}, rflags = 2, fx }: Example): GeneratedCase {
  const bytes = Uint8Array.from(Buffer.from(code.replace(/ /g, ''), 'hex'));
  const verdict = judge(bytes, mode, BigInt(CODE + codeOffset));
  const all = new BigUint64Array(16);
  all[RSP] = BigInt(STACK + PAGE);
  for (const [index, value] of Object.entries(registers)) all[Number(index)] = BigInt(value);
  const state = defaultFx();
  fx?.(new DataView(state.buffer));
  return {
    ...{ mode, code: bytes, codeOffset, registers: all, rflags: rflags | 2, fsBase: 0n, gsBase: 0n, fx: state, patches: [] },
    ...{ instructions: [{ encoding: encoding(...definition), bytes, verdict, undefinedBefore: NOTHING }] },
    ...{ undefinedAfter: undefinedAfter(NOTHING, verdict), seed: 0, index: 0 },
  };
}

describe('choices of vendors', () => {
  let subject: Subject;
  let oracle: Oracle | undefined;
  let vendor = '';
  before(async () => {
    subject = await Subject.start();
    subject.setMemory(IMAGE.data, IMAGE.stack);
    if (oracleUnavailable()) return;
    oracle = await Oracle.start();
    oracle.setMemory(IMAGE.data, IMAGE.stack);
    vendor = hostVendor(oracle.cpuid);
  });
  after(() => oracle?.stop());

  it('all have an example', () => {
    const without = VENDOR_CHOICES.filter(({ instructions: name }) => !EXAMPLES.some(({ choice }) => name.startsWith(choice)));
    assert.deepEqual(without, []);
  });

  for (const example of EXAMPLES) {
    const choices = VENDOR_CHOICES.filter(({ instructions: name }) => name.startsWith(example.choice));
    it(`${choices[0]?.instructions}: ${example.code}`, async () => {
      assert.equal(choices.length, 1);
      const choice: VendorChoice = choices[0]!;
      const one = caseOf(example);
      const ours = subject.run(one);
      const models = asIntel(choice, { one, image: IMAGE, run: (other) => subject.run(other) }, ours);
      assert.ok(models.length > 0);
      for (const model of models) {
        const found = differences(one, ours, model).map((text) => text.replace(/(:| at ).*/, ''));
        assert.deepEqual(
          found.filter((text) => !/^st\d/.test(text)),
          example.differ,
        );
      }
      const [native] = oracle ? await oracle.run([one]) : [];
      if (!native || !oracle) return;
      if (vendor === 'AuthenticAMD') assert.deepEqual(differences(one, native, ours), []);
      if (vendor !== 'GenuineIntel') return;
      const misses = models.map((model) => differences(one, native, model));
      assert.ok(
        misses.some(({ length }) => length === 0),
        misses[0]!.join('\n'),
      );
      assert.ok(await onlyVendorChoices(one, native, oracle, subject, IMAGE));
      const wrong = {
        setMemory: subject.setMemory.bind(subject),
        run: (other: GeneratedCase) => ({ ...subject.run(other), registers: subject.run(other).registers.map((value, i) => (i === RDX ? value ^ 1n : value)) }),
      };
      assert.equal(await onlyVendorChoices(one, native, oracle, wrong, IMAGE), false, 'another register is wrong');
    });
  }

  it('AMD: split locks are asked for', () => {
    const leaf = (number: number, subleaf: number, rest: Partial<Record<'eax' | 'ebx' | 'ecx' | 'edx', number>>) => ({
      ...{ leaf: number, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0 },
      ...rest,
    });
    const named = (name: string) => {
      const word = (at: number): number => Buffer.from(name).readUInt32LE(at);
      return [leaf(0, 0, { ebx: word(0), edx: word(4), ecx: word(8) }), leaf(7, 0, { ecx: 1 << 24 })];
    };
    assert.equal(throttlesSplitLocks(named('AuthenticAMD')), false);
    assert.equal(throttlesSplitLocks(named('GenuineIntel')), true);
  });
});
